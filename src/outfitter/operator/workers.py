"""Workers: they take keys from the queue, reconcile them, and schedule what follows from the result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from outfitter.actions import Action
from outfitter.api.v1alpha1 import DERIVED_KINDS
from outfitter.cluster.jitter import jitter
from outfitter.errors import ApiError, LeadershipLost, OutfitterError
from outfitter.operator.event_router import CURRENT_KEY, EventRouter
from outfitter.operator.pause import Pause
from outfitter.operator.queue import Priority, QueueClosedError, WorkQueue
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.reconcile.act_log import ActLog, ActRecorder, unrecorded
from outfitter.reconcile.acts import Act
from outfitter.snapshot import Dep, Key

_DERIVED: Final = frozenset(kind.name for kind in DERIVED_KINDS)  # may not exist, and be tried again all the same


class Result(Protocol):
    """The result of a reconciliation."""

    @property
    def outcome(self) -> str:
        """One word, for the metrics."""

    @property
    def deps(self) -> frozenset[Dep] | None:
        """The objects that it read; None keeps the dependencies of the last reconciliation."""

    @property
    def requeue_after(self) -> float | None:
        """Seconds until the next reconciliation, if the result depends on the time."""

    @property
    def also_reconcile(self) -> frozenset[Key]:
        """Other custom resources to reconcile now."""


class Reconciler(Protocol):
    """The engine that the workers call."""

    async def reconcile(self, key: Key) -> Any:
        """Reconcile one custom resource and return a Result. After an ApiError the key is retried with backoff."""

    def dependencies(self, key: Key) -> frozenset[Dep]:
        """The objects that a reconciliation would read, without I/O."""

    def forget(self, key: Key) -> None:
        """Drop the transient state of a deleted custom resource."""


Recorder = Callable[[str, str, float], None]  # kind, outcome, seconds


class Workers:
    """`count` tasks that reconcile keys until the queue is closed. `quiet` is called whenever the queue runs empty."""

    def __init__(
        self,
        queue: WorkQueue[Key],
        reconciler: Reconciler,
        reverse_index: ReverseIndex,
        event_router: EventRouter,
        *,
        count: int,
        resync_seconds: float,
        record: Recorder = lambda kind, outcome, seconds: None,
        quiet: Callable[[], None] = lambda: None,
        acted: ActRecorder = unrecorded,
    ) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._reverse_index = reverse_index
        self._event_router = event_router
        self._count = count
        self._resync_seconds = resync_seconds
        self._record = record
        self._quiet = quiet
        self._log = ActLog(record=acted)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, keys: Iterable[Key] = ()) -> None:
        """Start the tasks. `keys`: all custom resources, each due once.

        They are queued already, by the first lists. They move to the end, behind every change from now on.
        """
        pause = Pause()
        for key in keys:
            self._reverse_index.record(key, self._reconciler.dependencies(key))
            self._queue.discard(key)
            self._queue.add(key, Priority.RESYNC)
            await pause()
        self._tasks = [asyncio.create_task(self._work(), name=f"worker {number}") for number in range(self._count)]

    async def drain(self, seconds: float) -> bool:
        """Finish the running reconciliations. Returns False if some took longer than `seconds` and were cancelled."""
        try:
            async with asyncio.timeout(seconds):
                await self._queue.drain()
        except TimeoutError:
            return False
        finally:
            await self.cancel()
        return True

    async def cancel(self) -> None:
        """Cancel the running reconciliations."""
        self._queue.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            try:
                key = await self._queue.get()
            except QueueClosedError:
                return
            try:
                await self._reconcile(key)
            finally:
                self._queue.done(key)
            if not self._queue.processing and not len(self._queue):
                self._quiet()

    async def _reconcile(self, key: Key) -> None:
        started = time.monotonic()
        outcome = "Error"
        self._reverse_index.begin(key)
        CURRENT_KEY.set(key)
        try:
            done: Result = await self._reconciler.reconcile(key)
            outcome = done.outcome
            self._queue.forget(key)
            self._log.keep(key, ())
            self._finish(key, done)
        except LeadershipLost:
            # The process ends, or it renews the Lease late and goes on. The retry is for the second case.
            outcome = "LeadershipLost"
            self._queue.retry(key)
        except ApiError as error:
            outcome = type(error).__name__
            self._retry(key, error, error.message, error.retry_after or 0.0)
        except OutfitterError as error:
            self._retry(key, error, str(error))
        except Exception as error:
            # A defect that one object triggers must not stop the others. The backoff limits the retries.
            delay = self._queue.retry(key)
            act = Act(Action.FAIL, reason=type(error).__name__, message=str(error), seconds=delay)
            self._log.write(key, act, error=error)
        finally:
            CURRENT_KEY.set(None)
            self._event_router.reconciled(key)
            self._reverse_index.end(key)
            self._record(key.kind, outcome, time.monotonic() - started)

    def _retry(self, key: Key, error: OutfitterError, message: str, at_least: float = 0.0) -> None:
        delay = self._queue.retry(key, at_least)
        self._log.write(key, Act(Action.RETRY, reason=type(error).__name__, message=message, seconds=delay))

    def _finish(self, key: Key, done: Result) -> None:
        exists = self._event_router.exists(key) or (key.kind in _DERIVED and done.requeue_after is not None)
        # A resource that was deleted meanwhile has no dependencies any more.
        deps = done.deps if exists else frozenset()
        changed = self._reverse_index.record(key, deps)
        gained = changed & (deps or frozenset())
        if not exists and key.kind in _DERIVED:
            gained = done.deps or frozenset()  # somebody may have deleted what was just created: it comes back
        if self._reverse_index.end(key, gained):
            self._queue.add(key)  # it changed after it was read, and before the index named this key
        if changed:
            self._event_router.users_changed(changed)
        for other in done.also_reconcile:
            self._queue.add(other)
        if not exists:
            self._reconciler.forget(key)
            self._log.forget(key)
        if not exists or done.outcome == "Gone":
            self._queue.discard(key)
            return
        resync = self._resync_seconds * jitter(0.75, 1.25)
        if done.requeue_after is not None and done.requeue_after < resync:
            self._queue.add_after(key, done.requeue_after)
        else:
            self._queue.add_after(key, resync, Priority.RESYNC)
