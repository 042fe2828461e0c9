"""Problems of an object, as data: from a missing reference to a crashing pod."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from outfitter.reasons import Level, Reason

_WORD: Final = re.compile(r"[\w.:/@%+-]{1,253}")
_NAME_LIMIT: Final = 63


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. `message` names the object and the field, what is wrong, and the remedy."""

    reason: Reason
    message: str
    level: Level = Level.STALLED
    field: str = ""
    namespace: str = ""  # where, if not in the object's own namespace

    def __post_init__(self) -> None:
        """Clean message and field: parts of them come from users, events, images and other programs."""
        for name in ("message", "field"):
            if not getattr(self, name).isprintable():
                object.__setattr__(self, name, printable(getattr(self, name)))

    @property
    def text(self) -> str:
        """Return the message with its field in front."""
        return f"{self.field}: {self.message}" if self.field else self.message


def printable(text: str) -> str:
    """Return a text in which control characters and marks of writing direction are spaces: safe on a terminal."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)


def quoted(text: str) -> str:
    """Return foreign text in quotation marks, so that it does not read as a sentence of ours."""
    return '"' + text.replace('"', "'") + '"'


def foreign_name(text: str) -> str:
    """Return a name from a foreign text; what is more than one word, or too long for a name, is quoted and cut."""
    return text if _WORD.fullmatch(text) else quoted(text[:_NAME_LIMIT])


def stalled(reason: Reason, message: str, field: str = "", namespace: str = "") -> Problem:
    """Return a problem that a person must fix."""
    return Problem(reason, message, Level.STALLED, field, namespace)


def under_way(reason: Reason, message: str, field: str = "") -> Problem:
    """Return a dependency that is being created: nothing is wrong."""
    return Problem(reason, message, Level.UNDER_WAY, field)


def waiting(reason: Reason, message: str, field: str = "", namespace: str = "") -> Problem:
    """Return a problem that resolves itself when something appears."""
    return Problem(reason, message, Level.WAITING, field, namespace)


def note(reason: Reason, message: str, field: str = "", namespace: str = "") -> Problem:
    """Return something that the user should know although everything works."""
    return Problem(reason, message, Level.NOTE, field, namespace)


def without_notes(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that are more than a note."""
    return [problem for problem in problems if problem.level > Level.NOTE]


def serious(problems: Iterable[Problem]) -> bool:
    """Return whether any of the problems is more than a note."""
    return any(problem.level > Level.NOTE for problem in problems)


def seen_from(home: str, problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems as an object in namespace `home` reports them: those of other namespaces are notes.

    A tenant who takes a name or breaks a claim in one namespace must not make an object fail for all its users.
    """
    return [
        replace(problem, level=Level.NOTE)
        if problem.namespace not in ("", home) and problem.level > Level.NOTE
        else problem
        for problem in problems
    ]


def blocks(home: str, problems: Iterable[Problem]) -> bool:
    """Return whether any of the problems keeps an object in namespace `home` from being ready."""
    return serious(seen_from(home, problems))
