"""`sharedRoles` of an ArtifactRepository: Roles over its current artifacts, and their RoleBindings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from outfitter.api.v1alpha1.artifactrepository import ArtifactRepository
from outfitter.plan.diff import Diff, check_ownership, diff, prune
from outfitter.policy.capabilities import REPOSITORY, unsupported
from outfitter.render.artifactrepository import shared
from outfitter.snapshot import Reader, Resource

_KINDS: Final = ("RoleBinding", "Role")


def share_roles(reader: Reader, resource: Resource, members: Sequence[Resource], versions: Collection[str]) -> Diff:
    """Return the changes that make the Roles match the list. `versions`: uids of the members with a number."""
    assert isinstance(resource.model, ArtifactRepository)
    off = list(unsupported(resource.body["spec"], REPOSITORY, reader.settings))
    if not reader.settings.shared_roles:
        return Diff(problems=off)
    if resource.model.spec.shared_roles:
        reader.track("Artifact", resource.live.namespace, "*")  # members that join or leave
    names = [member.live.name for member in members]
    drafts = [member.live.name for member in members if member.live.uid not in versions]
    pairs = shared(resource, names, drafts)
    # A RoleBinding grants whatever the Role of its name contains. So it exists only while that Role is known to be
    # ours: created after it, deleted with it.
    wanted = [role for role, _ in pairs] + [binding for role, binding in pairs if _ours(reader, resource, role)]
    result = diff(reader, resource, wanted)
    result.writes += prune(reader, resource, _KINDS, wanted)
    return result


def _ours(reader: Reader, resource: Resource, role: Mapping[str, Any]) -> bool:
    found = reader.get_untracked("Role", resource.live.namespace, role["metadata"]["name"])
    return found is not None and check_ownership(reader, found, resource) is None
