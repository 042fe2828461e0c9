"""The demo's cluster in memory: the simulator, with Pod objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from outfitter.cli.run import settings_from
from outfitter.cluster.store import Change
from outfitter.naming import LABEL_OWNER_UID, keeps_data
from outfitter.simulator.caches import OUR_KINDS
from outfitter.simulator.simulation import Simulation
from outfitter_sandbox.demo.cluster import DemoError, Execute

_WITHOUT_CONTROLLER: Final = ("JobSet", "MPIJob")
"""Optional kinds whose controllers the simulator does not have, as a new cluster does not."""
_TURNS: Final = 20  # the simulation and the orphan collector are at rest after fewer


class SimulatorCluster:
    """A DemoCluster without time: `until` settles the simulation instead of waiting."""

    def __init__(self) -> None:
        self._simulation = Simulation(settings_from({"domain": "apps.example.com"}), pod_objects=True)
        self.caches = self._simulation.caches
        for kind in _WITHOUT_CONTROLLER:
            self.caches.set_served(kind, False)
        self.execute: Execute | None = None
        self._cluster = self._simulation.cluster
        self.caches.listen(self._collect)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Run the orphan collector during the block, as the operator does."""
        collector = asyncio.create_task(self._simulation.orphan_collector.run())
        try:
            yield
        finally:
            collector.cancel()
            await asyncio.gather(collector, return_exceptions=True)

    async def apply(self, manifest: Mapping[str, Any], manager: str = "demo") -> int:
        """See DemoCluster."""
        return int(self._cluster.user_apply(manifest, manager)["metadata"]["resourceVersion"])

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """See DemoCluster."""
        self._cluster.user_delete(kind, namespace, name)

    async def until(self, step: str, done: Callable[[], bool], seconds: float) -> None:
        """See DemoCluster."""
        for _ in range(_TURNS):
            await self._simulation.settle()
            if done():
                return
            await asyncio.sleep(0)  # the orphan collector's turn
        statuses = [live.body.get("status") or {} for live in self._simulation.resources()]
        messages = [status["message"] for status in statuses if status.get("message")]
        raise DemoError(f"{step}: did not happen. Messages of statuses: {'; '.join(messages) or 'none'}")

    async def owned(self) -> list[tuple[str, str, str, bool]]:
        """See DemoCluster."""
        children = []
        for body in self._cluster.objects():
            kind, meta = body["kind"], body["metadata"]
            if LABEL_OWNER_UID in (labels := meta.get("labels") or {}):
                children.append((kind, meta.get("namespace", ""), meta["name"], keeps_data(kind, labels)))
        return children

    def _collect(self, change: Change) -> None:
        if change.new is None and change.old and change.kind in OUR_KINDS:
            self._simulation.orphan_collector.owner_deleted(change.old)
