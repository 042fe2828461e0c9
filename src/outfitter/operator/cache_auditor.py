"""Comparison of the cached custom resources with lists of our own, because kopf misses deletions.

kopf reports no deletion that happened while its watch was broken, and no end of its first list.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from outfitter.cluster.listing import Listing, listings
from outfitter.cluster.store import Caches, Change
from outfitter.cluster.transport import Transport
from outfitter.cluster.unreadable import Unreadable
from outfitter.errors import OutfitterError

_log = logging.getLogger(__name__)

_RELIST_SECONDS: Final = 10.0  # an object that is not cached by then has probably been deleted since the list
_SETTLE_SECONDS: Final = 2.0  # for kopf to deliver the objects of the list that it just made
_RETRY_SECONDS: Final = 5.0


class CacheAuditor:
    """Compares caches and server at start, and after each further list of kopf. Then it calls `audited`."""

    def __init__(
        self,
        transport: Transport,
        caches: Caches,
        kinds: Iterable[str],
        namespaces: Iterable[str] = (),
        *,
        audited: Callable[[], None] = lambda: None,
        unreadable: Unreadable | None = None,
        settle_seconds: float = _SETTLE_SECONDS,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self._transport = transport
        self._caches = caches
        self._kinds = tuple(kinds)
        self._namespaces = tuple(namespaces)
        self._audited = audited
        self._unreadable = unreadable or Unreadable()
        self._settle_seconds = settle_seconds
        self._retry_seconds = retry_seconds
        self._changed = asyncio.Event()
        self._lists: Counter[str] = Counter()
        self._due_kinds: set[str] = set()
        self._due = asyncio.Event()
        caches.listen(self._object_changed)

    def leave_out(self, kinds: Iterable[str]) -> None:
        """Do not compare these kinds, which the API server does not serve."""
        absent = frozenset(kinds)
        self._kinds = tuple(kind for kind in self._kinds if kind not in absent)

    def _object_changed(self, change: Change) -> None:
        self._changed.set()

    def listed(self, kind: str) -> None:
        """Record a list by kopf. Any but the first of a kind and namespace can hide deletions, so an audit is due."""
        self._lists[kind] += 1
        if self._lists[kind] > max(1, len(self._namespaces)):
            self._due_kinds.add(kind)
            self._due.set()

    async def wait_complete(self) -> None:
        """Wait until every object on the server is cached. ConfigurationError if a CRD is not installed."""
        waiting = list(self._kinds)
        while waiting:
            expected = {kind: await self._list(kind) for kind in waiting}
            try:
                async with asyncio.timeout(_RELIST_SECONDS):
                    while True:
                        self._changed.clear()
                        waiting = [kind for kind in waiting if not self._has(kind, expected[kind])]
                        if not waiting:
                            break
                        await self._changed.wait()
            except TimeoutError:
                _log.info("waiting for the first list of %s", ", ".join(waiting))

    async def run(self) -> None:
        """Audit each kind that kopf has listed again, until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            await asyncio.sleep(self._settle_seconds)
            try:
                while self._due_kinds:
                    # Removed before the audit, because kopf may list the kind once more during it.
                    kind = self._due_kinds.pop()
                    try:
                        await self._audit(kind)
                    except OutfitterError:
                        self._due_kinds.add(kind)
                        raise
                self._audited()
            except OutfitterError as error:  # includes a missing CRD, which is probably being replaced
                _log.info("audit of the caches failed, retrying: %s", error)
                self._due.set()
                await asyncio.sleep(self._retry_seconds)

    async def _audit(self, kind: str) -> None:
        for listing in await self._list(kind):
            self._caches.retain(kind, listing.uids, namespace=listing.namespace, version=listing.version)

    async def _list(self, kind: str) -> list[Listing]:
        return await listings(self._transport, kind, self._namespaces)

    def _has(self, kind: str, expected: list[Listing]) -> bool:
        store, unreadable = self._caches[kind], self._unreadable
        return all(store.knows(uid) or uid in unreadable for listing in expected for uid in listing.uids)
