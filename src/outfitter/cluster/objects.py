"""Small questions about manifests that the in-memory cluster asks."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final

Body = dict[str, Any]
Place = tuple[str, str, str]  # kind, namespace, name

_SERVER_META: Final = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
)


def place_of(manifest: Mapping[str, Any]) -> Place:
    """Kind, namespace and name."""
    meta = manifest["metadata"]
    return manifest["kind"], meta.get("namespace", ""), meta["name"]


def as_sent(manifest: Mapping[str, Any]) -> Body:
    """A copy without what only the server or a controller may set."""
    body = deepcopy(dict(manifest))
    body.pop("status", None)
    body["metadata"] = {key: value for key, value in body["metadata"].items() if key not in _SERVER_META}
    return body


def encode_secret(body: Body) -> None:
    """Secrets: `stringData` becomes part of `data`, as the server does."""
    plain = body.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        body["data"] = {**(body.get("data") or {}), **encoded}
    body.setdefault("type", "Opaque")


def selects(selector: str, body: Mapping[str, Any]) -> bool:
    """Whether a label selector of `key`, `!key`, `key=value` and `key!=value` terms matches."""
    labels = body["metadata"].get("labels") or {}
    for term in filter(None, (part.strip() for part in selector.split(","))):
        if "!=" in term:
            key, _, value = term.partition("!=")
            matches = labels.get(key) != value
        elif "=" in term:
            key, _, value = term.replace("==", "=").partition("=")
            matches = labels.get(key) == value
        elif term.startswith("!"):
            matches = term[1:] not in labels
        else:
            matches = term in labels
        if not matches:
            return False
    return True


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Equal but for the version."""
    return _unversioned(one) == _unversioned(other)


def desired(body: Mapping[str, Any]) -> Body:
    """What a generation counts: everything but metadata and status."""
    return {key: value for key, value in body.items() if key not in ("metadata", "status")}


def refers_to(body: Mapping[str, Any], uid: str) -> bool:
    """Whether an ownerReference names `uid`."""
    return any(ref["uid"] == uid for ref in body["metadata"].get("ownerReferences") or ())


def now() -> str:
    """The time as the server writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unversioned(body: Mapping[str, Any]) -> Body:
    meta = {key: value for key, value in body["metadata"].items() if key not in ("resourceVersion", "generation")}
    return {**body, "metadata": meta}
