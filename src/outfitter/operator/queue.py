"""Work queue of keys. One worker at a time has a key; a key that is added meanwhile is handed out once more.

Delays, backoff and resync share one timer. Time comes from an event loop, which tests replace by a clock of their own.
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
    """The queue is closed and hands out no more keys."""


class Priority(IntEnum):
    """The order in which keys are handed out."""

    CHANGE = 0
    RESYNC = 1


class Timer(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Cancel the call."""


class TimerLoop(Protocol):
    """The methods of an event loop that the queue uses."""

    def time(self) -> float:
        """The time in seconds, monotonic."""

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        """Schedule `callback` for the time `when`."""


class WorkQueue(Generic[K]):
    """The queue. It belongs to one event loop and is not thread-safe."""

    def __init__(self, loop: TimerLoop | None = None, rng: Callable[[], float] = random.random) -> None:
        self._loop: TimerLoop = loop or asyncio.get_running_loop()
        self._rng = rng
        self._ready: dict[Priority, OrderedDict[K, float]] = {priority: OrderedDict() for priority in Priority}
        self._processing: dict[K, Priority | None] = {}  # value: the priority with which it was added meanwhile
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
        """The number of keys that are due."""
        return sum(map(len, self._ready.values()))

    @property
    def oldest(self) -> float:
        """Seconds that the first due key has waited; 0 if no key is due."""
        since = min((added for keys in self._ready.values() for added in keys.values()), default=None)
        return 0.0 if since is None else self._loop.time() - since

    @property
    def processing(self) -> int:
        """The number of keys that workers have."""
        return len(self._processing)

    def add(self, key: K, priority: Priority = Priority.CHANGE) -> None:
        """Make `key` due now."""
        if self._closed:
            return
        if key in self._processing:
            known = self._processing[key]
            self._processing[key] = priority if known is None else min(known, priority)
            return
        urgent, slow = self._ready[Priority.CHANGE], self._ready[Priority.RESYNC]
        if key in urgent or (key in slow and priority is Priority.RESYNC):
            return
        since = slow.pop(key, self._loop.time())
        self._ready[priority][key] = since
        self._notify_getter()

    def add_after(self, key: K, seconds: float, priority: Priority = Priority.CHANGE) -> None:
        """Make `key` due in `seconds`. An earlier time that was set before stays."""
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
        """Make a failed key due with exponential backoff. Returns the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures, 20))
        delay: float = max(at_least, backoff * (0.5 + 0.5 * self._rng()))
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Reset the backoff of a key that succeeded."""
        self._failures.pop(key, None)

    def discard(self, key: K) -> None:
        """Remove a key with its delay and its backoff."""
        self._failures.pop(key, None)
        self._due.pop(key, None)
        for keys in self._ready.values():
            keys.pop(key, None)

    async def get(self) -> K:
        """Wait for the next key. The caller must call `done` for it. QueueClosedError after `close`."""
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
                    self._notify_getter()  # this getter was notified, so another one must be
                raise
        raise QueueClosedError

    def done(self, key: K) -> None:
        """Give `key` back. It is due at once if it was added meanwhile."""
        priority = self._processing.pop(key)
        if priority is not None:
            self.add(key, priority)
        if not self._processing:
            self._idle.set()

    def close(self) -> None:
        """Hand out no more keys, and end all waiting `get`s."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._getters:
            self._notify_getter()

    async def drain(self) -> None:
        """Close, and wait until no worker has a key."""
        self.close()
        await self._idle.wait()

    def _notify_getter(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _arm(self) -> None:
        while self._heap and self._due.get(self._heap[0][2], (None,))[0] != self._heap[0][0]:
            heapq.heappop(self._heap)  # an earlier time replaced it
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
