"""Execute the writes of a plan, phase by phase: a refusal becomes a problem, any other error is raised at the end.

One module: it is one class, and its writes share the record of what was replaced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from outfitter.actions import Action
from outfitter.canonical import differences
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches
from outfitter.errors import AlreadyExists, ApiError, Conflict, Forbidden, Invalid, NotFound
from outfitter.naming import LABEL_OWNER_UID, keeps_data
from outfitter.plan.diff import name_conflict, refused
from outfitter.plan.writes import Apply, Create, Delete, Plan, Write, WritePhase
from outfitter.problems import Problem, waiting
from outfitter.reasons import Reason
from outfitter.reconcile.act_log import Acts
from outfitter.reconcile.acts import (
    DELETED,
    REPLACED,
    Act,
    deletion,
    name_taken,
    place_of,
    refusal,
    repair,
)
from outfitter.reconcile.applier import Applier
from outfitter.reconcile.deletions import Deletions
from outfitter.reconcile.overrides import Overrides, Place
from outfitter.reconcile.ownership import has_controller_of, is_of_former_owner, is_ours
from outfitter.snapshot import CachedObject

_OVERRIDDEN: Final = object()


@dataclass
class Outcome:
    """The result of writes: problems, number of requests, and whether a prevented write may succeed later."""

    problems: list[Problem] = field(default_factory=list)
    writes: int = 0
    retry: bool = False
    without_revision: bool = False
    overridden: bool = False  # another writer changed a child back

    def add(self, other: Outcome) -> None:
        """Add the result of other writes."""
        self.problems += other.problems
        self.writes += other.writes
        self.retry = self.retry or other.retry
        self.without_revision = self.without_revision or other.without_revision
        self.overridden = self.overridden or other.overridden

    def prevented(self, write: Write, problem: Problem) -> None:
        """Note a write that did not happen."""
        self.problems.append(problem)
        # A policy, a quota or a port that is in use can change without an event.
        self.retry = True
        self.without_revision = self.without_revision or (
            not isinstance(write, Delete) and write.kind == "ControllerRevision"
        )


class Executor:
    """Executes plans.

    Remembers the names that unmanaged objects hold, the creations in progress, and the children that others change.
    """

    def __init__(self, cluster: Cluster, caches: Caches, overrides: Overrides) -> None:
        self._cluster = cluster
        self._caches = caches
        self._applier = Applier(cluster, caches, overrides)
        self._deletions = Deletions(caches)
        self._replaced: set[tuple[str, str, str]] = set()  # children that were deleted to be created again
        self._unmanaged: set[tuple[str, str, str]] = set()
        self._creating: dict[tuple[str, str, str], asyncio.Event] = {}

    def forget(self) -> None:
        """Forget all unmanaged objects; to meet one again costs one refused request."""
        self._unmanaged.clear()

    async def execute(self, plan: Plan, acts: Acts) -> Outcome:
        """Do the writes. A refusal becomes a problem of the outcome; any other error is raised once all have ended.

        `acts`: where each write is reported.
        """
        outcome = Outcome()
        writes = await self._possible(plan, outcome, acts)
        phases = {phase: list(group) for phase, group in groupby(sorted(writes, key=_phase), key=_phase)}
        if not phases:
            return outcome
        many = plan.status.targets[1] > 1  # one namespace that does not answer must not block the others
        early, late = phases.pop(WritePhase.EARLY, []), phases.pop(WritePhase.LATE, [])
        parts = await asyncio.gather(
            self._in_order(list(phases.values()), acts, many=many),
            self._together(early, acts, many=many),
            return_exceptions=True,
        )
        failed = [part for part in parts if isinstance(part, BaseException)]
        if all(isinstance(error, ApiError) for error in failed):
            outcome.add(await self._together(late, acts, many=many))
        if failed:
            raise failed[0]
        for part in parts:
            assert isinstance(part, Outcome)
            outcome.add(part)
        return outcome

    async def _possible(self, plan: Plan, outcome: Outcome, acts: Acts) -> Sequence[Write]:
        """Return the writes that may happen: all objects that are to be created together, or none of them.

        Costs a GET for each of them, or for those whose names were taken the last time.
        """
        together = [write for write in plan.writes if isinstance(write, Create) and write.together]
        known = [write for write in together if place_of(write.manifest) in self._unmanaged]
        taken = await self._taken(known) or await self._taken([write for write in together if write not in known])
        for write, problem in taken:
            acts.add(name_taken(write, problem))
            outcome.prevented(write, problem)
        return plan.writes if not taken else [*(each for each in plan.writes if each not in together), *plan.otherwise]

    async def _taken(self, creations: Sequence[Create]) -> list[tuple[Create, Problem]]:
        """Return the objects whose names others have, each with the problem."""
        stored = await asyncio.gather(*(self._cluster.get(*place_of(write.manifest)) for write in creations))
        found = ((write, body) for write, body in zip(creations, stored, strict=True))
        judged = ((write, self._obstacle(write.manifest, body)) for write, body in found)
        return [(write, verdict) for write, verdict in judged if isinstance(verdict, Problem)]

    async def _in_order(self, phases: Sequence[Sequence[Write]], acts: Acts, *, many: bool) -> Outcome:
        """Phase by phase; without its revision, no child of a workload is written."""
        outcome = Outcome()
        for writes in phases:
            outcome.add(await self._together(writes, acts, many=many))
            if outcome.without_revision:
                break
        return outcome

    async def _together(self, writes: Sequence[Write], acts: Acts, *, many: bool) -> Outcome:
        results = await asyncio.gather(*(self._attempt(write, acts) for write in writes), return_exceptions=True)
        outcome = Outcome(writes=len(writes))
        for write, result in zip(writes, results, strict=True):
            if isinstance(result, ApiError) and many:
                problem = refused(write, result)
                acts.add(refusal(write, result, problem))
                outcome.prevented(write, problem)
                outcome.retry = True
            elif isinstance(result, BaseException):
                raise result
            elif result is _OVERRIDDEN:
                outcome.overridden = True
            elif isinstance(result, Problem):
                if result.reason is Reason.NAME_TAKEN:
                    acts.add(name_taken(write, result))
                outcome.prevented(write, result)
        return outcome

    async def _attempt(self, write: Write, acts: Acts) -> Problem | object | None:
        try:
            match write:
                case Create(manifest):
                    owned = LABEL_OWNER_UID in (manifest["metadata"].get("labels") or {})
                    return await (self._create(manifest, acts) if owned else self._create_once(manifest, acts))
                case Apply():
                    return await self._apply(write, acts)
                case Delete():
                    return await self._delete(write, acts)
        except (Forbidden, Invalid) as error:
            if isinstance(write, Apply) and write.or_replace and isinstance(error, Invalid):
                place = place_of(write.manifest)
                self._deletions.by_us(write.uid)
                await self._cluster.delete(*place, write.uid)
                acts.add(Act(Action.DELETE, place, reason=REPLACED))
                return None
            return self._refused(write, error, acts)
        except NotFound as error:
            if isinstance(write, Create):
                return self._refused(write, error, acts)
        return None

    @staticmethod
    def _refused(write: Write, error: ApiError, acts: Acts) -> Problem:
        problem = refused(write, error)
        acts.add(refusal(write, error, problem))
        return problem

    async def _delete(self, write: Delete, acts: Acts) -> Problem | None:
        live = write.live
        if not await is_ours(self._cluster, live):
            return self._not_ours(live, harmless=write.phase is WritePhase.CLEANUP)
        if write.absent is not None and await self._cluster.get(*write.absent) is not None:
            raise Conflict(f"{write.absent} exists again")
        if write.phase is not WritePhase.CLEANUP:
            self._replaced.add((live.kind, live.namespace, live.name))
        version = live.resource_version if write.unchanged else 0
        self._deletions.by_us(live.uid)
        await self._cluster.delete(live.kind, live.namespace, live.name, live.uid, orphan=write.orphan, version=version)
        acts.add(deletion(write))
        return None

    @staticmethod
    def _not_ours(live: CachedObject, *, harmless: bool = False) -> Problem | None:
        """Leave an object alone that carries our labels and is not ours. `harmless`: nothing needs its name."""
        return None if harmless else name_conflict(live.kind, live.namespace, live.name, {})

    async def _apply(self, write: Apply, acts: Acts) -> object | None:
        known = self._caches[write.kind].get(*place_of(write.manifest)[1:])
        if known is not None and not await is_ours(self._cluster, known):
            return self._not_ours(known)
        return _OVERRIDDEN if await self._applier.apply(write, known, acts) else None

    async def _create_once(self, manifest: Mapping[str, Any], acts: Acts) -> Problem | object | None:
        """Create an object without an owner that several objects can ask for: the second waits for the first."""
        place = place_of(manifest)
        while place in self._creating:
            await self._creating[place].wait()
        if self._caches[place[0]].get(*place[1:]) is not None:
            return None
        done = self._creating[place] = asyncio.Event()
        try:
            return await self._create(manifest, acts)
        finally:
            del self._creating[place]
            done.set()

    async def _create(self, manifest: Mapping[str, Any], acts: Acts) -> Problem | object | None:
        place = place_of(manifest)
        if place not in self._unmanaged:
            try:
                stored = await self._cluster.create(manifest)
            except AlreadyExists:
                pass
            else:
                acts.add(self._creation(manifest, place))
                return self._compare(manifest, place, stored, acts)
        return await self._meet(manifest, place, acts)

    def _compare(
        self, manifest: Mapping[str, Any], place: Place, stored: Mapping[str, Any], acts: Acts
    ) -> object | None:
        """Compare a child that replaces one with other immutable fields: a policy may change the new one as well."""
        if place not in self._replaced:
            return None
        self._replaced.discard(place)
        if not any(differences(manifest, stored)):
            return None
        self._applier.override(manifest, stored, acts)
        return _OVERRIDDEN

    def _creation(self, manifest: Mapping[str, Any], place: Place) -> Act:
        owner = (manifest["metadata"].get("labels") or {}).get(LABEL_OWNER_UID, "")
        deleted = self._deletions.take(place, owner)
        if place in self._replaced:
            return Act(Action.RECREATE, place, reason=REPLACED)
        return Act(Action.RECREATE, place, reason=DELETED) if deleted else Act(Action.CREATE, place)

    async def _meet(self, manifest: Mapping[str, Any], place: Place, acts: Acts) -> Problem | None:
        """Decide about the object that already has the name: ours, of a former owner, or unmanaged."""
        meta = manifest["metadata"]
        found = await self._cluster.get(*place)
        if found is None:
            self._unmanaged.discard(place)
            raise Conflict(f"{place[0]} {place[1]}/{place[2]} was there a moment ago: again")
        has, mine = found["metadata"].get("labels") or {}, meta.get("labels") or {}
        if LABEL_OWNER_UID not in mine:
            # It has no owner, so it serves every user. Its content can differ from what was sent.
            self._caches.put(CachedObject.of(found, place[0]))
            return None
        if has.get(LABEL_OWNER_UID) == mine[LABEL_OWNER_UID]:
            # Our own write whose answer got lost, or whose event is still to come. The next reconciliation compares it.
            self._caches.wrote(place[0], found)
            return None
        if has_controller_of(manifest, found):
            # Ours, but without the label that we watch by. A revision cannot be changed, only created again.
            uid = found["metadata"]["uid"]
            if place[0] == "ControllerRevision":
                await self._cluster.delete(*place, uid)
                raise Conflict(f"{place[0]} {place[1]}/{place[2]} is created again")
            await self._cluster.apply(manifest, uid)
            self._deletions.take(place, mine[LABEL_OWNER_UID])  # the watch reports the lost label as a deletion
            acts.add(repair(manifest, found))
            return None
        if is_of_former_owner(mine, has) and keeps_data(place[0], has):
            self._caches.put(CachedObject.of(found, place[0]))
            raise Conflict(f"{place[0]} {place[1]}/{place[2]} is taken up again")
        return self._obstacle(manifest, found)

    def _obstacle(self, manifest: Mapping[str, Any], found: Mapping[str, Any] | None) -> Problem | None:
        """Return why an object cannot be created as long as this one has its name; None if ours, or none, has it."""
        place = place_of(manifest)
        if found is None:
            self._unmanaged.discard(place)
            return None
        has, mine = found["metadata"].get("labels") or {}, manifest["metadata"].get("labels") or {}
        ours = LABEL_OWNER_UID not in mine or has.get(LABEL_OWNER_UID) == mine[LABEL_OWNER_UID]
        if ours or has_controller_of(manifest, found) or (is_of_former_owner(mine, has) and keeps_data(place[0], has)):
            return None
        if is_of_former_owner(mine, has):
            text = (
                f"{place[0]} {place[1]}/{place[2]} belongs to a deleted object of this name. Outfitter continues when "
                "it is gone."
            )
            return waiting(Reason.REPLACING, text, namespace=place[1])
        self._unmanaged.add(place)
        return name_conflict(*place, has)


def _phase(write: Write) -> WritePhase:
    return write.phase
