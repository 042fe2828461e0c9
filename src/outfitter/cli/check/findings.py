"""The result of one check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line. A `problem` needs an action; a `note` reports something that may be meant, or was not checked."""

    check: str
    state: State
    message: str

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as data."""
        return asdict(self)


def ok(check: str, message: str) -> Finding:
    """Return a check that found no problem."""
    return Finding(check, "ok", message)


def note(check: str, message: str) -> Finding:
    """Return a check with something to know."""
    return Finding(check, "note", message)


def problem(check: str, message: str) -> Finding:
    """Return a check with something to do."""
    return Finding(check, "problem", message)


def names(found: list[str], most: int = 4) -> str:
    """Return the first names, and the number of the others."""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
