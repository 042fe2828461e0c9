"""The policies `identity` and `identity-guard`: the API server stamps who wrote each object.

Each stamp has the uid of the binding, which is the parameter of its own policy. No user can know it before the API
server stamps, so a stamp with the uid of the binding that exists is true.

A write through the subresource scale shows the API server no annotations of the object, so the stamps stay: the
generation in them tells that they are not about the newest spec.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from outfitter.api.v1alpha1 import DERIVED_KINDS, GROUP
from outfitter.api.v1alpha1.inputs import GROUP_SIZE, NOT_INPUTS
from outfitter.codegen.admission.exempt import operator_on_demand
from outfitter.codegen.admission.presence import has_value
from outfitter.naming import (
    ANNOTATION_AUTHORED_BY,
    ANNOTATION_AUTHORED_UNDER,
    ANNOTATION_CREATED_BY,
    ANNOTATION_CREATED_UNDER,
    ANNOTATION_RUN_AS,
    ANNOTATION_UPDATED_BY,
    ANNOTATION_UPDATED_UNDER,
)

EXTRA_KEYS: Final[Mapping[str, str]] = {name: f"IDENTITY-KEY-{name.upper()}" for name in ANNOTATION_RUN_AS}
"""Placeholder for the key in the extra fields of a login that holds each id; the chart replaces it."""

_CREATED: Final = (ANNOTATION_CREATED_BY, ANNOTATION_CREATED_UNDER)
_UPDATED: Final = (ANNOTATION_UPDATED_BY, ANNOTATION_UPDATED_UNDER)
_AUTHORED: Final = (ANNOTATION_AUTHORED_BY, ANNOTATION_AUTHORED_UNDER, *ANNOTATION_RUN_AS.values())
_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {"created": _CREATED, "updated": _UPDATED, "authored": _AUTHORED}
"""The stamps that are renewed together, by the variable that says when."""
STAMPS: Final = (*_CREATED, *_UPDATED, *_AUTHORED)
_CREATES: Final = "request.operation == 'CREATE'"


def policy_spec() -> dict[str, Any]:
    """Return the spec of the MutatingAdmissionPolicy: it sets the stamps, and undoes what a request does to them."""
    escaped = "'/metadata/annotations/' + jsonpatch.escapeKey(k)"
    removed = "variables.keys.filter(k, k in variables.given && variables.stamps[k] == '')"
    changed = (
        "variables.keys.filter(k, variables.stamps[k] != '' && "
        "!(k in variables.given && variables.given[k] == variables.stamps[k]))"
    )
    none = "!has(object.metadata.annotations) && variables.keys.exists(k, variables.stamps[k] != '')"
    return {
        "failurePolicy": "Fail",
        "paramKind": {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding"},
        "reinvocationPolicy": "IfNeeded",  # another policy may change the spec later
        "matchConstraints": _every_kind("CREATE", "UPDATE"),
        "matchConditions": [_written_by_users(), _not_on_demand()],
        "variables": [
            *_variables(),
            {"name": "stamps", "expression": _map(_stamps())},
            {"name": "keys", "expression": f"{list(STAMPS)}"},
        ],
        "mutations": [
            {
                "patchType": "JSONPatch",
                "jsonPatch": {
                    "expression": f"({none} ? "
                    "[JSONPatch{op: 'add', path: '/metadata/annotations', value: {}}] : []) + "
                    f"{removed}.map(k, JSONPatch{{op: 'remove', path: {escaped}}}) + "
                    f"{changed}.map(k, JSONPatch{{op: 'add', path: {escaped}, value: variables.stamps[k]}})"
                },
            }
        ],
    }


def guard_spec() -> dict[str, Any]:
    """Return the spec of the ValidatingAdmissionPolicy: a stamp names its writer, or stays as it was.

    It says nothing about the binding, nor about which field of the login an id is from: two pairs of policies in one
    cluster refuse no honest write.
    """
    ids = " && ".join(
        f"({_text('given', name)} == '' || variables.logins.exists(v, v == variables.given['{name}']))"
        for name in ANNOTATION_RUN_AS.values()
    )
    return {
        "failurePolicy": "Fail",
        "matchConstraints": _every_kind("CREATE", "UPDATE"),
        "matchConditions": [_written_by_users()],
        "variables": [
            *_variables(),
            {"name": "logins", "expression": "variables.extra.map(k, variables.extra[k].join(','))"},
        ],
        "validations": [
            _guarded("created", ANNOTATION_CREATED_BY),
            _guarded("updated", ANNOTATION_UPDATED_BY),
            _guarded("authored", ANNOTATION_AUTHORED_BY, ids),
        ],
    }


def _guarded(group: str, by: str, more: str = "true") -> dict[str, Any]:
    """The stamps of a group stay as they were, or are renewed when they may be, with the name of the writer."""
    names = _GROUPS[group]
    stays = " && ".join(f"{_text('given', name)} == variables.stored['{name}']" for name in names)
    renewed = f"variables.{group} && {_text('given', by)} == request.userInfo.username && {more}"
    return _refuse(f"({stays}) || ({renewed})", [name for name in names if "run-as" not in name])


def _every_kind(*operations: str) -> dict[str, Any]:
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": ["*"],  # also those of a later version
    }
    return {"resourceRules": [rule]}


def _written_by_users() -> dict[str, Any]:
    derived = [kind.plural for kind in DERIVED_KINDS]
    return {"name": "written-by-users", "expression": f"!(request.resource.resource in {derived})"}


def _not_on_demand() -> dict[str, Any]:
    return {"name": "not-made-by-the-operator", "expression": f"!({operator_on_demand()})"}


def _variables() -> Iterator[dict[str, Any]]:
    """Variables: what is written of an object, the stamps in the request and those in store.

    A stamp that is absent is '': cel-go panics at optional entries of a map whose type it does not know.
    """
    yield {"name": "created", "expression": _CREATES}
    yield {"name": "updated", "expression": f"{_CREATES} || object.spec != oldObject.spec"}
    for place, spec in (("now", "object.spec"), ("was", "oldObject.spec")):
        there = "true" if place == "now" else "oldObject != null"
        yield {"name": place, "expression": f"{there} ? {spec} : {{}}"}
        run = f"variables.{place}.run"
        yield {"name": f"{place}Run", "expression": f"{has_value(run)} ? {run} : {{}}"}
    yield {"name": "authored", "expression": _authored()}
    yield {"name": "given", "expression": "has(object.metadata.annotations) ? object.metadata.annotations : {}"}
    before = "oldObject.metadata.annotations"
    yield {"name": "before", "expression": f"oldObject != null && has({before}) ? {before} : {{}}"}
    yield {"name": "stored", "expression": _map({name: _text("before", name) for name in STAMPS})}
    yield {"name": "extra", "expression": "has(request.userInfo.extra) ? request.userInfo.extra : {}"}


def _authored() -> str:
    """CEL: whether something changes that decides what a workload runs."""
    nested = ("run", "containerGroups")
    runs = f"{has_value('variables.now.run')} != {has_value('variables.was.run')}"
    parts = [
        _CREATES,
        _differ("variables.now", "variables.was", (*NOT_INPUTS, *nested)),
        runs,
        _differ("variables.nowRun", "variables.wasRun", (*NOT_INPUTS, "containerGroups")),
        *(_groups_differ(f"variables.now{run}", f"variables.was{run}") for run in ("", "Run")),
    ]
    return " || ".join(f"({part})" for part in parts)


def _differ(first: str, second: str, but: Iterable[str]) -> str:
    """CEL: whether two maps differ in another key than some."""
    names = list(but)
    return (
        f"{first}.exists(k, !(k in {names}) && (!(k in {second}) || {second}[k] != {first}[k])) || "
        f"{second}.exists(k, !(k in {names}) && !(k in {first}))"
    )


def _groups_differ(first: str, second: str) -> str:
    """CEL: whether the container groups of two specs differ in more than their sizes. Each group has a name."""
    lists = [f"({has_value(f'{spec}.containerGroups')} ? {spec}.containerGroups : [])" for spec in (first, second)]
    new, old = lists
    same = f"has(g.name) && has(h.name) && g.name == h.name && !({_differ('g', 'h', GROUP_SIZE)})"
    return f"{new} != {old} && !({new}.size() == {old}.size() && {new}.all(g, {old}.exists(h, {same})))"


def _stamps() -> dict[str, str]:
    """CEL: the stamps that an object is to have: those of this write, where it renews them."""
    user, binding = "request.userInfo.username", "string(params.metadata.uid)"
    generation = f"({_CREATES} ? '1' : string(oldObject.metadata.generation + 1))"
    fresh = {
        ANNOTATION_CREATED_BY: user,
        ANNOTATION_CREATED_UNDER: binding,
        ANNOTATION_UPDATED_BY: user,
        ANNOTATION_UPDATED_UNDER: f"{binding} + '/' + {generation}",
        ANNOTATION_AUTHORED_BY: user,
        ANNOTATION_AUTHORED_UNDER: binding,
        **{annotation: _extra(EXTRA_KEYS[name]) for name, annotation in ANNOTATION_RUN_AS.items()},
    }
    return {
        name: f"variables.{group} ? ({fresh[name]}) : variables.stored['{name}']"
        for group, names in _GROUPS.items()
        for name in names
    }


def _text(variable: str, name: str) -> str:
    """CEL: an annotation in a variable, '' where it is absent."""
    return f"('{name}' in variables.{variable} ? string(variables.{variable}['{name}']) : '')"


def _extra(key: str) -> str:
    """CEL: the values of one extra field of the login, joined by commas; '' where there are none."""
    return f"'{key}' != '' && '{key}' in variables.extra ? variables.extra['{key}'].join(',') : ''"


def _map(entries: Mapping[str, str]) -> str:
    """CEL: a map of texts."""
    return "{" + ", ".join(f"'{name}': {value}" for name, value in entries.items()) + "}"


def _refuse(expression: str, names: list[str]) -> dict[str, Any]:
    listed = ", ".join(names)
    return {
        "expression": expression,
        "reason": "Forbidden",
        "messageExpression": f"object.kind + ' ' + object.metadata.name + ': only the API server sets {listed}. "
        "Remove the annotation from your manifest.'",
        "message": f"only the API server sets {listed}",
    }
