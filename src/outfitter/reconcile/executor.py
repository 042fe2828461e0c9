"""The writes of a plan, in its order: what the server refuses for good becomes a problem, the rest is raised."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches
from outfitter.errors import AlreadyExists, ApiError, Conflict, Forbidden, Invalid, NotFound
from outfitter.naming import LABEL_OWNER_KIND, LABEL_OWNER_NAME, LABEL_OWNER_UID, keeps_data
from outfitter.plan.diff import Apply, Create, Delete, Op, Plan, name_conflict, refused
from outfitter.problems import Problem, waiting
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject


@dataclass
class Outcome:
    """What came of writes. `undone`: those that are problems now.

    `again`: something was in the way that may go without a word to us.
    """

    problems: list[Problem] = field(default_factory=list)
    writes: int = 0
    again: bool = False
    undone: list[Op] = field(default_factory=list)

    @property
    def without_revision(self) -> bool:
        """Whether a pin could not be made."""
        return any(map(_is_revision, self.undone))

    def add(self, other: Outcome) -> None:
        """Take in what came of other writes."""
        self.problems += other.problems
        self.writes += other.writes
        self.again = self.again or other.again
        self.undone += other.undone


class Executor:
    """Carries out plans. Remembers only which names strangers have, and what is being made right now."""

    def __init__(self, cluster: Cluster, caches: Caches) -> None:
        self._cluster = cluster
        self._caches = caches
        self._unmanaged: set[tuple[str, str, str]] = set()
        self._under_way: dict[tuple[str, str, str], asyncio.Event] = {}

    def forget(self) -> None:
        """Forget strangers: which object met which is not kept, and to meet one again costs one refused request."""
        self._unmanaged.clear()

    async def execute(self, made: Plan) -> Outcome:
        """Do the writes; what the server refuses for good becomes a problem, the rest is raised in the end."""
        outcome = Outcome()
        if not made.ops:
            return outcome
        wide = made.status.targets[1] > 1  # one namespace that does not answer must not hold up the others
        # Nothing is under way any more when one of the two raises what it met.
        parts = await asyncio.gather(
            self._in_order(made.steps, wide=wide), self._together(made.beside, wide=wide), return_exceptions=True
        )
        failed = [part for part in parts if isinstance(part, BaseException)]
        if all(isinstance(error, ApiError) for error in failed):
            outcome.add(await self._together(made.last, wide=wide))
        if failed:
            raise failed[0]
        for part in parts:
            assert isinstance(part, Outcome)
            outcome.add(part)
        return outcome

    async def _in_order(self, steps: Iterable[Sequence[Op]], *, wide: bool) -> Outcome:
        """Step by step; without a pin nothing is made of it."""
        outcome = Outcome()
        for step in steps:
            one = await self._together(step, wide=wide)
            outcome.add(one)
            if one.without_revision:
                break
        return outcome

    async def _together(self, ops: Sequence[Op], *, wide: bool) -> Outcome:
        results = await asyncio.gather(*(self._attempt(op) for op in ops), return_exceptions=True)
        outcome = Outcome(writes=len(ops))
        for op, result in zip(ops, results, strict=True):
            if isinstance(result, ApiError) and wide:
                outcome.undone.append(op)
                outcome.problems.append(refused(op, result))
                outcome.again = True
            elif isinstance(result, BaseException):
                raise result
            elif result is not None:
                outcome.undone.append(op)
                outcome.problems.append(result)
                # The same manifest is refused again; everything else may end without a word to us.
                outcome.again = outcome.again or result.reason != Reason.REFUSED
        return outcome

    async def _attempt(self, op: Op) -> Problem | None:
        try:
            match op:
                case Create(manifest):
                    owned = LABEL_OWNER_UID in (manifest["metadata"].get("labels") or {})
                    return await (self._create(manifest) if owned else self._create_once(manifest))
                case Apply(manifest, uid, manager):
                    await self._cluster.apply(manifest, uid, manager)
                case Delete(live, orphan):
                    await self._cluster.delete(live.kind, live.namespace, live.name, live.uid, orphan=orphan)
        except (Forbidden, Invalid) as error:
            return refused(op, error)
        except NotFound as error:
            if isinstance(op, Create):
                return refused(op, error)
        return None

    async def _create_once(self, manifest: Mapping[str, Any]) -> Problem | None:
        """Make what nobody owns and many may ask for at once: whoever comes second waits for the first."""
        meta = manifest["metadata"]
        place = (manifest["kind"], meta["namespace"], meta["name"])
        while place in self._under_way:
            await self._under_way[place].wait()
        if self._caches[place[0]].get(*place[1:]) is not None:
            return None
        done = self._under_way[place] = asyncio.Event()
        try:
            return await self._create(manifest)
        finally:
            del self._under_way[place]
            done.set()

    async def _create(self, manifest: Mapping[str, Any]) -> Problem | None:
        meta = manifest["metadata"]
        place = (manifest["kind"], meta.get("namespace", ""), meta["name"])
        if place not in self._unmanaged:
            try:
                await self._cluster.create(manifest)
            except AlreadyExists:
                pass
            else:
                return None
        found = await self._cluster.get(*place)
        if found is None:
            self._unmanaged.discard(place)
            raise Conflict(f"{place[0]} {place[1]}/{place[2]} was there a moment ago: again")
        has, mine = found["metadata"].get("labels") or {}, meta.get("labels") or {}
        if LABEL_OWNER_UID not in mine:
            # Nobody owns it, so that whoever made it, it serves. It may say something else than what was sent: news.
            self._caches.put(CachedObject.of(found, place[0]))
            return None
        if has.get(LABEL_OWNER_UID) == mine[LABEL_OWNER_UID]:
            # Our own write whose answer got lost, or that the watch has yet to show. What differs is mended next.
            self._caches.wrote(place[0], found)
            return None
        owners = {item["uid"] for item in found["metadata"].get("ownerReferences") or () if item.get("controller")}
        if any(item["uid"] in owners for item in meta.get("ownerReferences") or ()):
            # Ours, but somebody took off the label that we watch by: put it back. A pin can only be made anew.
            uid = found["metadata"]["uid"]
            if place[0] == "ControllerRevision":
                await self._cluster.delete(*place, uid)
                raise Conflict(f"{place[0]} {place[1]}/{place[2]} is made anew")
            await self._cluster.apply(manifest, uid)
            return None
        former = all(has.get(name) == mine[name] for name in (LABEL_OWNER_KIND, LABEL_OWNER_NAME))
        if former and keeps_data(place[0], has):
            self._caches.put(CachedObject.of(found, place[0]))
            raise Conflict(f"{place[0]} {place[1]}/{place[2]} is taken up again")
        if former:
            text = (
                f"{place[0]} {place[1]}/{place[2]} belongs to a deleted object of this name: waiting until it is gone"
            )
            return waiting(Reason.REPLACING, text)
        self._unmanaged.add(place)
        return name_conflict(*place, has)


def _is_revision(op: Op) -> bool:
    return not isinstance(op, Delete) and op.manifest["kind"] == "ControllerRevision"
