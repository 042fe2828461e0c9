"""One reconciliation of one object: gather, plan, execute, write status. It needs nothing from the one before.

One module: these steps share the plan and what it read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from outfitter.api.v1alpha1 import KINDS
from outfitter.cluster.lookup import CacheLookup
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches, Change
from outfitter.errors import Conflict
from outfitter.naming import ANNOTATION_RECONCILE
from outfitter.plan.planners import plan
from outfitter.plan.policy import EFFECTIVE, plan_effective
from outfitter.plan.writes import Create, Plan
from outfitter.reasons import Reason
from outfitter.reconcile.act_log import ActLog, ActRecorder, Acts, unrecorded
from outfitter.reconcile.acts import Act, changed_spec, taken_names
from outfitter.reconcile.executor import Executor, Outcome
from outfitter.reconcile.installations import Installations
from outfitter.reconcile.overrides import Overrides
from outfitter.reconcile.registries import Registries
from outfitter.reconcile.state import EngineState
from outfitter.reconcile.status_writer import StatusWriter
from outfitter.resolve.identity import identity_facts
from outfitter.resolve.request import request_for
from outfitter.resolve.workload import field_text
from outfitter.settings import Settings
from outfitter.snapshot import CachedObject, Dep, Key, KeyedData, NeedsData, Reader, Resource, read_resource
from outfitter.status import (
    StatusInput,
    deleting,
    unfinished,
    unreadable,
)
from outfitter.status import outcome as outcome_of

_log = logging.getLogger(__name__)

_FETCHES = 8  # times that one reconciliation may turn up Secrets or ConfigMaps to fetch
_NEXT_STEP = 0.1  # seconds
_CUSTOM = frozenset(kind.name for kind in KINDS)


@dataclass(frozen=True)
class Result:
    """The result of one reconciliation, for the queue: `deps` requeue the key, `requeue_after` is in seconds.

    `deps` is None where they are unknown: those of the reconciliation before stay.
    """

    outcome: str
    deps: frozenset[Dep] | None = frozenset()
    requeue_after: float | None = None
    writes: int = 0
    also_reconcile: frozenset[Key] = frozenset()


class Reconciler:
    """Reconciles custom resources."""

    def __init__(
        self,
        cluster: Cluster,
        caches: Caches,
        settings: Settings,
        users: Callable[[Key], tuple[Key, ...]],
        clock: Callable[[], datetime],
        registries: Registries,
        acted: ActRecorder = unrecorded,
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._settings = settings
        self._users = users
        self._clock = clock
        self._lookup = CacheLookup(caches)
        self._state = EngineState()
        self._registries = registries
        self._overrides = Overrides(clock)
        self._executor = Executor(cluster, caches, self._overrides)
        self._log = ActLog(record=acted)
        self._status = StatusWriter(cluster, settings, self._state, self._log, clock)
        self._installations = Installations(cluster, caches, settings, self._log)
        caches.listen(self._spec_changed)
        caches.listen_written(self._spec_changed)

    def dependencies(self, key: Key) -> frozenset[Dep]:
        """The custom resources that a reconciliation of `key` would read: at start, all users of all assets are known.

        No I/O. What else it would read is known once it ran.
        """
        live = self._caches[key.kind].get(key.namespace, key.name)
        reader = Reader(self._lookup, self._settings, now=self._clock(), references_only=True)
        try:
            if live is not None and not live.deleting and not self._namespace_goes(key):
                plan(reader, read_resource(live))
        except NeedsData:
            pass
        except Exception:  # one object that cannot be read must not keep the operator from starting
            _log.exception("%s: cannot be planned", key)
        return frozenset(reader.deps)

    async def reconcile(self, key: Key) -> Result:
        """Reconcile one object. Raises ApiError where a request must be retried; nothing is lost then."""
        if key.kind == EFFECTIVE:
            return await self._derive(key)
        async with self._state.turn(key):
            return await self._reconcile(key)

    async def _reconcile(self, key: Key) -> Result:
        live = self._caches[key.kind].get(key.namespace, key.name)
        if live is None:
            self._state.forget(key)
            return Result("Gone")
        if other := self._installations.other(live):
            await self._installations.report(live, other)
            return Result("OtherInstallation", frozenset({*self.dependencies(key), Installations.dependency(other)}))
        try:
            resource = read_resource(live)
        except ValidationError as error:
            return await self._unreadable(live, error)
        if self._namespace_goes(key):
            return Result("Gone")
        if (resource.body["metadata"].get("annotations") or {}).get(ANNOTATION_RECONCILE) == "disabled":
            return Result("Paused", frozenset(self.dependencies(key)))
        if live.deleting:
            return await self._deleting(resource)
        planned, reader = await self._plan(resource)
        if await self._deleted_meanwhile(resource, planned):
            return Result("Gone")
        acts = self._status.acts(live, resource.body, planned.status.facts, by_user=planned.decision is not None)
        with self._state.writing(key):
            outcome = await self._execute(planned, acts)
        if planned.ends(live):
            return self._ended(key, reader, outcome)
        planned, reader = self._after_writes(resource, planned, reader, outcome)
        result = await self._report(resource, planned, reader, outcome, acts)
        acts.end(planned.status.problems)
        return result

    async def _execute(self, planned: Plan, acts: Acts) -> Outcome:
        """Do the writes, and report what they mean."""
        for act in taken_names(planned.status.problems):
            acts.add(act)
        outcome = await self._executor.execute(planned, acts)
        if planned.decision is not None and not outcome.problems:
            decision = planned.decision
            acts.add(Act(decision.action, reason=decision.reason, message=decision.message))
        await acts.emit(self._cluster)
        return outcome

    async def _derive(self, key: Key) -> Result:
        """Make an EffectivePolicy equal to what the policies say. It has no status."""
        live = self._caches[key.kind].get(key.namespace, key.name)
        if live is not None and (other := self._installations.other(live)):
            await self._installations.report(live, other)
            return Result("OtherInstallation", frozenset({Dep(*key), Installations.dependency(other)}))
        reader = Reader(self._lookup, self._settings, now=self._clock(), overrides=self._overrides)
        writes = plan_effective(reader, key.namespace, key.name)
        acts = Acts(self._log, key)
        outcome = await self._executor.execute(Plan(StatusInput(True, Reason.VALID), writes), acts)
        acts.end(())
        delays = [reader.retry_after, self._state.backoff(key, prevented=outcome.retry)]
        delays += [_NEXT_STEP] if outcome.overridden else []
        return Result(
            "Waiting" if outcome.problems else "Valid",
            frozenset(reader.deps),
            _soonest(delays),
            outcome.writes,
        )

    def _namespace_goes(self, key: Key) -> bool:
        namespace = self._caches["Namespace"].get("", key.namespace)
        return namespace is not None and namespace.deleting

    def _ended(self, key: Key, reader: Reader, outcome: Outcome) -> Result:
        """The plan deleted the object itself, because nothing needs it any more."""
        if not outcome.problems:
            return Result("Gone", writes=outcome.writes)
        delay = self._state.backoff(key, prevented=True)
        return Result("Waiting", frozenset(reader.deps), delay, outcome.writes)

    def _after_writes(self, resource: Resource, planned: Plan, reader: Reader, outcome: Outcome) -> tuple[Plan, Reader]:
        """The plan whose status is true after the writes."""
        if planned.run_of is not None:
            made = self._caches[planned.run_of.kind].get(*planned.run_of[1:])
            whole = not outcome.problems and made is not None and made.owner == resource.live.uid
            planned = planned.with_run(made if whole else None)
        if outcome.problems:
            status = unfinished(planned.status, outcome.problems, resource.live.namespace)
            if outcome.without_revision:  # the workload keeps running its previous revision
                previous = (resource.body.get("status") or {}).get("revision")
                status = replace(status, facts={**status.facts, "revision": previous})
            return replace(planned, status=status), reader
        if planned.replan_after_write or outcome.overridden:
            return self._replan(resource, planned, reader, outcome)
        return planned, reader

    async def _report(self, resource: Resource, planned: Plan, reader: Reader, outcome: Outcome, acts: Acts) -> Result:
        key, status = resource.key, planned.status
        current = (resource.body.get("status") or {}).get("observedGeneration") == resource.live.generation
        if planned.pending and current:
            held, written = None, 0
        else:
            held, written = await self._status.write(resource, status, acts, if_unchanged=planned.if_unchanged)
        delays = [planned.requeue, reader.retry_after, held, self._state.backoff(key, prevented=outcome.retry)]
        return Result(
            outcome_of(status, resource.live.namespace),
            frozenset(reader.deps),
            _soonest(delays),
            outcome.writes + written,
            planned.also_reconcile,
        )

    async def _plan(self, resource: Resource) -> tuple[Plan, Reader]:
        """Plan, fetch the Secrets and ConfigMaps that turn out to be needed, and plan again over the caches then."""
        fetched: dict[Dep, KeyedData] = {}
        # An asset reads its namesakes to find which one shadows the other; that is no use.
        users = tuple(user for user in self._users(resource.key) if user.kind != resource.key.kind)
        for _ in range(_FETCHES):
            reader = self._reader(fetched, users)
            try:
                planned = plan(reader, resource)
            except NeedsData as request:
                needed = request.needed
            else:
                self._registries.ask(resource.key, reader.questions)
                self._registries.watch(resource.key, reader.images, reader.image_registry)
                return planned, reader
            found = await asyncio.gather(*(self._fetch(dep, data) for dep, data in needed.items()))
            fetched.update({dep: data for dep, data in zip(needed, found, strict=True) if data})
            if not any(found):
                # Deleted between the cache and the request: the watch event requeues the object.
                raise Conflict(f"{resource.key}: something it refers to is changing")
        raise Conflict(f"{resource.key}: what it refers to keeps changing")

    def _reader(self, fetched: Mapping[Dep, KeyedData], users: tuple[Key, ...]) -> Reader:
        return Reader(
            self._lookup,
            self._settings,
            fetched,
            users,
            self._clock(),
            overrides=self._overrides,
            answers=self._registries.answer,
            images=self._registries.image,
        )

    async def _deleted_meanwhile(self, resource: Resource, planned: Plan) -> bool:
        """Return whether the object was deleted, where children that it had are missing.

        The events of its children come by other watches and can arrive before its own. Children created now would
        have no owner.
        """
        creates = any(isinstance(write, Create) for write in planned.writes)
        if not creates or not (self._state.unfinished(resource.key) or _had_children(resource)):
            return False
        live = resource.live
        found = await self._cluster.get(live.kind, live.namespace, live.name)
        return found is None or found["metadata"]["uid"] != live.uid

    def _replan(self, resource: Resource, planned: Plan, before: Reader, outcome: Outcome) -> tuple[Plan, Reader]:
        """Plan over the server's answers, which the caches now hold: the status that a second run would write."""
        reader = Reader(
            self._lookup,
            self._settings,
            before.unchanged_data(),
            users=before.users,
            now=self._clock(),
            overrides=self._overrides,
            images=self._registries.image,
        )
        status, facts = dict(resource.body.get("status") or {}), planned.status.facts
        if "revision" in facts:  # the new revision is the one to keep to, and begins a time of its own
            decided = ("revision", "startTime", "halted")  # a stop stands although the pod that caused it may be gone
            status = {key: value for key, value in status.items() if key == "revision" or key not in decided}
            status |= {key: facts[key] for key in decided if facts.get(key) is not None}
        try:
            second = plan(reader, replace(resource, body={**resource.body, "status": status}))
        except NeedsData:
            return (replace(planned, requeue=_NEXT_STEP) if outcome.overridden else planned), before
        soon = _NEXT_STEP if second.writes else second.requeue  # writes that became possible only now
        also = second.also_reconcile | planned.also_reconcile
        second = replace(second, also_reconcile=also, requeue=soon)
        return second.with_run(None), reader  # its writes have not happened

    async def _fetch(self, dep: Dep, data: bool) -> KeyedData | None:
        body = await self._cluster.get(*dep)
        if body is None:
            return None
        return KeyedData.of(body, dep.kind, data=data)

    async def _unreadable(self, live: CachedObject, error: ValidationError) -> Result:
        """An object that the models refuse although it is stored: an older or laxer CRD accepted it."""
        found = [
            (field_text(item["loc"], ""), f"The stored value is not valid: {item['msg']}. Correct the field.")
            for item in error.errors()
        ]
        reader = Reader(self._lookup, self._settings, now=self._clock())
        status = unreadable(live.body, found, self._clock(), identity_facts(reader, live, live.body))
        # Its children keep running, so its dependencies stay.
        return Result("Stalled", None, None, await self._status.put(live, status))

    async def _deleting(self, resource: Resource) -> Result:
        """A finalizer of another tool holds the object: report it, and change nothing any more."""
        written = await self._status.put(resource.live, deleting(resource.body, self._clock()))
        return Result("Deleting", frozenset(), None, written)

    def _spec_changed(self, change: Change) -> None:
        """Note what somebody changed, for the log."""
        old, new = change.old, change.new
        if old is None or new is None or old.generation == new.generation or change.kind not in _CUSTOM:
            return
        self._state.spec_changed(Key(new.kind, new.namespace, new.name), changed_spec(old, new))

    def forget(self, key: Key) -> None:
        """Drop what is remembered of an object that is gone; a new one of its name starts without it."""
        self._state.forget(key)
        self._log.forget(key)
        self._registries.forget(key)
        self._executor.forget()
        self._installations.forget(key)


def _soonest(delays: Iterable[float | None]) -> float | None:
    return min((delay for delay in delays if delay is not None), default=None)


def _had_children(resource: Resource) -> bool:
    """Return whether an earlier, complete reconciliation can have created children; a workload has none before."""
    status = resource.body.get("status") or {}
    return ("revision" if request_for(resource) else "observedGeneration") in status
