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

__all__ = [
    "ISSUES_LIMIT",
    "MESSAGE_LIMIT",
    "StatusInput",
    "compose",
    "deleting",
    "is_ready",
    "is_stalled",
    "known",
    "least",
    "timestamp",
    "unfinished",
    "unreadable",
]
