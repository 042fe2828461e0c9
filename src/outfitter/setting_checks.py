"""Checks of single settings: each returns the value, or raises an error that names the cause."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pydantic_core import PydanticCustomError

from outfitter.api.patterns import NAME_PATTERN
from outfitter.api.priorities import PRIORITIES
from outfitter.api.quantities import QUANTITY_PATTERN
from outfitter.api.registry_hosts import registry_hosts

DAEMON_PATTERN: Final = r"^(tcp://[A-Za-z0-9.:\[\]-]+)?$"
_LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DOMAIN_PATTERN: Final = f"{_LABEL}([.]{_LABEL})*"
_BUCKET_PATTERN: Final = r"(https?://[^\s/,*@?#]+/)?[a-z0-9*][a-z0-9.*-]{0,62}"


def plain_domain(value: str) -> str:
    """Reject everything but a DNS name; the message names the first cause."""
    if not value or re.fullmatch(DOMAIN_PATTERN, value):
        return value
    defects = {
        "it has a scheme": "://" in value,
        "it has white space": any(character.isspace() for character in value),
        "it has a slash": "/" in value,
        "it has upper-case letters": value != value.lower(),
        "it has a port": re.search(":[0-9]*$", value) is not None,
        "it has a wildcard": "*" in value,
        "it begins or ends with a dot": value.startswith(".") or value.endswith("."),
    }
    cause = next((text for text, met in defects.items() if met), "it has other characters than a-z, 0-9, - and dots")
    raise PydanticCustomError("domain", f"The domain is no DNS name: {cause}. Write it like apps.example.com")


def _texts(value: str) -> dict[str, str] | None:
    """Return a JSON object of texts; None for everything else."""
    try:
        found = json.loads(value or "{}")
    except ValueError:
        return None
    return found if isinstance(found, dict) and all(isinstance(each, str) for each in found.values()) else None


def annotations_of_ingresses(value: str) -> str:
    """Reject everything but a JSON object of texts."""
    if _texts(value) is None:
        raise PydanticCustomError("annotations", "The annotations are no JSON object whose keys and values are texts")
    return value


def hosts(value: str) -> str:
    """Reject everything but a JSON object from hosts of registries to their options."""
    registry_hosts(value)
    return value


def off_or_a_minute(value: int) -> int:
    """Reject an interval of less than a minute; 0 means never."""
    if 0 < value < 60:
        raise PydanticCustomError("interval", "The number of seconds is 0, for never, or at least 60")
    return value


def priority_classes(value: str) -> str:
    """Reject everything but a JSON object from words to names of PriorityClasses."""
    found = _texts(value)
    if found is None:
        raise PydanticCustomError("classes", "The priority classes are no JSON object from words to names of classes")
    for word, name in found.items():
        if word not in PRIORITIES:
            words = ", ".join(PRIORITIES)
            raise PydanticCustomError("classes", f"The priority classes have the unknown word {word}. Words: {words}")
        if not re.fullmatch(NAME_PATTERN, name):
            raise PydanticCustomError("classes", f"The class of {word} is no name of a PriorityClass")
    return value


_BUILD_FIELDS: Final = ("image", "command", "args", "env", "resources", "securityContext")


def _object(value: str) -> dict[str, Any] | None:
    """Return a JSON object; None for everything else."""
    try:
        found = json.loads(value or "{}")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def build_template(value: str) -> str:
    """Reject everything but a container with an image, and the fields that a build may have."""
    found = _object(value)
    if found is None or (value and not isinstance(found.get("image"), str)):
        raise PydanticCustomError("template", "The build template is no JSON object of a container with an image")
    if other := sorted(found.keys() - set(_BUILD_FIELDS)):
        text = "The build template has the field {field}. It may have: {fields}"
        raise PydanticCustomError("template", text, {"field": other[0], "fields": ", ".join(_BUILD_FIELDS)})
    return value


def build_resources(value: str) -> str:
    """Reject everything but requests and limits with quantities."""
    found = _object(value)
    sides = found.values() if found is not None and found.keys() <= {"requests", "limits"} else (None,)
    for side in sides:
        given = side.values() if isinstance(side, dict) else (None,)
        if not all(isinstance(each, str) and re.fullmatch(QUANTITY_PATTERN, each) for each in given):
            raise PydanticCustomError(
                "resources", "The build resources are no JSON object with requests and limits of quantities in quotes"
            )
    return value


def buckets(value: str) -> str:
    """Reject everything but names of buckets; the message quotes the first other one."""
    for part in parts(value):
        if not re.fullmatch(_BUCKET_PATTERN, part):
            text = (
                "The list has {part}. Write the name of a bucket of Amazon S3, or https://HOST/BUCKET for another store"
            )
            raise PydanticCustomError("buckets", text, {"part": part})
    return value


def parts(value: str) -> list[str]:
    """Return the items of a list that commas separate."""
    return [part.strip() for part in value.split(",") if part.strip()]
