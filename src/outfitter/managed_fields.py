"""Who set a field of an object: `metadata.managedFields`, as server-side apply records it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from outfitter.canonical import Step
from outfitter.naming import FIELD_MANAGER, LABEL_OWNER_UID, LAST_APPLIED


def managers(body: Mapping[str, Any], paths: Iterable[Sequence[Step]]) -> tuple[str, ...]:
    """Return the other field managers that own one of the paths, sorted; none where an admission policy changed it."""
    entries = [entry for entry in _entries(body) if entry.get("manager") != FIELD_MANAGER]
    return tuple(sorted({entry["manager"] for entry in entries for path in paths if _owns(entry, path)}))


def foreign_keys(body: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys of a Secret or ConfigMap that the operator did not write."""
    keys = {key for field in ("data", "binaryData") for key in body.get(field) or ()}
    ours = [entry for entry in _entries(body) if entry.get("manager") == FIELD_MANAGER]
    if not ours:
        return frozenset()
    return frozenset(
        key for key in keys if not any(_owns(entry, (field, key)) for entry in ours for field in ("data", "binaryData"))
    )


def made_by_us(body: Mapping[str, Any]) -> bool:
    """Return whether the operator wrote content of an object, and not only its labels."""
    ours = [entry for entry in _entries(body) if entry.get("manager") == FIELD_MANAGER]
    return any(field != "f:metadata" for entry in ours for field in entry.get("fieldsV1") or {})


def labelled_by_us(body: Mapping[str, Any]) -> bool:
    """Return whether the operator wrote the label of the owner."""
    entries = [entry for entry in _entries(body) if entry.get("manager") == FIELD_MANAGER]
    return any(_owns(entry, ("metadata", "labels", LABEL_OWNER_UID)) for entry in entries)


def applied_by_users(body: Mapping[str, Any]) -> bool:
    """Return whether another field manager applied a manifest of an object, and did not only edit a field.

    Server-side apply records its operation. `kubectl apply` on the client's side has its annotation.
    """
    entries = [entry for entry in _entries(body) if entry.get("manager") != FIELD_MANAGER]
    annotation = ("metadata", "annotations", LAST_APPLIED)
    return any(
        _owns(entry, annotation) or (entry.get("operation") == "Apply" and _owns(entry, ("spec",))) for entry in entries
    )


def edited(body: Mapping[str, Any]) -> str:
    """Return when a manager last changed what it owns of the spec, RFC 3339; "" if not known."""
    times = (entry.get("time", "") for entry in _entries(body) if _owns(entry, ("spec",)))
    return max(times, default="")


def _entries(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [entry for entry in body["metadata"].get("managedFields") or () if not entry.get("subresource")]


def _owns(entry: Mapping[str, Any], path: Sequence[Step]) -> bool:
    """Return whether an entry of managedFields owns a path, or a field below it."""
    node: Any = entry.get("fieldsV1") or {}
    for step in path:
        node = node.get(f"f:{step}") if isinstance(step, str) else _item(node, dict(step))
        if node is None:
            return False
    return True


def _item(node: Mapping[str, Any], key: Mapping[str, Any]) -> Any:
    """Return the entry of a list by its merge key."""
    for name, inner in node.items():
        if name.startswith("k:") and orjson.loads(name[2:]).items() <= key.items():
            return inner
    return None
