"""The operator's connection to the simulated API server. Tests replace its target to inject faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outfitter.cluster.protocol import Cluster
from outfitter.naming import FIELD_MANAGER
from outfitter.simulator.manifests import Body
from outfitter.snapshot import CachedObject


class Connection:
    """A Cluster that forwards every request to `target`, which can be replaced at any time."""

    def __init__(self, target: Cluster) -> None:
        self.target = target

    async def get(self, kind: str, namespace: str, name: str) -> Body | None:
        """See Cluster.get."""
        return await self.target.get(kind, namespace, name)

    async def list(self, kind: str, namespace: str = "", *, label_selector: str = "") -> list[Body]:
        """See Cluster.list."""
        return await self.target.list(kind, namespace, label_selector=label_selector)

    async def create(self, manifest: Mapping[str, Any]) -> Body:
        """See Cluster.create."""
        return await self.target.create(manifest)

    async def apply(self, manifest: Mapping[str, Any], uid: str, manager: str = FIELD_MANAGER) -> Body:
        """See Cluster.apply."""
        return await self.target.apply(manifest, uid, manager)

    async def replace(self, manifest: Mapping[str, Any], uid: str) -> Body:
        """See Cluster.replace."""
        return await self.target.replace(manifest, uid)

    async def delete(
        self, kind: str, namespace: str, name: str, uid: str, *, orphan: bool = False, version: int = 0
    ) -> None:
        """See Cluster.delete."""
        await self.target.delete(kind, namespace, name, uid, orphan=orphan, version=version)

    async def write_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Mapping[str, Any], version: int = 0
    ) -> Body:
        """See Cluster.write_status."""
        return await self.target.write_status(kind, namespace, name, uid, status, version)

    async def emit(self, regarding: CachedObject, *, type_: str, reason: str, message: str, action: str) -> None:
        """See Cluster.emit."""
        await self.target.emit(regarding, type_=type_, reason=reason, message=message, action=action)
