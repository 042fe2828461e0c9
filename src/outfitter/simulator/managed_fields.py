"""Field ownership of server-side apply, as far as the simulator needs it.

A path is a tuple of steps; a step is a key of a map, or an entry of a list that merges by key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from outfitter.canonical import MERGE_KEYS, MergeKey, entries_by_key
from outfitter.simulator.manifests import copied


class Entry(NamedTuple):
    """An entry of the list `field`."""

    field: str
    key: MergeKey


Step = str | Entry
Path = tuple[Step, ...]

_UNOWNED: Final = frozenset(
    {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"), ("metadata", "uid")}
)


def owned_paths(manifest: dict[str, Any]) -> frozenset[Path]:
    """Return the paths that an apply of `manifest` owns: its leaves, and the entries of merged lists."""
    return frozenset(_paths(manifest, ())) - _UNOWNED


def recorded(owners: Mapping[str, frozenset[Path]]) -> list[dict[str, Any]]:
    """Return `metadata.managedFields`. The first manager created the object, which the server records as Update."""
    return [
        {"manager": manager, "operation": "Apply" if number else "Update", "fieldsV1": _tree(paths)}
        for number, (manager, paths) in enumerate(owners.items())
    ]


def read(entries: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[Path]]:
    """Return the paths of each manager of the fields of an object, from its `metadata.managedFields`."""
    owners: dict[str, frozenset[Path]] = {}
    for entry in entries:
        paths = frozenset(_read(entry.get("fieldsV1") or {}, ())) - _UNOWNED
        owners[entry["manager"]] = owners.get(entry["manager"], frozenset()) | paths
    return owners


def _read(node: Mapping[str, Any], at: Path) -> Iterator[Path]:
    inner = {name: item for name, item in node.items() if name.startswith(("f:", "k:"))}
    if at and (not inner or isinstance(at[-1], Entry)):
        yield at  # a leaf, the members of a set as one value, or an entry of a list with its own existence
    for name, item in inner.items():
        yield from _read(item, (*at, name[2:] if name.startswith("f:") else _entry(at, json.loads(name[2:]))))


def _entry(at: Path, key: Mapping[str, Any]) -> Entry:
    """Return the entry of the list at a path, with the parts of its key in the order of `canonical`."""
    field = str(at[-1])
    return Entry(field, tuple((name, key[name]) for name in MERGE_KEYS.get(field, tuple(key)) if name in key))


def _tree(paths: Iterable[Path]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for step in path:
            name = f"f:{step}" if isinstance(step, str) else f"k:{json.dumps(dict(step.key))}"
            node = node.setdefault(name, {})
    return tree


def _paths(value: Any, at: Path) -> Iterator[Path]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _paths(item, (*at, key))
    elif value and (entries := _entries(at[-1], value)):
        for key, entry in entries.items():
            step = Entry(str(at[-1]), key)
            yield (*at, step)
            # A removed key would leave an entry that no path can find.
            rest = {name: item for name, item in entry.items() if name not in dict(key)}
            yield from _paths(rest, (*at, step))
    else:
        yield at


def _entries(field: Step, value: Any) -> dict[MergeKey, Any] | None:
    """The entries of a list that merges by key; None for every other value."""
    return entries_by_key(field, value) if isinstance(field, str) and isinstance(value, list) else None


def changed(live: Any, wanted: Any, paths: Iterable[Path]) -> frozenset[Path]:
    """Return the paths whose values differ: their former managers lose them, while equal values have several."""
    return frozenset(path for path in paths if _value(live, path) != _value(wanted, path))


def _value(container: Any, path: Path) -> Any:
    for step in path:
        container = _child(container, step)
    return container


def merged(live: Any, wanted: Any, field: Step = "") -> Any:
    """Return `live` with every field of `wanted`."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        result = dict(live)
        for key, item in wanted.items():
            result[key] = merged(live.get(key), item, key)
        return result
    entries, changes = _entries(field, live), _entries(field, wanted)
    if entries and changes:
        for key, entry in changes.items():
            entries[key] = merged(entries.get(key, {}), entry)
        return list(entries.values())
    return copied(wanted)


def without(manifest: dict[str, Any], paths: frozenset[Path]) -> dict[str, Any]:
    """Return a copy of `manifest` without these paths and the containers that become empty."""
    result: dict[str, Any] = copied(manifest)
    for path in sorted(paths, key=len, reverse=True):
        _remove(result, path)
    return result


def _remove(container: Any, path: Path) -> None:
    step, rest = path[0], path[1:]
    found = _child(container, step)
    if found is None:
        return
    if rest:
        _remove(found, rest)
        if found not in ({}, []) or isinstance(step, Entry):
            return
    if isinstance(step, Entry):
        container.remove(found)
    else:
        del container[step]


def _child(container: Any, step: Step) -> Any:
    if isinstance(step, Entry):
        return (_entries(step.field, container) or {}).get(step.key)
    return container.get(step) if isinstance(container, dict) else None
