"""The part of the policy `requester` about `sharedRoles`, which grant rights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from outfitter.api.v1alpha1 import GROUP
from outfitter.codegen.admission.presence import has_value
from outfitter.render.artifactrepository import RBAC, SHARE


def _shared_roles(side: str) -> str:
    """CEL: the sharedRoles of an ArtifactRepository, or an empty list. `side` is object or oldObject."""
    roles = f"{side}.spec.sharedRoles"
    return f"({side} != null && {has_value(roles)} ? {roles} : [])"


def variables() -> Iterator[dict[str, Any]]:
    """Variables: whether sharedRoles changes, and whether the user could create such Roles and bindings directly."""
    changed = f"{_shared_roles('object')} != {_shared_roles('oldObject')}"
    yield {"name": "shares", "expression": f"request.resource.resource == 'artifactrepositories' && {changed}"}
    right = "authorizer.group('{}').resource('{}').namespace(request.namespace).check('{}').allowed()"
    yield {"name": "bindsRoles", "expression": right.format(RBAC, "rolebindings", "create")}
    held = (right.format(GROUP, "artifacts", verb) for verb in ("update", "delete"))
    yield {"name": "ownsArtifacts", "expression": " && ".join(held)}


def moving() -> dict[str, Any]:
    """Variable: whether an Artifact moves to another repository, whose owners are others."""
    changed = f"{_repository('object')} != {_repository('oldObject')}"
    return {"name": "moves", "expression": f"{_IS_ARTIFACT} && oldObject != null && {changed}"}


def moving_check() -> dict[str, Any]:
    """The user may change all artifacts of the namespace, or may share both repositories."""
    needed = f"the verb {SHARE} on both repositories, or update and delete on all artifacts of the namespace"
    may = " && ".join(
        f"authorizer.group('{GROUP}').resource('artifactrepositories').namespace(request.namespace)"
        f".name({_repository(side)}).check('{SHARE}').allowed()"
        for side in ("object", "oldObject")
    )
    return {
        "expression": f"!variables.moves || variables.ownsArtifacts || ({may})",
        "reason": "Forbidden",
        "messageExpression": "object.kind + ' ' + object.metadata.name + ' moves to another repository. "
        f"You need {needed}.'",
        "message": f"it moves to another repository: you need {needed}",
    }


_IS_ARTIFACT: Final = "request.resource.resource == 'artifacts'"


def _repository(side: str) -> str:
    """CEL: the repository of an Artifact that is no clone; that of a clone is its source's unless it names one."""
    ref = f"{side}.spec.repositoryRef"
    return f"({has_value(ref)} && {has_value(f'{ref}.name')} ? {ref}.name : {side}.metadata.name)"


def check() -> dict[str, Any]:
    """The user holds the rights that sharedRoles grants and may bind roles, or may share this repository."""
    needed = f"the verb {SHARE} on it, or create on rolebindings, and update and delete on artifacts,"
    return {
        "expression": "!variables.shares || (variables.bindsRoles && variables.ownsArtifacts) || "
        f"authorizer.group('{GROUP}').resource('artifactrepositories').namespace(request.namespace)"
        f".name(object.metadata.name).check('{SHARE}').allowed()",
        "reason": "Forbidden",
        "messageExpression": "object.kind + ' ' + object.metadata.name + ' grants rights by sharedRoles. You need "
        f"{needed} in namespace ' + request.namespace + '.'",
        "message": f"sharedRoles grants rights: you need {needed} in this namespace",
    }
