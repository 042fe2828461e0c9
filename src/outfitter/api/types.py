"""Scalar types of the API: the bounds of all strings and numbers."""

from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import MaxLen
from pydantic import BeforeValidator, Field
from pydantic.fields import FieldInfo

from outfitter.api.patterns import (
    ABSOLUTE_PATH_PATTERN,
    DATA_KEY_PATTERN,
    FILE_MODE_PATTERN,
    GIT_REVISION_PATTERN,
    IDS_PATTERN,
    IMAGE_PATTERN,
    IMAGE_REPOSITORY_PATTERN,
    IMAGE_TAG_PATTERN,
    LABEL_PATTERN,
    LABEL_VALUE_PATTERN,
    LINK_PATTERN,
    MESSAGE_LIMIT,
    NAME_PATTERN,
    QUALIFIED_PATTERN,
    ROOT_NAME_PATTERN,
    SHELL_PATTERN,
    TEXT_PATTERN,
    URL_LIMIT,
)
from outfitter.api.quantities import QUANTITY_PATTERN


@dataclass(frozen=True)
class PolicyType:
    """How policies treat a field whose type alone does not say it; an annotation of the field or of its type."""

    type: str = ""
    """The value type. Default: that of the annotation."""
    without: tuple[str, ...] = ()
    """Rules of the value type that the field does not have."""
    aliases: tuple[tuple[str, str], ...] = ()
    """Other spellings of a value, each with the one that it means."""


def schema_pattern(pattern: str) -> Any:
    """Describe a text whose pattern the API server checks, and not the operator: it reads what an older schema took."""
    return Field(json_schema_extra={"pattern": pattern})


def list_map(key: str, at_most: int) -> Any:
    """Describe a list that merges by one required field of its items."""
    extra: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    return Field(max_length=at_most, json_schema_extra=extra)


def list_set(at_most: int) -> Any:
    """Describe a set of scalars."""
    return Field(max_length=at_most, json_schema_extra={"x-kubernetes-list-type": "set"})


def list_atomic(at_most: int) -> Any:
    """Describe a list that is always replaced as a whole."""
    return Field(max_length=at_most, json_schema_extra={"x-kubernetes-list-type": "atomic"})


def list_bound(field: FieldInfo) -> tuple[int, tuple[str, ...]] | None:
    """Return the most items of a list field and its merge keys; None for any other field."""
    extra = field.json_schema_extra
    if not isinstance(extra, dict) or "x-kubernetes-list-type" not in extra:
        return None
    (limit,) = (bound.max_length for bound in field.metadata if isinstance(bound, MaxLen))
    keys = extra.get("x-kubernetes-list-map-keys")
    return limit, tuple(map(str, keys)) if isinstance(keys, list) else ()


def shortened(limit: int) -> BeforeValidator:
    """Cut a text of the operator, so that the API server never rejects a status for a long message."""

    def cut(value: object) -> object:
        return value[: limit - 1] + "…" if isinstance(value, str) and len(value) > limit else value

    return BeforeValidator(cut)


