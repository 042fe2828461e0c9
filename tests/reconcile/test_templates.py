"""Workloads that start from a WorkloadTemplate: precedence, what follows its edits, and what its status says."""

from __future__ import annotations

from typing import Any

import pytest

from world import SYSTEM, TEAM, World, asset, issues, namespace, reason

IMAGE = "registry.example.com/box:1"
ENVIRONMENT = asset("Environment", "base", {"image": IMAGE, "environmentVariables": [{"name": "A", "value": "asset"}]})
COMPUTE = asset("ComputeResource", "small", {"cpuCoreRequest": 1, "cpuMemoryRequest": "1Gi"})


def template(name: str = "notebook", where: str = TEAM, **spec: Any) -> dict[str, Any]:
    return asset("WorkloadTemplate", name, {"workloadType": "workspace", **spec}, where)


def workspace(**spec: Any) -> dict[str, Any]:
    return asset("Workspace", "box", {"template": {"name": "notebook"}, **spec})


def container(world: World, kind: str = "StatefulSet") -> dict[str, Any]:
    found: dict[str, Any] = world.get(kind, "box")["spec"]["template"]["spec"]["containers"][0]
    return found


async def test_the_workload_wins_over_the_template_and_that_over_assets() -> None:
    variables = [{"name": "A", "value": "template"}, {"name": "B", "value": "template"}]
    world = World(
        ENVIRONMENT,
        COMPUTE,
        template(
            assets={"environment": {"name": "base"}, "compute": {"name": "small"}},
            environmentVariables=variables,
            compute={"cpuCoreRequest": 2},
            workingDir="/template",
        ),
        workspace(environmentVariables=[{"name": "B", "value": "own"}], compute={"cpuMemoryRequest": "2Gi"}),
    )
    await world.settle()
    made = container(world)
    assert made["image"] == IMAGE
    assert made["workingDir"] == "/template"
    assert {item["name"]: item.get("value") for item in made["env"]} == {"A": "template", "B": "own"}
    assert made["resources"]["requests"] == {"cpu": "2", "memory": "2Gi"}
    assert reason(world.status("Workspace", "box")) == "Running"


async def test_an_asset_of_the_workload_replaces_that_of_the_template() -> None:
    other = asset("Environment", "other", {"image": "registry.example.com/other:1"})
    world = World(
        ENVIRONMENT,
        other,
        template(assets={"environment": {"name": "base"}}),
        workspace(assets={"environment": {"name": "other"}}),
    )
    await world.settle()
    assert container(world)["image"] == "registry.example.com/other:1"


async def test_a_data_source_of_both_is_mounted_once_where_the_workload_says() -> None:
    def share(name: str) -> dict[str, Any]:
        return asset("DataSource", name, {"nfs": {"server": "s", "path": f"/{name}", "mountPath": f"/{name}"}})

    world = World(
        share("one"),
        share("two"),
        template(image=IMAGE, assets={"dataSources": [{"name": "one"}, {"name": "two"}]}),
        workspace(assets={"dataSources": [{"name": "one", "mountPath": "/own"}]}),
    )
    await world.settle()
    assert sorted(item["mountPath"] for item in container(world)["volumeMounts"]) == ["/own", "/two"]


async def test_an_edit_reaches_the_workload_with_its_restart() -> None:
    world = World(template(image=IMAGE), workspace())
    await world.settle()
    world.edit("WorkloadTemplate", "notebook", image="registry.example.com/box:2")
    await world.settle()
    assert container(world)["image"] == IMAGE
    (row,) = world.status("Workspace", "box")["outdated"]
    assert (row["kind"], row["name"], row["reason"]) == ("WorkloadTemplate", "notebook", "Edited")
    world.annotate("Workspace", "box", restartedAt="1")
    await world.settle()
    assert container(world)["image"] == "registry.example.com/box:2"
    assert "outdated" not in world.status("Workspace", "box")


async def test_a_deleted_template_stops_nothing() -> None:
    world = World(template(image=IMAGE), workspace())
    await world.settle()
    world.cluster.user_delete("WorkloadTemplate", TEAM, "notebook")
    await world.settle()
    assert container(world)["image"] == IMAGE
    assert reason(world.status("Workspace", "box")) == "Running"
    assert world.status("Workspace", "box")["outdated"][0]["reason"] == "Deleted"


async def test_in_any_order_of_arrival() -> None:
    world = World(workspace())
    await world.settle()
    status = world.status("Workspace", "box")
    assert issues(status) == ["ReferenceNotFound"]  # not that there is no image
    assert "WorkloadTemplate notebook does not exist" in status["message"]
    world.load([template(assets={"environment": {"name": "base"}})])
    await world.settle()
    assert "Environment base does not exist" in world.status("Workspace", "box")["message"]
    world.load([ENVIRONMENT])
    await world.settle()
    assert reason(world.status("Workspace", "box")) == "Running"


