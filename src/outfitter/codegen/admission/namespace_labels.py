"""The policy `labels`: our labels on Namespaces need a right, because they open shared assets, elevation and queues."""

from __future__ import annotations

from typing import Any, Final

from outfitter.api.v1alpha1 import GROUP
from outfitter.naming import LABEL_DEPARTMENT, LABEL_ELEVATION, LABEL_PROJECT, LABEL_QUEUE

LABELS: Final = (LABEL_PROJECT, LABEL_DEPARTMENT, LABEL_ELEVATION, LABEL_QUEUE)
RESOURCE: Final = "departments"
"""A virtual resource: the API server stores no such object, RBAC grants rights on it."""
VERB: Final = "assign"


SYSTEM: Final = ("kube-node-lease", "kube-public", "kube-system")
"""Namespaces of Kubernetes: elevation there would give away the cluster."""


def policy_spec() -> dict[str, Any]:
    """Return the spec of the policy."""
    # An empty value is a value: by its presence a Namespace takes part.
    changed = " || ".join(
        f"{_label('object', name)} != {_label('oldObject', name)} || "
        f"{_has_label('object', name)} != {_has_label('oldObject', name)}"
        for name in LABELS
    )
    need = f"You need the verb {VERB} on {RESOURCE}.{GROUP}"
    control = f"Labels {', '.join(LABELS)} control what Namespace ' + object.metadata.name + ' may use. {need}"
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["namespaces", "namespaces/finalize", "namespaces/status"],
                }
            ]
        },
        "matchConditions": [{"name": "our-labels", "expression": changed}],
        "variables": [
            {
                "name": "labels",
                "expression": "object != null && has(object.metadata.labels) ? object.metadata.labels : {}",
            },
            {"name": "now", "expression": _label("object", LABEL_DEPARTMENT)},
            {"name": "before", "expression": _label("oldObject", LABEL_DEPARTMENT)},
        ],
        "validations": [
            {
                "expression": f"{_ABSENT} || !(object.metadata.name in [{', '.join(repr(name) for name in SYSTEM)}])",
                "reason": "Forbidden",
                "messageExpression": "'Namespace ' + object.metadata.name + ' belongs to Kubernetes and cannot take "
                "part. Use another Namespace.'",
                "message": "a namespace of Kubernetes cannot take part",
            },
            {
                # To leave a department may only remove; to join one from none needs a right on the side of none too.
                "expression": f"(variables.now == '' && variables.before != '' && {_ABSENT}) || "
                f"({_allowed('variables.now')} && (oldObject == null || variables.before != '' || "
                f"variables.now == '' || {_allowed_everywhere()}))",
                "reason": "Forbidden",
                "messageExpression": f"'{control}' + (variables.now == '' ? '.' : ' named ' + variables.now + '.')",
                "message": f"you need the verb {VERB} on {RESOURCE}.{GROUP}",
            },
            {
                "expression": "variables.before == '' || variables.before == variables.now || "
                + _allowed("variables.before"),
                "reason": "Forbidden",
                "messageExpression": f"'{control} named ' + variables.before + ', the department that it leaves.'",
                "message": f"you need the verb {VERB} on the department that the Namespace leaves",
            },
        ],
    }


_ABSENT: Final = " && ".join(f"!('{name}' in variables.labels)" for name in LABELS)
"""CEL: whether the Namespace has none of our labels."""


def _allowed_everywhere() -> str:
    """CEL: whether the user may assign to every department."""
    return f"authorizer.group('{GROUP}').resource('{RESOURCE}').check('{VERB}').allowed()"


def _has_label(side: str, name: str) -> str:
    """CEL: whether a Namespace has a label, empty or not."""
    return f"({side} != null && has({side}.metadata.labels) && '{name}' in {side}.metadata.labels)"


def _label(side: str, name: str) -> str:
    """CEL: the value of a label, "" where it is absent. `side` is object, or oldObject, which is null on CREATE."""
    return (
        f"({side} != null && has({side}.metadata.labels) && '{name}' in {side}.metadata.labels ? "
        f"{side}.metadata.labels['{name}'] : '')"
    )


def _allowed(department: str) -> str:
    """CEL: whether the user may assign to a department; without one, a right on all departments is needed."""
    check = f"authorizer.group('{GROUP}').resource('{RESOURCE}')"
    return (
        f"({department} == '' ? {check}.check('{VERB}').allowed() : "
        f"{check}.name({department}).check('{VERB}').allowed())"
    )
