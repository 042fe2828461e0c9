"""What can be wrong with an object, as data: one shape from the reference that is missing to the pod that crashes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad, and who mends it."""

    NOTE = 1  # worth telling, everything works
    WAITING = 2  # mends itself when something appears, or is retried
    STALLED = 3  # a person must act


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `message` says which object and field, what is wrong, and what to do."""

    reason: str
    message: str
    level: Level = Level.STALLED
    field: str = ""
    namespace: str = ""  # where, if not in the object's own namespace

    @property
    def text(self) -> str:
        """The message with its field in front."""
        return f"{self.field}: {self.message}" if self.field else self.message


def stalled(reason: str, message: str, field: str = "", namespace: str = "") -> Problem:
    """A problem that a person must mend."""
    return Problem(reason, message, Level.STALLED, field, namespace)


def waiting(reason: str, message: str, field: str = "", namespace: str = "") -> Problem:
    """A problem that ends by itself once something appears."""
    return Problem(reason, message, Level.WAITING, field, namespace)


def note(reason: str, message: str, field: str = "", namespace: str = "") -> Problem:
    """Something the user should know although it works."""
    return Problem(reason, message, Level.NOTE, field, namespace)


def unsupported(field: str, what: str) -> Problem:
    """A field that is valid but that this version cannot honour."""
    return stalled("Unsupported", f"{what}; remove it, or use a version of Outfitter that can", field)