Name = Annotated[str, Field(min_length=1, max_length=253, pattern=NAME_PATTERN)]
"""Name of a Kubernetes object."""
Label = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL_PATTERN)]
"""A DNS label: lower case, digits, hyphens."""
RootLabel = Annotated[str, Field(min_length=1, max_length=63, pattern=ROOT_NAME_PATTERN)]
"""A DNS label that starts with a letter."""
QualifiedName = Annotated[str, Field(min_length=1, max_length=317, pattern=QUALIFIED_PATTERN)]
"""Key of a label or annotation: optional prefix, slash, name."""
LabelValue = Annotated[str, Field(max_length=63, pattern=LABEL_VALUE_PATTERN)]
DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=DATA_KEY_PATTERN)]
"""Key inside a Secret or ConfigMap."""
ItemName = Annotated[str, Field(min_length=1, max_length=63)]
Text = Annotated[str, Field(min_length=1, max_length=253)]
GitRevision = Annotated[str, Field(min_length=1, max_length=253, pattern=GIT_REVISION_PATTERN)]
"""A branch, tag or commit of a Git repository."""
LongText = Annotated[str, Field(max_length=32768), schema_pattern(TEXT_PATTERN)]
Shell = Annotated[str, Field(min_length=1, max_length=16384), schema_pattern(SHELL_PATTERN)]
"""A command line that can be split into words."""
Image = Annotated[str, Field(min_length=1, max_length=1024, pattern=IMAGE_PATTERN)]
RegistryUrl = Annotated[str, Field(min_length=1, max_length=512)]
"""Address of an image registry. `url_rules` checks it: the error of a pattern would show a password."""
ImageRepository = Annotated[str, Field(min_length=1, max_length=255), schema_pattern(IMAGE_REPOSITORY_PATTERN)]
"""Name of a repository in a registry."""
ImageTag = Annotated[str, Field(min_length=1, max_length=128), schema_pattern(IMAGE_TAG_PATTERN)]
"""Tag of an image."""
Ids = Annotated[str, Field(max_length=1024, pattern=IDS_PATTERN)]
"""User or group ids, separated by commas."""
Path = Annotated[str, Field(min_length=1, max_length=1024)]
AbsolutePath = Annotated[str, Field(min_length=1, max_length=1024, pattern=ABSOLUTE_PATH_PATTERN)]
Link = Annotated[str, Field(min_length=1, max_length=URL_LIMIT), schema_pattern(LINK_PATTERN)]
"""A URL that a user interface shows as a link."""
Url = Annotated[str, Field(min_length=1, max_length=URL_LIMIT)]
Subject = Annotated[str, Field(min_length=1, max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535)]
UserPort = Annotated[int, Field(ge=1024, le=65535)]
"""A port that a process may open without being root."""
Seconds = Annotated[int, Field(ge=0, le=2147483647)]
PositiveInt32 = Annotated[int, Field(ge=1, le=2147483647)]
Int32 = Annotated[int, Field(ge=0, le=2147483647)]
Id64 = Annotated[int, Field(ge=0, le=2147483647), PolicyType(without=("required",))]
"""User or group id; the kernel and Kubernetes stop at 2^31 - 1. No policy can require one: the image has one too."""
FileMode = Annotated[str, Field(max_length=4, pattern=FILE_MODE_PATTERN)]
Number = Annotated[
    int | float,
    Field(ge=0, le=1_000_000, json_schema_extra={"anyOf": None, "type": "number", "minimum": 0, "maximum": 1_000_000}),
]
"""Cores: a plain number, kept as typed."""
Portion = Annotated[
    int | float, Field(ge=0, le=1, json_schema_extra={"anyOf": None, "type": "number", "minimum": 0, "maximum": 1})
]
"""A part of one device, 0 to 1."""


def _whole(value: object) -> object:
    """Read 1e9 as the API server does: a number without a fraction is whole."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Quantity = Annotated[
    Annotated[int, Field(ge=0, strict=True)] | Annotated[str, Field(max_length=32, pattern=QUANTITY_PATTERN)],
    BeforeValidator(_whole),
    Field(
        json_schema_extra={
            "anyOf": None,
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "maxLength": 32,
            "pattern": QUANTITY_PATTERN,
        }
    ),
]
"""An amount such as 500m, 20Gi or 4, kept as typed."""

Message = Annotated[str, shortened(MESSAGE_LIMIT), Field(max_length=MESSAGE_LIMIT)]
"""Text that the operator writes into status."""
StatusName = Annotated[str, Field(max_length=253)]
"""A name, in status."""
Time = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
"""A time, RFC 3339 in UTC."""
StatusUrl = Annotated[str, shortened(URL_LIMIT), Field(max_length=URL_LIMIT)]
