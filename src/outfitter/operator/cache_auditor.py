"""Our own kinds in the caches: complete before anything is decided, and audited whenever kopf lists again."""

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
from outfitter.errors import ConfigurationError, NotFound, OutfitterError

_log = logging.getLogger(__name__)

_LOOK_AGAIN: Final = 10.0  # seconds after which missing objects are assumed to have been deleted meanwhile
_SETTLE: Final = 2.0  # seconds that kopf is given to deliver the list it just made
_RETRY: Final = 5.0


class CacheAuditor:
    """Checks the caches of our kinds against own lists. `deletions_found` is called after each audit."""

    def __init__(
        self,
        transport: Transport,
        caches: Caches,
        kinds: Iterable[str],
        namespaces: Iterable[str] = (),
        *,
        deletions_found: Callable[[], None] = lambda: None,
        unreadable: Unreadable | None = None,
    ) -> None:
        self._transport = transport
        self._caches = caches
        self._kinds = tuple(kinds)
        self._namespaces = tuple(namespaces)
        self.deletions_found = deletions_found
        self._unreadable = unreadable or Unreadable()
        self._arrived = asyncio.Event()
        self._lists: Counter[str] = Counter()
        self._doubtful: set[str] = set()
        self._due = asyncio.Event()
        caches.listen(self._seen)

    def _seen(self, change: Change) -> None:
        self._arrived.set()

    def listed(self, kind: str) -> None:
        """kopf has listed `kind`: again, where it is not the first time, and then it may have missed deletions."""
        self._lists[kind] += 1
        if self._lists[kind] > max(1, len(self._namespaces)):
            self._doubtful.add(kind)
            self._due.set()

    async def uids(self, kind: str) -> frozenset[str]:
        """Every uid of `kind` that the server has now."""
        return frozenset(uid for listing in await self._list(kind) for uid in listing.uids)

    async def complete(self) -> None:
        """Wait until the caches have every object that the server has. ConfigurationError where a CRD is missing."""
        waiting = list(self._kinds)
        while waiting:
            found = {kind: await self._list(kind) for kind in waiting}
            try:
                async with asyncio.timeout(_LOOK_AGAIN):
                    while True:
                        self._arrived.clear()
                        waiting = [kind for kind in waiting if not self._has(kind, found[kind])]
                        if not waiting:
                            break
                        await self._arrived.wait()
            except TimeoutError:
                _log.info("still waiting for the first list of %s", ", ".join(waiting))

    async def run(self) -> None:
        """For ever: an own list of each kind that kopf listed again, to find what was deleted meanwhile."""
        while True:
            await self._due.wait()
            self._due.clear()
            await asyncio.sleep(_SETTLE)
            try:
                while self._doubtful:
                    # Taken off first: kopf may list it once more while we do.
                    kind = self._doubtful.pop()
                    try:
                        await self._audit(kind)
                    except OutfitterError:
                        self._doubtful.add(kind)
                        raise
                self.deletions_found()
            except OutfitterError as error:  # a missing CRD included: it is being replaced, most likely
                _log.info("audit: %s; again soon", error)
                self._due.set()
                await asyncio.sleep(_RETRY)

    async def _audit(self, kind: str) -> None:
        for listing in await self._list(kind):
            self._caches.retain(kind, listing.uids, namespace=listing.namespace, version=listing.version)

    async def _list(self, kind: str) -> list[Listing]:
        try:
            return await listings(self._transport, kind, self._namespaces)
        except NotFound:
            raise ConfigurationError(f"the server does not know {kind}: install Outfitter's CRDs first") from None

    def _has(self, kind: str, found: list[Listing]) -> bool:
        store, never = self._caches[kind], self._unreadable
        return all(store.knows(uid) or uid in never for listing in found for uid in listing.uids)
