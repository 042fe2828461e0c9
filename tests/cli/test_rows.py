"""What people read about one object."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from outfitter.cli.live_table import LiveTable
from outfitter.cli.table import age, details, has_problem, row, settled, table
from outfitter.cluster.store import Caches
from outfitter.snapshot import CachedObject

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def condition(kind: str, status: str, reason: str) -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason}


def workspace(version: int = 1, **status: Any) -> dict[str, Any]:
    meta = {"name": "alice", "namespace": "team-a", "uid": "1", "generation": 2, "resourceVersion": str(version)}
    created = {"creationTimestamp": "2026-11-21T11:55:00Z"}
    return {"kind": "Workspace", "metadata": {**meta, **created}, **({"status": status} if status else {})}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, False),
        ({"conditions": [condition("Ready", "True", "Running")], "issues": [{"issue": "PromptUnset"}]}, False),
        ({"conditions": [condition("Ready", "False", "Progressing")], "issues": [{"issue": "PromptUnset"}]}, False),
        ({"conditions": [condition("Ready", "False", "NotCreated")], "issues": [{"issue": "NotCreated"}]}, True),
        ({"conditions": [condition("Ready", "False", "X"), condition("Stalled", "True", "X")]}, True),
    ],
)
def test_trouble_is_what_somebody_has_to_look_at(status: dict[str, Any], expected: bool) -> None:
    assert has_problem(status) is expected


def test_settled_is_ready_in_the_newest_version() -> None:
    ready = [condition("Ready", "True", "Running")]
    assert settled(workspace(observedGeneration=2, conditions=ready))
    assert not settled(workspace(observedGeneration=1, conditions=ready))
    assert not settled(workspace(observedGeneration=2, conditions=[condition("Ready", "False", "Progressing")]))
    assert not settled(workspace())


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-11-21T11:59:58Z", "2s"),
        ("2026-11-21T11:55:00Z", "5m"),
        ("2026-11-21T09:00:00Z", "3h"),
        ("2026-11-01T12:00:00Z", "20d"),
        ("2026-11-21T12:00:01Z", "0s"),
        ("", ""),
    ],
)
def test_age(created: str, expected: str) -> None:
    assert age(created, NOW) == expected


def printed(*rows: dict[str, Any], terminal: bool = False, **more: Any) -> str:
    out = Console(file=io.StringIO(), width=200, force_terminal=terminal)
    out.print(table(map(row, rows), NOW, **more))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_the_table_has_what_one_looks_for() -> None:
    body = workspace(
        syncStatus="Issues found", phase="Pending", replicas=1, readyReplicas=0, issues=[{"message": "m" * 80}]
    )
    head, line = printed(body).splitlines()
    assert head.split() == ["KIND", "NAME", "SYNC", "STATUS", "PHASE", "READY", "MESSAGE", "AGE"]
    assert line.split() == ["Workspace", "alice", "Issues", "found", "Pending", "0/1", "m" * 59 + "…", "5m"]
    assert details([row(body)]) == [("yellow", f"Workspace team-a/alice: {'m' * 80}")]


def test_wide_adds_columns_and_cuts_nothing() -> None:
    links = [{"url": "https://a.example.com"}]
    body = workspace(
        syncStatus="No issues found", revision="alice-1", usedBy={"total": 3}, connections=links, message="m" * 70
    )
    head, line = printed(body, namespaces=True, wide=True).splitlines()
    assert "REVISION" in head
    for cell in ("team-a", "alice-1", " 3 ", "https://a.example.com", "m" * 70):
        assert cell in line


def test_states_have_colours_on_a_terminal_and_none_elsewhere() -> None:
    body = workspace(syncStatus="Failed")
    assert "\x1b[" in printed(body, terminal=True)
    assert "\x1b[" not in printed(body)


def test_a_problem_is_red_and_a_note_is_not() -> None:
    red = "\x1b[31mIssues found"
    issue = [{"issue": "ImagePullFailed", "message": "No image."}]
    broken = workspace(
        syncStatus="Issues found", issues=issue, conditions=[condition("Ready", "False", "ImagePullFailed")]
    )
    noted = workspace(syncStatus="Issues found", issues=issue, conditions=[condition("Ready", "True", "Running")])
    assert red in printed(broken, terminal=True)
    assert red not in printed(noted, terminal=True)


def test_markup_in_a_message_is_text() -> None:
    assert "[bold]x[/bold]" in printed(workspace(syncStatus="Failed", message="[bold]x[/bold]"))


def test_outdated_says_what_and_how_far() -> None:
    entry = {"kind": "Environment", "name": "torch", "usedGeneration": 3, "generation": 4, "reason": "Edited"}
    digests = {"usedDigest": f"sha256:{64 * 'a'}", "digest": f"sha256:{64 * 'b'}"}
    image = {"kind": "Image", "name": "r.example.com/app:1", **digests, "reason": "Moved"}
    credential = {"kind": "Credential", "name": "c", "reason": "Rotated"}
    seen = row(workspace(syncStatus="No issues found", outdated=[entry, credential, image]))
    assert seen.outdated == (
        "Environment torch was edited: generation 3 is in use, generation 4 is the newest",
        "Credential c was rotated",
        "Image r.example.com/app:1 moved: pods run sha256:aaaaaaaaaaaa, and the tag is sha256:bbbbbbbbbbbb now",
    )
    assert "moved: pods run" in printed(workspace(syncStatus="No issues found", outdated=[image]), wide=True)


def test_without_a_terminal_each_news_is_a_line_and_no_news_is_none() -> None:
    caches, file = Caches(), io.StringIO()
    caches.listen(LiveTable(caches, Console(file=file, width=200)).changed)
    for version, status in enumerate(
        ({}, {"syncStatus": "Creating"}, {"syncStatus": "Creating"}, {"syncStatus": "Failed"}), 1
    ):
        caches.put(CachedObject.of(workspace(version, **status)))
    caches.remove(CachedObject.of(workspace(9)))
    said = [line.partition(" ")[2] for line in file.getvalue().splitlines()]
    assert said == [f"Workspace team-a/alice: {what}" for what in ("Creating", "Failed", "deleted")]
