"""The policies `identity` and `identity-guard`: the API server stamps who wrote each object.

Each stamp has the uid of the binding, which is the parameter of its own policy. No user can know it before the API
server stamps, so a stamp with the uid of the binding that exists is true.

A write through the subresource scale shows the API server no annotations of the object, so the stamps stay: the
generation in them tells that they are not about the newest spec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from outfitter.api.v1alpha1 import GROUP, KINDS
from outfitter.codegen.admission.exempt import operator_on_demand
from outfitter.naming import (
    ANNOTATION_CREATED_BY,
    ANNOTATION_CREATED_UNDER,
    ANNOTATION_RUN_AS,
    ANNOTATION_UPDATED_BY,
    ANNOTATION_UPDATED_UNDER,
)

EXTRA_KEYS: Final[Mapping[str, str]] = {name: f"IDENTITY-KEY-{name.upper()}" for name in ANNOTATION_RUN_AS}
"""Placeholder for the key in the extra fields of a login that holds each id; the chart replaces it."""

_CREATED: Final = (ANNOTATION_CREATED_BY, ANNOTATION_CREATED_UNDER)
_UPDATED: Final = (ANNOTATION_UPDATED_BY, ANNOTATION_UPDATED_UNDER, *ANNOTATION_RUN_AS.values())
"""The stamps that each change of the spec renews together."""
STAMPS: Final = (*_CREATED, *_UPDATED)
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
        "matchConditions": [_not_on_demand()],
        "variables": [
            *_variables(),
            {"name": "fresh", "expression": _map(_fresh())},
            {"name": "keys", "expression": f"{list(STAMPS)}"},
            {"name": "stamps", "expression": "variables.written ? variables.fresh : variables.stored"},
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
    none, user = (" && ".join(f"{_text('given', name)} == ''" for name in names) for names in (_CREATED, _UPDATED))
    stays = {names: " && ".join(_stays(name) for name in names) for names in (_CREATED, _UPDATED)}
    ids = " && ".join(
        f"({_text('given', name)} == '' || variables.logins.exists(v, v == variables.given['{name}']))"
        for name in ANNOTATION_RUN_AS.values()
    )
    created = f"{_CREATES} ? ({none} || {_is_user(ANNOTATION_CREATED_BY)}) : ({stays[_CREATED]})"
    updated = (
        f"({_CREATES} ? ({user}) : ({stays[_UPDATED]})) || "
        f"(variables.written && {_is_user(ANNOTATION_UPDATED_BY)} && {ids})"
    )
    return {
        "failurePolicy": "Fail",
        "matchConstraints": _every_kind("CREATE", "UPDATE"),
        "variables": [
            *_variables(),
            {"name": "logins", "expression": "variables.extra.map(k, variables.extra[k].join(','))"},
        ],
        "validations": [
            _refuse(created, [*_CREATED]),
            _refuse(updated, [ANNOTATION_UPDATED_BY, ANNOTATION_UPDATED_UNDER, f"{GROUP}/run-as-..."]),
        ],
    }


def _every_kind(*operations: str) -> dict[str, Any]:
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": sorted(kind.plural for kind in KINDS),
    }
    return {"resourceRules": [rule]}


def _not_on_demand() -> dict[str, Any]:
    return {"name": "not-made-by-the-operator", "expression": f"!({operator_on_demand()})"}


def _variables() -> Iterator[dict[str, Any]]:
    """Variables: whether the spec is written, the stamps in the request and those in store.

    A stamp that is absent is '': cel-go panics at optional entries of a map whose type it does not know.
    """
    yield {"name": "written", "expression": f"{_CREATES} || object.spec != oldObject.spec"}
    yield {"name": "given", "expression": "has(object.metadata.annotations) ? object.metadata.annotations : {}"}
    before = "oldObject.metadata.annotations"
    yield {"name": "before", "expression": f"oldObject != null && has({before}) ? {before} : {{}}"}
    yield {"name": "stored", "expression": _map({name: _text("before", name) for name in STAMPS})}
    yield {"name": "extra", "expression": "has(request.userInfo.extra) ? request.userInfo.extra : {}"}


def _fresh() -> dict[str, str]:
    """CEL: the stamps of a write of the spec."""
    user, binding = "request.userInfo.username", "string(params.metadata.uid)"
    generation = f"({_CREATES} ? '1' : string(oldObject.metadata.generation + 1))"
    created = {ANNOTATION_CREATED_BY: user, ANNOTATION_CREATED_UNDER: binding}
    return {
        **{name: f"{_CREATES} ? {value} : {_text('before', name)}" for name, value in created.items()},
        ANNOTATION_UPDATED_BY: user,
        ANNOTATION_UPDATED_UNDER: f"{binding} + '/' + {generation}",
        **{annotation: _extra(EXTRA_KEYS[name]) for name, annotation in ANNOTATION_RUN_AS.items()},
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


def _stays(name: str) -> str:
    """CEL: whether a stamp in the request is the one in store."""
    return f"{_text('given', name)} == variables.stored['{name}']"


def _is_user(name: str) -> str:
    """CEL: whether a stamp in the request is the name of the user."""
    return f"{_text('given', name)} == request.userInfo.username"


def _refuse(expression: str, names: list[str]) -> dict[str, Any]:
    listed = ", ".join(names)
    return {
        "expression": expression,
        "reason": "Forbidden",
        "messageExpression": f"object.kind + ' ' + object.metadata.name + ': only the API server sets {listed}. "
        "Remove the annotation from your manifest.'",
        "message": f"only the API server sets {listed}",
    }
