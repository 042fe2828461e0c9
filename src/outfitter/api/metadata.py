"""Offline validation of `metadata`: the part that users write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from outfitter.api.patterns import (
    LABEL_PATTERN,
    LABEL_VALUE_PATTERN,
    PATTERN_WORDS,
    QUALIFIED_PATTERN,
    ROOT_NAME_PATTERN,
    matches,
)
from outfitter.api.schema import NAME_RULE
from outfitter.api.shape import FieldError, shape_errors

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer"}
_TIME: Final = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[-+][0-9:]+)$",
}
_OWNER: Final = {
    "type": "object",
    "required": ["apiVersion", "kind", "name", "uid"],
    "properties": {
        **{field: {"type": "string", "minLength": 1} for field in ("apiVersion", "kind", "name", "uid")},
        **{field: {"type": "boolean"} for field in ("controller", "blockOwnerDeletion")},
    },
}
_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "annotations": {"type": "object", "additionalProperties": _TEXT},
        "creationTimestamp": _TIME,
        "deletionGracePeriodSeconds": _NUMBER,
        "deletionTimestamp": _TIME,
        "finalizers": {"type": "array", "items": _TEXT},
        "generateName": _TEXT,
        "generation": _NUMBER,
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE_PATTERN},
        },
        "managedFields": {"type": "array", "items": {"type": "object", "additionalProperties": {}}},
        "name": _TEXT,
        "namespace": {"type": "string", "maxLength": 63, "pattern": LABEL_PATTERN},
        "ownerReferences": {"type": "array", "items": _OWNER},
        "resourceVersion": _TEXT,
        "selfLink": _TEXT,
        "uid": _TEXT,
    },
}


def metadata_errors(metadata: object) -> Iterator[FieldError]:
    """Yield what the API server, or `kubectl apply` before it, rejects."""
    if not isinstance(metadata, Mapping):
        yield FieldError(("metadata",), "The field is required. Set an object with at least a name.")
        return
    yield from shape_errors(_SCHEMA, metadata, ("metadata",))
    yield from _name_errors(metadata)
    for field in ("labels", "annotations"):
        for key in _keys(metadata.get(field)):
            # The API server compares keys of annotations in lower case.
            if not matches(QUALIFIED_PATTERN, key if field == "labels" else key.lower()):
                text = f"{key!r} is not valid. {PATTERN_WORDS[QUALIFIED_PATTERN]}"
                yield FieldError(("metadata", field, key), text)


def _keys(value: object) -> Iterator[str]:
    return (str(key) for key in value) if isinstance(value, Mapping) else iter(())


def _name_errors(metadata: Mapping[str, Any]) -> Iterator[FieldError]:
    name = metadata.get("name")
    if name is None and metadata.get("generateName") is not None:
        text = "generateName is not possible with kubectl apply, Flux and Argo CD. Set name."
        yield FieldError(("metadata", "generateName"), text)
    elif name is None:
        yield FieldError(("metadata", "name"), "The field is required.")
    elif isinstance(name, str) and not (len(name) <= 50 and matches(ROOT_NAME_PATTERN, name)):
        yield FieldError(("metadata", "name"), NAME_RULE["message"].replace("metadata.name", "The name", 1))
