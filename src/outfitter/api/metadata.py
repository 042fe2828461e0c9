"""Offline validation of `metadata`: the part that users write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from outfitter.api.schema import NAME_RULE
from outfitter.api.shape import FieldError, Path, did_you_mean, shape_errors
from outfitter.api.types import LABEL_VALUE_PATTERN, PATTERN_WORDS, QUALIFIED_PATTERN, ROOT_NAME_PATTERN, matches

_FIELDS: Final = (
    "annotations", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generateName",
    "generation", "labels", "managedFields", "name", "namespace", "ownerReferences", "resourceVersion", "selfLink",
    "uid",
)  # fmt: skip
_LABELS: Final = {
    "type": "object",
    "additionalProperties": {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE_PATTERN},
}
_ANNOTATIONS: Final = {"type": "object", "additionalProperties": {"type": "string"}}


def metadata_errors(metadata: object) -> Iterator[FieldError]:
    """Yield what the API server, or `kubectl apply` before it, rejects."""
    if not isinstance(metadata, Mapping):
        yield FieldError(("metadata",), "The field is required. Set an object with at least a name.")
        return
    for field in metadata:
        if field not in _FIELDS:
            yield FieldError(("metadata", field), f"The field is unknown.{did_you_mean(field, _FIELDS)}")
    yield from _name_errors(metadata)
    yield from _map_errors(_LABELS, metadata.get("labels"), ("metadata", "labels"))
    yield from _map_errors(_ANNOTATIONS, metadata.get("annotations"), ("metadata", "annotations"))


def _name_errors(metadata: Mapping[str, Any]) -> Iterator[FieldError]:
    name = metadata.get("name")
    if name is None and metadata.get("generateName") is not None:
        text = "generateName is not possible with kubectl apply, Flux and Argo CD. Set name."
        yield FieldError(("metadata", "generateName"), text)
    elif name is None:
        yield FieldError(("metadata", "name"), "The field is required.")
    elif not (isinstance(name, str) and len(name) <= 50 and matches(ROOT_NAME_PATTERN, name)):
        yield FieldError(("metadata", "name"), NAME_RULE["message"].replace("metadata.name", "The name", 1))


def _map_errors(schema: Mapping[str, Any], value: object, path: Path) -> Iterator[FieldError]:
    """Yield errors of the keys and values of labels or annotations; a null is an absent field."""
    if value is None:
        return
    yield from shape_errors(schema, value, path)
    for key in value if isinstance(value, Mapping) else ():
        # The API server compares keys of annotations in lower case.
        if not matches(QUALIFIED_PATTERN, key if schema is _LABELS else str(key).lower()):
            yield FieldError((*path, key), f"{key!r} is not valid. {PATTERN_WORDS[QUALIFIED_PATTERN]}")
