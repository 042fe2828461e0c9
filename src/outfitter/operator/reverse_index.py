"""From each object to the custom resources that read it, so that its change requeues those and no others."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from outfitter.snapshot import Dep, Key

_NONE: frozenset[Dep] = frozenset()


class ReverseIndex:
    """The dependencies of each key, and the dependents of each object."""

    def __init__(self) -> None:
        self._deps: dict[Key, frozenset[Dep]] = {}
        self._users: dict[Dep, set[Key]] = {}
        self._running: dict[Key, set[tuple[str, str, str]]] = {}  # the objects that changed meanwhile

    def __len__(self) -> int:
        """The number of objects that have dependents."""
        return len(self._users)

    def begin(self, key: Key) -> None:
        """Start to record changes: a reconciliation of `key` starts, and its dependencies are not known yet."""
        self._running[key] = set()

    def changed(self, kind: str, namespace: str, name: str, but: Key | None = None) -> None:
        """Record that an object changed, for all running reconciliations except that of `but`."""
        for key, changes in self._running.items():
            if key != but:
                changes.add((kind, namespace, name))

    def end(self, key: Key, gained: Collection[Dep] = ()) -> bool:
        """Stop to record changes. Returns whether one of the `gained` dependencies changed meanwhile."""
        changes = self._running.pop(key, set())
        return bool(gained) and any(dep in gained for place in changes for dep in _matching(*place))

    def record(self, key: Key, deps: frozenset[Dep] | None) -> frozenset[Dep]:
        """Replace the dependencies of `key`; None keeps them. Returns those that were added or removed."""
        before = self._deps.get(key, _NONE)
        if deps is None or before == deps:
            return _NONE
        self._remove(key, before - deps)
        for dep in deps - before:
            self._users.setdefault(dep, set()).add(key)
        if deps:
            self._deps[key] = deps
        else:
            self._deps.pop(key, None)
        return before ^ deps

    def forget(self, key: Key) -> frozenset[Dep]:
        """Remove a deleted key. Returns its dependencies."""
        before = self._deps.pop(key, _NONE)
        self._remove(key, before)
        return before

    def dependents(self, kind: str, namespace: str, name: str) -> set[Key]:
        """The keys that depend on an object, by name or by wildcard."""
        found: set[Key] = set()
        for dep in _matching(kind, namespace, name):
            found |= self._users.get(dep, set())
        return found

    def users(self, resource: Key) -> tuple[Key, ...]:
        """The keys that depend on a custom resource by its name, in no order."""
        return tuple(self._users.get(Dep(*resource), ()))

    def _remove(self, key: Key, deps: Iterable[Dep]) -> None:
        for dep in deps:
            users = self._users[dep]
            users.discard(key)
            if not users:
                del self._users[dep]


def _matching(kind: str, namespace: str, name: str) -> tuple[Dep, ...]:
    """All dependencies that include an object."""
    return Dep(kind, namespace, name), Dep(kind, namespace, "*"), Dep(kind, "*", name), Dep(kind, "*", "*")
