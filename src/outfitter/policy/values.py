"""Values of fields that policies judge: how they compare, and how one is derived from another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Context, Decimal
from typing import Any, Final

from outfitter.api.quantities import parse_quantity
from outfitter.api.shape import did_you_mean
from outfitter.api.v1alpha1.policyfields import PolicyField

NUMBERS: Final = ("integer", "number")
_EXACT: Final = Context(prec=80)
_BINARY: Final = [(f"{letter}i", Decimal(1024) ** power) for power, letter in reversed([*enumerate("KMGTPE", 1)])]
_DECIMAL: Final = [(letter, Decimal(1000) ** power) for power, letter in reversed([*enumerate("kMGTPE", 1)])]


def number(value: Any) -> Decimal | None:
    """Return the exact value of a number as it was typed; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    exact = Decimal(str(value))
    return exact if exact.is_finite() else None


def amount(field: PolicyField, value: Any) -> Decimal | None:
    """Return the value of a number or quantity for comparisons; None for any other value."""
    if field.type in NUMBERS:
        return number(value)
    if field.type != "quantity" or isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return parse_quantity(value)
    except ValueError:
        return None


def canonical(field: PolicyField, value: Any) -> Any:
    """Return a value in the form in which equal values are equal: 1000M and 1G, 1 and 1.0."""
    exact = amount(field, value)
    if exact is not None:
        return exact
    if field.aliases and isinstance(value, str):
        return field.aliases.get(value, value)
    return without_absent(value)


def same(field: PolicyField, one: Any, other: Any) -> bool:
    """Whether two values of a field mean the same."""
    one, other = canonical(field, one), canonical(field, other)
    # true equals 1 in Python
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def without_absent(value: Any) -> Any:
    """Drop null fields at every depth: they are absent."""
    if isinstance(value, Mapping):
        return {key: without_absent(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [without_absent(inner) for inner in value]
    return value


def is_empty(value: Any) -> bool:
    """Whether a value does not satisfy the rule `required`."""
    return value is None or (isinstance(value, str | list | tuple | dict) and not value)


def scaled(field: PolicyField, value: Any, source: PolicyField, factor: Decimal) -> Any:
    """Return a value of the source times a factor as a value of the field; None if the source's is no number.

    An integer is rounded up. A quantity keeps the family of its suffix, in the largest unit that gives an integer,
    else in whole bytes, rounded up.
    """
    exact = amount(source, value)
    if exact is None:
        return None
    product = _EXACT.multiply(exact, factor)
    if field.type == "quantity":
        return _quantity(product, binary=str(value).endswith("i"))
    if field.type == "integer":
        return int(product.to_integral_value(rounding=ROUND_CEILING))
    return plain_number(product)


def plain_number(value: Decimal) -> int | float:
    """Return a decimal as a number of JSON."""
    return int(value) if value == value.to_integral_value() else float(value)


def _quantity(value: Decimal, *, binary: bool) -> str:
    for suffix, size in _BINARY if binary else _DECIMAL:
        if value and value % size == 0:
            return f"{int(value / size)}{suffix}"
    return str(int(value.to_integral_value(rounding=ROUND_CEILING)))


def fits_step(value: Decimal, least: Decimal, step: Decimal) -> bool:
    """Whether a value is a whole number of steps above the least one."""
    return _EXACT.remainder(_EXACT.subtract(value, least), step) == 0


def get(tree: Mapping[str, Any], parts: Sequence[str]) -> Any:
    """Return the value at a path; None where a part of it is absent or no object."""
    value: Any = tree
    for part in parts:
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def put(tree: dict[str, Any], parts: Sequence[str], value: Any) -> None:
    """Set the value at a path, with the objects on the way."""
    for part in parts[:-1]:
        inner = tree.get(part)
        if not isinstance(inner, dict):
            inner = tree[part] = {}
        tree = inner
    tree[parts[-1]] = value


def drop(tree: dict[str, Any], parts: Sequence[str]) -> None:
    """Remove the value at a path, and the objects on the way that are empty then."""
    inner = tree.get(parts[0])
    if len(parts) > 1 and isinstance(inner, dict):
        drop(inner, parts[1:])
        if inner:
            return
    tree.pop(parts[0], None)


def shown(value: Any) -> str:
    """Return a value for a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {shown(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    return str(value)


def wrong_value(field: PolicyField, value: Any, *, item: bool = False) -> str | None:
    """Return why a field cannot have a value; with `item`, why an array cannot contain it."""
    if field.type == "array" and not item:
        if not isinstance(value, list):
            return f"{field.path} is a list."
        return next((wrong for inner in value if (wrong := wrong_value(field, inner, item=True))), None)
    if field.model is not None:
        kind = list if field.many else Mapping
        return None if isinstance(value, kind) else f"{field.path} is {'a list' if field.many else 'an object'}."
    wanted = "string" if field.type == "array" else field.type
    if not _fits(wanted, value):
        return f"{field.path} is of type {wanted}, and {shown(value)} is not."
    if field.enum and value not in field.enum and value not in field.aliases:
        return f"{field.path} is one of {', '.join(field.enum)}, not {shown(value)}.{did_you_mean(value, field.enum)}"
    return None


def _fits(wanted: str, value: Any) -> bool:
    exact = number(value)
    if wanted == "boolean":
        return isinstance(value, bool)
    if wanted == "string":
        return isinstance(value, str)
    if wanted == "integer":
        return exact is not None and exact == exact.to_integral_value()
    if wanted == "number":
        return exact is not None
    if wanted == "quantity":
        return isinstance(value, str | int) and not isinstance(value, bool) and _is_quantity(value)
    return False


def _is_quantity(value: str | int) -> bool:
    try:
        parse_quantity(value)
    except ValueError:
        return False
    return True
