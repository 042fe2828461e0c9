"""Children that others deleted: to create one again is a repair, and not a first creation."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from outfitter.api.v1alpha1 import DERIVED_KINDS
from outfitter.children import CHILD_KINDS
from outfitter.cluster.store import Caches, Change
from outfitter.reconcile.acts import Place

_KINDS: Final = frozenset(kind.kind for kind in CHILD_KINDS if kind.created) | {kind.name for kind in DERIVED_KINDS}
_REMEMBERED: Final = 4096


class Deletions:
    """Remembers the newest deletions. A restart forgets them: what is created then counts as created."""

    def __init__(self, caches: Caches) -> None:
        self._by_others: OrderedDict[Place, str] = OrderedDict()  # owner of the child
        self._ours: OrderedDict[str, None] = OrderedDict()
        caches.listen(self._changed)

    def by_us(self, uid: str) -> None:
        """Note a deletion by the operator."""
        self._ours[uid] = None
        if len(self._ours) > _REMEMBERED:
            self._ours.popitem(last=False)

    def take(self, place: Place, owner: str) -> bool:
        """Return whether somebody else deleted a child of this owner, and forget it."""
        return self._by_others.pop(place, None) == owner

    def _changed(self, change: Change) -> None:
        if change.new is not None or change.kind not in _KINDS:
            return
        live = change.live
        if live.uid in self._ours:
            del self._ours[live.uid]
            return
        self._by_others[live.kind, live.namespace, live.name] = live.owner
        if len(self._by_others) > _REMEMBERED:
            self._by_others.popitem(last=False)
