"""sharedRoles of an ArtifactRepository: Roles over its artifacts as they are now, and who has them."""

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
    """What makes the Roles of a repository what its list says. `versions`: uids of the members that have a number."""
    assert isinstance(resource.model, ArtifactRepository)
    off = list(unsupported(resource.body["spec"], REPOSITORY, reader.settings))
    if not reader.settings.shared_roles:
        return Diff(problems=off)
    if resource.model.spec.shared_roles:
        reader.track("Artifact", resource.live.namespace, "*")  # who joins and who leaves
    names = [member.live.name for member in members]
    drafts = [member.live.name for member in members if member.live.uid not in versions]
    pairs = shared(resource, names, drafts)
    # A RoleBinding gives whatever the Role of that name says. So it is there only while that Role is known to be ours:
    # made after it, and gone with it.
    wanted = [role for role, _ in pairs] + [binding for role, binding in pairs if _ours(reader, resource, role)]
    result = diff(reader, resource, wanted)
    result.writes += prune(reader, resource, _KINDS, wanted)
    return result


def _ours(reader: Reader, resource: Resource, role: Mapping[str, Any]) -> bool:
    found = reader.get_untracked("Role", resource.live.namespace, role["metadata"]["name"])
    return found is not None and check_ownership(reader, found, resource) is None
