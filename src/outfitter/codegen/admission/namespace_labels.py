"""The ValidatingAdmissionPolicy on our Namespace labels: they open shared assets and elevation, so not every editor."""

from __future__ import annotations

from typing import Any, Final

from outfitter.api.v1alpha1 import GROUP
from outfitter.naming import LABEL_DEPARTMENT, LABEL_ELEVATION, LABEL_PROJECT

LABELS: Final = (LABEL_PROJECT, LABEL_DEPARTMENT, LABEL_ELEVATION)
RESOURCE: Final = "departments"  # virtual: nothing of that name is stored, rights on it are
VERB: Final = "assign"


def _label(side: str, name: str) -> str:
    """CEL: the value of a label, "" where there is none. `side`: object, or oldObject, which a new Namespace lacks."""
    return (
        f"({side} != null && has({side}.metadata.labels) && '{name}' in {side}.metadata.labels ? "
        f"{side}.metadata.labels['{name}'] : '')"
    )


def policy_spec() -> dict[str, Any]:
    """The spec of the policy."""
    changed = " || ".join(f"{_label('object', name)} != {_label('oldObject', name)}" for name in LABELS)
    check = f"authorizer.group('{GROUP}').resource('{RESOURCE}')"
    # A name is asked for only where there is one: a right without names covers all, also what is in no department.
    allowed = "({0} == '' ? {1}.check('{2}').allowed() : {1}.name({0}).check('{2}').allowed())"
    told = (
        f"labels {', '.join(LABELS)} decide what Namespace ' + object.metadata.name + ' may use: you need the verb "
        f"{VERB} on {RESOURCE}.{GROUP}"
    )
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["namespaces"],
                }
            ]
        },
        "matchConditions": [{"name": "our-labels", "expression": changed}],
        "variables": [
            {"name": "now", "expression": _label("object", LABEL_DEPARTMENT)},
            {"name": "before", "expression": _label("oldObject", LABEL_DEPARTMENT)},
        ],
        "validations": [
            {
                "expression": "(variables.now == '' && variables.before != '') || "
                + allowed.format("variables.now", check, VERB),
                "reason": "Forbidden",
                "messageExpression": f"'{told}' + (variables.now == '' ? '' : ' named ' + variables.now)",
                "message": f"you need the verb {VERB} on {RESOURCE}.{GROUP}",
            },
            {
                "expression": "variables.before == '' || variables.before == variables.now || "
                + allowed.format("variables.before", check, VERB),
                "reason": "Forbidden",
                "messageExpression": f"'{told} named ' + variables.before + ', which it leaves'",
                "message": f"you need the verb {VERB} on the department that the Namespace leaves",
            },
        ],
    }
