"""Statuses of objects, composed from problems and observations."""

from outfitter.status.compose import (
    ISSUES_LIMIT,
    MESSAGE_LIMIT,
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
from outfitter.status.hold import hold
from outfitter.status.outcome import outcome

__all__ = [
    "ISSUES_LIMIT",
    "MESSAGE_LIMIT",
    "StatusInput",
    "compose",
    "deleting",
    "hold",
    "is_ready",
    "is_stalled",
    "known",
    "least",
    "outcome",
    "timestamp",
    "unfinished",
    "unreadable",
]
