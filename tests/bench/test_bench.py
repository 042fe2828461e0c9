"""The bench itself, without a server: what it replays, what it reads out of an audit log, how it judges."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from . import report
from .objects import CHILDREN, WRITES, foundation, user, workspaces
from .recording import record
from .witness import Tail, span

COUNT = 3


def stored(count: int) -> list[dict[str, Any]]:
    """What a server would hold before the children exist."""
    found = [item for _, item in foundation(count) if item.get("kind") and "rules" not in item] + workspaces(count)
    return [
        {
            **item,
            "metadata": {**item["metadata"], "uid": f"uid-{number}", "resourceVersion": str(number), "generation": 1},
        }
        for number, item in enumerate(found, 1)
    ]


def test_a_workspace_costs_six_children_and_one_status() -> None:
    """The replayed writes are the operator's own, and there are exactly as many as the figures assume."""
    writes = asyncio.run(record(stored(COUNT)))
    kinds = Counter(orjson.loads(write.body)["kind"] for write in writes if write.verb == "POST")
    assert kinds == {"ControllerRevision": COUNT, "StatefulSet": COUNT, "Service": 3 * COUNT, "Ingress": COUNT}
    assert sum(kinds.values()) == CHILDREN * COUNT
    patches = [write for write in writes if write.verb == "PATCH"]
    assert len(writes) == WRITES * COUNT
    assert all(write.path.partition("?")[0].endswith("/status") for write in patches)


def line(who: str, at: str, **changes: Any) -> bytes:
    """One line of an audit log."""
    entry = {
        "stage": "ResponseComplete",
        "verb": "create",
        "user": {"username": user(who)},
        "objectRef": {"resource": "services", "namespace": "team-000", "name": "ws"},
        "requestURI": "/api/v1/namespaces/team-000/services?fieldManager=outfitter",
        "responseStatus": {"code": 201},
        "requestReceivedTimestamp": f"2026-01-01T00:00:{at}Z",
        "stageTimestamp": f"2026-01-01T00:00:{at}Z",
        **changes,
    }
    return orjson.dumps(entry) + b"\n"


def test_the_tail_reads_what_was_written_since(tmp_path: Path) -> None:
    """Old lines, other users, unfinished requests and half-written lines are left out; nothing is read twice."""
    log = tmp_path / "audit.log"
    log.write_bytes(line("outfitter", "01.000000"))
    tail = Tail(log, user("outfitter"))
    last = line("outfitter", "04.500000")
    with log.open("ab") as file:
        file.write(line("outfitter", "02.000000") + line("bare", "03.000000"))
        file.write(line("outfitter", "03.000000", stage="ResponseStarted") + last[:20])
    assert len(tail.poll()) == 1
    with log.open("ab") as file:
        file.write(last[20:])
    assert len(tail.poll()) == 1
    assert tail.poll() == []
    begin, end = span(tail.requests)
    assert end - begin == pytest.approx(2.5)


def test_the_lease_is_no_write_and_a_refused_child_is_no_child(tmp_path: Path) -> None:
    """What counts as what."""
    log = tmp_path / "audit.log"
    tail = Tail(log, user("outfitter"))
    log.write_bytes(
        line("outfitter", "01.000000", objectRef={"resource": "leases"}, verb="update")
        + line("outfitter", "02.000000", responseStatus={"code": 409})
        + line("outfitter", "03.000000", objectRef={"resource": "workspaces", "subresource": "status"}, verb="patch")
        + line("outfitter", "04.000000", objectRef={"resource": "environments", "subresource": "status"}, verb="patch")
    )
    seen = [(each.is_write, each.is_child, each.is_workspace_status, each.is_about_assets) for each in tail.poll()]
    assert seen == [
        (False, False, False, False),
        (True, False, False, False),
        (True, False, True, False),
        (True, False, False, True),
    ]


@pytest.mark.parametrize(
    ("key", "value", "missed"),
    [
        ("throughput_ratio", 0.6, False),
        ("throughput_ratio", 0.59, True),
        ("extra_writes_per_cr", 0.001, True),
        ("idle_requests", 1, True),
        ("latency_p99_ms", 100.0, False),
        ("rss_mib", 150.1, True),
    ],
)
def test_bars(key: str, value: float, *, missed: bool) -> None:
    """On the bar is met; beyond it is not, in the direction that the figure has."""
    good = {
        "throughput_ratio": 1.0,
        "extra_writes_per_cr": 0.0,
        "idle_requests": 0,
        "restart_writes": 0,
        "latency_p99_ms": 1.0,
        "rss_mib": 1.0,
    }
    result = {**good, key: value}
    assert report.missed(result) == ([key] if missed else [])
    assert ("MISSED" in report.table(result)) is missed
