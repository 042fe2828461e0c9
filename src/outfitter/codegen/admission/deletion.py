"""The ValidatingAdmissionPolicy that keeps what is locked or in use from being deleted. It reads what status says."""

from __future__ import annotations

from typing import Any, Final

from outfitter.api.v1alpha1 import GROUP, kind_of
from outfitter.naming import ANNOTATION_FORCE_DELETE

OPERATOR: Final = "system:serviceaccount:OPERATOR"  # the installation fills in namespace and account

# Whose deletion breaks what refers to them. Environments are not among them: what runs keeps its pin.
_PROTECTED: Final = (
    "ComputeResource", "DataSource", "Credential", "Artifact", "ArtifactRepository", "NimCache",
)  # fmt: skip
# They delete only what an owner or a whole namespace takes with it. The operator removes what it made on demand.
EXEMPT: Final = (
    "system:kube-controller-manager",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
)
_LISTS: Final = ("artifacts", "inferences", "workspaces", "environments", "dataSources", "nimCaches")
_STATUS: Final = "has(oldObject.status)"
_USED: Final = f"{_STATUS} && has(oldObject.status.usedBy)"
_WAY_OUT: Final = f"or annotate it with {ANNOTATION_FORCE_DELETE}=true"


def _names(field: str) -> str:
    """CEL: the users of one list, as people name them."""
    users = f"oldObject.status.usedBy.{field}"
    return f"({_USED} && has({users}) ? {users}.map(u, u.namespace + '/' + u.name) : [])"


def policy_spec() -> dict[str, Any]:
    """The spec of the policy."""
    exempt = ", ".join(f"'{name}'" for name in (*EXEMPT, OPERATOR))
    users = " + ".join(map(_names, _LISTS))
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [GROUP],
                    "apiVersions": ["*"],
                    "operations": ["DELETE"],
                    "resources": sorted(kind_of(name).plural for name in _PROTECTED),
                }
            ]
        },
        "matchConditions": [
            {"name": "a-person-or-tool", "expression": f"!(request.userInfo.username in [{exempt}])"},
            {
                "name": "not-forced",
                "expression": "!has(oldObject.metadata.annotations) || "
                f"!('{ANNOTATION_FORCE_DELETE}' in oldObject.metadata.annotations) || "
                f"oldObject.metadata.annotations['{ANNOTATION_FORCE_DELETE}'] != 'true'",
            },
        ],
        "variables": [
            {
                "name": "used",
                "expression": f"{_USED} && has(oldObject.status.usedBy.total) ? oldObject.status.usedBy.total : 0",
            },
            {"name": "users", "expression": users},
            {
                "name": "version",
                "expression": f"{_STATUS} && has(oldObject.status.version) ? oldObject.status.version : 0",
            },
            {
                "name": "artifacts",
                "expression": f"{_STATUS} && has(oldObject.status.numArtifacts) ? oldObject.status.numArtifacts : 0",
            },
        ],
        "validations": [
            {
                "expression": "variables.version == 0",
                "reason": "Forbidden",
                "messageExpression": "oldObject.kind + ' ' + oldObject.metadata.name + ' is version ' + "
                "string(variables.version) + ' of ' + oldObject.status.repository + ', and versions are kept: "
                f"leave it, {_WAY_OUT}'",
                "message": "it is a locked version",
            },
            {
                "expression": "variables.artifacts == 0",
                "reason": "Forbidden",
                "messageExpression": "oldObject.kind + ' ' + oldObject.metadata.name + ' holds ' + "
                "string(variables.artifacts) + ' artifacts: delete them first, "
                f"{_WAY_OUT}'",
                "message": "it holds artifacts",
            },
            {
                "expression": "variables.artifacts > 0 || variables.used == 0",
                "reason": "Forbidden",
                "messageExpression": "oldObject.kind + ' ' + oldObject.metadata.name + ' is used by ' + "
                "variables.users.join(', ') + (variables.used > variables.users.size() ? ' and others' : '') + "
                f"': change or delete those first, {_WAY_OUT}'",
                "message": "it is in use",
            },
        ],
    }
