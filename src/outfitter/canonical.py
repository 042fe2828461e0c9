"""Equality of a wanted manifest and a live object, with server defaults and quantities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from outfitter.api.quantities import parse_quantity
from outfitter.naming import ANNOTATION_DIGEST, short_hash

MergeKey = tuple[tuple[str, Any], ...]
MERGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "port", "protocol"),  # of a container, or of a Service
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
}
"""List field -> keys by which server-side apply merges its entries, so that others may add entries of their own.

Every other list is atomic. From the OpenAPI schema of the built-in kinds. The lists of our own kinds that layers merge
entry by entry are in `resolve.merge.KEYED`: those merges happen before there is a manifest.
"""

# Maps that are compared whole: an added key changes what the object does.
_WHOLE_MAPS = frozenset({"selector", "matchLabels", "nodeSelector"})
# The content of a Secret or ConfigMap: kept to the letter, and never hashed.
_CONTENT = frozenset({"data", "stringData", "binaryData"})
_SCALARS = frozenset({str, int, float, bool})
# Maps of text, where an empty value is a value.
_TEXT_MAPS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector"})
# Maps that have a meaning when they are empty.
_MEANT_EMPTY = frozenset({"emptyDir"})
# Text that has a meaning when it is empty: no class, instead of the default one.
_MEANT_EMPTY_TEXT = frozenset({"storageClassName"})
# Maps whose values are quantities, and single fields that are one.
_QUANTITY_MAPS = frozenset({"limits", "requests", "hard", "capacity"})
_QUANTITY_FIELDS = frozenset({"sizeLimit", "storage"})


def entries_by_key(field: str, entries: Sequence[Any]) -> dict[MergeKey, Any] | None:
    """Return the entries of the list `field` by merge key; None for an atomic list, or where an entry has no key."""
    if field not in MERGE_KEYS:
        return None
    keys = [_merge_key(field, entry) for entry in entries]
    return dict(zip(keys, entries, strict=True)) if all(keys) else None


def _merge_key(field: str, entry: Any) -> MergeKey:
    """Return (name, value) of each merge key; a port without protocol is TCP, as on the API server.

    A value that is no scalar is no key: fields without a schema can hold anything.
    """
    if not isinstance(entry, Mapping):
        return ()
    names = [name for name in MERGE_KEYS[field] if name in entry]
    if any(isinstance(entry[name], Mapping | list) for name in names):
        return ()
    key = tuple((name, entry[name]) for name in names)
    return (*key, ("protocol", "TCP")) if field == "ports" and key and "protocol" not in entry else key


def without_empty(value: Any) -> Any:
    """Return the value without what the API server does not store: None, and empty text and lists in a map."""
    kind = value.__class__  # an abstract class is slow to ask about
    if kind in _SCALARS:
        return value
    if kind is dict or isinstance(value, Mapping):
        return {
            key: item if key in _TEXT_MAPS or item.__class__ in _SCALARS else without_empty(item)
            for key, item in value.items()
            if item is not None and (item not in ("", []) or (key in _MEANT_EMPTY_TEXT and item == ""))
        }
    if kind is list or isinstance(value, (list, tuple)):
        return [without_empty(item) for item in value]
    return value


def digest(manifest: Mapping[str, Any]) -> str:
    """Return a short digest of a manifest. Secret material is left out: no hash of it is stored."""
    plain = {key: item for key, item in manifest.items() if key not in _CONTENT}
    return short_hash(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS), 16)


def content_digest(content: Mapping[str, Any]) -> str:
    """Return a digest of plain fields that hold no secret, too long to find two contents with the same one."""
    return short_hash(orjson.dumps(without_nulls(content), option=orjson.OPT_SORT_KEYS), 32)


def without_nulls(value: Any) -> Any:
    """Return the value without nulls in maps: no client can apply a manifest with nulls a second time."""
    if value.__class__ is dict or isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if value.__class__ is list or isinstance(value, (list, tuple)):
        return [without_nulls(item) for item in value]
    return value


def fingerprint(manifest: Mapping[str, Any]) -> str:
    """Return a digest of a whole manifest, content of Secrets included: for memory only, it is never stored."""
    return short_hash(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS), 32)


def stamp(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest with its digest as an annotation, so that a removed field is noticed."""
    # Content is kept to the letter: an empty value in a Secret is a value.
    clean: dict[str, Any] = {key: item if key in _CONTENT else without_empty(item) for key, item in manifest.items()}
    meta = clean["metadata"]
    meta["annotations"] = {**meta.get("annotations", {}), ANNOTATION_DIGEST: digest(clean)}
    return clean


def covers(want: Any, live: Any, field: str = "") -> bool:
    """Return whether every field of `want` has that value in `live`; other fields have another owner or a default."""
    if want == live:
        return True
    if isinstance(want, Mapping):
        if not isinstance(live, Mapping):
            return not want and live is None and field not in _MEANT_EMPTY
        if field in _WHOLE_MAPS and len(want) != len(live) and "matchLabels" not in want:
            return False
        inner = "storage" if field in _QUANTITY_MAPS else ""
        return all(covers(item, live.get(key), inner or key) for key, item in want.items())
    if isinstance(want, (list, tuple)):
        if live is None:
            return not want
        return isinstance(live, Sequence) and not isinstance(live, str) and _covers_list(want, live, field)
    return field in _QUANTITY_FIELDS and _same_quantity(want, live)


Step = str | MergeKey
"""One step of a path: the name of a field, or the merge key of a list's entry."""


def differences(want: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[tuple[Step, ...]]:
    """Yield the path of each field in which the object `live` does not have the value of the manifest `want`.

    The type does not count: items of a list, and objects of which parts are cached, have neither apiVersion nor kind.
    """
    typed = {key: item for key, item in want.items() if key not in ("apiVersion", "kind")}
    return _differences(typed, live, ())


def _differences(want: Any, live: Any, path: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    field = next((step for step in reversed(path) if isinstance(step, str)), "")
    if covers(want, live, "storage" if len(path) > 1 and path[-2] in _QUANTITY_MAPS else field):
        return
    if isinstance(want, Mapping) and isinstance(live, Mapping):
        inner = [each for key, item in want.items() for each in _differences(item, live.get(key), (*path, key))]
        yield from inner or [path]  # only added keys: a map that is compared whole
        return
    if isinstance(want, (list, tuple)) and isinstance(live, list):
        wanted, present = entries_by_key(field, want), entries_by_key(field, live)
        if wanted is not None and present is not None:
            for key, entry in wanted.items():
                yield from _differences(entry, present.get(key), (*path, key))
            return
    yield path


def path_text(path: Sequence[Step]) -> str:
    """Return a path as users write it, such as `spec.template.spec.containers[main].image`."""
    text = ""
    for step in path:
        text += f".{step}" if isinstance(step, str) else f"[{','.join(str(value) for _, value in step)}]"
    return text.removeprefix(".")


def _covers_list(want: Sequence[Any], live: Sequence[Any], field: str) -> bool:
    if len(want) == len(live) and all(covers(a, b) for a, b in zip(want, live, strict=True)):
        return True
    wanted, present = entries_by_key(field, want), entries_by_key(field, live)
    if wanted is None or present is None:
        return False
    return all(key in present and covers(entry, present[key]) for key, entry in wanted.items())


def _same_quantity(want: Any, live: Any) -> bool:
    try:
        return parse_quantity(want) == parse_quantity(live)
    except ValueError:
        return False
