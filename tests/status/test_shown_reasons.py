"""The record of reasons and phases, and its comparison with the committed table."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.codegen.shown_reasons import REASONS, Shown
from outfitter.reasons import Reason
from plugins.shown_reasons import ShownReasons, differences, entries, level_errors, table

EVERY = tuple(sorted(Reason))
A, B = {"A": {REASONS: EVERY}}, {"B": {"phase": ("Ready",)}}


def status(condition: str, reason: str, **facts: Any) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "False", "reason": reason}
    return {"conditions": [ready, {**ready, "type": condition, "status": "True"}], **facts}


def test_entries_of_a_status() -> None:
    """The reasons of conditions and issues, and the phases."""
    shown = status("Stalled", "Conflict", issues=[{"issue": "Draft"}], phase="Locked", runPhase="Failed")
    assert set(entries("Artifact", shown)) == {
        ("Artifact", REASONS, "Conflict"),
        ("Artifact", REASONS, "Draft"),
        ("Artifact", "phase", "Locked"),
        ("Artifact", "runPhase", "Failed"),
    }


@pytest.mark.parametrize(
    ("condition", "reason", "wrong"),
    [
        ("Stalled", "Conflict", False),
        ("Stalled", "Unavailable", True),
        ("Reconciling", "Unavailable", False),
        ("Reconciling", "Progressing", False),
        ("Reconciling", "Conflict", True),
    ],
)
def test_a_condition_has_reasons_of_its_level(condition: str, reason: str, wrong: bool) -> None:
    """The guide lists a reason under the condition that it comes with."""
    assert bool(list(level_errors("Workspace", status(condition, reason)))) is wrong


@pytest.mark.parametrize(("result", "wrong"), [("", True), ("Completed", True), ("Failed", False)])
def test_a_run_that_failed_has_the_reason_of_its_pod(result: str, wrong: bool) -> None:
    """It is over, so that a user must act."""
    shown = status("Stalled", "OOMKilled", run={"result": result} if result else {})
    assert bool(list(level_errors("Training", shown))) is wrong


@pytest.mark.parametrize(
    ("committed", "record", "words"),
    [
        (A, A, []),
        ({**A, **B}, A, ["No unit test shows", "Ready of B"]),
        (A, {**A, **B}, ["The table has no", "Ready of B"]),
        ({"A": {REASONS: EVERY[1:]}}, {"A": {REASONS: EVERY[1:]}}, ["No kind shows", EVERY[0]]),
        ({"A": {REASONS: (*EVERY, "X")}}, {"A": {REASONS: (*EVERY, "X")}}, ["reasons.py has no row for X"]),
    ],
)
def test_differences(committed: Shown, record: Shown, words: list[str]) -> None:
    """In both directions, and between the record and the registry."""
    messages = list(differences(committed, record))
    assert len(messages) == bool(words)
    assert all(word in messages[0] for word in words)


def test_a_table_is_sorted() -> None:
    """So that it does not depend on the order of tests."""
    record = {("B", REASONS, "Draft"), ("A", "phase", "Ready"), ("B", REASONS, "Conflict")}
    assert table(record) == {"A": {"phase": ("Ready",)}, "B": {REASONS: ("Conflict", "Draft")}}


def test_this_run_listens(request: pytest.FixtureRequest) -> None:
    """The plugin is active in every run, also a partial one."""
    assert isinstance(request.config.pluginmanager.get_plugin("shown-reasons"), ShownReasons)
