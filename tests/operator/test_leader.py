"""Election under a clock that only tests turn, over a Lease in memory with the server's rules."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from typing import Any

import pytest

from outfitter.errors import AlreadyExists, Conflict, NotFound, Unavailable
from outfitter.operator.leader import Elector


class Lease:
    """One Lease: versions, conflicts, and a network that can be cut per client."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] | None = None
        self.version = 0

    def client(self) -> Client:
        return Client(self)


class Client:
    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.cut = False
        self.reads = 0

    def _answer(self) -> dict[str, Any]:
        assert self.lease.stored is not None
        return deepcopy(self.lease.stored)

    async def read(self) -> dict[str, Any] | None:
        self._reach()
        self.reads += 1
        return None if self.lease.stored is None else self._answer()

    async def create(self, spec: dict[str, Any]) -> dict[str, Any]:
        self._reach()
        if self.lease.stored is not None:
            raise AlreadyExists("exists", status=409)
        return self._save({"metadata": {}, "spec": spec})

    async def replace(self, lease: dict[str, Any]) -> dict[str, Any]:
        self._reach()
        if self.lease.stored is None:
            raise NotFound("gone", status=404)
        if lease["metadata"]["resourceVersion"] != str(self.lease.version):
            raise Conflict("changed", status=409)
        return self._save(lease)

    def _reach(self) -> None:
        if self.cut:
            raise Unavailable("cut off")

    def _save(self, lease: dict[str, Any]) -> dict[str, Any]:
        self.lease.version += 1
        self.lease.stored = deepcopy({**lease, "metadata": {"resourceVersion": str(self.lease.version)}})
        return self._answer()


class Time:
    """Virtual seconds: sleeps end in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, future))
        await future

    async def advance(self, seconds: float) -> None:
        until = self.now + seconds
        await settle()
        while due := sorted((item for item in self._sleepers if item[0] <= until), key=lambda item: item[0])[:1]:
            self._sleepers.remove(due[0])
            self.now = max(self.now, due[0][0])
            if not due[0][1].done():
                due[0][1].set_result(None)
            await settle()
        self.now = until


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Replica:
    def __init__(self, lease: Lease, time: Time, name: str) -> None:
        self.client = lease.client()
        self.elector = Elector(self.client, name, 15, clock=time.clock, sleep=time.sleep)
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await self.elector.acquire()
        await self.elector.keep()

    async def crash(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
def time() -> Time:
    return Time()


async def test_writes_may_last_until_the_lease_ends_and_not_until_it_must_be_renewed(time: Time) -> None:
    replica = Replica(Lease(), time, "one")
    await time.advance(0)
    assert (replica.elector.holds(), replica.elector.remaining()) == (True, 15)
    replica.client.cut = True
    await time.advance(9)
    assert (replica.elector.holds(), replica.elector.remaining()) == (True, 6)
    await replica.crash()


async def test_one_of_two_leads_and_keeps_leading(time: Time) -> None:
    lease = Lease()
    first, second = Replica(lease, time, "one"), Replica(lease, time, "two")
    for _ in range(100):
        await time.advance(1)
        assert [first.elector.holds(), second.elector.holds()] == [True, False]
    assert lease.stored is not None
    assert lease.stored["spec"]["leaseTransitions"] == 0
    await first.crash()
    await second.crash()


async def test_renewing_costs_one_request(time: Time) -> None:
    """A leader has the Lease: it reads it again only if another client changed or deleted it."""
    lease = Lease()
    replica = Replica(lease, time, "one")
    await time.advance(1)
    assert replica.client.reads == 1
    before = lease.version
    await time.advance(60)
    assert lease.version > before + 20
    assert replica.client.reads == 1
    lease.version += 1
    assert lease.stored is not None
    lease.stored["metadata"] = {"resourceVersion": str(lease.version), "annotations": {"seen": "by a user"}}
    await time.advance(4)
    assert replica.client.reads == 2
    lease.stored = None
    await time.advance(4)
    assert (replica.client.reads, replica.elector.holds()) == (3, True)
    assert lease.stored is not None
    await replica.crash()


async def test_a_crashed_leader_is_replaced_after_the_lease_has_run_out(time: Time) -> None:
    lease = Lease()
    first, second = Replica(lease, time, "one"), Replica(lease, time, "two")
    await time.advance(30)
    await first.crash()
    await time.advance(9.9)
    assert not second.elector.holds()
    await time.advance(10)
    assert second.elector.holds()
    assert not first.elector.holds()
    assert lease.stored is not None
    assert lease.stored["spec"]["leaseTransitions"] == 1
    await second.crash()


async def test_never_two_leaders_while_the_network_comes_and_goes(time: Time) -> None:
    lease = Lease()
    replicas = [Replica(lease, time, name) for name in ("one", "two", "three")]
    leaders: set[int] = set()
    for step in range(600):
        for number, replica in enumerate(replicas):
            replica.client.cut = (step // 40) % 4 == number
        await time.advance(0.5)
        leading = [number for number, replica in enumerate(replicas) if replica.elector.holds()]
        assert len(leading) <= 1
        leaders.update(leading)
        for number, replica in enumerate(replicas):
            if replica.task.done():
                replicas[number] = Replica(lease, time, f"{number}-{step}")
    assert len(leaders) > 1, "the test did move leadership about"
    for replica in replicas:
        await replica.crash()


async def test_a_leader_without_network_stops_before_another_may_start(time: Time) -> None:
    lease = Lease()
    first = Replica(lease, time, "one")
    await time.advance(5)
    first.client.cut = True
    await time.advance(14)
    assert not first.elector.holds()
    assert first.task.done(), "the process has to exit"


async def test_a_stalled_process_finds_its_gate_closed(time: Time) -> None:
    first = Replica(Lease(), time, "one")
    await time.advance(1)
    assert first.elector.holds()
    time.now += 11  # nothing ran meanwhile
    assert not first.elector.holds()
    await first.crash()


async def test_release_lets_the_next_one_in_at_once(time: Time) -> None:
    lease = Lease()
    first, second = Replica(lease, time, "one"), Replica(lease, time, "two")
    await time.advance(5)
    await first.crash()
    await first.elector.release()
    assert not first.elector.holds()
    await time.advance(3)
    assert second.elector.holds()
    await second.crash()


async def test_release_after_an_answer_that_got_lost(time: Time) -> None:
    """The Lease is newer than the known one, and still held."""
    lease = Lease()
    replica = Replica(lease, time, "one")
    await time.advance(1)
    await replica.crash()
    lease.version += 1
    assert lease.stored is not None
    lease.stored["metadata"] = {"resourceVersion": str(lease.version)}
    await replica.elector.release()
    assert lease.stored["spec"]["holderIdentity"] == ""


async def test_losing_the_lease_to_another_replica_ends_leadership(time: Time) -> None:
    lease = Lease()
    first = Replica(lease, time, "one")
    await time.advance(1)
    assert lease.stored is not None
    lease.version += 1
    lease.stored = {
        "metadata": {"resourceVersion": str(lease.version)},
        "spec": {"holderIdentity": "thief", "leaseDurationSeconds": 15, "renewTime": "x"},
    }
    await time.advance(4)
    assert first.task.done()
    assert not first.elector.holds()
