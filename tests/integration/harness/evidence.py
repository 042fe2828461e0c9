"""What the tests of one worker left for the verdict on a whole run: rights, statuses, log and late results."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import kstatus, rates, rights
from .rights import Right

if TYPE_CHECKING:
    from integration.conftest import Stack

LOG_ERRORS = ("Traceback", "the reconciliation failed")


@dataclass
class Evidence:
    """Several of them add up with `+`."""

    files: set[str] = field(default_factory=set)  # test files that ran
    refused: list[str] = field(default_factory=list)  # requests of the operator that RBAC rejected
    missing: set[Right] = field(default_factory=set)  # used without being granted
    used: set[Right] = field(default_factory=set)  # granted, and used with success
    used_of_lent: set[Right] = field(default_factory=set)  # held only to be handed out, and used all the same
    handed_out: set[Right] = field(default_factory=set)  # in Roles that the operator wrote
    statuses: int = 0  # statuses that were seen
    violations: list[str] = field(default_factory=list)  # of the kstatus rules
    late: int = 0  # checks that had to wait for a minute or more
    late_failures: list[str] = field(default_factory=list)
    log_errors: list[str] = field(default_factory=list)  # what the operator's log shows of defects
    busy: list[str] = field(default_factory=list)  # objects that it wrote more than ten times within a minute

    def __add__(self, other: Evidence) -> Evidence:
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)
        return Evidence(*(a | b if isinstance(a, set) else a + b for a, b in pairs))

    def write(self, path: Path) -> None:
        """Keep it for another process."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), default=sorted))

    @staticmethod
    def read(path: Path) -> Evidence:
        """The evidence that `write` kept."""
        values: dict[str, Any] = json.loads(path.read_text())
        for name in ("missing", "used", "used_of_lent", "handed_out"):
            values[name] = {Right(*right) for right in values[name]}
        return Evidence(**{**values, "files": set(values["files"])})


def gather(stack: Stack, files: Iterable[str]) -> Evidence:
    """The evidence of a stack that is up; waits for its late checks."""
    failures = [failure for check in stack.late_checks if (failure := _failure(check))]
    given, lent = rights.granted(stack.installed), rights.lent()
    found = Evidence(
        set(files), late=len(stack.late_checks), late_failures=failures, handed_out=set(stack.handed_out),
        refused=rights.forbidden(stack.sandbox.audit_log, stack.outages),
    )  # fmt: skip
    for right, entry in rights.used(stack.requests()):
        granted = rights.needed(right, given)
        if granted is None:
            found.missing.add(right)
        elif entry.code < 300:
            found.used.add(granted)
        if right._replace(namespace="") in lent:
            found.used_of_lent.add(right)
    # One test writes statuses by hand, which the operator repairs.
    sights = [
        sight
        for sight in stack.recorder.sights()
        if not sight.item["metadata"]["namespace"].startswith("a-status-edited-by-hand")
    ]
    lives: dict[str, list[kstatus.Sight]] = {}
    for sight in sights:
        lives.setdefault(sight.item["metadata"]["uid"], []).append(sight)
    found.statuses = len(sights)
    found.violations = [f"{what}: {sight}" for sight in sights for what in kstatus.wrong(sight)]
    found.violations += [what for life in lives.values() for what in kstatus.wrong_in_life(life)]
    found.busy = rates.busy(stack.sandbox.audit(), rights.USER)
    lines = stack.operator.said().splitlines()
    found.log_errors = [
        "\n".join(lines[number : number + 20])
        for number, line in enumerate(lines)
        if any(word in line for word in LOG_ERRORS)
    ]
    return found


def _failure(check: Any) -> str:
    """What a late check says where it fails."""
    try:
        check()
    except AssertionError as error:
        return str(error) or repr(error)
    return ""
