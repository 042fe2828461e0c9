"""The types that every observation of a live object is expressed in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from outfitter.reasons import Reason


class State(StrEnum):
    """How far a live object is from what its manifest asks for."""

    READY = "Ready"
    PROGRESSING = "Progressing"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Observation:
    """The state of one live object; `message` is for users and includes the remedy where one is known."""

    state: State
    reason: Reason = Reason.READY
    message: str = ""
    since: str = ""  # RFC 3339, where the live object says so


READY = Observation(State.READY)
UNSEEN = Observation(State.PROGRESSING, Reason.PROGRESSING, "The controller has not observed the latest version yet.")
"""State of a new object, before its controller reports on it."""


def failed(reason: Reason, message: str, since: str = "") -> Observation:
    """An observation that needs a change by a user, a retry, or another object."""
    return Observation(State.FAILED, reason, message, since)


def progressing(reason: Reason, message: str) -> Observation:
    """An observation of work that continues without a user."""
    return Observation(State.PROGRESSING, reason, message)
