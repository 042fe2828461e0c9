"""Removes children whose owner is gone and that the garbage collector does not know: copies in other namespaces."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Final

from outfitter.children import CHILD_KINDS
from outfitter.cluster.jitter import jitter
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches, Change
from outfitter.errors import OutfitterError
from outfitter.naming import LABEL_OWNER_KIND, keeps_data
from outfitter.operator.event_router import metadata
from outfitter.snapshot import CachedObject

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0
_CREATED: Final = tuple(kind.kind for kind in CHILD_KINDS if kind.created)


class OrphanCollector:
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

    def owner_gone(self, owner: CachedObject) -> None:
        """An object of ours was deleted."""
        if any(self._caches[kind].owned(owner.uid) for kind in _CREATED):
            self._gone.add(owner.uid)
            self._due.set()

    def child_seen(self, change: Change) -> None:
        """Listener: a pass may have been creating children while its object was deleted."""
        owner = change.new.owner if change.new is not None and change.kind in _CREATED else ""
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
            except OutfitterError as error:  # a CRD that is being replaced, a Lease that is renewed late
                _log.info("sweep: %s; again soon", error)
                self._due.set()
                await asyncio.sleep(_RETRY_SECONDS * jitter(0.5, 1.5))

    async def _sweep(self) -> None:
        """What is told while it runs is for the next one: so what is due is taken off first, and put back on failure.

        Raises the last error once everything else is done.
        """
        gone, self._gone = self._gone, set()
        everything, self._everything = self._everything, False
        failure: OutfitterError | None = None
        if everything:
            try:
                gone |= await self._orphaned()
            except OutfitterError as error:
                self._everything, failure = True, error
        for uid in gone:
            if kept := await self._remove(uid):
                self._gone.add(uid)
                failure = kept
        if failure is not None:
            raise failure

    async def _orphaned(self) -> set[str]:
        """Owner uids that children name and that no longer exist: by our caches, and then by the server's own word."""
        suspects: dict[str, set[str]] = {}  # uid -> kinds that it may be of
        for kind in _CREATED:
            for uid in self._caches[kind].owners():
                if any(self._caches[ours].by_uid(uid) for ours in self._kinds):
                    continue
                # Anybody may change the labels of a copy in his namespace: that must not save the others.
                named = {
                    (metadata(live).get("labels") or {}).get(LABEL_OWNER_KIND, "")
                    for live in self._removable(kind, uid)
                }
                if named:
                    suspects.setdefault(uid, set()).update(named if named <= self._kinds else self._kinds)
        asked = {kind for kinds in suspects.values() for kind in kinds}
        alive = {kind: await self._listed(kind) for kind in asked}
        return {uid for uid, kinds in suspects.items() if not any(uid in alive[kind] for kind in kinds)}

    def _removable(self, kind: str, uid: str) -> list[CachedObject]:
        return [live for live in self._caches[kind].owned(uid) if not live.deleting and _without_keeper(live)]

    async def _remove(self, uid: str) -> OutfitterError | None:
        """Delete the children of `uid`; one that cannot be deleted keeps no other. Returns the last error."""
        failure: OutfitterError | None = None
        for kind in _CREATED:
            for live in self._removable(kind, uid):
                place = f"{kind} {live.namespace}/{live.name}"
                try:
                    await self._cluster.delete(kind, live.namespace, live.name, live.uid)
                except OutfitterError as error:
                    _log.info("%s: its owner is gone, but it cannot be removed: %s", place, error)
                    failure = error
                else:
                    _log.info("%s: its owner is gone, removed", place)
        return failure


def _without_keeper(live: CachedObject) -> bool:
    meta = metadata(live)
    return not meta.get("ownerReferences") and not keeps_data(live.kind, meta.get("labels") or {})
