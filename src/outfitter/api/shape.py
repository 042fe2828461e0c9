"""Validation against a structural schema: types, bounds, required and unknown fields, with messages for users."""

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from outfitter.api.patterns import PATTERN_WORDS, matches

Path = tuple[str | int, ...]

STORED_DEFAULT = "x-stored-default"
"""Schema key of the few defaults that the API server stores in the object; the models apply all others."""

FREE_FORM = "x-kubernetes-preserve-unknown-fields"
"""Schema key of an object whose fields are those of another object, written by the operator alone."""

_UNKNOWN: Final = "The field is unknown."
_LARGEST: Final = 2**63 - 1  # the API server reads larger numbers as fractions


@dataclass(frozen=True)
class FieldError:
    """One error at one place."""

    path: Path
    message: str

    def __str__(self) -> str:
        """Render as `spec.connections[0].name: message`."""
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
        return f"{text}: {self.message}"


def without_nulls(value: Any) -> Any:
    """Drop fields that are null: they are absent. A null item of a list stays, because it is an error."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def unknown_fields(schema: Mapping[str, Any], value: object, path: Path) -> Iterator[FieldError]:
    """Yield the fields that a schema does not have, and nothing else."""
    for error in shape_errors(schema, value, path):
        if error.message.startswith(_UNKNOWN):
            yield error


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return a suggestion to append to a message, or nothing."""
    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(str(word).lower(), folded, n=1, cutoff=0.6)
    return f" Did you mean {folded[close[0]]}?" if close else ""


def shape_errors(schema: Mapping[str, Any], value: object, path: Path) -> Iterator[FieldError]:
    """Yield every difference between a value and its schema."""
    if value is None:
        yield FieldError(path, "The field has no value. Set a value, or remove the field.")
    elif schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, str):
            yield from _string_errors(schema, value, path)
        elif not _is_whole(value) or value > _LARGEST:
            yield FieldError(path, 'The value must be a whole number, or a quantity in quotes such as "1.5Gi".')
        else:
            yield from _number_errors(schema, value, path)
    elif {"items", "properties"} <= schema.keys() and not isinstance(value, Mapping | list):
        yield FieldError(path, "The value must be a list, or an object with fields of its own.")
    elif wrong := _type_error(schema.get("type"), value):
        yield FieldError(path, wrong)
    elif isinstance(value, Mapping):
        yield from _object_errors(schema, value, path)
    elif isinstance(value, list):
        yield from _list_errors(schema, value, path)
    elif isinstance(value, str):
        yield from _string_errors(schema, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number_errors(schema, value, path)


def _type_error(wanted: object, value: object) -> str | None:
    number = _is_number(value)
    if wanted == "string" and not isinstance(value, str):
        quoted = isinstance(value, int | float)
        return "The value must be text. Put it in quotes." if quoted else "The value must be text."
    if wanted == "boolean" and not isinstance(value, bool):
        return "The value must be true or false, without quotes."
    if wanted == "integer" and not _is_whole(value):
        return "The value must be a whole number, without quotes."
    if wanted == "number" and not number:
        return "The value must be a number, without quotes."
    if wanted == "array" and not isinstance(value, list):
        return "The value must be a list."
    if wanted == "object" and not isinstance(value, Mapping):
        return "The value must be an object with fields of its own."
    return None


def _is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number that JSON has."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> TypeGuard[float]:
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


def _object_errors(schema: Mapping[str, Any], value: Mapping[str, Any], path: Path) -> Iterator[FieldError]:
    if FREE_FORM in schema and "properties" not in schema:
        return
    properties = schema.get("properties")
    for name in schema.get("required", ()):
        if value.get(name) is None:
            yield FieldError((*path, name), "The field is required.")
    if len(value) > schema.get("maxProperties", len(value)):
        yield FieldError(path, f"The field has {len(value)} entries. At most {schema['maxProperties']} are allowed.")
    for key, item in value.items():
        if properties is not None and key not in properties:
            yield FieldError((*path, key), f"{_UNKNOWN}{did_you_mean(key, properties)}")
        elif item is not None:  # a null is an absent field
            inner = properties[key] if properties is not None else schema["additionalProperties"]
            yield from shape_errors(inner, item, (*path, key))


def _list_errors(schema: Mapping[str, Any], value: list[Any], path: Path) -> Iterator[FieldError]:
    if len(value) > schema.get("maxItems", len(value)):
        yield FieldError(path, f"The list has {len(value)} items. At most {schema['maxItems']} are allowed.")
    keys = schema.get("x-kubernetes-list-map-keys", ())
    seen: list[object] = []
    for index, item in enumerate(value):
        yield from shape_errors(schema["items"], item, (*path, index))
        if schema.get("x-kubernetes-list-type") == "set":
            identity: object = item
        elif keys and isinstance(item, Mapping) and all(item.get(key) is not None for key in keys):
            identity = [item[key] for key in keys]
        else:
            continue
        if identity in seen:
            shown = ", ".join(map(str, identity)) if isinstance(identity, list) else identity
            yield FieldError((*path, index), f"{shown!r} occurs twice in the list. Keep one of them.")
        seen.append(identity)


def _string_errors(schema: Mapping[str, Any], value: str, path: Path) -> Iterator[FieldError]:
    if "enum" in schema and value not in schema["enum"]:
        yield FieldError(
            path, f"The value must be one of {', '.join(schema['enum'])}.{did_you_mean(value, schema['enum'])}"
        )
    if len(value) < schema.get("minLength", 0):
        few = f"The value needs {schema['minLength']} characters or more."
        yield FieldError(path, few if value else "The value must not be empty.")
    elif len(value) > schema.get("maxLength", len(value)):
        yield FieldError(path, f"The value has {len(value)} characters. At most {schema['maxLength']} are allowed.")
    elif "pattern" in schema and not matches(schema["pattern"], value):
        words = PATTERN_WORDS.get(schema["pattern"], f"The value must match {schema['pattern']}.")
        yield FieldError(path, f"{value!r} is not valid. {words}" if len(value) < 100 else words)


def _number_errors(schema: Mapping[str, Any], value: float, path: Path) -> Iterator[FieldError]:
    if "minimum" in schema and value < schema["minimum"]:
        yield FieldError(path, f"The value must be {schema['minimum']} or more.")
    if "maximum" in schema and value > schema["maximum"]:
        yield FieldError(path, f"The value must be {schema['maximum']} or less.")
