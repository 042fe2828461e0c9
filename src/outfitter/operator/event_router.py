"""From what changed to the keys that are due: the rules, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, Final

from outfitter.api.v1alpha1 import kind_of
from outfitter.cluster.store import Caches, Change
from outfitter.operator.queue import WorkQueue
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.snapshot import CachedObject, Key

_USERS_SEE: Final = ("labels", "annotations")

WRITER: ContextVar[Key | None] = ContextVar("WRITER", default=None)
"""The key whose pass runs in this task and in those that it started."""


class EventRouter:
    """Listener of the caches. `gone` hears of each of our objects that was deleted."""

    def __init__(
        self,
        caches: Caches,
        queue: WorkQueue[Key],
        dependents: ReverseIndex,
        kinds: Iterable[str],
        *,
        used_by_seconds: float,
        gone: Callable[[CachedObject], None] = lambda live: None,
    ) -> None:
        self._caches = caches
        self._queue = queue
        self._dependents = dependents
        self._kinds = frozenset(kinds)
        self._used_by_seconds = used_by_seconds
        self._gone = gone
        self._made: dict[Key, list[Key]] = {}  # by the key whose pass is under way

    def changed(self, change: Change) -> None:
        """News from a watch or list."""
        if change.kind in self._kinds:
            self._ours(change)
            return
        live = change.live
        if change.kind == "Event":
            self._refused_pods(live)
            return
        if change.kind == "Namespace" and not essential(change):
            return
        if change.old is not None and change.old.owner != live.owner:
            self._owner(change.old)
        self._owner(live)
        self._users(live)

    def written(self, change: Change) -> None:
        """Our own write: the pass that made it knows, others who depend on it do not.

        What the server made of a child may be news to that pass as well; our own kinds are stored as they are sent.
        """
        live, writer = change.live, WRITER.get()
        if change.kind not in self._kinds:
            self._users(live)
            return
        if _concerns_users(change):
            self._users(live, but=writer)
        key = Key(change.kind, live.namespace, live.name)
        if change.old is None and writer is not None:
            # Made by a pass over something else, whose own writes somebody waits for: it comes after them.
            self._made.setdefault(writer, []).append(key)
        elif essential(change):
            # A user's edit that the server took just before our status comes with the answer: its event is old then.
            self._queue.add(key)

    def ended(self, key: Key) -> None:
        """The pass over `key` ended: what it made has its turn."""
        for made in self._made.pop(key, ()):
            self._queue.add(made)

    def knows(self, key: Key) -> bool:
        """Whether there is such an object of ours."""
        return self._caches[key.kind].get(key.namespace, key.name) is not None

    def used(self, assets: Iterable[tuple[str, str, str]]) -> None:
        """The set of users of these changed: their usedBy is due, at most once per window."""
        for kind, namespace, name in assets:
            if kind in self._kinds and name != "*" and self._caches[kind].get(namespace, name) is not None:
                self._queue.add_after(Key(kind, namespace, name), self._used_by_seconds)

    def _ours(self, change: Change) -> None:
        live = change.live
        key = Key(change.kind, live.namespace, live.name)
        replaced = change.old is not None and change.new is not None and change.old.uid != change.new.uid
        if change.old is not None and (change.new is None or replaced):
            self.used(self._dependents.forget(key))
            self._queue.discard(key)
            self._gone(change.old)
        if change.new is not None and (replaced or essential(change)):
            self._queue.add(key)
        if replaced or _concerns_users(change):
            self._users(live)
        if change.old is None and live.owner:
            self._owner(live)

    def _users(self, live: CachedObject, but: Key | None = None) -> None:
        self._dependents.heard(live.kind, live.namespace, live.name, but)
        for key in self._dependents.of(live.kind, live.namespace, live.name):
            if key != but:
                self._queue.add(key)

    def _owner(self, live: CachedObject) -> None:
        """Add the object that `live` was made for, if it still exists."""
        if not live.owner:
            return
        for kind in self._kinds:
            owner = self._caches[kind].by_uid(live.owner)
            if owner is not None:
                self._queue.add(Key(kind, owner.namespace, owner.name))
                return

    def _refused_pods(self, event: CachedObject) -> None:
        about = event.body.get("involvedObject") or {}
        maker = self._caches[about["kind"]].get(event.namespace, about.get("name", ""))
        if maker is not None and maker.uid == about.get("uid"):
            self._owner(maker)


def _concerns_users(change: Change) -> bool:
    """Whether those who refer to an object of ours have to look again: of some kinds, they read the status too."""
    old, new, kind = change.old, change.new, kind_of(change.kind)
    if kind.mute_at_first and old is None and new is not None:
        return bool(new.body.get("status"))
    if essential(change):
        return True
    if old is None or new is None:
        return False
    fields = kind.status_matters
    if not fields:
        return False
    before, after = (live.body.get("status") or {} for live in (old, new))
    return any((before.get(field) or None) != (after.get(field) or None) for field in fields)


def essential(change: Change) -> bool:
    """Whether more than status changed: what a user or the garbage collector did, not what we wrote ourselves."""
    old, new = change.old, change.new
    if old is None or new is None:
        return True
    if old.generation != new.generation or old.deleting != new.deleting or old.uid != new.uid:
        return True
    before, after = metadata(old), metadata(new)
    fields = _USERS_SEE if change.kind != "Namespace" else ("labels",)  # everything wide looks at every Namespace
    return any((before.get(field) or {}) != (after.get(field) or {}) for field in fields)


def metadata(live: CachedObject) -> dict[str, Any]:
    """The metadata of a Live."""
    return live.body["metadata"]  # type: ignore[no-any-return]
