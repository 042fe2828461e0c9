"""The pin: when a workload is made again, when it is not, and what it is told meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from world import TEAM, World, asset, condition, issues, reason

IMAGE = "registry.example.com/u:1"
OTHER = "registry.example.com/u:2"


def workspace(**spec: Any) -> dict[str, Any]:
    return asset("Workspace", "w", {"assets": {"environment": {"name": "lab"}}, **spec})


def environment(**spec: Any) -> dict[str, Any]:
    return asset("Environment", "lab", {"image": IMAGE, **spec})


async def started(*more: dict[str, Any], **spec: Any) -> World:
    world = World(environment(), workspace(**spec), *more)
    await world.settle()
    return world


def image(world: World) -> str:
    return str(world.get("StatefulSet", "w")["spec"]["template"]["spec"]["containers"][0]["image"])


def revisions(world: World) -> list[tuple[int, str]]:
    found = sorted(world.all("ControllerRevision"), key=lambda body: body["revision"])
    return [
        (body["revision"], body["data"]["groups"][0]["template"]["spec"]["containers"][0]["image"]) for body in found
    ]


def revision(world: World) -> int:
    """Number of the pin that the status names."""
    return int(world.get("ControllerRevision", world.status("Workspace", "w")["revision"])["revision"])


async def test_edits_of_assets_never_touch_what_runs() -> None:
    """They are told as outdated, with the generations; a restart takes them up."""
    world = await started()
    mark = len(world.cluster.writes)
    world.edit("Environment", "lab", image=OTHER)
    await world.settle()
    assert image(world) == IMAGE
    assert {verb for verb, _, _ in world.writes(mark)} == {"status"}
    entry = {"kind": "Environment", "namespace": TEAM, "name": "lab"}
    assert world.status("Workspace", "w")["outdated"] == [
        {**entry, "usedGeneration": 1, "generation": 2, "reason": "Edited"}
    ]
    world.annotate("Workspace", "w", restartedAt="2026-01-01T00:00:00Z")
    await world.settle()
    assert image(world) == OTHER
    assert "outdated" not in world.status("Workspace", "w")
    assert revisions(world) == [(1, IMAGE), (2, OTHER)]


async def test_deleted_and_replaced_assets() -> None:
    """An asset that went, and another one of its name, are told apart; the pod goes on."""
    world = await started()
    world.cluster.user_delete("Environment", TEAM, "lab")
    await world.settle()
    assert [item["reason"] for item in world.status("Workspace", "w")["outdated"]] == ["Deleted"]
    assert reason(world.status("Workspace", "w")) == "Running"
    world.cluster.user_apply(environment(image=OTHER))
    await world.settle()
    assert [item["reason"] for item in world.status("Workspace", "w")["outdated"]] == ["Replaced"]
    assert image(world) == IMAGE


async def test_own_spec_makes_a_new_pin() -> None:
    """The workload's own fields count, and only two pins are kept."""
    world = await started()
    for number in range(4):
        world.edit("Workspace", "w", args=str(number))
        await world.settle()
    assert [number for number, _ in revisions(world)] == [4, 5]
    assert revision(world) == 5
    assert world.get("StatefulSet", "w")["spec"]["template"]["spec"]["containers"][0]["args"] == ["3"]


@pytest.mark.parametrize("field", [{"description": "words"}, {"displayName": "Words"}, {"suspend": False}])
async def test_fields_that_make_no_pin(field: dict[str, Any]) -> None:
    """Words about the workload are no reason to restart it."""
    world = await started()
    before = world.get("StatefulSet", "w")
    world.edit("Workspace", "w", **field)
    world.edit("Environment", "lab", image=OTHER)
    await world.settle()
    assert world.get("StatefulSet", "w")["spec"] == before["spec"]
    assert [number for number, _ in revisions(world)] == [1]


async def test_return_to_a_former_spec() -> None:
    """A, B, A: the pin of A is the newest again, and from then on edits of assets do not touch the workload."""
    world = await started(args="a")
    world.edit("Workspace", "w", args="b")
    await world.settle()
    world.edit("Workspace", "w", args="a")
    await world.settle()
    assert revision(world) == 3
    assert len(revisions(world)) == 2
    world.edit("Environment", "lab", image=OTHER)
    await world.settle()
    assert image(world) == IMAGE
    assert [item["reason"] for item in world.status("Workspace", "w")["outdated"]] == ["Edited"]
    world.edit("Workspace", "w", args="b")
    await world.settle()
    assert image(world) == OTHER


async def test_suspend_and_resume_without_a_change() -> None:
    """The pod goes and comes; it is the same pin."""
    world = await started()
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    assert world.get("StatefulSet", "w")["spec"]["replicas"] == 0
    status = world.status("Workspace", "w")
    assert (status["phase"], reason(status)) == ("Stopped", "Stopped")
    assert condition(status, "Ready")["status"] == "True"  # type: ignore[index]
    world.edit("Workspace", "w", suspend=False)
    await world.settle()
    assert world.get("StatefulSet", "w")["spec"]["replicas"] == 1
    assert world.get("StatefulSet", "w")["metadata"]["annotations"].keys() == {"outfitter.dev/digest"}
    assert [number for number, _ in revisions(world)] == [1]
    assert world.status("Workspace", "w")["phase"] == "Running"


