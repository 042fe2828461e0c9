"""Who set which field: server-side apply in little, for the in-memory cluster.

A path is a tuple of steps; a step is a key of a map, or (merge key, value) for an entry of a list that has one.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

Step = str | tuple[str, Any]
Path = tuple[Step, ...]

# List field -> what tells its entries apart, as in the published OpenAPI of the built-in kinds.
_MERGE_KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
    "ownerReferences": "uid",
    "conditions": "type",
}
_UNOWNED: Final = frozenset(
    {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"), ("metadata", "uid")}
)


def merge_key(field: Step, items: list[Any]) -> str | None:
    """The key that the entries of a list merge by; None for a list that is replaced as a whole."""
    if field == "ports":
        key = "containerPort" if any(isinstance(item, dict) and "containerPort" in item for item in items) else "port"
    else:
        key = _MERGE_KEYS.get(field, "") if isinstance(field, str) else ""
    return key if key and all(isinstance(item, dict) and key in item for item in items) else None


def owned_paths(manifest: dict[str, Any]) -> frozenset[Path]:
    """What an apply of `manifest` owns: its leaves, and the entries of merged lists."""
    return frozenset(_paths(manifest, ())) - _UNOWNED


def _paths(value: Any, at: Path) -> Iterator[Path]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _paths(item, (*at, key))
    elif isinstance(value, list) and value and (key := merge_key(at[-1], value)):
        for item in value:
            entry: Path = (*at, (key, item[key]))
            yield entry
            # The key is part of the entry: dropped by itself, the entry could not be found any more.
            yield from _paths({name: value for name, value in item.items() if name != key}, entry)
    else:
        yield at


def merged(live: Any, wanted: Any, field: Step = "") -> Any:
    """`live` with everything that `wanted` says."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        result = dict(live)
        for key, item in wanted.items():
            result[key] = merged(live.get(key), item, key)
        return result
    if (
        isinstance(live, list)
        and isinstance(wanted, list)
        and live
        and wanted
        and (key := merge_key(field, live + wanted))
    ):
        entries = {item[key]: item for item in live}
        for item in wanted:
            entries[item[key]] = merged(entries.get(item[key], {}), item)
        return list(entries.values())
    return deepcopy(wanted)


def without(manifest: dict[str, Any], paths: frozenset[Path]) -> dict[str, Any]:
    """A copy of `manifest` that has lost these paths, and what became empty by that."""
    result: dict[str, Any] = deepcopy(manifest)
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
        if found not in ({}, []) or isinstance(step, tuple):
            return
    if isinstance(step, tuple):
        container.remove(found)
    else:
        del container[step]


def _child(container: Any, step: Step) -> Any:
    if isinstance(step, tuple):
        key, value = step
        items = container if isinstance(container, list) else ()
        return next((item for item in items if isinstance(item, dict) and item.get(key) == value), None)
    return container.get(step) if isinstance(container, dict) else None
