"""Statuses of objects, composed from problems and observations."""

from outfitter.status.compose import (
    OtherCondition,
    StatusInput,
    compose,
    deleting,
    is_ready,
    is_stalled,
    known,
    least,
    timestamp,
    unfinished,
    unreadable,
)
from outfitter.status.hold import hold, hold_edits
from outfitter.status.installation import manager_of, marked, marks_first
from outfitter.status.outcome import outcome

__all__ = [
    "OtherCondition",
    "StatusInput",
    "compose",
    "deleting",
    "hold",
    "hold_edits",
    "is_ready",
    "is_stalled",
    "known",
    "least",
    "manager_of",
    "marked",
    "marks_first",
    "outcome",
    "timestamp",
    "unfinished",
    "unreadable",
]
