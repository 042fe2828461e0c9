"""From a change in the caches to the keys that it requeues."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, Final

from outfitter.api.v1alpha1 import kind_of
from outfitter.cluster.store import Caches, Change
from outfitter.operator.queue import WorkQueue
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.plan.used_by import shown_to_assets
from outfitter.snapshot import CachedObject, Dep, Key

_REPAIR_SECONDS: Final = 10.0  # until a status that another writer changed is written again
_VISIBLE_TO_USERS: Final = ("labels", "annotations")

CURRENT_KEY: ContextVar[Key | None] = ContextVar("CURRENT_KEY", default=None)
"""The key whose reconciliation runs in this task and in the tasks that it started."""


class EventRouter:
    """Listener of the caches. `deleted` is called for each custom resource that was deleted."""

    def __init__(
        self,
        caches: Caches,
        queue: WorkQueue[Key],
        reverse_index: ReverseIndex,
        kinds: Iterable[str],
        *,
        used_by_seconds: float,
        deleted: Callable[[CachedObject], None] = lambda live: None,
    ) -> None:
        self._caches = caches
        self._queue = queue
        self._reverse_index = reverse_index
        self._kinds = frozenset(kinds)
        self._used_by_seconds = used_by_seconds
        self._deleted = deleted
        self._created: dict[Key, list[Key]] = {}  # by the key whose reconciliation created them

    def changed(self, change: Change) -> None:
        """Handle a change from a watch or list."""
        if change.kind in self._kinds:
            self._custom_resource_changed(change)
            return
        live = change.live
        if change.kind == "Event":
            self._event_changed(live)
            return
        if change.kind == "Namespace" and not essential(change):
            return
        if change.old is not None and change.old.owner != live.owner:
            self._requeue_owner(change.old)
        self._requeue_owner(live)
        self._requeue_dependents(live)

    def served_changed(self, kind: str) -> None:
        """Requeue the keys that depend on whether the API server serves an optional kind."""
        self._requeue_dependents(Dep.on_kind(kind))

    def written(self, change: Change) -> None:
        """Handle a change by our own write. The reconciliation that wrote it has the result, its dependents have not.

        The server may change a child that it stores, which concerns the writer as well. It stores custom resources as
        they are sent.
        """
        live, writer = change.live, CURRENT_KEY.get()
        if change.kind not in self._kinds:
            self._requeue_dependents(live)
            return
        if _concerns_users(change):
            self._requeue_dependents(live, but=writer)
        self._assets_of(change)
        key = Key(change.kind, live.namespace, live.name)
        if change.old is None and writer is not None:
            # The writes of the creator come first, because users wait for them.
            self._created.setdefault(writer, []).append(key)
        elif essential(change):
            # The response to our status write includes an edit by a user; its event comes later, and is old by then.
            self._queue.add(key)

    def reconciled(self, key: Key) -> None:
        """Requeue the custom resources that the reconciliation of `key` created."""
        for created in self._created.pop(key, ()):
            self._queue.add(created)

    def exists(self, key: Key) -> bool:
        """Whether the custom resource is cached."""
        return self._caches[key.kind].get(key.namespace, key.name) is not None

    def users_changed(self, resources: Iterable[tuple[str, str, str]]) -> None:
        """Requeue custom resources whose set of users changed, for their usedBy: at most once per window.

        One that lost its last user is requeued at once, because it can be deleted from now on.
        """
        for kind, namespace, name in resources:
            if kind not in self._kinds or name == "*" or self._caches[kind].get(namespace, name) is None:
                continue
            key = Key(kind, namespace, name)
            if self._reverse_index.users(key):
                self._queue.add_after(key, self._used_by_seconds)
            else:
                self._queue.add(key)

    def _custom_resource_changed(self, change: Change) -> None:
        live = change.live
        key = Key(change.kind, live.namespace, live.name)
        replaced = change.old is not None and change.new is not None and change.old.uid != change.new.uid
        if change.old is not None and (change.new is None or replaced):
            self.users_changed(self._reverse_index.forget(key))
            self._queue.discard(key)
            self._deleted(change.old)
        if change.new is not None and (replaced or essential(change)):
            self._queue.add(key)
        elif _status_edited(change):
            # Our own status writes are cached before their events. Later, so that two writers do not race each other.
            self._queue.add_after(key, _REPAIR_SECONDS)
        if replaced or _concerns_users(change):
            self._requeue_dependents(live)
        self._assets_of(change)
        if change.old is None and live.owner:
            self._requeue_owner(live)

    def _assets_of(self, change: Change) -> None:
        """Requeue the assets of a user whose row in their status changed. A user that comes or goes is another case."""
        old, new = change.old, change.new
        if old is None or new is None:
            return
        deps = self._reverse_index.dependencies(Key(change.kind, new.namespace, new.name))
        assets = [dep for dep in deps if dep.kind in self._kinds]
        if assets and shown_to_assets(old) != shown_to_assets(new):
            self.users_changed(assets)

    def _requeue_dependents(self, changed: CachedObject | Dep, but: Key | None = None) -> None:
        dep = Dep(changed.kind, changed.namespace, changed.name)
        for each in (dep, dep.deferred):
            self._reverse_index.changed(*each, but)
        for key in self._reverse_index.dependents(*dep):
            if key != but:
                self._queue.add(key)
        for key in self._reverse_index.dependents(*dep.deferred):
            if key != but:
                self._queue.add_after(key, self._used_by_seconds)

    def _requeue_owner(self, live: CachedObject) -> None:
        """Requeue the owner of a child, if it exists."""
        if not live.owner:
            return
        for kind in self._kinds:
            owner = self._caches[kind].by_uid(live.owner)
            if owner is not None:
                self._queue.add(Key(kind, owner.namespace, owner.name))
                return

    def _event_changed(self, event: CachedObject) -> None:
        """Requeue the objects whose state an Event explains."""
        about = event.body.get("involvedObject") or {}
        live = self._caches[about["kind"]].get(event.namespace, about.get("name", ""))
        if live is not None and live.uid == about.get("uid"):
            self._requeue_owner(live)
            self._requeue_dependents(live)


def _status_edited(change: Change) -> bool:
    """Whether another writer changed the status: a watch reports it, so it is not our own write."""
    old, new = change.old, change.new
    if old is None or new is None:
        return False
    return bool(old.body.get("status") != new.body.get("status"))


def _concerns_users(change: Change) -> bool:
    """Whether a change concerns the dependents of a custom resource. Those of some kinds read its status too."""
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
    """Whether more than the status changed: spec, labels, annotations, existence or deletion."""
    old, new = change.old, change.new
    if old is None or new is None:
        return True
    if old.generation != new.generation or old.deleting != new.deleting or old.uid != new.uid:
        return True
    before, after = metadata(old), metadata(new)
    # Every custom resource with a scope depends on all Namespaces, and on none of their annotations.
    fields = _VISIBLE_TO_USERS if change.kind != "Namespace" else ("labels",)
    return any((before.get(field) or {}) != (after.get(field) or {}) for field in fields)


def metadata(live: CachedObject) -> dict[str, Any]:
    """The metadata of a cached object."""
    return live.body["metadata"]  # type: ignore[no-any-return]
