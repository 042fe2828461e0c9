"""What the cluster says of pods and claims, for tests of causes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cases import NAME, workload

from world import TEAM, Body, World, complete

GRACE = 60  # seconds, longer than every hold time
NOW = "2026-01-01T00:00:00Z"
SCHEDULED = {"type": "PodScheduled", "status": "True"}
CREATING = {
    "phase": "Pending",
    "conditions": [SCHEDULED],
    "containerStatuses": [{"name": "main", "ready": False, "state": {"waiting": {"reason": "ContainerCreating"}}}],
}
CLAIM = {"name": "data", "path": "/data", "claimInfo": {"size": "1Gi", "storageClass": "fast"}}


async def unready(kind: str, **fields: Any) -> World:
    """A workload whose controller exists, but has no ready pods."""
    world = World(workload(kind, **fields))
    await world.settle()
    world.controllers.pods = False
    world.controllers.run()
    return world


async def later(world: World, kind: str, name: str = NAME, namespace: str = TEAM) -> Body:
    """The status once every hold time is over."""
    for _ in range(2):
        await world.once(kind, name, namespace)
        world.tick(GRACE)
    return world.status(kind, name, namespace)


def event(about: Mapping[str, Any], code: str, message: str, name: str = "e", **fields: Any) -> Body:
    """An Event as kubelet and controllers write it."""
    meta = about["metadata"]
    regarding = {"kind": about["kind"], "name": meta["name"], "namespace": TEAM, "uid": meta["uid"]}
    times = {"type": "Warning", "firstTimestamp": NOW, "lastTimestamp": NOW, "count": 1}
    body = {"kind": "Event", "metadata": {"name": name}, "involvedObject": regarding, "reason": code}
    return complete({**body, "message": message, **times, **fields})
