"""How often the operator wrote one object within a minute, from the audit log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from outfitter_sandbox.audit import AuditEntry

MINUTE = 60.0
MOST_WRITES = 10
# A Lease is renewed by the clock, and every Event is an object of its own.
_BY_NATURE = ("leases", "events")


class Target(NamedTuple):
    """An object, or its status."""

    resource: str
    subresource: str
    namespace: str
    name: str


def busy(entries: Iterable[AuditEntry], operator: str) -> list[str]:
    """The objects that the operator wrote more than ten times within any 60 seconds, without a cause.

    Rejected writes count too. A cause is a write of somebody else in the same namespace within the same minute: tests
    edit some objects twenty times in a row. An object that is created again under its name is another object.
    """
    lives: dict[Target, list[list[float]]] = defaultdict(lambda: [[]])
    causes: dict[str, list[float]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.received):
        if not entry.is_write or entry.resource in _BY_NATURE:
            continue
        moment = datetime.fromisoformat(entry.received).timestamp()
        if entry.user != operator:
            causes[entry.namespace].append(moment)
        if entry.verb == "create":
            for subresource in ("", "status"):
                lives[Target(entry.resource, subresource, entry.namespace, entry.name)].append([])
        if entry.user == operator:
            lives[Target(entry.resource, entry.subresource, entry.namespace, entry.name)][-1].append(moment)
    found = []
    for target, all_lives in lives.items():
        for moments in all_lives:
            if (excess := _excess(moments, causes[target.namespace])) > 0:
                found.append(f"{excess} writes too many: {' '.join(filter(None, target))}")
    return found


def _excess(moments: list[float], causes: list[float]) -> int:
    """By how many the writes of one minute exceed the limit and their causes, at most."""
    first = most = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= MINUTE:
            first += 1
        if last - first < MOST_WRITES:
            continue
        caused = sum(moments[first] - MINUTE <= cause <= moment for cause in causes)
        most = max(most, last - first + 1 - MOST_WRITES - caused)
    return most
