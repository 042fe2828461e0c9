"""What can be wrong with an object, as data: one shape from the reference that is missing to the pod that crashes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from outfitter.reasons import Level, Reason


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


def stalled(reason: Reason, message: str, field: str = "", namespace: str = "") -> Problem:
    """A problem that a person must mend."""
    return Problem(reason, message, Level.STALLED, field, namespace)


def under_way(reason: Reason, message: str, field: str = "") -> Problem:
    """Something that is being made as it should be, and has to be waited for."""
    return Problem(reason, message, Level.UNDER_WAY, field)


def waiting(reason: Reason, message: str, field: str = "", namespace: str = "") -> Problem:
    """A problem that ends by itself once something appears."""
    return Problem(reason, message, Level.WAITING, field, namespace)


def note(reason: Reason, message: str, field: str = "", namespace: str = "") -> Problem:
    """Something the user should know although it works."""
    return Problem(reason, message, Level.NOTE, field, namespace)


def serious(problems: Iterable[Problem]) -> bool:
    """Return whether any of the problems is more than a note."""
    return any(problem.level > Level.NOTE for problem in problems)
