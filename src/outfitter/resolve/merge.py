"""Layers of fields -> one submission, and the origin of each of its values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from posixpath import normpath
from typing import Any, Final

from outfitter.api.shape import FieldError

# Lists of our API whose items have a key and are merged one by one; `exclude: true` drops an inherited item.
KEYED: Mapping[str, str] = {
    "environmentVariables": "name",
    "connections": "name",
    "labels": "name",
    "annotations": "name",
    "imagePullSecrets": "name",
    "tolerations": "name",
    "ports": "name",
    "exposedUrls": "name",
    "relatedUrls": "name",
    "compute.extendedResources": "resource",
    "storage.hostPath": "name",
    "storage.nfs": "name",
    "storage.git": "name",
    "storage.s3": "name",
    "storage.image": "name",
    "storage.pvc": "name",
    "storage.configMapVolume": "name",
    "storage.secretVolume": "name",
    "storage.dataVolume": "id",
    "storage.emptyDirVolume": "name",
}
_MOUNTED: Final = ("mountPath", "path")
_REMEDIES: Final = {"container": "Choose another port, or name both items."}
# An item with another source replaces the inherited source.
_SOURCES = ("value", "credential", "configMap", "podFieldRef", "secret", "userCredential")


@dataclass
class Merged:
    """The submission in camelCase, and `origins`: path of each leaf or keyed item -> name of its layer."""

    fields: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)


def merge(layers: Iterable[tuple[str, Mapping[str, Any]]]) -> Merged:
    """Merge (name, fields) layers, later ones win: leaf by leaf, keyed lists item by item, other lists whole."""
    merged = Merged()
    for name, layer in layers:
        merged.fields = _merge_map(merged.fields, layer, "", name, merged.origins)
    return merged


def _merge_map(
    base: Mapping[str, Any], over: Mapping[str, Any], path: str, name: str, origins: dict[str, str]
) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        here = f"{path}.{key}" if path else key
        if value is None:
            continue
        if here in KEYED:
            result[key] = _merge_items(result.get(key) or [], value, here, name, origins)
        elif isinstance(value, Mapping):
            inherited = result.get(key)
            result[key] = _merge_map(inherited if isinstance(inherited, Mapping) else {}, value, here, name, origins)
        else:
            result[key] = value
            origins[here] = name
    return result


def _merge_items(
    base: Iterable[Mapping[str, Any]],
    over: Iterable[Mapping[str, Any]],
    path: str,
    name: str,
    origins: dict[str, str],
) -> list[dict[str, Any]]:
    items = {identity(path, item): dict(item) for item in base}
    for item in over:
        key = identity(path, item)
        where = f"{path}[{key}]"
        if item.get("exclude"):
            items.pop(key, None)
            origins.pop(where, None)
            continue
        inherited = items.get(key, {})
        if any(source in item for source in _SOURCES):
            inherited = {name: value for name, value in inherited.items() if name not in _SOURCES}
        items[key] = {**inherited, **{field: value for field, value in item.items() if field != "exclude"}}
        origins[where] = name
    return list(items.values())


def identity(path: str, item: Mapping[str, Any]) -> str:
    """Return the key of an item; an item without a name is identified by what it mounts or exposes."""
    name = _identifying(path, item)
    if name is None:
        return repr(sorted(item.items(), key=lambda pair: pair[0]))
    return clean_path(str(item[name])) if name in _MOUNTED else str(item[name])


def _identifying(path: str, item: Mapping[str, Any]) -> str | None:
    return next((name for name in (KEYED[path], *_MOUNTED, "container") if item.get(name) is not None), None)


def clean_path(path: str) -> str:
    """Return the shortest form of an absolute path: `//data/./` is `/data`."""
    return normpath(f"/{path.lstrip('/')}")


def repeated_items(fields: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield each item that a merge would put in the place of an earlier one of its list. Paths are as in `fields`.

    Two items of the same name are not among them: the API server rejects them.
    """
    for path in KEYED:
        *groups, last = path.split(".")
        owner: Any = fields
        for group in groups:
            owner = owner.get(group) or {}
        seen: dict[str, tuple[int, str]] = {}
        for index, item in enumerate(owner.get(last) or ()):
            name = _identifying(path, item)
            if name is None:
                continue
            first, other = seen.setdefault(identity(path, item), (index, name))
            if first != index and not name == other == KEYED[path]:
                remedy = _REMEDIES.get(name, f"Choose another {name}.")
                text = f"{item[name]} is also the {other} of {last}[{first}]. {remedy}"
                yield FieldError((*groups, last, index, name), text)
