"""The verdict on the whole run: rights used and granted, every status ever written, the operator's log."""

from __future__ import annotations

import pytest

from .conftest import Stack
from .harness import kstatus, rights


def test_nothing_was_refused_and_nothing_needs_more_than_is_granted(stack: Stack) -> None:
    given = rights.granted(stack.installed)
    assert rights.forbidden(stack.sandbox.audit_log, stack.outages) == []
    beyond = {right for right, _ in rights.used(stack.requests()) if rights.needed(right, given) is None}
    assert not beyond


@pytest.mark.whole_run
def test_every_right_is_used(stack: Stack) -> None:
    given = rights.granted(stack.installed)
    used = {rights.needed(right, given) for right, entry in rights.used(stack.requests()) if entry.code < 300}
    # What it holds for others must have stood in a Role that it wrote.
    unused = sorted(given - used - (rights.lent() & stack.handed_out))
    assert not unused, "\n".join(map(str, unused))


def test_what_it_holds_for_others_it_does_not_use(stack: Stack) -> None:
    """No artifact was ever changed or deleted by the operator, and no repository changed."""
    lent = rights.lent()
    assert lent
    assert not [entry for right, entry in rights.used(stack.requests()) if right._replace(namespace="") in lent]


@pytest.mark.whole_run
def test_what_takes_a_minute_has_happened_by_now(stack: Stack) -> None:
    assert stack.unfinished
    for finish in stack.unfinished:
        finish()


def test_every_status_ever_written_follows_the_kstatus_rules(stack: Stack) -> None:
    sights = stack.recorder.sights()
    assert sights
    found = [f"{what}: {sight}" for sight in sights for what in kstatus.wrong(sight)]
    lives: dict[str, list[kstatus.Sight]] = {}
    for sight in sights:
        lives.setdefault(sight.item["metadata"]["uid"], []).append(sight)
    found += [what for life in lives.values() for what in kstatus.wrong_in_life(life)]
    assert not found, f"{len(found)} of {len(sights)}:\n" + "\n".join(found[:20])


def test_the_operator_met_no_defect_of_its_own(stack: Stack) -> None:
    log = stack.operator.said()
    assert "Traceback" not in log
    assert "the reconciliation failed" not in log
