"""Ten thousand workloads that share one Environment: no step between two awaits takes longer than 100 ms.

The Lease, the probes and the watches share the event loop with all work, so a longer step would lose the Lease.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Iterator

import pytest

from outfitter.cluster.store import Change
from outfitter.operator.event_router import EventRouter
from outfitter.operator.gc_tuner import GcTuner
from outfitter.operator.metrics import EngineGauges, Metrics
from outfitter.operator.object_metrics import object_registry
from outfitter.operator.queue import WorkQueue
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.operator.workers import Workers
from outfitter.reconcile.reconciler import Reconciler
from outfitter.simulator.caches import OUR_KINDS
from outfitter.snapshot import Key
from world import TEAM, World, asset

COUNT = 10_000
LIMIT = 0.1  # seconds of this thread's CPU time: other processes of the machine do not count
SINCE = "2026-01-01T00:00:00Z"
READY = {"type": "Ready", "status": "True", "reason": "Running", "message": "", "lastTransitionTime": SINCE}
STATUS = {
    "phase": "Running",
    "revision": "w-1",
    "conditions": [READY],
    "selector": "outfitter.dev/owner-kind=Workspace," * 12,
}
ENVIRONMENT, COMPUTE = Key("Environment", TEAM, "shared"), Key("ComputeResource", TEAM, "small")


async def longest_step(work: Awaitable[object]) -> float:
    """The longest time that the event loop was not free while the work ran."""
    longest, begun = 0.0, time.thread_time()
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, begun = max(longest, now - begun), now
    await task
    return longest


class Crowd:
    """The operator's engine over a simulated cluster with many workloads."""

    def __init__(self) -> None:
        assets = {"environment": {"name": "shared"}, "compute": {"name": "small"}}
        self.world = World(
            asset("Environment", "shared", {"image": "registry.example.com/u:1"}),
            asset("ComputeResource", "small", {"cpuCoreRequest": 1}),
        )
        for number in range(COUNT):
            self.world.cluster.user_apply(asset("Workspace", f"w{number}", {"assets": assets}))
            self.world.cluster.user_status("Workspace", TEAM, f"w{number}", STATUS)
        self.caches = self.world.caches
        self.index = ReverseIndex()
        self.queue: WorkQueue[Key] = WorkQueue()
        self.reconciler = Reconciler(
            self.world.cluster,
            self.caches,
            self.world.settings,
            self.index.users,
            self.world.time,
            self.world.registries,
        )
        self.router = EventRouter(self.caches, self.queue, self.index, OUR_KINDS, used_by_seconds=10)
        self.workers = Workers(self.queue, self.reconciler, self.index, self.router, count=0, resync_seconds=1000)

    def keys(self) -> list[Key]:
        return [Key(live.kind, live.namespace, live.name) for kind in OUR_KINDS for live in self.caches[kind].all()]

    async def learned(self) -> None:
        await self.workers.start(self.keys())


@pytest.fixture
def collector() -> Iterator[None]:
    """Garbage collection as the operator tunes it once its caches are filled."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
async def test_every_path_over_all_objects_gives_way() -> None:
    crowd = Crowd()
    GcTuner().freeze_startup()
    steps = {"start": await longest_step(crowd.learned())}
    assert len(crowd.index.users(ENVIRONMENT)) == COUNT
    assert len(crowd.queue) >= COUNT

    async def changed() -> None:
        live = crowd.caches["Environment"].get(TEAM, "shared")
        assert live is not None
        crowd.router.changed(Change("Environment", None, live))

    steps["an edit of the shared Environment"] = await longest_step(changed())
    for key in (ENVIRONMENT, COMPUTE):
        steps[f"the reconciliation of {key.kind}"] = await longest_step(crowd.reconciler.reconcile(key))
    steps["the orphan collector"] = await longest_step(crowd.world.orphan_collector._deleted_owner_uids())
    metrics = Metrics()
    metrics.registry.register(EngineGauges(crowd.queue, crowd.caches, (), OUR_KINDS, lambda: True))
    metrics.objects = object_registry(crowd.caches, OUR_KINDS, lambda: True)
    steps["/metrics"] = await longest_step(metrics.text())
    assert {name: round(seconds, 3) for name, seconds in steps.items() if seconds > LIMIT} == {}
    status = crowd.caches["Environment"].get(TEAM, "shared")
    assert status is not None
    assert status.body["status"]["usedBy"]["total"] == COUNT
    assert status.body["status"]["usage"]["lastUsed"] == [
        {"namespace": TEAM, "workloadType": "workspace", "time": SINCE}
    ]
