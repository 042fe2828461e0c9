"""Who looked at what in its last pass, so that a changed object wakes exactly those whom it concerns."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from outfitter.snapshot import Dep, Key

_NOTHING: frozenset[Dep] = frozenset()


class ReverseIndex:
    """The reverse of each key's set of Deps."""

    def __init__(self) -> None:
        self._deps: dict[Key, frozenset[Dep]] = {}
        self._users: dict[Dep, set[Key]] = {}
        self._under_way: dict[Key, set[tuple[str, str, str]]] = {}

    def begin(self, key: Key) -> None:
        """A pass over `key` starts: what changes from now on may be news to it, whatever it will look at."""
        self._under_way[key] = set()

    def heard(self, kind: str, namespace: str, name: str, but: Key | None = None) -> None:
        """This object changed, by the pass over `but` if that is given."""
        for key, seen in self._under_way.items():
            if key != but:
                seen.add((kind, namespace, name))

    def end(self, key: Key, gained: Collection[Dep] = ()) -> bool:
        """The pass is over. Whether something that it looked at for the first time changed while it ran."""
        seen = self._under_way.pop(key, set())
        return bool(gained) and any(dep in gained for place in seen for dep in _ways(*place))

    def record(self, key: Key, deps: frozenset[Dep] | None) -> frozenset[Dep]:
        """Remember what `key` depends on now, None: the same as before. Returns the Deps that it gained or lost."""
        before = self._deps.get(key, _NOTHING)
        if deps is None or before == deps:
            return _NOTHING
        self._drop(key, before - deps)
        for dep in deps - before:
            self._users.setdefault(dep, set()).add(key)
        if deps:
            self._deps[key] = deps
        else:
            self._deps.pop(key, None)
        return before ^ deps

    def forget(self, key: Key) -> frozenset[Dep]:
        """`key` is gone. Returns what it depended on."""
        before = self._deps.pop(key, _NOTHING)
        self._drop(key, before)
        return before

    def of(self, kind: str, namespace: str, name: str) -> set[Key]:
        """Everyone whose last pass looked at this object, by name or by wildcard."""
        found: set[Key] = set()
        for dep in _ways(kind, namespace, name):
            found |= self._users.get(dep, set())
        return found

    def users(self, asset: Key) -> tuple[Key, ...]:
        """Everyone who depends on exactly this asset, in no order."""
        return tuple(self._users.get(Dep(*asset), ()))

    def _drop(self, key: Key, deps: Iterable[Dep]) -> None:
        for dep in deps:
            users = self._users[dep]
            users.discard(key)
            if not users:
                del self._users[dep]


def _ways(kind: str, namespace: str, name: str) -> tuple[Dep, ...]:
    """All Deps that mean an object."""
    return Dep(kind, namespace, name), Dep(kind, namespace, "*"), Dep(kind, "*", name), Dep(kind, "*", "*")
