"""One pass over one key: gather -> plan -> apply -> write status. Needs nothing from the pass before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from outfitter.cluster.lookup import CacheLookup
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches
from outfitter.errors import Conflict, Invalid, NotFound
from outfitter.naming import ANNOTATION_RECONCILE, LABEL_OWNER_UID
from outfitter.plan.diff import Create, Plan
from outfitter.plan.planners import plan
from outfitter.reconcile.executor import Executor
from outfitter.resolve.request import request_for
from outfitter.settings import Settings
from outfitter.snapshot import CachedObject, Dep, Key, KeyedData, Reader, Resource, read_resource
from outfitter.status import StatusInput, compose, deleting, is_ready, is_stalled, least, unfinished, unreadable

_log = logging.getLogger(__name__)

_ROUNDS = 4  # looks at the caches per pass: each may turn up Secrets or ConfigMaps to fetch
_NEXT_STEP = 0.1  # seconds
_AGAIN_SECONDS = 60.0  # at most: no watch tells when a stranger's object, a quota or a missing right is out of the way


@dataclass(frozen=True)
class Result:
    """What came of one pass, for the queue: `deps` wake the key again, `requeue_after` is in seconds.

    `deps` is None where the pass could not tell: those of the one before stay.
    """

    outcome: str
    deps: frozenset[Dep] | None = frozenset()
    requeue_after: float | None = None
    writes: int = 0
    also_reconcile: frozenset[Key] = frozenset()


class Reconciler:
    """Passes over our objects. Holds no truth: only how long something is not ready, and which names strangers have."""

    def __init__(
        self,
        cluster: Cluster,
        caches: Caches,
        settings: Settings,
        users: Callable[[Key], tuple[Key, ...]],
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._settings = settings
        self._users = users
        self._clock = clock
        self._lookup = CacheLookup(caches)
        self._unready: dict[Key, datetime] = {}
        self._executor = Executor(cluster, caches)
        self._begun: set[Key] = set()  # whose last pass ended in the middle of its writes
        self._refused: dict[Key, int] = {}  # how often in a row something was in the way

    def dependencies(self, key: Key) -> frozenset[Dep]:
        """What a pass over `key` would look at. No I/O: used to know all users of all assets before the first pass."""
        live = self._caches[key.kind].get(key.namespace, key.name)
        reader = Reader(self._lookup, self._settings, now=self._clock())
        try:
            if live is not None:
                plan(reader, read_resource(live))
        except Exception:  # one object that cannot be read must not keep the operator from starting
            _log.exception("%s: cannot be planned", key)
        return frozenset(reader.deps)

    async def reconcile(self, key: Key) -> Result:
        """One pass. Raises ApiError where a write or read must be retried; nothing is lost then."""
        live = self._caches[key.kind].get(key.namespace, key.name)
        if live is None:
            self._unready.pop(key, None)
            self._refused.pop(key, None)
            self._begun.discard(key)
            return Result("Gone")
        try:
            resource = read_resource(live)
        except ValidationError as error:
            return await self._unreadable(live, error)
        namespace = self._caches["Namespace"].get("", key.namespace)
        if namespace is not None and namespace.deleting:
            return Result("Gone")
        if (resource.body["metadata"].get("annotations") or {}).get(ANNOTATION_RECONCILE) == "disabled":
            return Result("Paused", frozenset(self.dependencies(key)))
        if live.deleting:
            return await self._deleting(resource)
        made, reader = await self._plan(key, resource)
        if await self._gone_meanwhile(resource, made):
            return Result("Gone")
        self._begun.add(key)
        done = await self._executor.execute(made)
        self._begun.discard(key)
        if made.ends(live):  # nobody needs it any more
            if not done.problems:
                return Result("Gone", writes=done.writes)
            level = logging.DEBUG if key in self._refused else logging.WARNING
            _log.log(level, "%s is not needed any more, but stays: %s", key, done.problems[0].message)
            return Result("Waiting", frozenset(reader.deps), self._patience(key, again=True), done.writes)
        if done.problems:
            made = replace(made, status=unfinished(made.status, done.problems))
            if done.without_revision:  # what runs is what ran before
                facts = {**made.status.facts, "revision": (resource.body.get("status") or {}).get("revision")}
                made = replace(made, status=replace(made.status, facts=facts))
        elif made.replan_after_write:
            made, reader = self._replan(resource, made, reader)
        draft = made.status
        requeue, written = await self._write_status(key, resource, draft, if_unchanged=made.if_unchanged)
        delays = [made.requeue, requeue, self._patience(key, again=done.again)]
        soonest = min((delay for delay in delays if delay is not None), default=None)
        return Result(
            _outcome(draft, made), frozenset(reader.deps), soonest, done.writes + written, made.also_reconcile
        )

    def _patience(self, key: Key, *, again: bool) -> float | None:
        """Seconds until what was in the way is looked at again: 1, 2, 4 ... None where nothing was."""
        if not again:
            self._refused.pop(key, None)
            return None
        times = self._refused[key] = self._refused.get(key, -1) + 1
        return min(_AGAIN_SECONDS, 2.0 ** min(times, 10))

    async def _plan(self, key: Key, resource: Resource) -> tuple[Plan, Reader]:
        """Look, decide, fetch what turned out to be needed, and look again at the caches as they are then."""
        keyed_data: dict[Dep, KeyedData] = {}
        # An asset looks at its namesakes to see who shadows whom; that is no use.
        users = tuple(user for user in self._users(key) if user.kind != key.kind)
        for _ in range(_ROUNDS):
            reader = Reader(self._lookup, self._settings, keyed_data, users, self._clock())
            made = plan(reader, resource)
            if not reader.wanted:
                return made, reader
            found = await asyncio.gather(*(self._fetch(dep, data) for dep, data in reader.wanted.items()))
            keyed_data.update({dep: native for dep, native in zip(reader.wanted, found, strict=True) if native})
            if not any(found):
                # Gone between the cache and the read: the watch will tell, and wake us.
                raise Conflict(f"{key}: something it refers to is changing")
        raise Conflict(f"{key}: what it refers to keeps changing")

    async def _gone_meanwhile(self, resource: Resource, made: Plan) -> bool:
        """Whether the object was deleted, where children that it had are missing.

        The garbage collector's news of them can be here before news of their owner, which comes by another watch; made
        again now, they would stand there without an owner.
        """
        creates = any(isinstance(op, Create) for op in made.ops)
        if not creates or not (resource.key in self._begun or _had_children(resource)):
            return False
        live = resource.live
        found = await self._cluster.get(live.kind, live.namespace, live.name)
        return found is None or found["metadata"]["uid"] != live.uid

    def _replan(self, resource: Resource, made: Plan, before: Reader) -> tuple[Plan, Reader]:
        """After the writes the caches hold the server's answers: say now what a second pass would say."""
        reader = Reader(self._lookup, self._settings, users=before.users, now=self._clock())
        known = {key: made.status.facts[key] for key in ("revision",) if key in made.status.facts}
        status = {**(resource.body.get("status") or {}), **known}  # the pin that was just made is the one to keep to
        found = plan(reader, replace(resource, body={**resource.body, "status": status}))
        if reader.wanted:
            return made, before
        soon = _NEXT_STEP if found.ops else found.requeue  # what only now can be done is for the next pass
        return replace(found, also_reconcile=found.also_reconcile | made.also_reconcile, requeue=soon), reader

    async def _fetch(self, dep: Dep, data: bool) -> KeyedData | None:
        body = await self._cluster.get(*dep)
        if body is None:
            return None
        content, binary = body.get("data") or {}, body.get("binaryData") or {}
        return KeyedData(
            dep.kind,
            dep.namespace,
            dep.name,
            body["metadata"]["resourceVersion"],
            frozenset(content) | frozenset(binary),
            body.get("type", ""),
            body["metadata"].get("annotations") or {},
            (body["metadata"].get("labels") or {}).get(LABEL_OWNER_UID, ""),
            content if data else None,
            binary if data else {},
        )

    async def _unreadable(self, live: CachedObject, error: ValidationError) -> Result:
        """An object that the models refuse although it is stored, as an older or laxer CRD may have let it in."""
        found = [(".".join(str(part) for part in item["loc"]), item["msg"]) for item in error.errors()]
        status = unreadable(live.body, found, self._clock())
        # What runs for it runs on, so it uses what it used.
        return Result("Stalled", None, None, await self._put_status(live, status))

    async def _deleting(self, resource: Resource) -> Result:
        """Somebody else's finalizer holds the object: say so, and change nothing any more."""
        written = await self._put_status(resource.live, deleting(resource.body, self._clock()))
        return Result("Deleting", frozenset(), None, written)

    async def _write_status(
        self, key: Key, resource: Resource, draft: StatusInput, *, if_unchanged: bool
    ) -> tuple[float | None, int]:
        """Write the status if it changed; a workload that just stopped being ready gets a moment to recover first.

        `guarded`: only over the version that the draft was made from, and at once.
        """
        now = self._clock()
        status = compose(draft, resource.body, now)
        previous = resource.body.get("status") or {}
        same_spec = all(previous.get(key) == status.get(key) for key in ("observedGeneration", "revision"))
        slipped = is_ready(previous) and not is_ready(status) and not is_stalled(status)
        if if_unchanged or not (slipped and same_spec):
            self._unready.pop(key, None)
            return None, await self._put_status(resource.live, status, if_unchanged=if_unchanged)
        since = self._unready.setdefault(key, now)
        left = self._settings.hold_seconds - (now - since).total_seconds()
        if left > 0:
            return left + 0.1, 0
        return None, await self._put_status(resource.live, status)

    async def _put_status(self, live: CachedObject, status: Mapping[str, Any], *, if_unchanged: bool = False) -> int:
        previous = live.body.get("status") or {}
        if status == previous:
            return 0
        version = live.resource_version if if_unchanged else 0
        try:
            await self._cluster.write_status(live.kind, live.namespace, live.name, live.uid, status, version)
        except NotFound:
            return 0  # deleted while its pass ran
        except Invalid as error:
            _log.error("%s %s/%s: %s", live.kind, live.namespace, live.name, error.message)
            short = least(status, live.body)
            await self._cluster.write_status(live.kind, live.namespace, live.name, live.uid, short, version)
        if is_stalled(status) and not is_stalled(previous):
            ready = status["conditions"][0]
            await self._cluster.emit(
                live, type_="Warning", reason=ready["reason"], message=ready["message"], action="Reconcile"
            )
        return 1

    def forget(self, key: Key) -> None:
        """The object is gone; a new one of its name starts afresh."""
        self._unready.pop(key, None)
        self._refused.pop(key, None)
        self._begun.discard(key)
        self._executor.forget()


def _had_children(resource: Resource) -> bool:
    """Whether there may be children that an earlier pass made, if it came to its end; what runs has none before."""
    status = resource.body.get("status") or {}
    return ("revision" if request_for(resource) else "observedGeneration") in status


def _outcome(draft: StatusInput, made: Plan) -> str:
    worst = max((problem.level for problem in draft.problems), default=None)
    if worst is not None and worst.name in ("STALLED", "WAITING"):
        return worst.name.capitalize()
    return "Ready" if draft.ready else "Progressing"
