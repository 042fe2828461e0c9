"""One pass over one key: gather -> plan -> apply -> write status. Needs nothing from the pass before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from outfitter.cluster.base import Cluster
from outfitter.cluster.lookup import CacheLookup
from outfitter.cluster.store import Caches
from outfitter.errors import Conflict, Invalid, NotFound
from outfitter.naming import OWNER_UID, RECONCILE
from outfitter.plan.diff import Create, Plan
from outfitter.plan.planners import plan
from outfitter.reconcile.executor import Writer
from outfitter.resolve.request import subject_of
from outfitter.settings import Settings
from outfitter.snapshot import Asset, Dep, Key, Live, Native, View, read_asset
from outfitter.status import Draft, compose, deleting, is_ready, is_stalled, least, unfinished, unreadable

_log = logging.getLogger(__name__)

_ROUNDS = 4  # looks at the caches per pass: each may turn up Secrets or ConfigMaps to fetch
_NEXT_STEP = 0.1  # seconds
_AGAIN_SECONDS = 60.0  # at most: no watch tells when a stranger's object, a quota or a missing right is out of the way


@dataclass(frozen=True)
class Pass:
    """What came of one pass, for the queue: `deps` wake the key again, `requeue_after` is in seconds.

    `deps` is None where the pass could not tell: those of the one before stay.
    """

    outcome: str
    deps: frozenset[Dep] | None = frozenset()
    requeue_after: float | None = None
    writes: int = 0
    tells: frozenset[Key] = frozenset()


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
        self._writer = Writer(cluster, caches)
        self._begun: set[Key] = set()  # whose last pass ended in the middle of its writes
        self._refused: dict[Key, int] = {}  # how often in a row something was in the way

    def dependencies(self, key: Key) -> frozenset[Dep]:
        """What a pass over `key` would look at. No I/O: used to know all users of all assets before the first pass."""
        live = self._caches[key.kind].get(key.namespace, key.name)
        view = View(self._lookup, self._settings, now=self._clock())
        try:
            if live is not None:
                plan(view, read_asset(live))
        except Exception:  # one object that cannot be read must not keep the operator from starting
            _log.exception("%s: cannot be planned", key)
        return frozenset(view.deps)

    async def reconcile(self, key: Key) -> Pass:
        """One pass. Raises ApiError where a write or read must be retried; nothing is lost then."""
        live = self._caches[key.kind].get(key.namespace, key.name)
        if live is None:
            self._unready.pop(key, None)
            self._refused.pop(key, None)
            self._begun.discard(key)
            return Pass("Gone")
        try:
            asset = read_asset(live)
        except ValidationError as error:
            return await self._unreadable(live, error)
        namespace = self._caches["Namespace"].get("", key.namespace)
        if namespace is not None and namespace.deleting:
            return Pass("Gone")
        if (asset.body["metadata"].get("annotations") or {}).get(RECONCILE) == "disabled":
            return Pass("Paused", frozenset(self.dependencies(key)))
        if live.deleting:
            return await self._deleting(asset)
        made, view = await self._plan(key, asset)
        if await self._gone_meanwhile(asset, made):
            return Pass("Gone")
        self._begun.add(key)
        done = await self._writer.execute(made)
        self._begun.discard(key)
        if made.ends(live):  # nobody needs it any more
            if not done.problems:
                return Pass("Gone", writes=done.writes)
            level = logging.DEBUG if key in self._refused else logging.WARNING
            _log.log(level, "%s is not needed any more, but stays: %s", key, done.problems[0].message)
            return Pass("Waiting", frozenset(view.deps), self._patience(key, again=True), done.writes)
        if done.problems:
            made = replace(made, draft=unfinished(made.draft, done.problems))
            if done.pinless:  # what runs is what ran before
                facts = {**made.draft.facts, "revision": (asset.body.get("status") or {}).get("revision")}
                made = replace(made, draft=replace(made.draft, facts=facts))
        elif made.look_again:
            made, view = self._look_again(asset, made, view)
        draft = made.draft
        requeue, written = await self._write_status(key, asset, draft, guarded=made.guarded)
        delays = [made.requeue, requeue, self._patience(key, again=done.again)]
        soonest = min((delay for delay in delays if delay is not None), default=None)
        return Pass(_outcome(draft, made), frozenset(view.deps), soonest, done.writes + written, made.tells)

    def _patience(self, key: Key, *, again: bool) -> float | None:
        """Seconds until what was in the way is looked at again: 1, 2, 4 ... None where nothing was."""
        if not again:
            self._refused.pop(key, None)
            return None
        times = self._refused[key] = self._refused.get(key, -1) + 1
        return min(_AGAIN_SECONDS, 2.0 ** min(times, 10))

    async def _plan(self, key: Key, asset: Asset) -> tuple[Plan, View]:
        """Look, decide, fetch what turned out to be needed, and look again at the caches as they are then."""
        natives: dict[Dep, Native] = {}
        # An asset looks at its namesakes to see who shadows whom; that is no use.
        users = tuple(user for user in self._users(key) if user.kind != key.kind)
        for _ in range(_ROUNDS):
            view = View(self._lookup, self._settings, natives, users, self._clock())
            made = plan(view, asset)
            if not view.wanted:
                return made, view
            found = await asyncio.gather(*(self._fetch(dep, data) for dep, data in view.wanted.items()))
            natives.update({dep: native for dep, native in zip(view.wanted, found, strict=True) if native})
            if not any(found):
                # Gone between the cache and the read: the watch will tell, and wake us.
                raise Conflict(f"{key}: something it refers to is changing")
        raise Conflict(f"{key}: what it refers to keeps changing")

    async def _gone_meanwhile(self, asset: Asset, made: Plan) -> bool:
        """Whether the object was deleted, where children that it had are missing.

        The garbage collector's news of them can be here before news of their owner, which comes by another watch; made
        again now, they would stand there without an owner.
        """
        creates = any(isinstance(op, Create) for op in made.ops)
        if not creates or not (asset.key in self._begun or _had_children(asset)):
            return False
        live = asset.live
        found = await self._cluster.get(live.kind, live.namespace, live.name)
        return found is None or found["metadata"]["uid"] != live.uid

    def _look_again(self, asset: Asset, made: Plan, before: View) -> tuple[Plan, View]:
        """After the writes the caches hold the server's answers: say now what a second pass would say."""
        view = View(self._lookup, self._settings, users=before.users, now=self._clock())
        known = {key: made.draft.facts[key] for key in ("revision",) if key in made.draft.facts}
        status = {**(asset.body.get("status") or {}), **known}  # the pin that was just made is the one to keep to
        found = plan(view, replace(asset, body={**asset.body, "status": status}))
        if view.wanted:
            return made, before
        soon = _NEXT_STEP if found.ops else found.requeue  # what only now can be done is for the next pass
        return replace(found, tells=found.tells | made.tells, requeue=soon), view

    async def _fetch(self, dep: Dep, data: bool) -> Native | None:
        body = await self._cluster.get(*dep)
        if body is None:
            return None
        content, binary = body.get("data") or {}, body.get("binaryData") or {}
        return Native(
            dep.kind,
            dep.namespace,
            dep.name,
            body["metadata"]["resourceVersion"],
            frozenset(content) | frozenset(binary),
            body.get("type", ""),
            body["metadata"].get("annotations") or {},
            (body["metadata"].get("labels") or {}).get(OWNER_UID, ""),
            content if data else None,
            binary if data else {},
        )

    async def _unreadable(self, live: Live, error: ValidationError) -> Pass:
        """An object that the models refuse although it is stored, as an older or laxer CRD may have let it in."""
        found = [(".".join(str(part) for part in item["loc"]), item["msg"]) for item in error.errors()]
        status = unreadable(live.body, found, self._clock())
        # What runs for it runs on, so it uses what it used.
        return Pass("Stalled", None, None, await self._put_status(live, status))

    async def _deleting(self, asset: Asset) -> Pass:
        """Somebody else's finalizer holds the object: say so, and change nothing any more."""
        written = await self._put_status(asset.live, deleting(asset.body, self._clock()))
        return Pass("Deleting", frozenset(), None, written)

    async def _write_status(self, key: Key, asset: Asset, draft: Draft, *, guarded: bool) -> tuple[float | None, int]:
        """Write the status if it changed; a workload that just stopped being ready gets a moment to recover first.

        `guarded`: only over the version that the draft was made from, and at once.
        """
        now = self._clock()
        status = compose(draft, asset.body, now)
        previous = asset.body.get("status") or {}
        same_spec = all(previous.get(key) == status.get(key) for key in ("observedGeneration", "revision"))
        slipped = is_ready(previous) and not is_ready(status) and not is_stalled(status)
        if guarded or not (slipped and same_spec):
            self._unready.pop(key, None)
            return None, await self._put_status(asset.live, status, guarded=guarded)
        since = self._unready.setdefault(key, now)
        left = self._settings.hold_seconds - (now - since).total_seconds()
        if left > 0:
            return left + 0.1, 0
        return None, await self._put_status(asset.live, status)

    async def _put_status(self, live: Live, status: Mapping[str, Any], *, guarded: bool = False) -> int:
        previous = live.body.get("status") or {}
        if status == previous:
            return 0
        version = live.resource_version if guarded else 0
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
        self._writer.forget()


def _had_children(asset: Asset) -> bool:
    """Whether there may be children that an earlier pass made, if it came to its end; what runs has none before."""
    status = asset.body.get("status") or {}
    return ("revision" if subject_of(asset) else "observedGeneration") in status


def _outcome(draft: Draft, made: Plan) -> str:
    worst = max((problem.level for problem in draft.problems), default=None)
    if worst is not None and worst.name in ("STALLED", "WAITING"):
        return worst.name.capitalize()
    return "Ready" if draft.ready else "Progressing"
