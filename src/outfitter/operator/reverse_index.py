"""From each object to the custom resources that read it, so that its change requeues those and no others."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from itertools import islice

from outfitter.snapshot import Dep, Key

_NONE: frozenset[Dep] = frozenset()


class ReverseIndex:
    """The dependencies of each key, and the dependents of each object."""

    def __init__(self) -> None:
        self._deps: dict[Key, tuple[Dep, ...]] = {}  # a set takes four times the memory
        self._users: dict[Dep, set[Key]] = {}
        self._shared: dict[Dep, Dep] = {}  # equal dependencies of many keys are one object
        self._running: dict[Key, int] = {}  # the number of changes before its reconciliation started
        self._changes: deque[tuple[Key | None, tuple[str, str, str]]] = deque()  # since the first of those started
        self._dropped = 0  # changes before those

    def __len__(self) -> int:
        """The number of objects that have dependents."""
        return len(self._users)

    def begin(self, key: Key) -> None:
        """Start to record changes: a reconciliation of `key` starts, and its dependencies are not known yet."""
        self._running[key] = self._dropped + len(self._changes)

    def changed(self, kind: str, namespace: str, name: str, but: Key | None = None) -> None:
        """Record that an object changed, for all running reconciliations except that of `but`."""
        if self._running:
            self._changes.append((but, (kind, namespace, name)))

    def end(self, key: Key, gained: Collection[Dep] = ()) -> bool:
        """Stop to record changes. Returns whether one of the `gained` dependencies changed meanwhile."""
        start = self._running.pop(key, None)
        if start is None:
            return False
        changes = islice(self._changes, start - self._dropped, None) if gained else ()
        found = any(dep in gained for but, place in changes if but != key for dep in _matching(*place))
        self._drop_changes()
        return found

    def _drop_changes(self) -> None:
        """Drop the changes from before every running reconciliation."""
        oldest = min(self._running.values(), default=self._dropped + len(self._changes))
        while self._dropped < oldest:
            self._changes.popleft()
            self._dropped += 1

    def record(self, key: Key, deps: frozenset[Dep] | None) -> frozenset[Dep]:
        """Replace the dependencies of `key`; None keeps them. Returns those that were added or removed."""
        before = frozenset(self._deps.get(key, ()))
        if deps is None or before == deps:
            return _NONE
        self._remove(key, before - deps)
        for dep in deps - before:
            self._users.setdefault(dep, set()).add(key)
        if deps:
            self._deps[key] = tuple(self._shared.setdefault(dep, dep) for dep in deps)
        else:
            self._deps.pop(key, None)
        return before ^ deps

    def forget(self, key: Key) -> frozenset[Dep]:
        """Remove a deleted key. Returns its dependencies."""
        before = frozenset(self._deps.pop(key, ()))
        self._remove(key, before)
        return before

    def dependents(self, kind: str, namespace: str, name: str) -> set[Key]:
        """The keys that depend on an object, by name or by wildcard."""
        found: set[Key] = set()
        for dep in _matching(kind, namespace, name):
            found |= self._users.get(dep, set())
        return found

    def dependencies(self, key: Key) -> tuple[Dep, ...]:
        """The dependencies of a key, in no order."""
        return self._deps.get(key, ())

    def users(self, resource: Key) -> tuple[Key, ...]:
        """The keys that depend on a custom resource by its name, in no order."""
        return tuple(self._users.get(Dep(*resource), ()))

    def _remove(self, key: Key, deps: Iterable[Dep]) -> None:
        for dep in deps:
            users = self._users[dep]
            users.discard(key)
            if not users:
                del self._users[dep]
                self._shared.pop(dep, None)


def _matching(kind: str, namespace: str, name: str) -> tuple[Dep, ...]:
    """All dependencies that include an object."""
    return Dep(kind, namespace, name), Dep(kind, namespace, "*"), Dep(kind, "*", name), Dep(kind, "*", "*")
