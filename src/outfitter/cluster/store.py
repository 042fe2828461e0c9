"""The caches: one Store per kind, filled by watches and by our own writes.

A change with an older resourceVersion never replaces a newer one, nor a deletion. A newer one does: an object without
the label of its watch is reported as deleted, and comes back when it has the label again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from outfitter.children import CHILD_KINDS, ChildKind, whole
from outfitter.snapshot import CachedObject

_FEW = 8
_TOMBSTONES = 4096  # deleted uids kept per kind, far more than one watch can have in flight


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one cached object: `old` is None for a new object, `new` is None for a deleted one."""

    kind: str
    old: CachedObject | None
    new: CachedObject | None

    @property
    def live(self) -> CachedObject:
        """The new object, or the old one after a deletion."""
        found = self.new or self.old
        if found is None:
            raise ValueError("a Change has an old or a new object")
        return found


Listener = Callable[[Change], None]


class Store:
    """The cached objects of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._spaces: dict[str, dict[str, CachedObject]] = {}
        self._owned: dict[str, tuple[CachedObject, ...] | dict[str, CachedObject]] = {}
        self._uids: dict[str, CachedObject] = {}
        self._tombstones: OrderedDict[str, int] = OrderedDict()  # uid -> version of the deletion

    def __len__(self) -> int:
        return len(self._uids)

    def get(self, namespace: str, name: str) -> CachedObject | None:
        """The object with that name, or None."""
        space = self._spaces.get(namespace)
        return space.get(name) if space else None

    def by_uid(self, uid: str) -> CachedObject | None:
        """The object with that uid, or None."""
        return self._uids.get(uid)

    def knows(self, uid: str) -> bool:
        """Whether the object with that uid is cached, or was and has been deleted."""
        return uid in self._uids or uid in self._tombstones

    def deleted(self, uid: str) -> bool:
        """Whether the object with that uid has been deleted."""
        return uid in self._tombstones

    def owned(self, uid: str) -> tuple[CachedObject, ...]:
        """The objects whose owner-uid label is `uid`, in any namespace."""
        found = self._owned.get(uid, ())
        return found if isinstance(found, tuple) else tuple(found.values())

    def owners(self) -> tuple[str, ...]:
        """The owner uids of all objects."""
        return tuple(self._owned)

    def in_namespace(self, namespace: str) -> tuple[CachedObject, ...]:
        """The objects of one namespace."""
        return tuple(self._spaces.get(namespace, {}).values())

    def all(self) -> tuple[CachedObject, ...]:
        """All objects."""
        return tuple(self._uids.values())

    def put(self, live: CachedObject) -> Change | None:
        """Add or replace an object. Returns None if a newer version is cached."""
        old = self.get(live.namespace, live.name)
        if live.resource_version <= self._tombstones.get(live.uid, -1):
            return None
        if old is not None and live.resource_version <= old.resource_version:
            return None
        self._tombstones.pop(live.uid, None)
        if old is not None:
            self._drop(old)
            if old.uid != live.uid:
                self._remember_deletion(old.uid, live.resource_version)
        self._spaces.setdefault(live.namespace, {})[live.name] = live
        if live.owner:
            self._own(live)
        self._uids[live.uid] = live
        return Change(self.kind, old, live)

    def remove(self, live: CachedObject, version: int = 0) -> Change | None:
        """Remove an object after its deletion event, or a list at `version`. None if its name has another uid."""
        self._remember_deletion(live.uid, max(live.resource_version, version))
        old = self.get(live.namespace, live.name)
        if old is None or old.uid != live.uid:
            return None
        self._drop(old)
        return Change(self.kind, old, None)

    def retain(self, uids: Collection[str], *, namespace: str = "", version: int = 0) -> list[Change]:
        """Remove the objects that a complete list at `version` lacks, unless they were written later."""
        known = self.in_namespace(namespace) if namespace else self.all()
        lacking = [live for live in known if live.uid not in uids and (not version or live.resource_version <= version)]
        return [change for live in lacking if (change := self.remove(live, version))]

    def _drop(self, live: CachedObject) -> None:
        space = self._spaces[live.namespace]
        del space[live.name]
        if not space:
            del self._spaces[live.namespace]
        if live.owner:
            self._disown(live)
        self._uids.pop(live.uid, None)

    def _own(self, live: CachedObject) -> None:
        """Add an object to those of its owner: a tuple, which is small, until there are many."""
        owned = self._owned.get(live.owner, ())
        if isinstance(owned, dict):
            owned[live.uid] = live
        elif len(owned) < _FEW:
            self._owned[live.owner] = (*owned, live)
        else:
            self._owned[live.owner] = {each.uid: each for each in (*owned, live)}

    def _disown(self, live: CachedObject) -> None:
        owned = self._owned[live.owner]
        if isinstance(owned, dict):
            del owned[live.uid]
        else:
            self._owned[live.owner] = owned = tuple(each for each in owned if each is not live)
        if not owned:
            del self._owned[live.owner]

    def _remember_deletion(self, uid: str, version: int) -> None:
        self._tombstones[uid] = max(version, self._tombstones.get(uid, -1))
        if len(self._tombstones) > _TOMBSTONES:
            self._tombstones.popitem(last=False)


class Caches(Mapping[str, Store]):
    """The Store of each kind, and the listeners to their changes.

    `listen` is for changes that a watch or list reports, `listen_written` for those of our own writes. While a write to
    an object is in flight (`writing`), its events wait, so that the event of the write changes nothing.
    """

    def __init__(self, kinds: Iterable[ChildKind] = CHILD_KINDS) -> None:
        kinds = tuple(kinds)
        self._projections = {kind.kind: kind.project for kind in kinds}
        self._absent = {kind.kind for kind in kinds if kind.optional}
        self._served_listeners: list[Callable[[str], None]] = []
        self._stores: dict[str, Store] = {}
        self._listeners: list[Listener] = []
        self._written: list[Listener] = []
        self._in_flight: dict[tuple[str, str, str], int] = {}
        self._waiting: dict[tuple[str, str, str], list[tuple[bool, CachedObject]]] = {}

    def __getitem__(self, kind: str) -> Store:
        store = self._stores.get(kind)
        if store is None:
            store = self._stores[kind] = Store(kind)
        return store

    def __iter__(self) -> Iterator[str]:
        return iter(self._stores)

    def __len__(self) -> int:
        return len(self._stores)

    def owned(self, uid: str) -> list[CachedObject]:
        """The objects of all kinds whose owner-uid label is `uid`."""
        return [live for store in self._stores.values() for live in store.owned(uid)]

    def listen(self, listener: Listener) -> None:
        """Call `listener` with each change that a watch or list reports."""
        self._listeners.append(listener)

    def listen_written(self, listener: Listener) -> None:
        """Call `listener` with each change by our own writes."""
        self._written.append(listener)

    def serves(self, kind: str) -> bool:
        """Whether the API server serves a kind, and its objects are cached. False for optional kinds at first."""
        return kind not in self._absent

    def set_served(self, kind: str, served: bool) -> None:
        """Record whether the API server serves an optional kind. The objects of one that it does not are removed."""
        if served == self.serves(kind):
            return
        if served:
            self._absent.discard(kind)
        else:
            self._absent.add(kind)
        for listener in self._served_listeners:
            listener(kind)
        if not served:
            self.retain(kind, ())

    def listen_served(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with each optional kind that appears or disappears."""
        self._served_listeners.append(listener)

    def project(self, kind: str, body: Mapping[str, Any]) -> CachedObject | None:
        """The part of an object that is cached; None for an object that must not be cached."""
        return self._projections.get(kind, whole)(kind, body)

    def put(self, live: CachedObject) -> None:
        """Cache an object that a watch or list reports."""
        if self._in_flight and self._hold(True, live):
            return
        if change := self[live.kind].put(live):
            self._notify(self._listeners, change)

    def remove(self, live: CachedObject) -> None:
        """Remove an object that a watch reports as deleted."""
        if self._in_flight and self._hold(False, live):
            return
        if change := self[live.kind].remove(live):
            self._notify(self._listeners, change)

    def retain(self, kind: str, uids: Collection[str], *, namespace: str = "", version: int = 0) -> None:
        """Remove the objects that a complete list of `kind` lacks."""
        for change in self[kind].retain(uids, namespace=namespace, version=version):
            self._notify(self._listeners, change)

    def wrote(self, kind: str, body: Mapping[str, Any]) -> None:
        """Cache the response to our own write."""
        live = self.project(kind, body) if self.serves(kind) else None
        if live is not None and (change := self[kind].put(live)):
            self._notify(self._written, change)

    @contextmanager
    def writing(self, kind: str, namespace: str, name: str) -> Iterator[None]:
        """Delay the events of an object while the block runs."""
        place = (kind, namespace, name)
        self._in_flight[place] = self._in_flight.get(place, 0) + 1
        try:
            yield
        finally:
            self._in_flight[place] -= 1
            if not self._in_flight[place]:
                del self._in_flight[place]
                for exists, live in self._waiting.pop(place, ()):
                    (self.put if exists else self.remove)(live)

    def _hold(self, exists: bool, live: CachedObject) -> bool:
        place = (live.kind, live.namespace, live.name)
        if place not in self._in_flight:
            return False
        self._waiting.setdefault(place, []).append((exists, live))
        return True

    @staticmethod
    def _notify(listeners: list[Listener], change: Change) -> None:
        for listener in listeners:
            listener(change)