async def test_resume_takes_up_what_changed() -> None:
    """Assets edited while it was stopped are used when it starts again; until then they are told."""
    world = await started()
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    world.edit("Environment", "lab", image=OTHER)
    await world.settle()
    assert image(world) == IMAGE
    assert [item["reason"] for item in world.status("Workspace", "w")["outdated"]] == ["Edited"]
    world.edit("Workspace", "w", suspend=False)
    await world.settle()
    assert image(world) == OTHER
    assert revision(world) == 2
    assert "outdated" not in world.status("Workspace", "w")
    world.edit("Environment", "lab", image=IMAGE)
    await world.settle()
    assert image(world) == OTHER


async def test_suspend_edit_resume() -> None:
    """An edit of a stopped workload waits for its start."""
    world = await started()
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    world.edit("Workspace", "w", image=OTHER)
    await world.settle()
    assert image(world) == IMAGE
    assert world.get("StatefulSet", "w")["spec"]["replicas"] == 0
    assert world.status("Workspace", "w")["phase"] == "Stopped"
    world.edit("Workspace", "w", suspend=False)
    await world.settle()
    assert image(world) == OTHER
    assert world.get("StatefulSet", "w")["spec"]["replicas"] == 1
    assert revision(world) == 2


async def test_resume_with_a_broken_asset_waits() -> None:
    """What cannot be judged any more is not started from the old pin either: nothing runs that policy has not seen."""
    world = await started()
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    world.cluster.user_delete("Environment", TEAM, "lab")
    world.edit("Workspace", "w", suspend=False)
    await world.settle()
    status = world.status("Workspace", "w")
    assert "ReferenceNotFound" in issues(status)
    assert world.get("StatefulSet", "w")["spec"]["replicas"] == 0
    world.cluster.user_apply(environment(image=OTHER))
    await world.settle()
    assert world.get("StatefulSet", "w")["spec"]["replicas"] == 1
    assert image(world) == OTHER


async def test_broken_edit_keeps_what_runs() -> None:
    """A spec that cannot be met is told; the former pin goes on until it can."""
    world = await started()
    world.edit("Workspace", "w", assets={"environment": {"name": "nowhere"}})
    await world.settle()
    status = world.status("Workspace", "w")
    assert reason(status) == "ReferenceNotFound"
    assert status["readyReplicas"] == 1
    assert image(world) == IMAGE
    world.cluster.user_apply(asset("Environment", "nowhere", {"image": OTHER}))
    await world.settle()
    assert image(world) == OTHER
    assert reason(world.status("Workspace", "w")) == "Running"


async def test_restart_without_a_change_restarts_the_pod() -> None:
    """restartedAt stands in the pod template, so that the StatefulSet's controller replaces the pod."""
    world = await started()
    before = world.get("StatefulSet", "w")["spec"]["template"]
    world.annotate("Workspace", "w", restartedAt="1")
    await world.settle()
    after = world.get("StatefulSet", "w")["spec"]["template"]
    assert after["metadata"]["annotations"] == {"outfitter.dev/restartedAt": "1"}
    assert after["spec"] == before["spec"]


async def test_own_definition_of_an_environment_with_run() -> None:
    """An Environment with run is its own spec: an edit is taken up at once; description is not."""
    world = World(asset("Environment", "lab", {"image": IMAGE, "run": {}}))
    await world.settle()
    world.edit("Environment", "lab", description="words")
    await world.settle()
    assert len(world.all("ControllerRevision")) == 1
    world.edit("Environment", "lab", image=OTHER)
    await world.settle()
    assert world.get("StatefulSet", "lab")["spec"]["template"]["spec"]["containers"][0]["image"] == OTHER
    world.edit("Environment", "lab", run={"replicas": 0})
    await world.settle()
    assert world.get("StatefulSet", "lab")["spec"]["replicas"] == 0
    assert len(world.all("ControllerRevision")) == 2


async def test_lost_pin_is_made_again() -> None:
    """Somebody deleted the pins: one is made of what is there now, as on the first day."""
    world = await started()
    for body in world.all("ControllerRevision"):
        world.cluster.user_delete("ControllerRevision", TEAM, body["metadata"]["name"])
    await world.settle()
    assert revisions(world) == [(1, IMAGE)]
    assert reason(world.status("Workspace", "w")) == "Running"


async def test_ephemeral_claims_go_when_it_stops() -> None:
    """And come again, empty, when it starts; claims with user data stay."""
    claims = [
        {"name": "own", "path": "/own", "claimInfo": {"size": "1Gi"}},
        {"name": "short", "path": "/short", "ephemeral": True, "claimInfo": {"size": "1Gi"}},
    ]
    world = await started(storage={"pvc": claims})
    assert [body["metadata"]["name"] for body in world.all("PersistentVolumeClaim")] == [
        "w-own-9dfc7d",
        "w-short-063624",
    ]
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    assert [body["metadata"]["name"] for body in world.all("PersistentVolumeClaim")] == ["w-own-9dfc7d"]
    world.edit("Workspace", "w", suspend=False)
    await world.settle()
    assert [body["metadata"]["name"] for body in world.all("PersistentVolumeClaim")] == [
        "w-own-9dfc7d",
        "w-short-063624",
    ]
    world.edit("Workspace", "w", storage=None)
    await world.settle()
    assert [body["metadata"]["name"] for body in world.all("PersistentVolumeClaim")] == ["w-own-9dfc7d"]
