"""The grace period before a loss of readiness is written, and the outcome of a reconciliation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from outfitter.problems import Problem, note, stalled, under_way, waiting
from outfitter.reasons import Reason
from outfitter.status import StatusInput, compose, hold, outcome
from world import START, asset

BODY = asset("Workspace", "w", {"image": "i"}, generation=1)
WAITING = waiting(Reason.UNAVAILABLE, "w")
STALLED = stalled(Reason.CONFLICT, "s")


def composed(ready: bool, *problems: Problem, revision: str = "r") -> dict[str, Any]:
    facts = {"revision": revision}
    return compose(StatusInput(ready, Reason.RUNNING, "", problems, facts, (1, 1)), BODY, START)


READY, UNREADY = composed(True), composed(False)


@pytest.mark.parametrize(
    ("since", "now", "left"),
    [
        (None, START, 10.0),
        (START, START + timedelta(seconds=4), 6.0),
        (START, START + timedelta(seconds=10), None),
        (START, START + timedelta(hours=1), None),
    ],
)
def test_a_loss_of_readiness_is_held_back_for_the_grace_period(
    since: datetime | None, now: datetime, left: float | None
) -> None:
    """The period starts when the object is first seen unready."""
    assert hold(READY, UNREADY, since, now, 10.0) == left


@pytest.mark.parametrize(
    ("previous", "status"),
    [
        ({}, UNREADY),
        (UNREADY, UNREADY),
        (UNREADY, READY),
        (READY, READY),
        (READY, composed(True, note(Reason.DRAFT, "n"))),
        (READY, composed(False, STALLED)),
        (READY, {**UNREADY, "observedGeneration": 2}),
        (READY, composed(False, revision="newer")),
    ],
)
def test_every_other_change_is_written_at_once(previous: dict[str, Any], status: dict[str, Any]) -> None:
    """A first status, a recovery, a problem for the user, and the result of an edit."""
    assert hold(previous, status, None, START, 10.0) is None


def test_a_problem_that_resolves_itself_is_held_back() -> None:
    """It may be resolved before the period ends."""
    assert hold(READY, composed(True, WAITING), None, START, 10.0) == 10.0


def test_no_grace_period() -> None:
    """Zero seconds hold nothing back."""
    assert hold(READY, UNREADY, None, START, 0.0) is None


@pytest.mark.parametrize(
    ("ready", "problems", "word"),
    [
        (True, (), "Ready"),
        (True, (note(Reason.DRAFT, "n"),), "Ready"),
        (False, (), "Progressing"),
        (False, (under_way(Reason.PROGRESSING, "u"),), "Progressing"),
        (True, (WAITING,), "Waiting"),
        (False, (WAITING, STALLED), "Stalled"),
    ],
)
def test_outcomes(ready: bool, problems: tuple[Problem, ...], word: str) -> None:
    """The worst problem decides; without one, readiness does."""
    assert outcome(StatusInput(ready, Reason.RUNNING, "", problems), "team-a") == word
