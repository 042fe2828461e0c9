"""The bench itself, without a server: what it replays, what it reads out of an audit log, how it judges."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from . import report, spans
from .bare import Learnt
from .figures import same_writes
from .objects import foundation, user
from .recording import record
from .scenarios import ARTIFACTS, CACHED, SCENARIOS, WORKSPACES, Scenario
from .transitions import transitions
from .witness import Request, Tail, span

COUNT = 12  # more than there are images
KINDS = {
    "workspaces": {"ControllerRevision": 1, "StatefulSet": 1, "Service": 1, "Ingress": 1},
    "artifacts": {
        "ControllerRevision": 1,
        "Deployment": 2,
        "Service": 2,
        "Ingress": 1,
        "PodDisruptionBudget": 1,
        "ArtifactRepository": 1,
    },
    "cached": {"ControllerRevision": 1, "Deployment": 1, "Service": 1, "ArtifactRepository": 1},
    "trainings": {"ControllerRevision": 1, "Job": 1, "Service": 1, "Ingress": 1},
    "distributed": {"ControllerRevision": 1, "Job": 1, "Service": 2, "Ingress": 1},
}


def stored(scenario: Scenario, count: int) -> list[dict[str, Any]]:
    """What a server would hold before the children exist."""
    objects = scenario.objects(count)
    before = [*foundation(item["metadata"]["namespace"] for item in objects), *scenario.assets()]
    found = [item for _, item in before if item.get("kind")] + objects
    return [
        {
            **item,
            "metadata": {**item["metadata"], "uid": f"uid-{number}", "resourceVersion": str(number), "generation": 1},
        }
        for number, item in enumerate(found, 1)
    ]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_what_an_object_costs(scenario: Scenario) -> None:
    """The replayed writes are the operator's own, and there are exactly as many as the figures assume."""
    writes = asyncio.run(record(scenario, stored(scenario, COUNT)))
    kinds = Counter(orjson.loads(write.body)["kind"] for write in writes if write.verb == "POST")
    assert kinds == {kind: number * COUNT for kind, number in KINDS[scenario.name].items()}
    assert sum(kinds.values()) == scenario.child_count * COUNT
    patches = [write for write in writes if write.verb == "PATCH"]
    assert len(writes) == scenario.write_count * COUNT
    assert all(write.path.partition("?")[0].endswith("/status") for write in patches)


def test_what_only_the_server_can_know_comes_from_an_earlier_write() -> None:
    """A repository that the operator makes has a status guarded by its uid and version."""
    known: set[str] = set()
    for write in asyncio.run(record(ARTIFACTS, stored(ARTIFACTS, COUNT))):
        assert set(write.needs) <= known
        assert ("artifactrepositories" in write.path and write.verb == "POST") is bool(write.gives)
        guarded, remembers = "artifactrepositories" in write.path, "/artifacts/" in write.path
        needed = (2 if guarded else int(remembers)) if write.verb == "PATCH" else 0
        assert len(write.needs) == needed
        known.update(write.gives)


def test_the_bare_loop_fills_in_what_answers_tell() -> None:
    """In the body of a later request; one that comes too early waits."""

    async def run() -> bytes:
        learnt = Learnt([["POST", "", "", "", ["u-1", "v-1"], []], ["PATCH", "", "", "", [], ["u-1"]]])
        filling = asyncio.create_task(learnt.filled('["u-1", "v-1"]', ["u-1", "v-1"]))
        await asyncio.sleep(0)
        assert not filling.done()
        learnt.note(["u-1", "v-1"], b'{"metadata": {"uid": "abc", "resourceVersion": "7"}}')
        return await filling

    assert asyncio.run(run()) == b'["abc", "7"]'


def event(name: str, **status: Any) -> dict[str, Any]:
    """One event of a watch."""
    return {"type": "MODIFIED", "object": {"metadata": {"uid": name}, "status": status}}


def ready(status: str, reason: str, since: str = "1") -> list[dict[str, str]]:
    """Conditions."""
    return [{"type": "Ready", "status": status, "reason": reason, "message": since, "lastTransitionTime": since}]


def test_a_status_that_says_nothing_new_is_no_transition() -> None:
    """Times, counts and texts alone are nothing new; each object is judged by itself."""
    seen = [
        event("a", phase="Draft", conditions=ready("False", "Waiting")),
        event("b", phase="Draft", conditions=ready("False", "Waiting")),
        event("a", phase="Draft", conditions=ready("False", "Waiting", since="2")),
        event("a", phase="Draft", conditions=ready("False", "Waiting"), usedBy={"total": 3}),
        event("a", phase="Draft", conditions=ready("False", "Waiting"), nimCache={"phase": "Ready"}),
        event("a", phase="Draft", conditions=ready("True", "Running"), nimCache={"phase": "Ready"}),
        event("a", phase="Draft", conditions=ready("False", "Waiting")),
        event("b", phase="Draft", conditions=ready("False", "Waiting"), usedBy={"artifacts": [{"phase": "Running"}]}),
        {"type": "DELETED", "object": {"metadata": {"uid": "b"}, "status": {"phase": "Locked"}}},
        {"type": "ADDED", "object": {"metadata": {"uid": "c"}}},
    ]
    assert transitions(seen) == 6


