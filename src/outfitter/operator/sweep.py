"""Removes children whose owner is gone and that the garbage collector does not know: copies in other namespaces."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable

from outfitter.cluster.base import Change, Cluster
from outfitter.cluster.jitter import jitter
from outfitter.cluster.store import Caches
from outfitter.cluster.watches import CHILD_KINDS
from outfitter.errors import ApiError, LeadershipLost
from outfitter.naming import OWNER_KIND, RETAINED
from outfitter.operator.wake import metadata
from outfitter.snapshot import Live

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0


class Sweep:
    """Runs beside the workers. `listed` reads from the server which uids of a kind exist right now."""

    def __init__(
        self,
        cluster: Cluster,
        caches: Caches,
        kinds: Iterable[str],
        listed: Callable[[str], Awaitable[Collection[str]]],
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._kinds = frozenset(kinds)
        self._listed = listed
        self._gone: set[str] = set()
        self._everything = False
        self._due = asyncio.Event()

    def owner_gone(self, owner: Live) -> None:
        """An object of ours was deleted."""
        if any(self._caches[kind].owned(owner.uid) for kind in CHILD_KINDS):
            self._gone.add(owner.uid)
            self._due.set()

    def child_seen(self, change: Change) -> None:
        """Listener: a pass may have been creating children while its object was deleted."""
        owner = change.new.owner if change.new is not None and change.kind in CHILD_KINDS else ""
        if owner and any(self._caches[kind].buried(owner) for kind in self._kinds):
            self._gone.add(owner)
            self._due.set()

    def everything(self) -> None:
        """A list may have found deletions that nobody saw."""
        self._everything = True
        self._due.set()

    async def run(self) -> None:
        """For ever, one sweep at a time."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._sweep()
            except ApiError as error:
                _log.info("sweep: %s; again soon", error)
                self._due.set()
                await asyncio.sleep(_RETRY_SECONDS * jitter(0.5, 1.5))
            except LeadershipLost:
                return

    async def _sweep(self) -> None:
        for uid in tuple(self._gone):
            await self._remove(uid)
            self._gone.discard(uid)
        if self._everything:
            for uid in await self._orphaned():
                await self._remove(uid)
            self._everything = False

    async def _orphaned(self) -> list[str]:
        """Owner uids that children name and that no longer exist: by our caches, and then by the server's own word."""
        suspects: dict[str, set[str]] = {}
        for kind in CHILD_KINDS:
            for uid in self._caches[kind].owners():
                children = self._removable(kind, uid)
                if children and not any(self._caches[ours].by_uid(uid) for ours in self._kinds):
                    owner_kind = (metadata(children[0]).get("labels") or {}).get(OWNER_KIND, "")
                    if owner_kind in self._kinds:
                        suspects.setdefault(owner_kind, set()).add(uid)
        found: list[str] = []
        for kind, uids in suspects.items():
            found += uids.difference(await self._listed(kind))
        return found

    def _removable(self, kind: str, uid: str) -> list[Live]:
        return [live for live in self._caches[kind].owned(uid) if not live.deleting and _without_keeper(live)]

    async def _remove(self, uid: str) -> None:
        for kind in CHILD_KINDS:
            for live in self._removable(kind, uid):
                _log.info(
                    "%s %s/%s: its owner is gone, removed",
                    kind,
                    live.namespace,
                    live.name,
                )
                await self._cluster.delete(kind, live.namespace, live.name, live.uid)


def _without_keeper(live: Live) -> bool:
    meta = metadata(live)
    return not meta.get("ownerReferences") and RETAINED not in (meta.get("labels") or {})
