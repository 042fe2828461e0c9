"""Which versions of API groups exist: the API server keeps an APIService for each, those of CRDs included."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final

from outfitter.cluster.store import Caches, Change

KIND: Final = "APIService"


class ApiServices:
    """The APIServices in the caches, for those who wait for one."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._followed: dict[str, list[FollowedService]] = defaultdict(list)
        caches.listen(self._changed)
        caches.listen_served(self._served)

    def follow(self, group: str, version: str) -> FollowedService:
        """The APIService of a version, which may not exist."""
        name = f"{version}.{group}"
        found = FollowedService(self._caches, name)
        self._followed[name].append(found)
        return found

    def _changed(self, change: Change) -> None:
        if change.kind == KIND:
            for service in self._followed.get(change.live.name, ()):
                service.changed.set()

    def _served(self, kind: str) -> None:
        if kind == KIND:
            for services in self._followed.values():
                for service in services:
                    service.changed.set()


class FollowedService:
    """One APIService. `changed` is set by each change of it, and when APIServices become known or unknown."""

    def __init__(self, caches: Caches, name: str) -> None:
        self.name = name
        self.changed = asyncio.Event()
        self._caches = caches

    @property
    def known(self) -> bool:
        """Whether the caches know which APIServices exist."""
        return self._caches.serves(KIND)

    @property
    def absent(self) -> bool:
        """Whether it is known not to exist."""
        return self.known and self._caches[KIND].get("", self.name) is None