def test_only_waiting_may_cost_the_operator_more_statuses() -> None:
    """Than the bare loop makes; anything else that one side has and the other has not makes the pair worthless."""
    status = "patch artifacts/status?fieldManager=outfitter"
    bare = Counter({status: 2, "create services/?": 1})
    assert same_writes(CACHED, bare + Counter({status: 1}), bare)
    assert not same_writes(ARTIFACTS, bare + Counter({status: 1}), bare)
    assert not same_writes(CACHED, bare + Counter({"create services/?": 1}), bare)
    assert not same_writes(CACHED, bare - Counter({status: 1}), bare)


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


def judged(scenario: Scenario, request: Request) -> tuple[bool, bool, bool, bool]:
    """Whether a request is a write, a child, a status and shared."""
    return (request.is_write, scenario.is_child(request), scenario.is_status(request), scenario.is_shared(request))


def test_the_lease_is_no_write_and_a_refused_child_is_no_child(tmp_path: Path) -> None:
    """What counts as what."""
    log = tmp_path / "audit.log"
    tail = Tail(log, user("outfitter"))
    log.write_bytes(
        line("outfitter", "01.000000", objectRef={"resource": "leases"}, verb="update")
        + line("outfitter", "02.000000", responseStatus={"code": 409})
        + line("outfitter", "03.000000", objectRef={"resource": "workspaces", "subresource": "status"}, verb="patch")
        + line("outfitter", "04.000000", objectRef={"resource": "environments", "subresource": "status"}, verb="patch")
        + line("outfitter", "05.000000")
    )
    assert [judged(WORKSPACES, each) for each in tail.poll()] == [
        (False, False, False, False),
        (True, False, False, False),
        (True, False, True, False),
        (True, False, False, True),
        (True, True, False, False),
    ]


def test_a_refused_write_about_a_cache_counts(tmp_path: Path) -> None:
    """Twenty artifacts that ask for one cache at once may make it once."""
    log = tmp_path / "audit.log"
    tail = Tail(log, user("outfitter"))
    asked = {"resource": "nimcaches", "namespace": "team-000", "name": "nim-1"}
    log.write_bytes(
        line("outfitter", "01.000000", objectRef=asked)
        + line("outfitter", "02.000000", objectRef=asked, responseStatus={"code": 409})
    )
    assert [judged(CACHED, each) for each in tail.poll()] == [(True, False, False, True), (True, False, False, False)]


def test_who_waits_for_the_children_does_not_wait_for_what_belongs_to_nobody(tmp_path: Path) -> None:
    """A repository made on demand is written for the artifact, and counts as a write; the artifact runs without it."""
    log = tmp_path / "audit.log"
    tail = Tail(log, user("outfitter"))
    log.write_bytes(
        line("outfitter", "01.000000", objectRef={"resource": "artifactrepositories", "name": "a"})
        + line("outfitter", "02.000000", objectRef={"resource": "deployments", "name": "a"})
    )
    seen = [(ARTIFACTS.is_child(each), ARTIFACTS.is_owned(each)) for each in tail.poll()]
    assert seen == [(True, False), (True, True)]


def test_samples_that_the_host_disturbed_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figure is of all; the rest says what the same run was where nobody took the cores away."""
    taken = 0
    monkeypatch.setattr(spans, "_ticks", lambda: (taken, 1000 + taken))
    found = spans.Spans()
    for number in range(1, 101):
        stolen = spans.Stolen()
        taken += number % 10 == 0
        found.add(float(number), stolen)
    seen = found.quantiles()
    assert (seen["samples"], seen["p50"], seen["p99"], seen["max"]) == (100, 50, 99, 100)
    calm = seen["undisturbed"]
    assert (calm["samples"], calm["p99"], calm["max"]) == (90, 99, 99)
    assert seen["stolen_share"] == 1.0  # ten ticks passed, and all were stolen


@pytest.mark.parametrize(
    ("key", "value", "missed"),
    [
        ("throughput_ratio", 0.7, False),
        ("throughput_ratio", 0.69, True),
        ("extra_writes_per_cr", 0.001, True),
        ("idle_requests", 1, True),
        ("latency_p99_ms", 100.0, False),
        ("latency_p50_ratio", 1.31, True),
        ("rss_mib", 130.1, True),
    ],
)
def test_bars(key: str, value: float, *, missed: bool) -> None:
    """On the bar is met; beyond it is not, in the direction that the figure has."""
    good = {
        "throughput_ratio": 1.0,
        "extra_writes_per_cr": 0.0,
        "idle_requests": 0,
        "restart_writes": 0,
        "latency_p50_ratio": 1.0,
        "latency_p99_ms": 1.0,
        "rss_mib": 1.0,
    }
    result = {**good, key: value}
    assert report.missed(result) == ([key] if missed else [])
    assert ("MISSED" in report.table(result)) is missed
