"""Passes: keys from the queue to the reconciler, and what follows from each outcome."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from outfitter.cluster.jitter import jitter
from outfitter.errors import ApiError, LeadershipLost, OutfitterError
from outfitter.operator.event_router import WRITER, EventRouter
from outfitter.operator.queue import Priority, QueueClosedError, WorkQueue
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.snapshot import Dep, Key

_log = logging.getLogger(__name__)


class Result(Protocol):
    """What a pass reports."""

    @property
    def outcome(self) -> str:
        """One word."""

    @property
    def deps(self) -> frozenset[Dep] | None:
        """What it looked at; None where it could not tell."""

    @property
    def requeue_after(self) -> float | None:
        """Seconds until the next look, where time alone changes something."""

    @property
    def also_reconcile(self) -> frozenset[Key]:
        """Other objects of ours that have something to do now."""


class Reconciler(Protocol):
    """One pass over one key."""

    async def reconcile(self, key: Key) -> Any:
        """A Pass. ApiError: again with backoff."""

    def dependencies(self, key: Key) -> frozenset[Dep]:
        """What a pass would look at, without I/O."""

    def forget(self, key: Key) -> None:
        """The object is gone."""


Observer = Callable[[str, str, float], None]  # kind, outcome, seconds


class Workers:
    """`count` tasks that take keys until the queue is closed. `quiet` is called when nothing is left to do for now."""

    def __init__(
        self,
        queue: WorkQueue[Key],
        reconciler: Reconciler,
        dependents: ReverseIndex,
        wake: EventRouter,
        *,
        count: int,
        resync_seconds: float,
        observe: Observer = lambda kind, outcome, seconds: None,
        quiet: Callable[[], None] = lambda: None,
    ) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._dependents = dependents
        self._wake = wake
        self._count = count
        self._resync_seconds = resync_seconds
        self._observe = observe
        self._quiet = quiet
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, keys: Iterable[Key] = ()) -> None:
        """Start the tasks. `keys`: everything that there is, due once.

        The first lists have made them due already; what changes or is made from now on comes before them.
        """
        for key in keys:
            self._dependents.record(key, self._reconciler.dependencies(key))
            self._queue.discard(key)
            self._queue.add(key, Priority.RESYNC)
        self._tasks = [asyncio.create_task(self._work(), name=f"worker {number}") for number in range(self._count)]

    async def drain(self, seconds: float) -> bool:
        """Finish the passes under way; those that take longer than `seconds` are cancelled. True if none had to be."""
        try:
            async with asyncio.timeout(seconds):
                await self._queue.drain()
        except TimeoutError:
            return False
        finally:
            await self.cancel()
        return True

    async def cancel(self) -> None:
        """Stop at once, in the middle of passes."""
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
                await self._pass(key)
            finally:
                self._queue.done(key)
            if not self._queue.processing and not len(self._queue):
                self._quiet()

    async def _pass(self, key: Key) -> None:
        started = time.monotonic()
        outcome = "Error"
        self._dependents.begin(key)
        WRITER.set(key)
        try:
            done: Result = await self._reconciler.reconcile(key)
            outcome = done.outcome
            self._queue.forget(key)
            self._after(key, done)
        except LeadershipLost:
            # The process ends, or renews the Lease late and goes on: then this has to be done.
            outcome = "LeadershipLost"
            self._queue.retry(key)
        except ApiError as error:
            outcome = type(error).__name__
            delay = self._queue.retry(key, error.retry_after or 0.0)
            _log.info("%s: %s; again in %.1f s", key, error.message, delay)
        except OutfitterError as error:
            self._queue.retry(key)
            _log.error("%s: %s", key, error)
        except Exception:
            # A defect in one object's pass must not stop the others; it is retried, later each time.
            self._queue.retry(key)
            _log.exception("%s: the pass failed", key)
        finally:
            WRITER.set(None)
            self._wake.ended(key)
            self._dependents.end(key)
            self._observe(key.kind, outcome, time.monotonic() - started)

    def _after(self, key: Key, done: Result) -> None:
        exists = self._wake.knows(key)
        # Deleted while its pass ran, it is no user of anything any more.
        deps = done.deps if exists else frozenset()
        changed = self._dependents.record(key, deps)
        if self._dependents.end(key, changed & (deps or frozenset())):
            self._queue.add(key)  # it came too late for this pass and too early to find us among its users
        if changed:
            self._wake.used(changed)
        for other in done.also_reconcile:
            self._queue.add(other)
        if not exists:
            self._reconciler.forget(key)
        if not exists or done.outcome == "Gone":
            self._queue.discard(key)
            return
        resync = self._resync_seconds * jitter(0.75, 1.25)
        if done.requeue_after is not None and done.requeue_after < resync:
            self._queue.add_after(key, done.requeue_after)
        else:
            self._queue.add_after(key, resync, Priority.RESYNC)
