"""What follows from the result of a reconciliation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from test_queue import Clock

from outfitter.cluster.store import Caches, Change
from outfitter.errors import Conflict, LeadershipLost, Throttled, Unavailable
from outfitter.operator.event_router import CURRENT_KEY, EventRouter
from outfitter.operator.queue import WorkQueue
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.operator.workers import Workers
from outfitter.snapshot import CachedObject, Dep, Key

ALICE = Key("Workspace", "a", "alice")
BOB = Key("Workspace", "a", "bob")


@dataclass(frozen=True)
class Result:
    outcome: str = "Ready"
    deps: frozenset[Dep] | None = frozenset()
    requeue_after: float | None = None
    also_reconcile: frozenset[Key] = frozenset()


def workspace(key: Key) -> CachedObject:
    meta = {"name": key.name, "namespace": key.namespace, "uid": key.name, "resourceVersion": "1"}
    return CachedObject.of({"kind": key.kind, "metadata": meta})


class Bench:
    """Two workers, and reconciliations that do what the test says."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.queue: WorkQueue[Key] = WorkQueue(self.clock, rng=lambda: 1.0)
        self.reverse_index = ReverseIndex()
        self.outcomes: list[str] = []
        self.does: Callable[[Key], Result] = lambda key: Result()
        self.hold: asyncio.Event | None = None
        self.forgotten: list[Key] = []
        self.moments: list[int] = []  # reconciliations before each quiet moment
        self.caches = Caches()
        for key in (ALICE, BOB):
            self.caches.put(workspace(key))
        self.event_router = EventRouter(self.caches, self.queue, self.reverse_index, ["Workspace"], used_by_seconds=10)
        self.workers = Workers(
            self.queue,
            self,
            self.reverse_index,
            self.event_router,
            count=2,
            resync_seconds=1000,
            record=lambda kind, outcome, seconds: self.outcomes.append(outcome),
            quiet=lambda: self.moments.append(len(self.outcomes)),
        )

    async def reconcile(self, key: Key) -> Result:
        if self.hold is not None:
            await self.hold.wait()
        return self.does(key)

    def dependencies(self, key: Key) -> frozenset[Dep]:
        return frozenset()

    def forget(self, key: Key) -> None:
        self.forgotten.append(key)

    async def reconciled(self, count: int) -> list[str]:
        async with asyncio.timeout(5):
            while len(self.outcomes) < count:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self.outcomes


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    found = Bench()
    await found.workers.start()
    yield found
    await found.workers.cancel()


async def test_errors_are_retried_and_success_is_repeated_at_resync(bench: Bench) -> None:
    errors = iter([Unavailable("down"), ValueError("a defect")])

    def does(key: Key) -> Result:
        error = next(errors, None)
        if error:
            raise error
        return Result(deps=frozenset({Dep("Secret", "a", "s")}))

    bench.does = does
    bench.queue.add(ALICE)
    assert await bench.reconciled(1) == ["Unavailable"]
    bench.clock.advance(0.05)
    assert (await bench.reconciled(2))[1] == "Error"
    bench.clock.advance(0.1)
    assert (await bench.reconciled(3))[2] == "Ready"
    assert bench.reverse_index.dependents("Secret", "a", "s") == {ALICE}
    bench.clock.advance(749)
    assert len(bench.outcomes) == 3
    bench.clock.advance(502)
    await bench.reconciled(4)


async def test_retry_after_is_the_least_delay(bench: Bench) -> None:
    def does(key: Key) -> Result:
        raise Throttled("busy", status=429, retry_after=30)

    bench.does = does
    bench.queue.add(ALICE)
    await bench.reconciled(1)
    bench.clock.advance(29)
    assert len(bench.queue) == 0
    bench.clock.advance(2)
    await bench.reconciled(2)


async def test_requeue_after_and_gone(bench: Bench) -> None:
    bench.does = lambda key: Result(requeue_after=5) if key == ALICE else Result("Gone")
    bench.queue.add(ALICE)
    bench.queue.add(BOB)
    await bench.reconciled(2)
    bench.clock.advance(5)
    await bench.reconciled(3)
    bench.does = lambda key: Result("Gone")
    bench.clock.advance(5)
    await bench.reconciled(4)
    bench.clock.advance(5000)
    assert len(bench.queue) == 0


async def test_a_reconciliation_without_the_lease_is_retried(bench: Bench) -> None:
    """Usually the process ends. If it renews its Lease late instead, no change may be lost."""

    def does(key: Key) -> Result:
        raise LeadershipLost("gone")

    bench.does = does
    bench.queue.add(ALICE)
    assert await bench.reconciled(1) == ["LeadershipLost"]
    assert len(bench.queue) == 0, "not immediately"
    bench.clock.advance(1)
    assert len(bench.queue) == 1


async def test_drain_finishes_reconciliations_and_cancels_those_that_hang(bench: Bench) -> None:
    bench.hold = asyncio.Event()
    bench.queue.add(ALICE)
    while not bench.queue.processing:  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0)
    draining = asyncio.create_task(bench.workers.drain(5))
    await asyncio.sleep(0)
    bench.hold.set()
    assert await draining
    assert bench.outcomes == ["Ready"]

    other = Bench()
    other.hold = asyncio.Event()
    await other.workers.start()
    other.queue.add(ALICE)
    while not other.queue.processing:  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0)
    assert not await other.workers.drain(0.01)
    assert other.queue.processing == 0


