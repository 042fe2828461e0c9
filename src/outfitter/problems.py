"""What can be wrong with an object, as data: one shape from the reference that is missing to the pod that crashes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad, and who mends it."""

    NOTE = 1  # worth telling, everything works
    UNDER_WAY = 2  # nothing is wrong: what it needs is being made, and it goes on then
    WAITING = 3  # mends itself when something appears, or is retried
    STALLED = 4  # a person must act


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


def under_way(reason: str, message: str, field: str = "") -> Problem:
    """Something that is being made as it should be, and has to be waited for."""
    return Problem(reason, message, Level.UNDER_WAY, field)


def waiting(reason: str, message: str, field: str = "", namespace: str = "") -> Problem:
    """A problem that ends by itself once something appears."""
    return Problem(reason, message, Level.WAITING, field, namespace)


def note(reason: str, message: str, field: str = "", namespace: str = "") -> Problem:
    """Something the user should know although it works."""
    return Problem(reason, message, Level.NOTE, field, namespace)


def unsupported(field: str, what: str) -> Problem:
    """A field that is valid but that this version cannot honour."""
    return stalled("Unsupported", f"{what}; remove it, or use a version of Outfitter that can", field)
