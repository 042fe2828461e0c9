"""The policy `share`: who writes objects in the namespace of shared assets, by the scope that they have there.

Both the old and the new scope count, so that the lead of a department takes nothing over from another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from outfitter.api.v1alpha1 import GROUP, KINDS
from outfitter.codegen.admission.exempt import OPERATOR_ACCOUNT, SHARED_NAMESPACE, user_or_tool
from outfitter.codegen.admission.namespace_labels import RESOURCE as DEPARTMENTS
from outfitter.codegen.admission.presence import has_value, has_values
from outfitter.naming import LABEL_PROJECT

VERB: Final = "share"
CLUSTERS: Final = "clusters"
"""A virtual resource, like departments: the API server stores no such object, RBAC grants rights on it."""
RUNS_THERE: Final = ("nimcaches",)
"""Kinds with a scope that run pods in their own namespace, whatever it is."""
_CLAIM_OF_THE_NAMESPACE: Final = (("spec", "dataVolume"), ("spec", "pvc", "dataSharing"))
"""Fields that share a claim, which only pods of its namespace can mount otherwise."""
_MAY_SHARE_ALL: Final = f"authorizer.group('{GROUP}').resource('{CLUSTERS}').check('{VERB}').allowed()"
_SIDES: Final = {"before": "oldObject", "now": "object"}


def scoped_kinds() -> list[str]:
    """Return the plurals of the kinds whose spec has a scope."""
    specs: dict[str, Any] = {kind.plural: kind.model.model_fields["spec"].annotation for kind in KINDS}
    return sorted(plural for plural, spec in specs.items() if "scope" in spec.model_fields)


def policy_spec() -> dict[str, Any]:
    """Return the spec of the policy."""
    scaled = [f"{kind.plural}/scale" for kind in KINDS if kind.model.SCALE and kind.plural in scoped_kinds()]
    rule = {"apiGroups": [GROUP], "apiVersions": ["*"]}
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {**rule, "operations": ["CREATE", "UPDATE", "DELETE"], "resources": scoped_kinds()},
                {
                    **rule,
                    "operations": ["UPDATE"],
                    "resources": sorted((*scaled, *(f"{plural}/status" for plural in scoped_kinds()))),
                },
            ]
        },
        "matchConditions": [
            {"name": "in-the-shared-namespace", "expression": f"request.namespace == '{SHARED_NAMESPACE}'"},
            user_or_tool(),
            {
                "name": "not-the-status-by-the-operator",
                "expression": f"!(request.userInfo.username == '{OPERATOR_ACCOUNT}' && has(request.subResource) && "
                "request.subResource == 'status')",
            },
        ],
        "variables": [
            {"name": "scaled", "expression": "has(request.subResource) && request.subResource == 'scale'"},
            *scopes(),
        ],
        "validations": [
            _scale_check(),
            _cluster_check(),
            *(_department_check(side) for side in _SIDES),
            _project_check(),
        ],
    }


def scopes() -> Iterator[dict[str, Any]]:
    """Variables: the scope and department of an object in the namespace of shared assets, before and now.

    A scope is project, department or cluster; "" without an object. The widest reading of a scope that is not set, or
    that a later version adds, is the cluster.
    """
    for name, side in _SIDES.items():
        kind = f"{side}.spec.scope.type"
        there = f"{has_value(f'{side}.spec')} && {has_values(f'{side}.spec', ('scope', 'type'))}"
        known = f"{there} && {kind} in ['project', 'department']"
        yield {"name": name, "expression": f"{side} == null ? '' : ({known} ? {kind} : 'cluster')"}
        called = has_value(f"{side}.spec.scope.name")
        yield {
            "name": f"{name}Department",
            "expression": f"variables.{name} == 'department' && {called} ? {side}.spec.scope.name : ''",
        }


def instead_of_pods() -> Iterator[dict[str, Any]]:
    """Variables of `requester`: whether an object is for other namespaces only, and whether the user may share it.

    It then runs nothing in its own namespace, and everything that it asks for is created in those it is shared with.
    """
    yield from scopes()
    plurals = [plural for plural in scoped_kinds() if plural not in RUNS_THERE]
    labels = "namespaceObject.metadata.labels"
    inside = " && ".join(f"!({has_values('object', path)})" for path in _CLAIM_OF_THE_NAMESPACE)
    yield {
        "name": "elsewhere",
        "expression": f"request.namespace == '{SHARED_NAMESPACE}' && request.resource.resource in {plurals} && "
        "!(has(request.subResource) && request.subResource != '') && variables.now in ['department', 'cluster'] && "
        f"!({has_value('object.spec.run')}) && {inside} && "
        f"!(has({labels}) && '{LABEL_PROJECT}' in {labels})",
    }
    may = " && ".join(
        f"(variables.{name} == 'department' ? {_may_share(name)} : "
        f"variables.{name} in ['', 'project'] || {_MAY_SHARE_ALL})"
        for name in _SIDES
    )
    yield {"name": "mayShare", "expression": f"variables.elsewhere && {may}"}


def _may_share(name: str) -> str:
    """CEL: whether the user may share with the department of one side; without a name, with each of them."""
    return (
        f"authorizer.group('{GROUP}').resource('{DEPARTMENTS}').name(variables.{name}Department)"
        f".check('{VERB}').allowed()"
    )


def missing_right() -> str:
    """CEL: the right to share the new object, as the end of a message of `requester`."""
    return (
        f"'the verb {VERB} on ' + (variables.now == 'department' ? '{DEPARTMENTS}.{GROUP} named ' + "
        f"variables.nowDepartment : '{CLUSTERS}.{GROUP}')"
    )


_KIND: Final = "request.kind.kind + ' ' + (object == null ? oldObject : object).metadata.name"
_ASK: Final = "Ask an administrator for it"


def _scale_check() -> dict[str, Any]:
    """A Scale has no scope, so the widest is assumed."""
    need = f"You need the verb {VERB} on {CLUSTERS}.{GROUP}"
    return {
        "expression": f"!variables.scaled || {_MAY_SHARE_ALL}",
        "reason": "Forbidden",
        "messageExpression": "'The scale of ' + request.resource.resource + ' ' + request.name + ' has no scope. "
        f"{need}. {_ASK}, or set spec.run.replicas instead.'",
        "message": f"its scale has no scope: {need}",
    }


def _cluster_check() -> dict[str, Any]:
    wide = " && ".join(f"variables.{name} != 'cluster'" for name in _SIDES)
    need = f"You need the verb {VERB} on {CLUSTERS}.{GROUP}. {_ASK}"
    return {
        "expression": f"variables.scaled || ({wide}) || {_MAY_SHARE_ALL}",
        "reason": "Forbidden",
        "messageExpression": f"{_KIND} + (variables.before == 'cluster' ? "
        f"' is shared with the whole cluster. {need}.' : "
        f"' would be shared with the whole cluster. {need}, or set spec.scope to your department.')",
        "message": f"it is shared with the whole cluster. {need}",
    }


def _project_check() -> dict[str, Any]:
    """An object for that namespace alone is of those who may run pods there: no lead deletes or blocks it."""
    far = " && ".join(f"variables.{name} != 'project'" for name in _SIDES)
    need = "You need the verb create on pods in namespace"
    return {
        "expression": f"variables.scaled || ({far}) || {_MAY_SHARE_ALL} || "
        "authorizer.group('').resource('pods').namespace(request.namespace).check('create').allowed()",
        "reason": "Forbidden",
        "messageExpression": f"{_KIND} + ' is for its namespace alone. {need} ' + request.namespace + '. {_ASK}, or "
        "set spec.scope to your department.'",
        "message": "it is for its namespace alone: you need the verb create on pods",
    }


def _department_check(name: str) -> dict[str, Any]:
    verb = {"now": "would be", "before": "is"}[name]
    need = f"You need the verb {VERB} on {DEPARTMENTS}.{GROUP}"
    return {
        "expression": f"variables.{name} != 'department' || {_may_share(name)}",
        "reason": "Forbidden",
        "messageExpression": f"{_KIND} + ' {verb} shared with department ' + variables.{name}Department + '. {need} "
        f"named ' + variables.{name}Department + '. {_ASK}.'",
        "message": f"it {verb} shared with a department. {need}",
    }
