"""A Cluster that caches the response to each write, so that the later event of the watch changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from outfitter.cluster.event_poster import EventPoster
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches
from outfitter.naming import FIELD_MANAGER
from outfitter.snapshot import CachedObject


class WriteThrough:
    """The Cluster of the reconciler."""

    def __init__(self, cluster: Cluster, caches: Caches) -> None:
        self._cluster = cluster
        self._caches = caches
        self.events = EventPoster()

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """See Cluster.get."""
        return await self._cluster.get(kind, namespace, name)

    async def list(self, kind: str, namespace: str = "", *, label_selector: str = "") -> list[dict[str, Any]]:
        """See Cluster.list."""
        return await self._cluster.list(kind, namespace, label_selector=label_selector)

    async def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """See Cluster.create."""
        kind, meta = manifest["kind"], manifest["metadata"]
        with self._caches.writing(kind, meta.get("namespace", ""), meta["name"]):
            stored = await self._cluster.create(manifest)
            self._caches.wrote(kind, stored)
        return stored

    async def apply(self, manifest: Mapping[str, Any], uid: str, manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """See Cluster.apply."""
        kind, meta = manifest["kind"], manifest["metadata"]
        with self._caches.writing(kind, meta.get("namespace", ""), meta["name"]):
            stored = await self._cluster.apply(manifest, uid, manager)
            self._caches.wrote(kind, stored)
        return stored

    async def replace(self, manifest: Mapping[str, Any], uid: str) -> dict[str, Any]:
        """See Cluster.replace."""
        kind, meta = manifest["kind"], manifest["metadata"]
        with self._caches.writing(kind, meta["namespace"], meta["name"]):
            stored = await self._cluster.replace(manifest, uid)
            self._caches.wrote(kind, stored)
        return stored

    async def delete(
        self, kind: str, namespace: str, name: str, uid: str, *, orphan: bool = False, version: int = 0
    ) -> None:
        """See Cluster.delete. The watch reports the deletion, because finalizers can delay it."""
        await self._cluster.delete(kind, namespace, name, uid, orphan=orphan, version=version)

    async def write_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Mapping[str, Any], version: int = 0
    ) -> dict[str, Any]:
        """See Cluster.write_status."""
        with self._caches.writing(kind, namespace, name):
            stored = await self._cluster.write_status(kind, namespace, name, uid, status, version)
            self._caches.wrote(kind, stored)
        return stored

    async def emit(self, regarding: CachedObject, *, type_: str, reason: str, message: str, action: str) -> None:
        """See Cluster.emit. Returns at once: the Event is posted aside."""
        self.events.put(
            partial(self._cluster.emit, regarding, type_=type_, reason=reason, message=message, action=action)
        )
