"""Field ownership of server-side apply, as far as the simulator needs it.

A path is a tuple of steps; a step is a key of a map, or an entry of a list that merges by key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from outfitter.canonical import MERGE_KEYS, MergeKey, entries_by_key
from outfitter.simulator.manifests import copied


class Entry(NamedTuple):
    """An entry of the list `field`."""

    field: str
    key: MergeKey


Step = str | Entry
Path = tuple[Step, ...]

LISTS: Final[Mapping[str, str]] = {
    "annotations": "name",
    "connections": "name",
    "dataSources": "name",
    "dataVolume": "id",
    "environmentVariables": "name",
    "environmentVars": "name",
    "extendedResources": "resource",
    "imagePullSecrets": "name",
    "labels": "name",
    "relatedUrls": "name",
    "tags": "name",
    "tolerations": "name",
}
"""List field of our kinds -> key by which the API server merges its entries. Fields that are atomic elsewhere are not
among them."""
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
    # The key of an entry is part of its path, as in `owned_paths`.
    key = dict(at[-1].key) if at and isinstance(at[-1], Entry) else {}
    for name, item in inner.items():
        if name.removeprefix("f:") in key:
            continue
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
    if not isinstance(field, str) or not isinstance(value, list):
        return None
    key = LISTS.get(field)
    if key and all(isinstance(item, Mapping) and key in item for item in value):
        return {((key, item[key]),): item for item in value}
    return entries_by_key(field, value)


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
        both = {**entries, **{key: merged(entries.get(key, {}), entry) for key, entry in changes.items()}}
        return [both[key] for key in _ordered(list(entries), list(changes))]
    return copied(wanted)


def _ordered(live: Sequence[MergeKey], wanted: Sequence[MergeKey]) -> list[MergeKey]:
    """Return the entries in the order of the API server: that of an apply, with those of others in their places."""
    if [key for key in live if key in wanted] != [key for key in wanted if key in live]:
        return [*wanted, *(key for key in live if key not in wanted)]
    result, rest = list[MergeKey](), iter(live)
    for key in wanted:
        if key in live:
            result += iter(rest.__next__, key)
        result.append(key)
    return [*result, *rest]


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
