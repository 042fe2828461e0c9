"""Keyed work queue: each key is worked on by one worker at a time, and a key added meanwhile is worked on once more.

Delays, backoff and the slow resync share one timer. Time comes from a loop (`time`, `call_at`): tests turn the clock.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from enum import IntEnum
from typing import Final, Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF: Final = 0.05  # seconds
LONGEST_BACKOFF: Final = 300.0


class QueueClosedError(Exception):
    """No more keys are handed out."""


class Priority(IntEnum):
    """What is taken first."""

    CHANGE = 0
    RESYNC = 1


class Timer(Protocol):
    """A call that was scheduled."""

    def cancel(self) -> None:
        """Do not call."""


class TimerLoop(Protocol):
    """The part of an event loop that the queue needs."""

    def time(self) -> float:
        """Monotonic seconds."""

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        """Call back at `when`."""


class WorkQueue(Generic[K]):
    """The queue. Not thread-safe: everything happens on the event loop."""

    def __init__(self, loop: TimerLoop | None = None, rng: Callable[[], float] = random.random) -> None:
        self._loop: TimerLoop = loop or asyncio.get_running_loop()
        self._rng = rng
        self._ready: dict[Priority, OrderedDict[K, float]] = {priority: OrderedDict() for priority in Priority}
        self._processing: dict[K, Priority | None] = {}  # value: wanted again, and how urgently
        self._due: dict[K, tuple[float, Priority]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._failures: dict[K, int] = {}
        self._timer: Timer | None = None
        self._timer_at = float("inf")
        self._getters: deque[asyncio.Future[None]] = deque()
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()
        self._closed = False

    def __len__(self) -> int:
        """Keys that wait to be taken now."""
        return sum(map(len, self._ready.values()))

    @property
    def oldest(self) -> float:
        """Seconds that the longest waiting key has waited; 0 where none waits."""
        since = min((added for keys in self._ready.values() for added in keys.values()), default=None)
        return 0.0 if since is None else self._loop.time() - since

    @property
    def processing(self) -> int:
        """Keys that workers hold."""
        return len(self._processing)

    def add(self, key: K, priority: Priority = Priority.CHANGE) -> None:
        """Work on `key` as soon as a worker is free."""
        if self._closed:
            return
        if key in self._processing:
            wanted = self._processing[key]
            self._processing[key] = priority if wanted is None else min(wanted, priority)
            return
        urgent, slow = self._ready[Priority.CHANGE], self._ready[Priority.RESYNC]
        if key in urgent or (key in slow and priority is Priority.RESYNC):
            return
        since = slow.pop(key, self._loop.time())
        self._ready[priority][key] = since
        self._wake()

    def add_after(self, key: K, seconds: float, priority: Priority = Priority.CHANGE) -> None:
        """Work on `key` in `seconds`, or earlier where that was asked for before."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key, priority)
            return
        when = self._loop.time() + seconds
        known = self._due.get(key)
        if known is not None and known[0] <= when:
            return
        self._due[key] = (when, priority)
        self._sequence += 1
        heapq.heappush(self._heap, (when, self._sequence, key))
        self._arm()

    def retry(self, key: K, at_least: float = 0.0) -> float:
        """Work on a key that failed again, later each time. Returns the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures, 20))
        delay: float = max(at_least, backoff * (0.5 + 0.5 * self._rng()))
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """The key succeeded: its next failure starts with a short delay again."""
        self._failures.pop(key, None)

    def discard(self, key: K) -> None:
        """The key's object is gone: neither delay nor backoff is kept."""
        self._failures.pop(key, None)
        self._due.pop(key, None)
        for keys in self._ready.values():
            keys.pop(key, None)

    async def get(self) -> K:
        """The next key; the caller owes a `done`. QueueClosedError after `close`."""
        while not self._closed:
            for keys in self._ready.values():
                if keys:
                    key, _ = keys.popitem(last=False)
                    self._processing[key] = None
                    self._idle.clear()
                    return key
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    self._wake()  # the call was for us: hand it on
                raise
        raise QueueClosedError

    def done(self, key: K) -> None:
        """The worker is through with `key`."""
        wanted = self._processing.pop(key)
        if wanted is not None:
            self.add(key, wanted)
        if not self._processing:
            self._idle.set()

    def close(self) -> None:
        """Hand out no more keys."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._getters:
            self._wake()

    async def drain(self) -> None:
        """Close, and wait until no worker holds a key."""
        self.close()
        await self._idle.wait()

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _arm(self) -> None:
        while self._heap and self._due.get(self._heap[0][2], (None,))[0] != self._heap[0][0]:
            heapq.heappop(self._heap)  # superseded
        if not self._heap or (self._timer is not None and self._timer_at <= self._heap[0][0]):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._heap[0][0]
        self._timer = self._loop.call_at(self._timer_at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            due = self._due.get(key)
            if due is not None and due[0] == when:
                del self._due[key]
                self.add(key, due[1])
        self._arm()
