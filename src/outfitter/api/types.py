"""Scalar types of the API: the bounds of all strings and numbers."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import MaxLen
from pydantic import BeforeValidator, Field
from pydantic.fields import FieldInfo

from outfitter.api.quantities import QUANTITY_PATTERN

LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_QUALIFIED = rf"({NAME_PATTERN.strip('^$')}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
QUALIFIED_PATTERN = f"^{_QUALIFIED}$"
ABSOLUTE_PATH_PATTERN = r"^/[^:\x00]*$"
DATA_KEY_PATTERN = r"^([-_A-Za-z0-9]|[.][-_A-Za-z0-9])[-._A-Za-z0-9]*$"
TEXT_PATTERN = r"^[^\x00]*$"
HEADER_NAME_PATTERN = r"^[-A-Za-z0-9]+$"
HEADER_VALUE_PATTERN = r"^[^\x00-\x08\x0a-\x1f\x7f]*$"
_QUOTED = r"""\\[^\x00]|'[^'\x00]*'|"([^"\\\x00]|\\[^\x00])*["]"""
SHELL_PATTERN = rf"""^([^'"\\\x00]|{_QUOTED})*$"""
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
FILE_MODE_PATTERN = r"^0[0-7]{3}$"
GIT_REVISION_PATTERN = r"^[^-+\x00-\x20\x7f~^:?*\[\\][^\x00-\x20\x7f~^:?*\[\\]*$"
LINK_PATTERN = r"^[Hh][Tt][Tt][Pp][Ss]?://[^/\x00-\x20\x7f][^\x00-\x20\x7f]*$"
ROOT_NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
VOLUME_SIZE_PATTERN = r"^([0-9]*[1-9][0-9]*([.][0-9]+)?|0+[.][0-9]*[1-9][0-9]*)(Gi|Mi|Ti)$"
_HOST = r"[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?([.][a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*"
_REPOSITORY = r"[a-z0-9]+(([.]|__?|-+)[a-z0-9]+)*"
_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_SERVER = rf"([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(:{_PORT})?"
_LOGIN_NAME = "[A-Za-z0-9_][A-Za-z0-9._-]*@"
REPOSITORY_PATTERN = (
    f"^(https?://{_SERVER}(/[!-~]*)?|ssh://{_LOGIN_NAME}{_SERVER}/[!-~]+|"
    f"{_LOGIN_NAME}[A-Za-z0-9][A-Za-z0-9.-]*:[!-,.-~][!-~]*)$"
)
STORE_PATTERN = f"^https?://{_SERVER}(/[!-~]*)?$"
HTTP_PATTERN = "^[Hh][Tt][Tt][Pp][Ss]?://"
SSH_PATTERN = "^([Ss][Ss][Hh]://|[^/:@]+@[^/:@]+:)"
CLEAR_TEXT_PATTERN = "^[Hh][Tt][Tt][Pp]://"
LOGIN_IN_URL_PATTERN = "^([A-Za-z]+://[^/?#]*:[^/?#]*@|[Hh][Tt][Tt][Pp][Ss]?://[^/?#]*@|[^/:@]*:[^/]*@)"
# As the container runtimes read it: https://github.com/distribution/reference.
IMAGE_PATTERN = (
    rf"^(({_HOST}|\[[0-9a-fA-F:]+\])(:[0-9]+)?/)?{_REPOSITORY}(/{_REPOSITORY})*"
    r"(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[0-9a-f]{64}|@sha512:[0-9a-f]{128})?$"
)
REPOSITORY_WITH_HOST = rf"({_HOST}|\[[0-9a-fA-F:]+\])(:[0-9]+)?(/{_REPOSITORY})+"
"""A repository for an image, without tag."""
BUCKET_PATTERN = "^[a-z0-9][a-z0-9.-]*[a-z0-9]$"
IMAGE_TAG_PATTERN = r"^[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}$"
IMAGE_REPOSITORY_PATTERN = f"^{_REPOSITORY}(/{_REPOSITORY})*$"
REGISTRY_PATTERN = (
    rf"^(https?://)?([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(:{_PORT})?"
    rf"(/{_REPOSITORY}(/{_REPOSITORY})*)?/?$"
)
_ID = (
    "([0-9]{1,9}|1[0-9]{9}|20[0-9]{8}|21[0-3][0-9]{7}|214[0-6][0-9]{6}|2147[0-3][0-9]{5}|21474[0-7][0-9]{4}|"
    "214748[0-2][0-9]{3}|2147483[0-5][0-9]{2}|21474836[0-3][0-9]|214748364[0-7])"
)
IDS_PATTERN = f"^({_ID}( *, *{_ID})*)?$"
PATTERN_WORDS = {
    QUANTITY_PATTERN: "Write a quantity such as 10Gi or 10G, without a space, sign or final B.",
    LABEL_PATTERN: "The value must be lower case letters, digits and hyphens, with a letter or digit at both ends.",
    NAME_PATTERN: "The value must be lower case letters, digits, hyphens and dots, with a letter or "
    "digit at both ends.",
    QUALIFIED_PATTERN: "The value must be a label key such as example.com/name, with at most 63 characters "
    "after the slash.",
    ABSOLUTE_PATH_PATTERN: "The value must be an absolute path without a colon.",
    DATA_KEY_PATTERN: "The value must be letters, digits, hyphens, underscores and dots, without two dots first.",
    TEXT_PATTERN: "The value must not contain the character NUL, with which no process can start.",
    HEADER_NAME_PATTERN: "The value must be letters, digits and hyphens.",
    HEADER_VALUE_PATTERN: "The value must not contain line ends and other control characters.",
    SHELL_PATTERN: "The text cannot be split into words. Close every quote, and put a character after each backslash.",
    LABEL_VALUE_PATTERN: "The value must be a label value: letters, digits, hyphens, underscores and dots.",
    ROOT_NAME_PATTERN: "The value must be lower case letters, digits and hyphens, with a letter first and a letter or "
    "digit last.",
    IMAGE_PATTERN: "The value must be an image such as registry.example.com/team/image:tag: without a scheme, with a "
    "repository in lower case, and with a tag or a whole digest after it.",
    IMAGE_TAG_PATTERN: "The value must be a tag: 1 to 128 letters, digits, dots, hyphens and underscores.",
    IMAGE_REPOSITORY_PATTERN: "The value must be the name of a repository such as team/image, in lower case, without "
    "host and tag.",
    REGISTRY_PATTERN: "Write https://HOST/PATH or HOST:PORT/PATH, in lower case, without a query.",
    BUCKET_PATTERN: "Write the name alone: lower case letters, digits, dots and hyphens.",
    LINK_PATTERN: "The value must be a URL that starts with https:// or http://, without spaces.",
    REPOSITORY_PATTERN: "Write https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH.",
    STORE_PATTERN: "Write https://HOST or http://HOST:PORT.",
    IDS_PATTERN: "The value must be numbers from 0 to 2147483647, separated by commas.",
    VOLUME_SIZE_PATTERN: "The value must be a positive number with Mi, Gi or Ti, such as 150Gi or 1.5Ti.",
    GIT_REVISION_PATTERN: "The value must be the name of a branch or tag, or a commit: without spaces and ~^:?*[, and "
    "without - or + first.",
    FILE_MODE_PATTERN: 'The value must be an octal mode in quotes with a leading zero, such as "0644".',
}
"""Pattern -> description for error messages."""
STORED_DEFAULT = "x-stored-default"
"""Schema key of the few defaults that the API server stores in the object; the models apply all others."""

