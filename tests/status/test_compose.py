"""Status by the rules of kstatus, whose decision order is written out here once more."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from outfitter.api.schema import resource_schema
from outfitter.api.shape import shape_errors
from outfitter.api.states import SyncStatus
from outfitter.api.v1alpha1 import kind_of
from outfitter.problems import Problem, note, stalled, under_way, waiting
from outfitter.reasons import Level, Reason
from outfitter.status import StatusInput, compose, is_ready, is_stalled, timestamp
from world import START, World, asset, complete


def kstatus(body: Mapping[str, Any]) -> str:
    """The state that a tool which waits for an object computes from its conditions."""
    status = body.get("status") or {}
    if body["metadata"].get("deletionTimestamp"):
        return "Terminating"
    if "observedGeneration" in status and status["observedGeneration"] != body["metadata"]["generation"]:
        return "InProgress"
    for item in status.get("conditions", ()):
        if item["type"] == "Reconciling" and item["status"] == "True":
            return "InProgress"
        if item["type"] == "Stalled" and item["status"] == "True":
            return "Failed"
    for item in status.get("conditions", ()):
        if item["type"] == "Ready":
            return "Current" if item["status"] == "True" else "InProgress"
    return "Current"


def body(status: Mapping[str, Any] | None = None, generation: int = 1, **meta: Any) -> dict[str, Any]:
    found = asset("Workspace", "w", {"image": "i"}, generation=generation, **meta)
    return {**found, "status": dict(status)} if status is not None else found


NOTE, WAITING = note(Reason.DRAFT, "n"), waiting(Reason.WAITING, "w")
STALLED, UNDER_WAY = stalled(Reason.CONFLICT, "s", "spec.x"), under_way(Reason.PROGRESSING, "u")

TABLE = [
    (True, (), "Current", SyncStatus.NO_ISSUES_FOUND, "Running"),
    (True, (NOTE,), "Current", SyncStatus.ISSUES_FOUND, "Running"),
    (True, (WAITING,), "InProgress", SyncStatus.ISSUES_FOUND, "Waiting"),
    (True, (STALLED,), "Failed", SyncStatus.ISSUES_FOUND, "Conflict"),
    (False, (), "InProgress", SyncStatus.CREATING, "Running"),
    (False, (NOTE,), "InProgress", SyncStatus.ISSUES_FOUND, "Running"),
    (False, (NOTE, WAITING), "InProgress", SyncStatus.ISSUES_FOUND, "Waiting"),
    (False, (WAITING, STALLED, NOTE), "Failed", SyncStatus.ISSUES_FOUND, "Conflict"),
    (True, (UNDER_WAY,), "InProgress", SyncStatus.CREATING, "Progressing"),
    (False, (UNDER_WAY,), "InProgress", SyncStatus.CREATING, "Progressing"),
    (False, (UNDER_WAY, NOTE), "InProgress", SyncStatus.ISSUES_FOUND, "Progressing"),
    (False, (UNDER_WAY, WAITING), "InProgress", SyncStatus.ISSUES_FOUND, "Waiting"),
]


@pytest.mark.parametrize(("ready", "problems", "verdict", "sync", "reason"), TABLE)
def test_states(ready: bool, problems: tuple[Problem, ...], verdict: str, sync: SyncStatus, reason: str) -> None:
    """Ready is Current, what resolves itself is InProgress, what a person must fix is Failed."""
    status = compose(StatusInput(ready, Reason.RUNNING, "", problems, targets=(1, 1)), body(), START)
    assert kstatus(body(status)) == verdict
    assert status["syncStatus"] == sync
    assert status["conditions"][0]["type"] == "Ready"
    assert status["conditions"][0]["reason"] == reason
    assert is_ready(status) == (verdict == "Current")
    assert is_stalled(status) == (verdict == "Failed")


@pytest.mark.parametrize("levels", list(itertools.product([None, *Level], repeat=2)))
@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("targets", [(0, 1), (1, 1), (2, 3), (0, 3)])
def test_rules_hold_everywhere(levels: tuple[Level | None, ...], ready: bool, targets: tuple[int, int]) -> None:
    """There is one Ready. Reconciling and Stalled exclude each other, and are True or absent."""
    problems = tuple(Problem(Reason.CONFLICT, "text", level) for level in levels if level)
    status = compose(StatusInput(ready, Reason.RUNNING, "", problems, targets=targets), body(), START)
    found = {item["type"]: item for item in status["conditions"]}
    assert len(found) == len(status["conditions"])
    assert set(found) <= {"Ready", "Reconciling", "Stalled"}
    assert "Ready" in found
    assert not {"Reconciling", "Stalled"} <= set(found)
    assert all(item["status"] == "True" for kind, item in found.items() if kind != "Ready")
    assert (found["Ready"]["status"] == "True") == (set(found) == {"Ready"})
    assert all(item["observedGeneration"] == status["observedGeneration"] == 1 for item in found.values())
    schema = resource_schema(kind_of("Workspace").model)["properties"]["status"]
    assert list(shape_errors(schema, status, ())) == []


def test_times_of_conditions_are_kept() -> None:
    """The time of a condition changes with its status, not with its reason."""
    first = compose(StatusInput(False, Reason.PENDING), body(), START)
    later = START + timedelta(hours=1)
    second = compose(StatusInput(False, Reason.PROGRESSING), body(first, generation=2), later)
    assert {item["lastTransitionTime"] for item in second["conditions"]} == {timestamp(START)}
    assert second["conditions"][0]["reason"] == "Progressing"
    third = compose(StatusInput(True, Reason.RUNNING), body(second, generation=2), later)
    assert third["conditions"] == [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Running",
            "message": "",
            "observedGeneration": 2,
            "lastTransitionTime": timestamp(later),
        }
    ]
    assert compose(StatusInput(True, Reason.RUNNING), body(third, generation=2), later + timedelta(days=1)) == third


def test_creating_becomes_updating_after_the_first_success() -> None:
    """It is Creating until it is ready for the first time, and Updating afterwards."""
    first = compose(StatusInput(False, Reason.PROGRESSING), body(), START)
    assert first["syncStatus"] == "Creating"
    assert compose(StatusInput(False, Reason.PROGRESSING), body(first), START)["syncStatus"] == "Creating"
    well = compose(StatusInput(True, Reason.RUNNING), body(first), START)
    assert compose(StatusInput(False, Reason.PROGRESSING), body(well, generation=2), START)["syncStatus"] == "Updating"
    troubled = compose(StatusInput(False, Reason.PROGRESSING, "", (WAITING,)), body(well), START)
    assert compose(StatusInput(False, Reason.PROGRESSING), body(troubled), START)["syncStatus"] == "Updating"


def test_deleting() -> None:
    """A deletion hides every other state."""
    meta = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    status = compose(StatusInput(False, Reason.DELETING, "", (STALLED,)), body(**meta), START)
    assert status["syncStatus"] == "Deleting"
    assert kstatus(body(status, **meta)) == "Terminating"


@pytest.mark.parametrize(
    ("targets", "sync", "message"),
    [
        ((0, 1), "Failed", "spec.x: s"),
        ((1, 1), "Issues found", "spec.x: s"),
        ((2, 3), "Issues found", "1 of 3 projects failed. See issues."),
        ((0, 3), "Failed", "3 of 3 projects failed. See issues."),
        ((3, 3), "Issues found", "spec.x: s"),
    ],
)
def test_fan_out(targets: tuple[int, int], sync: str, message: str) -> None:
    """Failed means that no namespace is synced. Otherwise the message counts the failed ones."""
    status = compose(StatusInput(False, Reason.PROGRESSING, "", (STALLED,), targets=targets), body(), START)
    assert (status["syncStatus"], status["message"]) == (sync, message)


def test_issues_are_capped_ordered_and_placed() -> None:
    """At most fifty, the worst first, each with its namespace. Long texts are cut."""
    many = tuple(waiting(Reason.WAITING, f"number {number}", namespace=f"team-{number}") for number in range(80))
    status = compose(
        StatusInput(False, Reason.PROGRESSING, "", (*many, stalled(Reason.CONFLICT, "x" * 5000)), targets=(1, 1)),
        body(),
        START,
    )
    assert len(status["issues"]) == 50
    assert status["issues"][0]["issue"] == "Conflict"
    assert status["issues"][0]["scopeId"] == "team-a"
    assert status["issues"][1] == {
        "scopeType": "project",
        "scopeId": "team-0",
        "issue": "Waiting",
        "message": "number 0",
    }
    assert status["message"].endswith("(and 80 more)")
    schema = resource_schema(kind_of("Workspace").model)["properties"]["status"]
    assert list(shape_errors(schema, status, ())) == []


def test_lists_and_addresses_of_facts_fit_the_schema() -> None:
    """The server would reject the whole status for one list that is too long or holds a key twice."""
    connection = {"name": "c", "url": "https://" + "h" * 3000}
    facts = {
        "outdated": [{"kind": "Environment", "name": f"e{number}"} for number in range(100)],
        "connections": [connection, {"name": "c"}, *({"name": f"c{number}"} for number in range(100))],
    }
    status = compose(StatusInput(True, Reason.RUNNING, facts=facts), body(), START)
    assert len(status["outdated"]) == len(status["connections"]) == 64
    assert len(status["connections"][0]["url"]) == 2048
    schema = resource_schema(kind_of("Workspace").model)["properties"]["status"]
    assert list(shape_errors(schema, status, ())) == []


def test_absent_facts_are_absent() -> None:
    """None means that the field is left out."""
    status = compose(StatusInput(True, Reason.RUNNING, facts={"phase": "Running", "outdated": None}), body(), START)
    assert "outdated" not in status
    assert status["phase"] == "Running"
    assert "message" not in status
    assert "issues" not in status


async def test_phases_of_a_life() -> None:
    """Every phase on the way, and what kstatus makes of it."""
    world = World(asset("Workspace", "w", {"image": "i"}))
    seen = []

    async def look() -> None:
        await world.once("Workspace", "w")
        found = world.get("Workspace", "w")
        seen.append((found["status"]["phase"], kstatus(found)))

    await look()
    world.controllers.pods = False
    world.controllers.run()
    await look()
    made = world.get("StatefulSet", "w")["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "w", "uid": made["uid"], "controller": True}
    pod = {"kind": "Pod", "metadata": {"name": "w-0", "labels": made["labels"], "ownerReferences": [owner]}}
    scheduled = [{"type": "PodScheduled", "status": "True"}]
    world.cluster.user_apply(complete({**pod, "spec": {}, "status": {"phase": "Pending", "conditions": scheduled}}))
    await look()
    world.controllers.pods = True
    world.controllers.run()
    await look()
    world.controllers.pods = False
    world.controllers.run()
    await look()
    world.tick(11)
    await look()
    world.controllers.pods = True
    world.controllers.run()
    world.edit("Workspace", "w", args="x")
    await look()
    world.controllers.run()
    await look()
    world.edit("Workspace", "w", args="x", suspend=True)
    await look()
    world.cluster.user_delete("Pod", "team-a", "w-0")
    world.controllers.run()
    await look()
    world.edit("Workspace", "w", args="x", suspend=False)
    await look()
    world.controllers.run()
    await look()
    world.edit("Workspace", "w", backoffLimit=1)
    await look()
    assert seen == [
        ("Creating", "InProgress"),
        ("Pending", "InProgress"),
        ("Initializing", "InProgress"),
        ("Running", "Current"),
        ("Running", "Current"),  # held
        ("Degraded", "InProgress"),
        ("Updating", "InProgress"),
        ("Running", "Current"),
        ("Stopping", "InProgress"),
        ("Stopped", "Current"),
        ("Resuming", "InProgress"),
        ("Running", "Current"),
        ("Running", "Failed"),
    ]
