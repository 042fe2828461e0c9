"""CEL of admission policies: whether a field has a value."""

from __future__ import annotations


def has_value(field: str) -> str:
    """CEL: whether a field is there and not null.

    A server-side apply stores nulls (decision 0033), and has() is true for them. Below a null it is false.
    """
    return f"(has({field}) && {field} != null)"


def has_values(start: str, path: tuple[str, ...]) -> str:
    """CEL: whether every step of a path below `start` has a value."""
    return " && ".join(has_value(".".join((start, *path[: number + 1]))) for number in range(len(path)))
