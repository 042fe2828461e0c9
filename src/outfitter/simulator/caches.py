"""Caches that hold what the operator's watches would show."""

from __future__ import annotations

from typing import Final

from outfitter.api.v1alpha1 import KINDS
from outfitter.children import CHILD_KINDS
from outfitter.cluster.store import Caches
from outfitter.naming import LABEL_OWNER_UID
from outfitter.snapshot import CachedObject

OUR_KINDS: Final = tuple(kind.name for kind in KINDS)
_BY_LABEL: Final = frozenset(kind.kind for kind in CHILD_KINDS if kind.watch.label_selector == LABEL_OWNER_UID)
WATCHED_KINDS: Final = frozenset(kind.kind for kind in CHILD_KINDS) | frozenset(OUR_KINDS)


class WatchedCaches(Caches):
    """Caches that apply the selectors of the operator's watches, of a server that serves every kind."""

    def __init__(self) -> None:
        super().__init__()
        for kind in CHILD_KINDS:
            self.set_served(kind.kind, True)

    def put(self, live: CachedObject) -> None:
        """See Caches.put. An object that lost the label of its watch is removed."""
        if live.kind not in WATCHED_KINDS:
            return
        if live.kind in _BY_LABEL and not live.owner:
            known = self[live.kind].get(live.namespace, live.name)
            if known is not None:
                self.remove(known)
            return
        super().put(live)
