"""The verdict on the whole run: rights used and granted, every status ever written, the operator's log."""

from __future__ import annotations

from pathlib import Path

import pytest

from .harness import rights
from .harness.evidence import Evidence

pytestmark = pytest.mark.verdict


def test_nothing_was_refused_and_nothing_needs_more_than_is_granted(evidence: Evidence) -> None:
    assert evidence.refused == []
    assert evidence.missing == set()


@pytest.mark.whole_run
def test_every_file_ran(evidence: Evidence) -> None:
    """Else the verdict is about a part of the tests only."""
    here = Path(__file__)
    assert evidence.files == {path.name for path in here.parent.glob("test_*.py")} - {here.name}


@pytest.mark.whole_run
def test_every_right_is_used(evidence: Evidence) -> None:
    # What it holds for others must have stood in a Role that it wrote.
    unused = sorted(rights.granted(rights.manifests()) - evidence.used - (rights.lent() & evidence.handed_out))
    assert not unused, "\n".join(map(str, unused))


def test_what_it_holds_for_others_it_does_not_use(evidence: Evidence) -> None:
    """No artifact was ever changed or deleted by the operator, and no repository changed."""
    assert rights.lent()
    assert evidence.used_of_lent == set()


@pytest.mark.whole_run
def test_what_takes_a_minute_has_happened_by_now(evidence: Evidence) -> None:
    assert evidence.late
    assert evidence.late_failures == []


def test_every_status_ever_written_follows_the_kstatus_rules(evidence: Evidence) -> None:
    assert evidence.statuses
    wrong = evidence.violations
    assert not wrong, f"{len(wrong)} of {evidence.statuses}:\n" + "\n".join(wrong[:20])


def test_the_operator_met_no_defect_of_its_own(evidence: Evidence) -> None:
    assert evidence.log_errors == []


def test_nothing_was_written_more_than_ten_times_a_minute(evidence: Evidence) -> None:
    assert not evidence.busy, "\n".join(evidence.busy)
