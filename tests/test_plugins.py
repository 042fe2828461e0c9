"""The test plugins: distribution over workers, totals of several runs, evidence of several workers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import summary
from integration.harness.evidence import Evidence
from integration.harness.rights import Right
from plugins.reporting import durations
from plugins.scheduling import unit_of


@pytest.mark.parametrize(
    ("nodeid", "unit"),
    [
        ("tests/integration/test_quiet.py::test_a[x::y]", "tests/integration/test_quiet.py"),
        ("tests/chart/test_helm.py::test_b", "tests/chart"),
        ("tests/sandbox/images/test_layout.py::test_c", "tests/sandbox/images/test_layout.py"),
    ],
)
def test_a_file_or_a_folder_with_one_control_plane_is_a_unit(nodeid: str, unit: str) -> None:
    assert unit_of(nodeid) == unit


def test_totals_read_like_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(summary, "BUILD", tmp_path)
    (tmp_path / "runs").mkdir()
    first = {"exit": 0, "elapsed": 61.5, "counts": {"passed": 2, "skipped": 1}, "not_run": {"no root": 1}}
    second = {"exit": 1, "elapsed": 2, "counts": {"passed": 3, "failed": 1}, "seconds": {"a": 1.5, "b": 2}}
    for name, result in (("first", first), ("second", second)):
        (tmp_path / "runs" / f"{name}.json").write_text(json.dumps(result))
    assert summary.main(["first"]) == 0
    assert capsys.readouterr().out.endswith("1 tests were NOT run: no root\n2 passed, 1 skipped in 61.50s (0:01:01)\n")
    assert summary.main(["first", "second", "third"]) == 1
    told = capsys.readouterr().out
    assert "The run `third` failed: exit code no result" in told
    assert told.endswith("1 failed, 5 passed, 1 skipped in 63.50s (0:01:03)\n")
    assert (tmp_path / "durations.txt").read_text() == "    2.00 s  b\n    1.50 s  a\n"


def test_only_the_slowest_are_listed() -> None:
    lines = durations(Counter({f"t{number}": number for number in range(300)})).splitlines()
    assert (len(lines), lines[0]) == (100, "  299.00 s  t299")


def test_evidence_is_kept_and_added_up(tmp_path: Path) -> None:
    right = Right("get", "", "pods")
    one = Evidence({"a"}, used={right}, statuses=2, violations=["x"], late=1)
    one.write(tmp_path / "evidence" / "gw0.json")
    assert Evidence.read(tmp_path / "evidence" / "gw0.json") == one
    both = one + Evidence({"b"}, used={right, Right("list", "", "pods")}, statuses=1)
    assert (both.files, both.statuses, both.violations, both.late) == ({"a", "b"}, 3, ["x"], 1)
    assert both.used == {right, Right("list", "", "pods")}
