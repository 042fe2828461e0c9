"""The master of a distributed training that a WorkloadTemplate gives."""

from __future__ import annotations

from typing import Any

import pytest

from world import World, asset, condition, issues, reason

IMAGE = "registry.example.com/box:1"
OTHER = "registry.example.com/master:1"


def template(**spec: Any) -> dict[str, Any]:
    fields = {"workloadType": "distributed", "image": IMAGE, "distributedFramework": "PyTorch", "backend": "native"}
    return asset("WorkloadTemplate", "base", {key: value for key, value in {**fields, **spec}.items() if value})


def training(**spec: Any) -> dict[str, Any]:
    return asset("DistributedTraining", "many", {"template": {"name": "base"}, **spec})


def container(world: World, job: str) -> dict[str, Any]:
    found: dict[str, Any] = world.get("Job", job)["spec"]["template"]["spec"]["containers"][0]
    return found


def status(world: World) -> dict[str, Any]:
    return world.status("DistributedTraining", "many")


async def test_the_master_is_that_of_the_template() -> None:
    world = World(
        template(masterSpec={"image": OTHER, "workingDir": "/master"}), training(numWorkers=2), jobs="Running"
    )
    await world.settle()
    assert reason(status(world)) == "Running"
    assert (container(world, "many-master")["image"], container(world, "many-master")["workingDir"]) == (
        OTHER,
        "/master",
    )
    assert container(world, "many-worker-1")["image"] == IMAGE
    (revision,) = world.all("ControllerRevision")
    origins = revision["data"]["origins"]
    assert origins["masterSpec.image"] == "WorkloadTemplate base"


async def test_fields_of_the_workload_override_it() -> None:
    """Field by field, and lists item by item, as the other fields of a template."""
    given = [{"name": "A", "value": "template"}, {"name": "B", "value": "template"}]
    own = {"environmentVariables": [{"name": "B", "value": "own"}], "workingDir": "/own"}
    world = World(
        template(masterSpec={"image": OTHER, "workingDir": "/master", "environmentVariables": given}),
        training(masterSpec=own),
        jobs="Running",
    )
    await world.settle()
    found = container(world, "many-master")
    assert (found["image"], found["workingDir"]) == (OTHER, "/own")
    assert [item for item in found["env"] if item["name"] in ("A", "B")] == [
        {"name": "A", "value": "template"},
        {"name": "B", "value": "own"},
    ]


async def test_assets_of_the_workload_override_it() -> None:
    world = World(
        asset("Environment", "of-template", {"image": OTHER}),
        asset("Environment", "own", {"image": IMAGE}),
        asset("ComputeResource", "large", {"cpuCoreRequest": 2}),
        template(masterSpec={"assets": {"environment": {"name": "of-template"}, "compute": {"name": "large"}}}),
        training(masterSpec={"assets": {"environment": {"name": "own"}}}),
        jobs="Running",
    )
    await world.settle()
    found = container(world, "many-master")
    assert (found["image"], found["resources"]["requests"]["cpu"]) == (IMAGE, "2")
    assert "resources" not in container(world, "many-worker-0")
    users = world.status("Environment", "of-template")["usedBy"]
    assert users["total"] == 1  # the template alone
    assert [item["name"] for item in world.status("ComputeResource", "large")["usedBy"]["distributedTrainings"]] == [
        "many"
    ]


async def test_a_master_like_the_workers_instead() -> None:
    """What the workload says about its master wins, in both directions."""
    same = World(template(masterSpec={"image": OTHER}), training(masterSpecSameAsWorker=True), jobs="Running")
    await same.settle()
    assert [job["metadata"]["name"] for job in same.all("Job")] == ["many"]
    own = World(template(masterSpecSameAsWorker=True), training(masterSpec={"image": OTHER}), jobs="Running")
    await own.settle()
    assert container(own, "many-master")["image"] == OTHER


async def test_an_edit_of_the_template_is_outdated_until_a_restart() -> None:
    world = World(template(masterSpec={"image": OTHER}), training(), jobs="Running")
    await world.settle()
    world.edit("WorkloadTemplate", "base", masterSpec={"image": IMAGE, "workingDir": "/new"})
    await world.settle()
    assert container(world, "many-master")["image"] == OTHER
    assert [(row["kind"], row["reason"]) for row in status(world)["outdated"]] == [("WorkloadTemplate", "Edited")]
    world.annotate("DistributedTraining", "many", restartedAt="1")
    await world.settle()
    assert container(world, "many-master")["workingDir"] == "/new"


