"""What an asset reports about its users, and about those that are gone."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.api.v1alpha1.asset import LISTED_USERS
from world import TEAM, World, asset, secret

IMAGE = "registry.example.com/box:1"
BASE = asset("Environment", "base", {"image": IMAGE})
SMALL = asset("ComputeResource", "small", {"cpuCoreRequest": 1})


def box(name: str = "box", where: str = TEAM, **spec: Any) -> dict[str, Any]:
    return asset("Workspace", name, {"assets": {"environment": {"name": "base"}}, **spec}, where)


def last_used(world: World, kind: str = "Environment", name: str = "base") -> list[tuple[str, str, str]]:
    rows = world.status(kind, name).get("usage", {}).get("lastUsed", ())
    return [(row["namespace"], row["workloadType"], row["time"]) for row in rows]


async def test_rows_of_workloads_have_their_phase() -> None:
    groups = [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]
    compute = {"compute": {"name": "small"}}
    world = World(
        SMALL,
        asset("Environment", "runs", {"image": IMAGE, "run": compute}),
        asset("Artifact", "runs", {"containerGroups": groups, "run": compute}),
        asset("Workspace", "box", {"image": IMAGE, "assets": compute}),
        asset("Workspace", "lacks", {"assets": compute}),
        asset("Workspace", "stopped", {"image": IMAGE, "assets": compute, "suspend": True}),
        asset("Inference", "serves", {"image": IMAGE, "servingPort": {"container": 80}, "assets": compute}),
        asset("WorkloadTemplate", "t", {"workloadType": "workspace", "assets": compute}),
    )
    await world.settle()
    used = world.status("ComputeResource", "small")["usedBy"]
    assert {
        (kind, row["name"]): row.get("phase") for kind, rows in used.items() if kind != "total" for row in rows
    } == {
        ("environments", "runs"): "Running",
        ("artifacts", "runs"): "Running",
        ("workspaces", "box"): "Running",
        ("workspaces", "lacks"): "Failed",
        ("workspaces", "stopped"): "Stopped",
        ("inferences", "serves"): "Running",
        ("workloadTemplates", "t"): None,
    }


async def test_rows_of_assets_have_their_types() -> None:
    connections = [
        {"name": "w", "toolType": "wandb", "externalUrl": "https://wandb.ai"},
        {"name": "j", "toolType": "jupyter-notebook", "connectionType": "NodePort", "containerPort": 8888},
        {"name": "k", "toolType": "jupyter-notebook", "connectionType": "NodePort", "containerPort": 8889},
    ]
    variable = {"name": "TOKEN", "credential": {"name": "login", "key": "a"}}
    environment = {"image": IMAGE, "environmentVariables": [variable], "connections": connections}
    world = World(
        secret("login", {"a": "b"}),
        asset("Credential", "login", {"type": "genericSecret", "secretRef": {"name": "login"}}),
        asset("Environment", "tools", environment),
        asset("Environment", "plain", {"image": IMAGE, "environmentVariables": [variable]}),
        asset("DataSource", "files", {"secretVolume": {"credential": {"name": "login"}, "mountPath": "/x"}}),
    )
    await world.settle()
    used = world.status("Credential", "login")["usedBy"]
    assert used["dataSources"] == [{"namespace": TEAM, "name": "files", "type": "secretVolume"}]
    assert used["environments"] == [
        {"namespace": TEAM, "name": "plain"},
        {"namespace": TEAM, "name": "tools", "toolTypes": ["jupyter-notebook", "wandb"]},
    ]
    world.edit("Environment", "tools", connections=connections[:1])
    await world.settle()
    used = world.status("Credential", "login")["usedBy"]
    assert [row.get("toolTypes") for row in used["environments"]] == [None, ["wandb"]]


@pytest.mark.parametrize("kind", ["Environment", "ComputeResource", "DataSource", "Credential", "WorkloadTemplate"])
async def test_the_last_use_of_every_kind_of_asset_outlives_the_workload(kind: str) -> None:
    names = {"Environment": "base", "ComputeResource": "small", "DataSource": "files", "Credential": "login"}
    name = names.get(kind, "t")
    references = {"compute": {"name": "small"}, "dataSources": [{"name": "files"}]}
    world = World(
        BASE,
        SMALL,
        secret("login", {"a": "b"}),
        asset("Credential", "login", {"type": "genericSecret", "secretRef": {"name": "login"}}),
        asset("DataSource", "files", {"secretVolume": {"credential": {"name": "login"}, "mountPath": "/x"}}),
        asset("WorkloadTemplate", "t", {"workloadType": "workspace", "assets": {"environment": {"name": "base"}}}),
    )
    await world.settle()
    assert last_used(world, kind, name) == []
    world.tick(60)
    world.load([box(template={"name": "t"}, assets=references)])
    await world.settle()
    used = [(TEAM, "workspace", "2026-01-01T00:01:00Z")]
    assert last_used(world, kind, name) == used
    before = len(world.cluster.writes)
    world.tick(3600)
    await world.restart()
    await world.settle()
    assert world.writes(before) == []
    world.cluster.user_delete("Workspace", TEAM, "box")
    await world.settle()
    assert (last_used(world, kind, name), world.status(kind, name)["usedBy"]["total"] < 2) == (used, True)


async def test_the_newest_use_of_a_namespace_and_type_counts() -> None:
    world = World(BASE, box("one"))
    await world.settle()
    for seconds, name in ((100, "two"), (200, "three")):
        world.tick(seconds)
        world.load([box(name), box(name, "team-b")] if name == "two" else [box(name)])
        await world.settle()
    assert last_used(world) == [(TEAM, "workspace", "2026-01-01T00:05:00Z")]
    for name in ("two", "three"):
        world.cluster.user_delete("Workspace", TEAM, name)
    await world.settle()
    assert last_used(world) == [(TEAM, "workspace", "2026-01-01T00:05:00Z")], "one is older"


async def test_a_workload_that_never_started_is_no_use() -> None:
    world = World(BASE, box(assets={"environment": {"name": "base"}, "compute": {"name": "gone"}}))
    await world.settle()
    assert world.status("Environment", "base")["usedBy"]["workspaces"] == [
        {"namespace": TEAM, "name": "box", "phase": "Pending"}
    ]
    assert last_used(world) == []


async def test_the_oldest_uses_are_dropped() -> None:
    rows = [
        {"namespace": f"n{number}", "workloadType": "workspace", "time": f"2025-01-01T00:00:{number:02}Z"}
        for number in range(LISTED_USERS)
    ]
    world = World(BASE, box())
    body = world.get("Environment", "base")
    world.cluster.user_status("Environment", TEAM, "base", {**body.get("status", {}), "usage": {"lastUsed": rows}})
    await world.settle()
    found = last_used(world)
    assert len(found) == LISTED_USERS
    assert found[0] == (TEAM, "workspace", "2026-01-01T00:00:00Z")
    assert [row[0] for row in found[1:]] == [f"n{number}" for number in range(LISTED_USERS - 1, 0, -1)]
