"""The policy `protect`: objects that are locked or in use, and the operator's namespace, cannot be deleted.

It reads the status of the objects.
"""

from __future__ import annotations

from typing import Any, Final

from outfitter.api.v1alpha1 import GROUP, kind_of
from outfitter.codegen.admission.exempt import OPERATOR_ACCOUNT, SHARED_NAMESPACE, user_or_tool
from outfitter.codegen.admission.presence import has_value
from outfitter.naming import ANNOTATION_FORCE_DELETE
from outfitter.render.artifactrepository import SHARE

# A workload continues with its revision of a deleted Environment or WorkloadTemplate. A WorkloadTemplate has no
# revision, so an Environment that one names is protected.
_PROTECTED: Final = (
    "ComputeResource", "DataSource", "Credential", "Environment", "Artifact", "ArtifactRepository", "NimCache",
)  # fmt: skip
_LISTS: Final = (
    "artifacts",
    "inferences",
    "workspaces",
    "trainings",
    "distributedTrainings",
    "environments",
    "dataSources",
    "workloadTemplates",
    "nimCaches",
    "registries",
)
_STATUS: Final = "has(oldObject.status)"
_USED: Final = f"{_STATUS} && has(oldObject.status.usedBy)"
_REPOSITORY: Final = "request.resource.resource == 'artifactrepositories'"
_NAME: Final = "oldObject.kind + ' ' + oldObject.metadata.name"
_OPERATORS: Final = f"'{OPERATOR_ACCOUNT}'.split(':')[2]"
"""CEL: the namespace of the operator."""
_FORCE: Final = f"or set annotation {ANNOTATION_FORCE_DELETE}=true on it."


def policy_spec() -> dict[str, Any]:
    """Return the spec of the policy."""
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [GROUP],
                    "apiVersions": ["*"],
                    "operations": ["DELETE"],
                    "resources": sorted(kind_of(name).plural for name in _PROTECTED),
                },
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["namespaces"]},
            ]
        },
        "matchConditions": [user_or_tool()],
        "variables": [
            {"name": "forced", "expression": _forced()},
            {"name": "templates", "expression": _users("workloadTemplates")},
            {
                "name": "users",
                "expression": "request.resource.resource == 'environments' ? variables.templates : "
                f"{_REPOSITORY} ? {' + '.join(_users(field) for field in _LISTS if field != 'artifacts')} : "
                + " + ".join(map(_users, _LISTS)),
            },
            {
                "name": "used",
                "expression": "request.resource.resource in ['artifactrepositories', 'environments'] ? "
                "variables.users.size() : "
                f"({_USED} && has(oldObject.status.usedBy.total) ? oldObject.status.usedBy.total : 0)",
            },
            {
                "name": "version",
                "expression": f"{_STATUS} && has(oldObject.status.version) ? oldObject.status.version : 0",
            },
            {"name": "versions", "expression": _of_repository("versions")},
            {"name": "keptBy", "expression": _of_repository("keptBy")},
            {
                "name": "artifacts",
                "expression": f"{_REPOSITORY} && {_STATUS} && has(oldObject.status.numArtifacts) ? "
                "oldObject.status.numArtifacts : 0",
            },
        ],
        "validations": [_cascade_check(), *map(_unless_forced, _protected())],
    }


def _protected() -> list[dict[str, Any]]:
    """Return what keeps objects from being deleted."""
    return [
        {
            "expression": "request.resource.resource != 'namespaces' || "
            f"!(request.name in [{_OPERATORS}, '{SHARED_NAMESPACE}'])",
            "reason": "Forbidden",
            "messageExpression": "'Namespace ' + request.name + ' holds the operator or the shared assets. "
            f"Uninstall the operator first, {_FORCE}'",
            "message": "the operator runs there",
        },
        {
            "expression": "variables.version == 0",
            "reason": "Forbidden",
            "messageExpression": f"{_NAME} + ' is version ' + string(variables.version) + ' of ' + "
            f"oldObject.status.repository + ', and versions are kept. Keep it, {_FORCE}'",
            "message": "it is a locked version",
        },
        {
            "expression": "variables.versions.size() == 0",
            "reason": "Forbidden",
            "messageExpression": f"{_NAME} + ' holds ' + string(variables.versions.size()) + "
            "(variables.versions.size() == 1 ? ' version, Artifact ' : ' versions, the oldest is Artifact ') + "
            f"variables.versions[0].name + ', and versions are kept. Keep it, {_FORCE}'",
            "message": "it holds versions",
        },
        {
            "expression": "variables.keptBy.size() == 0",
            "reason": "Forbidden",
            "messageExpression": f"{_NAME} + ' holds artifacts that run, or are in use or being locked: ' + "
            f"variables.keptBy.join(', ') + '. Change or delete those first, {_FORCE}'",
            "message": "its artifacts are in use",
        },
        {
            "expression": "variables.used == 0",
            "reason": "Forbidden",
            "messageExpression": f"{_NAME} + ' is used by ' + variables.users.join(', ') + (variables.used > "
            f"variables.users.size() ? ' and others' : '') + '. Change or delete those first, {_FORCE}'",
            "message": "it is in use",
        },
    ]


def _unless_forced(validation: dict[str, Any]) -> dict[str, Any]:
    return {**validation, "expression": f"variables.forced || {validation['expression']}"}


def _forced() -> str:
    """CEL: whether a user marked the object for a deletion in spite of all."""
    annotations = "oldObject.metadata.annotations"
    return (
        f"{has_value(annotations)} && '{ANNOTATION_FORCE_DELETE}' in {annotations} && "
        f"{annotations}['{ANNOTATION_FORCE_DELETE}'] == 'true'"
    )


def _cascade_check() -> dict[str, Any]:
    """The operator deletes the artifacts of a repository: the user needs the right to, also with the annotation."""
    inside = f"authorizer.group('{GROUP}').resource('{{}}').namespace(request.namespace)"
    artifacts, repository = inside.format("artifacts"), inside.format("artifactrepositories")
    needed = f"the verb delete on artifacts.{GROUP} in this namespace, or the verb {SHARE} on the repository"
    return {
        "expression": f"variables.artifacts == 0 || {artifacts}.check('delete').allowed() || "
        f"{repository}.name(oldObject.metadata.name).check('{SHARE}').allowed()",
        "reason": "Forbidden",
        "messageExpression": f"{_NAME} + ' is deleted with its artifacts. You need {needed}.'",
        "message": f"its artifacts are deleted with it: you need {needed}",
    }


def _of_repository(field: str) -> str:
    """CEL: a list in the status of an ArtifactRepository."""
    return f"{_REPOSITORY} && {_STATUS} && has(oldObject.status.{field}) ? oldObject.status.{field} : []"


def _users(field: str) -> str:
    """CEL: the users in one list of `usedBy`, as namespace/name."""
    users = f"oldObject.status.usedBy.{field}"
    return f"({_USED} && has({users}) ? {users}.map(u, u.namespace + '/' + u.name) : [])"