async def test_a_derived_object_deleted_before_its_creation_ends_comes_back(bench: Bench) -> None:
    """Nobody writes an EffectivePolicy but the operator: no other event would ask for it."""
    key = Key("EffectivePolicy", "a", "workspace")

    def does(key: Key) -> Result:
        if bench.caches[key.kind].get(key.namespace, key.name) is None:
            meta = {"name": key.name, "namespace": key.namespace, "resourceVersion": "1"}
            made = CachedObject.of({"kind": key.kind, "metadata": {**meta, "uid": f"u-{len(bench.outcomes)}"}})
            bench.caches.put(made)
            if not bench.outcomes:
                bench.caches.remove(made)
                bench.event_router.changed(Change(key.kind, made, None))
        return Result("Valid", frozenset({Dep(*key)}))

    bench.does = does
    bench.queue.add(key)
    await bench.reconciled(2)
    assert bench.reverse_index.dependents(*key) == {key}
    assert bench.caches[key.kind].get("a", "workspace") is not None


async def test_a_derived_object_that_nothing_asks_for_leaves_nothing_behind(bench: Bench) -> None:
    key = Key("EffectivePolicy", "a", "workspace")
    bench.does = lambda key: Result("Valid", frozenset({Dep(*key)}))
    bench.queue.add(key)
    assert await bench.reconciled(1) == ["Valid"]
    assert bench.reverse_index.dependents(*key) == set()
    assert len(bench.queue) == 0


async def test_a_new_dependency_that_changes_meanwhile_requeues_the_key(bench: Bench) -> None:
    """The Secret appears between its read and the end of the reconciliation, before the index has the key."""

    def does(key: Key) -> Result:
        if not bench.outcomes:
            bench.event_router.written(Change("Secret", None, CachedObject.of(secret())))
        return Result(deps=frozenset({Dep("Secret", "a", "s")}))

    bench.does = does
    bench.queue.add(ALICE)
    await bench.reconciled(2)
    await asyncio.sleep(0)
    assert (len(bench.queue), bench.queue.processing, len(bench.outcomes)) == (0, 0, 2)


async def test_a_result_without_dependencies_keeps_the_last_ones(bench: Bench) -> None:
    deps = frozenset({Dep("Secret", "a", "s")})
    bench.does = lambda key: Result(deps=None if bench.outcomes else deps)
    for count in (1, 2):
        bench.queue.add(ALICE)
        await bench.reconciled(count)
    assert bench.reverse_index.users(Key("Secret", "a", "s")) == (ALICE,)


def secret() -> dict[str, Any]:
    return {"kind": "Secret", "metadata": {"name": "s", "namespace": "a", "uid": "1", "resourceVersion": "1"}}


async def test_a_reconciliation_of_a_deleted_object_leaves_nothing(bench: Bench) -> None:
    secret = Dep("Secret", "a", "s")

    def does(key: Key) -> Result:
        bench.caches.remove(workspace(key))
        return Result(deps=frozenset({secret}), requeue_after=5)

    bench.does = does
    bench.queue.add(ALICE)
    await bench.reconciled(1)
    assert bench.reverse_index.dependents(*secret) == set()
    assert bench.forgotten == [ALICE]
    bench.clock.advance(5000)
    assert len(bench.queue) == 0


async def test_the_current_key_is_that_of_the_running_reconciliation(bench: Bench) -> None:
    """Also in the tasks that it starts, and not after its end."""
    seen: list[Key | None] = []

    async def write() -> None:
        seen.append(CURRENT_KEY.get())

    reconcile = bench.reconcile

    async def writing(key: Key) -> Result:
        await asyncio.gather(write(), write())
        return await reconcile(key)

    bench.reconcile = writing  # type: ignore[method-assign]
    for key in (ALICE, BOB):
        bench.queue.add(key)
    await bench.reconciled(2)
    assert sorted(key for key in seen if key) == [ALICE, ALICE, BOB, BOB]
    assert CURRENT_KEY.get() is None


async def test_a_moment_is_quiet_when_no_reconciliation_runs_or_is_due(bench: Bench) -> None:
    for key in (ALICE, BOB, Key("Workspace", "a", "carol")):  # more than the workers
        bench.queue.add(key)
    await bench.reconciled(3)
    assert bench.moments == [3]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_created_resource_is_due_when_its_creator_ends(bench: Bench, *, fails: bool) -> None:
    """Also if the creator fails afterwards: no later event would requeue the new resource."""
    order: list[tuple[Key, int]] = []

    def does(key: Key) -> Result:
        if key == ALICE:
            bench.event_router.written(Change("Workspace", None, workspace(BOB)))
        order.append((key, len(bench.queue)))
        if fails and key == ALICE:
            raise Conflict("too late")
        return Result()

    bench.does = does
    bench.queue.add(ALICE)
    await bench.reconciled(2)
    assert order == [(ALICE, 0), (BOB, 0)]


async def test_at_the_start_changes_come_before_existing_resources() -> None:
    """Also if the first list has queued them: a cache that an artifact needs comes before the other artifacts."""
    bench, new = Bench(), Key("Workspace", "a", "new")
    old = [Key("Workspace", "a", f"old-{number}") for number in range(20)]
    order: list[Key] = []
    for key in (*old, new):
        bench.caches.put(workspace(key))
    for key in old:
        bench.queue.add(key)

    def does(key: Key) -> Result:
        order.append(key)
        if key == old[0]:
            bench.queue.add(new)
        return Result()

    bench.does = does
    await bench.workers.start(old)
    await bench.reconciled(21)
    await bench.workers.cancel()
    assert sorted(order) == sorted([*old, new])
    assert order.index(new) <= 2