async def test_what_is_wrong_with_it_names_the_template() -> None:
    """The field of the workload is that with the reference."""
    twice = {"image": OTHER, "ports": [{"container": 80}, {"container": 80}]}
    world = World(template(masterSpec=twice), training())
    await world.settle()
    (issue,) = status(world)["issues"]
    assert issue["issue"] == "InvalidSpec"
    assert issue["message"].startswith(
        "spec.template: WorkloadTemplate base is invalid: spec.masterSpec.ports[1].container: 80 is also"
    )
    (own,) = world.status("WorkloadTemplate", "base")["issues"]
    assert own["message"].startswith("spec.masterSpec.ports[1].container: 80 is also")


async def test_an_asset_of_it_that_is_missing() -> None:
    world = World(template(masterSpec={"assets": {"environment": {"name": "later"}}}), training(), jobs="Running")
    await world.settle()
    (issue,) = status(world)["issues"]
    assert (issue["issue"], issue["message"].partition(": ")[0]) == ("ReferenceNotFound", "spec.template")
    (own,) = world.status("WorkloadTemplate", "base")["issues"]
    assert own["message"].startswith("spec.masterSpec.assets.environment: Environment later does not exist")
    world.load([asset("Environment", "later", {"image": OTHER})])
    await world.settle()
    assert container(world, "many-master")["image"] == OTHER
    assert issues(world.status("WorkloadTemplate", "base")) == []


@pytest.mark.parametrize(
    ("of_template", "of_workload", "text"),
    [
        ({"distributedFramework": None}, {"distributedFramework": "JAX"}, "spec.masterSpec: JAX has no master"),
        ({}, {"ports": [{"container": 80}]}, "spec.ports: Only the master has addresses"),
    ],
)
async def test_what_a_workload_may_not_be_beside_it(
    of_template: dict[str, Any], of_workload: dict[str, Any], text: str
) -> None:
    """The API server sees the one or the other, so the operator judges both together."""
    world = World(template(masterSpec={"image": OTHER}, **of_template), training(**of_workload))
    await world.settle()
    assert [item["message"].startswith(text) for item in status(world)["issues"]] == [True]
    assert condition(status(world), "Stalled") is not None
    assert world.all("Job") == []


async def test_addresses_of_workers_in_a_template_beside_a_master_of_the_workload() -> None:
    world = World(template(ports=[{"container": 80}]), training(masterSpec={"image": OTHER}))
    await world.settle()
    (issue,) = status(world)["issues"]
    assert issue["message"].startswith("spec.template: Only the master has addresses. Move ports into masterSpec.")


async def test_the_status_of_the_template() -> None:
    """Whether a workload of it alone could run, and its combined fields."""
    world = World(
        asset("Environment", "of-master", {"image": OTHER}),
        template(masterSpec={"assets": {"environment": {"name": "of-master"}}, "workingDir": "/master"}),
    )
    await world.settle()
    found = world.status("WorkloadTemplate", "base")
    assert found["runnable"] == {"isRunnable": True}
    assert found["combinedSpec"]["masterSpec"] == {"image": OTHER, "workingDir": "/master"}
    assert found["combinedSpec"]["image"] == IMAGE
    world.edit("WorkloadTemplate", "base", masterSpec={"workingDir": "/master"})
    await world.settle()
    issue = world.status("WorkloadTemplate", "base")["runnable"]["issue"]
    assert issue.startswith("spec.masterSpec.image: The field is required")


async def test_a_template_without_a_master_lacks_one() -> None:
    world = World(template())
    await world.settle()
    issue = world.status("WorkloadTemplate", "base")["runnable"]["issue"]
    assert issue.startswith("spec.masterSpec: The training needs a master")


async def test_its_compliance_is_that_of_the_section() -> None:
    most = {"compute": {"gpuDevicesRequest": {"max": 1}}}
    world = World(
        asset("WorkloadPolicy", "rules", {"workloadType": "distributed", "rules": {"worker": most, "master": most}}),
        template(masterSpec={"image": OTHER, "compute": {"gpuDevicesRequest": 2}}, compute={"gpuDevicesRequest": 1}),
    )
    await world.settle()
    rows = world.status("WorkloadTemplate", "base")["compliance"]
    assert [(row["replicaType"], row["reasons"][0]["field"]) for row in rows] == [
        ("master", "compute.gpuDevicesRequest")
    ]


async def test_a_field_of_the_whole_in_it_is_told() -> None:
    world = World(template(masterSpec={"image": OTHER, "queue": "red"}), training(), jobs="Running")
    await world.settle()
    (issue,) = world.status("WorkloadTemplate", "base")["issues"]
    assert (issue["issue"], issue["message"].partition(": ")[0]) == ("NotEnforced", "spec.masterSpec.queue")
    assert reason(status(world)) == "Running"
