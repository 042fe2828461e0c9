"""The queue under a clock that only tests turn."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from outfitter.operator.queue import LONGEST_BACKOFF, Priority, QueueClosedError, WorkQueue


class Handle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """Time and timers, as an event loop has them."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, int, Handle, Callable[[], object]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object]) -> Handle:
        handle = Handle()
        heapq.heappush(self._timers, (when, len(self._timers) + id(handle), handle, callback))
        return handle

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            when, _, handle, callback = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            if not handle.cancelled:
                callback()
        self.now = until

    @property
    def pending(self) -> int:
        return sum(not handle.cancelled for _, _, handle, _ in self._timers)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue[str]:
    return WorkQueue(clock, rng=lambda: 1.0)


async def test_a_key_waits_once_however_often_it_is_added(queue: WorkQueue[str]) -> None:
    for _ in range(3):
        queue.add("a")
    queue.add("b")
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]


async def test_added_while_processed_means_once_more_but_not_at_the_same_time(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_changes_go_before_resync_and_a_change_promotes(queue: WorkQueue[str]) -> None:
    queue.add("slow", Priority.RESYNC)
    queue.add("promoted", Priority.RESYNC)
    queue.add("quick")
    queue.add("promoted")
    queue.add("quick", Priority.RESYNC)
    assert [await queue.get() for _ in range(3)] == ["quick", "promoted", "slow"]


async def test_the_earliest_delay_wins(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    clock.advance(4.9)
    assert len(queue) == 0
    clock.advance(0.2)
    assert len(queue) == 1
    await queue.get()
    queue.done("a")
    clock.advance(100)
    assert len(queue) == 0
    assert clock.pending == 0


async def test_backoff_doubles_up_to_its_limit_and_is_forgotten(queue: WorkQueue[str]) -> None:
    delays = [queue.retry("a") for _ in range(16)]
    assert delays[:4] == [0.05, 0.1, 0.2, 0.4]
    assert delays[-1] == LONGEST_BACKOFF
    queue.forget("a")
    assert queue.retry("a") == 0.05
    assert queue.retry("b", at_least=7) == 7


async def test_backoff_is_jittered(clock: Clock) -> None:
    assert WorkQueue[str](clock, rng=lambda: 0.0).retry("a") == 0.025


async def test_discard_forgets_everything(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    queue.add_after("b", 1)
    queue.retry("b")
    queue.discard("a")
    queue.discard("b")
    clock.advance(1000)
    assert len(queue) == 0
    assert queue.retry("b") == 0.05


async def test_waiting_workers_are_served_in_turn_and_a_cancelled_one_loses_nothing(queue: WorkQueue[str]) -> None:
    first = asyncio.create_task(queue.get())
    second = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await second == "a"
    await asyncio.gather(first, return_exceptions=True)
    assert queue.processing == 1


async def test_drain_waits_for_the_keys_that_are_held(queue: WorkQueue[str]) -> None:
    queue.add("held")
    queue.add("left")
    await queue.get()
    idle = asyncio.create_task(queue.get())
    idle.cancel()
    draining = asyncio.create_task(queue.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    queue.add("more")
    with pytest.raises(QueueClosedError):
        await queue.get()
    queue.done("held")
    await draining


async def test_age_of_the_longest_waiting(queue: WorkQueue[str], clock: Clock) -> None:
    assert queue.oldest == 0
    queue.add("a", Priority.RESYNC)
    clock.advance(3)
    queue.add("b")
    queue.add("a")
    assert queue.oldest == 3


class QueueModel(RuleBasedStateMachine):
    """No order of calls loses a key, hands one out twice, or leaves a timer without a purpose."""

    keys = st.sampled_from("abcd")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue: WorkQueue[str] = WorkQueue(self.clock, rng=lambda: 0.5)
        self.held: set[str] = set()
        self.wanted: set[str] = set()
        self.due: dict[str, float] = {}

    def _now_due(self) -> None:
        for key in [key for key, when in self.due.items() if when <= self.clock.now]:
            del self.due[key]
            self.wanted.add(key)

    @rule(key=keys, priority=st.sampled_from(list(Priority)))
    def add(self, key: str, priority: Priority) -> None:
        self.queue.add(key, priority)
        self.wanted.add(key)

    @rule(key=keys, seconds=st.integers(1, 20))
    def add_after(self, key: str, seconds: int) -> None:
        self.queue.add_after(key, seconds)
        self.due[key] = min(self.due.get(key, float("inf")), self.clock.now + seconds)

    @rule(seconds=st.integers(1, 15))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self._now_due()

    @rule(key=keys)
    def discard(self, key: str) -> None:
        again = key in self.held and key in self.wanted
        self.queue.discard(key)
        self.due.pop(key, None)
        if not again:
            self.wanted.discard(key)

    @rule()
    def get(self) -> None:
        if not len(self.queue):
            return
        taken: str = ""
        try:
            self.queue.get().send(None)
        except StopIteration as stop:
            taken = stop.value
        assert taken in self.wanted
        assert taken not in self.held
        self.wanted.discard(taken)
        self.held.add(taken)

    @rule(key=keys)
    def done(self, key: str) -> None:
        if key in self.held:
            self.queue.done(key)
            self.held.discard(key)

    @invariant()
    def ready_is_what_is_wanted_and_not_held(self) -> None:
        assert len(self.queue) == len(self.wanted - self.held)
        assert self.queue.processing == len(self.held)


QueueModel.TestCase.settings = settings(stateful_step_count=40)
TestQueueModel = QueueModel.TestCase
