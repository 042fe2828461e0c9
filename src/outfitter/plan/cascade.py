"""Deleting an ArtifactRepository deletes its artifacts, all or none.

The repository has no finalizer, and users' artifacts get no owner. Each artifact remembers the uid of the repository
that counts it. If that one is gone, and nothing keeps an artifact of it, its artifacts are deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from outfitter.naming import LABEL_ON_DEMAND
from outfitter.plan.writes import Delete, Plan
from outfitter.reasons import Reason
from outfitter.resolve.artifact import ResolvedArtifact
from outfitter.snapshot import Key, Reader, Resource
from outfitter.status import StatusInput


def keeps(artifact: Resource, users: Collection[Key] | None = None) -> bool:
    """Return whether an artifact keeps its repository: it is a version or becomes one, is in use, or runs.

    `users`: those of now. Without them its status counts, which is that of its last reconciliation.
    """
    spec, status = artifact.body.get("spec") or {}, _status(artifact)
    in_use = bool((status.get("usedBy") or {}).get("total")) if users is None else bool(users)
    return in_use or bool(spec.get("locked")) or "version" in status or spec.get("run") is not None


def kept_by(members: Iterable[Resource], versions: Collection[str]) -> list[str]:
    """Return the artifacts without a number that keep a repository. `versions`: uids of those with a number."""
    return sorted(member.live.name for member in members if member.live.uid not in versions and keeps(member))


def deletion(reader: Reader, found: ResolvedArtifact, repository: Resource | None) -> Plan | None:
    """Return the plan that deletes an artifact because its repository was deleted; None if it stays."""
    live, status = found.resource.live, _status(found.resource)
    counted = "repositoryUid" in status and status.get("repository") == found.repository
    if repository is not None or not counted:
        return None
    others = [member for member in reader.members(live.namespace, found.repository) if member.live.uid != live.uid]
    if keeps(found.resource, reader.users) or any(map(keeps, others)):
        return None
    absent = Key("ArtifactRepository", live.namespace, found.repository)
    return Plan(StatusInput(True, Reason.DELETING), (Delete(live, unchanged=True, absent=absent),))


def counted_in(repository: Resource | None) -> str | None:
    """Return the uid of the repository of an artifact; None as long as it may be deleted for having none.

    The operator deletes one on demand that reports zero artifacts. Its artifacts must not go with it.
    """
    if repository is None or emptied(repository):
        return None
    return repository.live.uid


def emptied(repository: Resource | None) -> bool:
    """Return whether a repository on demand reports that it has no artifact."""
    if repository is None:
        return False
    on_demand = LABEL_ON_DEMAND in (repository.body["metadata"].get("labels") or {})
    return on_demand and _status(repository).get("numArtifacts") == 0


def is_news(reader: Reader, artifact: Resource, repository: Resource | None) -> bool:
    """Return whether a repository does not list correctly yet that an artifact keeps it, or does not count it."""
    if repository is None:
        return False
    status = _status(repository)
    numbered = any(item["uid"] == artifact.live.uid for item in status.get("versions") or ())
    listed = artifact.live.name in (status.get("keptBy") or ())
    return emptied(repository) or listed != (not numbered and keeps(artifact, reader.users))


def _status(resource: Resource) -> dict[str, Any]:
    return resource.body.get("status") or {}
