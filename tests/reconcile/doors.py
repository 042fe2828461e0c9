"""Ways in which the way to the API server fails."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from outfitter.cluster.protocol import Cluster
from outfitter.errors import ApiError
from outfitter.naming import FIELD_MANAGER
from outfitter.snapshot import CachedObject

Body = dict[str, Any]


class Killed(BaseException):
    """The process ends here."""


class Door:
    """A Cluster that hands everything on, and tells `before` and `after` of each write: verb, kind, name."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def before(self, verb: str, kind: str, name: str) -> None:
        """Hear of a write that is about to happen."""

    def after(self, verb: str, kind: str, name: str) -> None:
        """Hear of a write that has happened."""

    async def get(self, kind: str, namespace: str, name: str) -> Body | None:
        """See Cluster.get."""
        return await self.cluster.get(kind, namespace, name)

    async def list(self, kind: str, namespace: str = "", *, label_selector: str = "") -> list[Body]:
        """See Cluster.list."""
        return await self.cluster.list(kind, namespace, label_selector=label_selector)

    async def create(self, manifest: Mapping[str, Any]) -> Body:
        """See Cluster.create."""
        self.before("create", manifest["kind"], manifest["metadata"]["name"])
        stored = await self.cluster.create(manifest)
        self.after("create", manifest["kind"], manifest["metadata"]["name"])
        return stored

    async def apply(self, manifest: Mapping[str, Any], uid: str, manager: str = FIELD_MANAGER) -> Body:
        """See Cluster.apply."""
        self.before("apply", manifest["kind"], manifest["metadata"]["name"])
        stored = await self.cluster.apply(manifest, uid, manager)
        self.after("apply", manifest["kind"], manifest["metadata"]["name"])
        return stored

    async def replace(self, manifest: Mapping[str, Any], uid: str) -> Body:
        """See Cluster.replace."""
        self.before("replace", manifest["kind"], manifest["metadata"]["name"])
        stored = await self.cluster.replace(manifest, uid)
        self.after("replace", manifest["kind"], manifest["metadata"]["name"])
        return stored

    async def delete(
        self, kind: str, namespace: str, name: str, uid: str, *, orphan: bool = False, version: int = 0
    ) -> None:
        """See Cluster.delete."""
        self.before("delete", kind, name)
        await self.cluster.delete(kind, namespace, name, uid, orphan=orphan, version=version)
        self.after("delete", kind, name)

    async def write_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Mapping[str, Any], version: int = 0
    ) -> Body:
        """See Cluster.write_status."""
        self.before("status", kind, name)
        stored = await self.cluster.write_status(kind, namespace, name, uid, status, version)
        self.after("status", kind, name)
        return stored

    async def emit(self, regarding: CachedObject, *, type_: str, reason: str, message: str, action: str) -> None:
        """See Cluster.emit."""
        await self.cluster.emit(regarding, type_=type_, reason=reason, message=message, action=action)


class Deadly(Door):
    """Kills the process at its n-th write: before it, or after it and before its answer."""

    def __init__(self, cluster: Cluster, number: int, *, answered: bool) -> None:
        super().__init__(cluster)
        self.left = number
        self.answered = answered

    def before(self, verb: str, kind: str, name: str) -> None:
        """Die before the last write."""
        self.left -= 1
        if self.left == 0 and not self.answered:
            raise Killed

    def after(self, verb: str, kind: str, name: str) -> None:
        """Die after the last write."""
        if self.left <= 0:
            raise Killed


class Refusing(Door):
    """Answers writes of one verb with an error, `times` times; `late` ones happen all the same."""

    def __init__(
        self, cluster: Cluster, verb: str, error: ApiError, *, times: int = 10_000, kind: str = "", late: bool = False
    ) -> None:
        super().__init__(cluster)
        self.verb, self.error, self.times, self.kind, self.late = verb, error, times, kind, late
        self.refused = 0

    def _maybe(self, verb: str, kind: str) -> None:
        if verb == self.verb and self.kind in ("", kind) and self.refused < self.times:
            self.refused += 1
            raise self.error

    def before(self, verb: str, kind: str, name: str) -> None:
        """Refuse."""
        if not self.late:
            self._maybe(verb, kind)

    def after(self, verb: str, kind: str, name: str) -> None:
        """Lose the answer."""
        if self.late:
            self._maybe(verb, kind)


class Slow(Door):
    """Lets every other task run before each write, so that passes interleave."""

    async def create(self, manifest: Mapping[str, Any]) -> Body:
        """See Cluster.create."""
        await asyncio.sleep(0)
        return await super().create(manifest)