FREE_FORM = "x-kubernetes-preserve-unknown-fields"
"""Schema key of an object whose fields are those of another object, written by the operator alone."""


@dataclass(frozen=True)
class PolicyType:
    """How policies treat a field whose type alone does not say it; an annotation of the field or of its type."""

    type: str = ""
    """The value type. Default: that of the annotation."""
    without: tuple[str, ...] = ()
    """Rules of the value type that the field does not have."""
    aliases: tuple[tuple[str, str], ...] = ()
    """Other spellings of a value, each with the one that it means."""


def tag_can_move(image: str) -> bool:
    """Return whether an image has the tag latest or none, and no digest: its registry can change it at any time."""
    tag = image.rpartition("/")[2].partition(":")[2]
    return "@" not in image and tag in ("", "latest")


def matches(pattern: str, text: str) -> bool:
    """Return whether a text matches as on the API server: `$` is the end, not before a final newline."""
    return (
        re.search(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern, text, re.ASCII) is not None
    )


def over_http(repository: str) -> bool:
    """Return whether a Git repository is read over http or https, and not over ssh."""
    return matches(HTTP_PATTERN, repository)


def over_ssh(repository: str) -> bool:
    """Return whether a Git repository is read over ssh."""
    return matches(SSH_PATTERN, repository)


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
URL_LIMIT = 2048
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

MESSAGE_LIMIT = 4096
Message = Annotated[str, shortened(MESSAGE_LIMIT), Field(max_length=MESSAGE_LIMIT)]
"""Text that the operator writes into status."""
StatusName = Annotated[str, Field(max_length=253)]
"""A name, in status."""
Time = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
"""A time, RFC 3339 in UTC."""
StatusUrl = Annotated[str, shortened(URL_LIMIT), Field(max_length=URL_LIMIT)]