async def test_of_another_type() -> None:
    world = World(template(workloadType="inference", image=IMAGE), workspace(image=IMAGE))
    await world.settle()
    assert reason(world.status("Workspace", "box")) == "TypeNotSupported"
    assert "is for inference, not workspace" in world.status("Workspace", "box")["message"]


async def test_a_shared_template_reaches_the_projects_of_its_scope() -> None:
    shared = template(where=SYSTEM, image=IMAGE, scope={"type": "department", "name": "research"})
    inside = {"outfitter.dev/project": "b", "outfitter.dev/department": "research"}
    box = asset("Workspace", "box", {"template": {"name": "notebook"}}, "team-b")
    world = World(shared, workspace(), box, namespace("team-b", inside))
    await world.settle()
    assert reason(world.status("Workspace", "box", "team-b")) == "Running"
    assert reason(world.status("Workspace", "box")) == "ReferenceNotFound"


async def test_it_counts_as_a_user_of_its_assets_and_shows_its_own() -> None:
    world = World(ENVIRONMENT, template(assets={"environment": {"name": "base"}}), workspace())
    await world.settle()
    used = world.status("Environment", "base")["usedBy"]
    assert used["workloadTemplates"] == [{"namespace": TEAM, "name": "notebook"}]
    running = {"namespace": TEAM, "name": "box", "phase": "Running"}
    assert world.status("WorkloadTemplate", "notebook")["usedBy"]["workspaces"] == [running]


@pytest.mark.parametrize(
    ("spec", "runnable", "why"),
    [
        ({"image": IMAGE}, True, ""),
        ({"assets": {"environment": {"name": "base"}}}, True, ""),
        ({}, False, "spec.image: The field is required"),
        ({"assets": {"environment": {"name": "gone"}}}, False, "Environment gone does not exist"),
        (
            {"workloadType": "inference", "image": IMAGE, "servingPort": {}},
            False,
            "spec.servingPort.container: servingPort.container is required",
        ),
    ],
)
async def test_runnable(spec: dict[str, Any], runnable: bool, why: str) -> None:
    world = World(ENVIRONMENT, template(**spec))
    await world.settle()
    found = world.status("WorkloadTemplate", "notebook")["runnable"]
    assert found["isRunnable"] is runnable
    assert why in found.get("issue", "")


async def test_the_combined_spec_is_that_of_a_workload() -> None:
    world = World(
        ENVIRONMENT, COMPUTE, template(assets={"environment": {"name": "base"}, "compute": {"name": "small"}})
    )
    await world.settle()
    assert world.status("WorkloadTemplate", "notebook")["combinedSpec"] == {
        "image": IMAGE,
        "environmentVariables": [{"name": "A", "value": "asset"}],
        "compute": {"cpuCoreRequest": 1, "cpuMemoryRequest": "1Gi"},
    }


async def test_autoscaling_of_a_template_is_kept_by_the_revision() -> None:
    scaling = {"minReplicas": 2, "maxReplicas": 5, "metric": "cpu", "metricThreshold": 60}
    fields = {"image": IMAGE, "servingPort": {"container": 80}, "compute": {"cpuCoreRequest": 1}}
    served = asset("Inference", "box", {"template": {"name": "notebook"}, "autoscaling": {"maxReplicas": 3}})
    world = World(template(workloadType="inference", autoscaling=scaling, **fields), served)
    await world.settle()

    def bounds() -> tuple[int, int]:
        spec = world.get("HorizontalPodAutoscaler", "box")["spec"]
        return spec["minReplicas"], spec["maxReplicas"]

    assert bounds() == (2, 3)
    world.edit("WorkloadTemplate", "notebook", autoscaling={**scaling, "minReplicas": 1})
    await world.settle()
    assert bounds() == (2, 3)
    world.annotate("Inference", "box", restartedAt="1")
    await world.settle()
    assert bounds() == (1, 3)


async def test_fields_that_an_artifact_sets_too() -> None:
    groups = [{"containers": [{"imageUri": IMAGE, "port": 80}]}]
    world = World(
        asset("Artifact", "scorer", {"containerGroups": groups}),
        template(workloadType="inference", image=IMAGE),
        asset("Inference", "box", {"template": {"name": "notebook"}, "artifact": {"name": "scorer"}}),
    )
    await world.settle()
    assert "The Artifact sets image" in world.status("Inference", "box")["message"]


async def test_a_user_that_the_environment_does_not_allow() -> None:
    fixed = asset("Environment", "fixed", {"image": IMAGE, "security": {"uidGidSource": "custom", "runAsUid": 1000}})
    world = World(
        fixed,
        template(assets={"environment": {"name": "fixed"}}, security={"uidGidSource": "custom", "runAsUid": 5}),
        workspace(),
    )
    await world.settle()
    assert reason(world.status("Workspace", "box")) == "OverrideForbidden"
