"""A Cluster that caches the response to each write, so that the later event of the watch changes nothing.

It also counts the writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from outfitter.cluster.event_poster import EventPoster
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches
from outfitter.errors import ApiError
from outfitter.naming import FIELD_MANAGER
from outfitter.snapshot import CachedObject

Recorder = Callable[[str, str, str], None]


class WriteThrough:
    """The Cluster of the reconciler. `record` is called with kind, action, and `Succeeded` or the name of the error."""

    def __init__(self, cluster: Cluster, caches: Caches, record: Recorder = lambda kind, action, result: None) -> None:
        self._cluster = cluster
        self._caches = caches
        self._record = record
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
        with self._recorded(kind, "create"), self._caches.writing(kind, meta.get("namespace", ""), meta["name"]):
            stored = await self._cluster.create(manifest)
            self._caches.wrote(kind, stored)
        return stored

    async def apply(self, manifest: Mapping[str, Any], uid: str, manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """See Cluster.apply."""
        kind, meta = manifest["kind"], manifest["metadata"]
        with self._recorded(kind, "apply"), self._caches.writing(kind, meta.get("namespace", ""), meta["name"]):
            stored = await self._cluster.apply(manifest, uid, manager)
            self._caches.wrote(kind, stored)
        return stored

    async def replace(self, manifest: Mapping[str, Any], uid: str) -> dict[str, Any]:
        """See Cluster.replace."""
        kind, meta = manifest["kind"], manifest["metadata"]
        with self._recorded(kind, "replace"), self._caches.writing(kind, meta["namespace"], meta["name"]):
            stored = await self._cluster.replace(manifest, uid)
            self._caches.wrote(kind, stored)
        return stored

    async def delete(
        self, kind: str, namespace: str, name: str, uid: str, *, orphan: bool = False, version: int = 0
    ) -> None:
        """See Cluster.delete. The watch reports the deletion, because finalizers can delay it."""
        with self._recorded(kind, "delete"):
            await self._cluster.delete(kind, namespace, name, uid, orphan=orphan, version=version)

    async def write_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Mapping[str, Any], version: int = 0
    ) -> dict[str, Any]:
        """See Cluster.write_status."""
        with self._recorded(kind, "status"), self._caches.writing(kind, namespace, name):
            stored = await self._cluster.write_status(kind, namespace, name, uid, status, version)
            self._caches.wrote(kind, stored)
        return stored

    async def emit(self, regarding: CachedObject, *, type_: str, reason: str, message: str, action: str) -> None:
        """See Cluster.emit. Returns at once: the Event is posted aside."""
        post = partial(self._emit, regarding, type_=type_, reason=reason, message=message, action=action)
        self.events.put(post, warns=type_ == "Warning")

    async def _emit(self, regarding: CachedObject, **content: str) -> None:
        with self._recorded("Event", "create"):
            await self._cluster.emit(regarding, **content)

    @contextmanager
    def _recorded(self, kind: str, action: str) -> Iterator[None]:
        try:
            yield
        except ApiError as error:
            self._record(kind, action, type(error).__name__)
            raise
        self._record(kind, action, "Succeeded")
