"""Leaves of a spec's schema, the places where they occur in an object, and valid objects that differ in one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from outfitter.api.patterns import matches
from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import kind_of
from outfitter.api.validation import strict_errors

Body = dict[str, Any]
Schema = Mapping[str, Any]
Place = tuple[str | int, ...]
ITEM = "[]"
VALUES = 3
# For strings whose pattern takes no longer text.
TEXTS = ("other", "/other", "0400", "0640", "2g.10gb", "metadata.uid", "metadata.name", "example.com/other")


def spec_leaves(kind: str) -> dict[str, Schema]:
    """Every leaf of a kind's spec: `storage.pvc[].claimInfo.size` -> schema. A map with free keys is one leaf."""
    spec = resource_schema(kind_of(kind).model)["properties"]["spec"]
    return {leaf_of(path): schema for path, schema in _leaves(spec, ())}


def _leaves(schema: Schema, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Schema]]:
    if schema.get("properties"):
        for name, inner in schema["properties"].items():
            yield from _leaves(inner, (*path, name))
    elif schema.get("type") == "array":
        yield from _leaves(schema["items"], (*path, ITEM))
    else:
        yield path, schema


def leaf_of(path: Place) -> str:
    """The leaf that a place belongs to."""
    return ".".join(ITEM if isinstance(step, int) else step for step in path).replace(f".{ITEM}", ITEM)


def places(leaf: str, spec: Body) -> list[Place]:
    """Where a leaf occurs in a spec."""
    found: list[tuple[Place, Any]] = [((), spec)]
    for step in leaf.replace(ITEM, f".{ITEM}").split("."):
        found = [place for at, value in found for place in _below(at, value, step)]
    return [at for at, _ in found]


def _below(at: Place, value: Any, step: str) -> list[tuple[Place, Any]]:
    if step == ITEM:
        return [((*at, index), item) for index, item in enumerate(value)]
    return [((*at, step), value[step])] if step in value else []


def within(leaf: str, field: str) -> bool:
    """Whether a leaf is a field, or inside of it."""
    return leaf == field or leaf.startswith((f"{field}.", f"{field}["))


class Change(NamedTuple):
    """A valid object that differs from another in one place of the spec."""

    text: str
    subject: Body
    removal: bool = False


def changes(subject: Body, place: Place, schema: Schema) -> Iterator[Change]:
    """A few other values of one place, then its removal, as far as the object stays valid."""
    old, found = _at(subject["spec"], place), 0
    for new in _others(old, schema):
        changed = deepcopy(subject)
        _at(changed["spec"], place[:-1])[place[-1]] = new
        if not strict_errors(changed):
            yield Change(f"{old!r} -> {new!r}", changed)
            found += 1
        if found == VALUES:
            break
    removed = deepcopy(subject)
    del _at(removed["spec"], place[:-1])[place[-1]]
    if not strict_errors(removed):
        yield Change(f"without {old!r}", removed, removal=True)


def _at(value: Any, place: Place) -> Any:
    for step in place:
        value = value[step]
    return value


def _others(old: Any, schema: Schema) -> Iterator[Any]:
    """Values that the schema takes instead of `old`."""
    if isinstance(old, bool):
        yield not old
    elif "enum" in schema:
        yield from (other for other in schema["enum"] if other != old)
    elif isinstance(old, dict):
        for key, value in old.items():
            yield {**old, key: f"{value}x"}
    elif isinstance(old, int | float):
        others = (old + 1, old - 1, old * 2, *((old / 2,) if schema.get("type") == "number" else ()))
        yield from (other for other in others if schema.get("minimum", 0) <= other <= schema.get("maximum", other))
    else:
        number = old[: len(old) - len(old.lstrip("0123456789"))]
        for other in (*((f"{int(number) * 2}{old[len(number) :]}",) if number else ()), f"{old}2", f"{old}x", *TEXTS):
            fits = len(other) <= schema.get("maxLength", len(other)) and matches(schema.get("pattern", ""), other)
            if other != old and fits:
                yield other
