"""The plan of an ArtifactRepository: it assigns each locked artifact a number, once, in one guarded status write.

Where an admin turned that on, it also keeps the Roles of those with whom it is shared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from outfitter.api.v1alpha1.artifactrepository import LISTED_VERSIONS, ArtifactRepository
from outfitter.naming import LABEL_ON_DEMAND
from outfitter.plan.cascade import kept_by
from outfitter.plan.sharing_roles import share_roles
from outfitter.plan.used_by import used_by
from outfitter.plan.writes import Delete, Plan
from outfitter.policy.capabilities import BUILT_IMAGE, unsupported
from outfitter.problems import Problem, serious
from outfitter.reasons import Reason
from outfitter.render.tags import tagged, without_label
from outfitter.resolve.artifact import ResolvedArtifact, definition, full_problem, listed, lock_problems, spent
from outfitter.snapshot import Reader, Resource
from outfitter.status import StatusInput

_SETTLING = 2.0  # seconds until the artifact that a repository was created for is counted


@dataclass
class _VersionLedger:
    """The versions of a repository while numbers are assigned. `retired`: numbers of deleted artifacts."""

    last: int
    entries: dict[int, dict[str, Any]] = field(default_factory=dict)
    retired: set[int] = field(default_factory=set)

    def give(self, number: int, resource: Resource) -> None:
        """Record the number of an artifact."""
        live = resource.live
        self.entries[number] = {"version": number, "name": live.name, "uid": live.uid, "locked": True}
        self.last = max(self.last, number)

    def retire(self, number: int) -> None:
        """Record that the artifact with this number was deleted."""
        self.retired.add(number)
        self.last = max(self.last, number)

    def free(self, number: int) -> bool:
        """Return whether a number was never assigned."""
        return number not in self.entries and not spent(sorted(self.retired), number)


def plan_repository(reader: Reader, resource: Resource) -> Plan:
    """Plan an ArtifactRepository."""
    assert isinstance(resource.model, ArtifactRepository)
    spec, live, before = resource.model.spec, resource.live, resource.body.get("status") or {}
    members = reader.members(live.namespace, live.name)
    unused = not members and _made_for_others(resource) and not any(user.kind == "Artifact" for user in reader.users)
    if unused and before.get("numArtifacts") == 0:
        return Plan(StatusInput(True, Reason.DELETING, "", (), {}), (Delete(live),))
    numbers = _known(before, members)
    problems: list[Problem] = []
    _give(reader, resource, members, numbers, problems)
    sharing = share_roles(reader, resource, members, {item["uid"] for item in numbers.entries.values()})
    problems += sharing.problems
    tags = resource.body["spec"].get("tags") or ()
    if spec.shared_roles and reader.settings.shared_roles:
        problems += without_label(tags)
    facts = {
        # Members name their repository before their own reconciliation has read it.
        "usedBy": used_by(reader, [*reader.users, *(member.key for member in members)]),
        "type": spec.type,
        "lastVersionNumber": numbers.last,
        "numArtifacts": len(members),
        "versions": [numbers.entries[number] for number in sorted(numbers.entries)],
        "keptBy": kept_by(members, {item["uid"] for item in numbers.entries.values()}) or None,
        "tagged": tagged(tags),
        "retiredVersions": listed(sorted(numbers.retired)) or None,
    }
    writes = tuple(sharing.writes)
    ready = not serious(problems) and not writes
    text = "Outfitter is writing the Roles and RoleBindings." if writes else ""
    reason = Reason.SHARING if writes else Reason.COUNTING
    status = StatusInput(ready, reason, text, tuple(problems), facts, (1, 1))
    # The status reports zero artifacts first: the admission policy for deletions reads it.
    return Plan(status, writes, _SETTLING if unused else None, if_unchanged=True, replan_after_write=bool(writes))


def _made_for_others(resource: Resource) -> bool:
    return LABEL_ON_DEMAND in (resource.body["metadata"].get("labels") or {})


def _known(before: dict[str, Any], members: list[Resource]) -> _VersionLedger:
    """Return the assigned numbers; after a lost status, those that the artifacts show."""
    retired = set(before.get("retiredVersions") or ())
    numbers = _VersionLedger(max(int(before.get("lastVersionNumber") or 0), *retired, 0), {}, retired)
    alive = {resource.live.uid: resource for resource in members}
    for item in before.get("versions") or ():
        member = alive.get(item["uid"])
        if member is None:
            numbers.retire(item["version"])
            continue
        numbers.give(item["version"], member)
        numbers.entries[item["version"]]["locked"] = bool((member.body.get("spec") or {}).get("locked"))
    for resource in members:
        shown = (resource.body.get("status") or {}).get("version")
        if shown and shown not in numbers.entries:
            numbers.give(shown, resource)
    return numbers


def _give(
    reader: Reader, resource: Resource, members: list[Resource], numbers: _VersionLedger, problems: list[Problem]
) -> None:
    """Assign numbers: first to artifacts that request one, then to the others, oldest first."""
    has = {item["uid"] for item in numbers.entries.values()}
    waiting = [
        found for member in members if member.live.uid not in has and (found := _ready(reader, resource, member))
    ]
    for found in sorted(waiting, key=lambda item: item.spec.spec.version is None):
        if len(numbers.entries) >= LISTED_VERSIONS:
            problems.append(full_problem(resource.live.name))
            return
        wanted = found.spec.spec.version
        if wanted is None:
            numbers.give(numbers.last + 1, found.resource)
        elif numbers.free(wanted):
            numbers.give(wanted, found.resource)


def _ready(reader: Reader, repository: Resource, member: Resource) -> ResolvedArtifact | None:
    """Return a member that is locked and can become a version."""
    found = definition(reader, member)
    if isinstance(found, Problem) or found.fresh or not found.locked or member.live.deleting:
        return None
    assert isinstance(repository.model, ArtifactRepository)
    fits = repository.model.spec.type == found.type and found.repository == repository.live.name
    obstacles = (*lock_problems(found), *unsupported(found.spec_fields, BUILT_IMAGE, reader.settings))
    return found if fits and not obstacles and not found.built.missing else None
