"""`outfitter assets`: what a project can use, and what its policies say about it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from outfitter.cli.asset_rows import AssetRow, asset_rows
from outfitter.settings import Settings
from outfitter.simulator.simulation import Simulation

from .conftest import Invoke, World
from .test_policy_diff import SYSTEM, made, policy, project

RULES = {"compute": {"gpuDevicesRequest": {"max": 2}}}
OBJECTS = [
    project("team-a"),
    project("team-b", "business"),
    policy("limits", "research", rules=RULES, imposedAssets=[{"name": "sets"}]),
    made("ComputeResource", "eight", {"gpuDevicesRequest": 8, "supportedTypes": ["workspace", "training"]}, SYSTEM),
    made("ComputeResource", "one", {"gpuDevicesRequest": 1}, SYSTEM),
    made("ComputeResource", "one", {"gpuDevicesRequest": 2}),
    made("ComputeResource", "ours", {"scope": {"type": "department", "name": "research"}, "cpuCoreRequest": 1}, SYSTEM),
    made(
        "ComputeResource", "theirs", {"scope": {"type": "department", "name": "business"}, "cpuCoreRequest": 1}, SYSTEM
    ),
    made("DataSource", "sets", {"nfs": {"server": "s", "path": "/p", "mountPath": "/data"}}, SYSTEM),
    made("Registry", "images", {"url": "registry.example.com"}),
    made("WorkloadTemplate", "notebook", {"workloadType": "workspace", "image": "a"}),
    made("Workspace", "box", {"image": "a", "assets": {"compute": {"name": "ours"}}}),
]


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    """The assets with their statuses."""

    async def settled() -> list[dict[str, Any]]:
        simulation = Simulation(Settings())
        simulation.load(OBJECTS)
        await simulation.settle()
        return [dict(live.body) | {"kind": live.kind} for live in simulation.resources()]

    kinds = ("ComputeResource", "DataSource", "WorkloadTemplate", "Environment", "Credential", "Registry")
    return [body for body in asyncio.run(settled()) if body["kind"] in kinds]


def named(rows: list[AssetRow]) -> dict[str, AssetRow]:
    return {row.name: row for row in rows}


def test_what_a_project_can_use(objects: list[dict[str, Any]]) -> None:
    """Its own asset replaces a shared one of its name; those of other departments are not its own."""
    rows = named(asset_rows(objects, "team-a", "research"))
    assert {name: (row.scope, row.namespace) for name, row in rows.items()} == {
        "eight": ("cluster", SYSTEM),
        "one": ("project", "team-a"),
        "ours": ("department research", SYSTEM),
        "sets": ("cluster", SYSTEM),
        "notebook": ("project", "team-a"),
        "images": ("project", "team-a"),
    }
    assert rows["images"].types == ()  # no workload uses a registry
    assert set(named(asset_rows(objects, "team-b", "business"))) == {"eight", "one", "theirs", "sets"}


def test_whether_it_complies(objects: list[dict[str, Any]]) -> None:
    eight = named(asset_rows(objects, "team-a", "research"))["eight"]
    assert {item.workload_type: bool(item.reasons) for item in eight.types} == {"workspace": True, "training": False}
    assert eight.reasons[0].startswith("compute.gpuDevicesRequest: 8 is more than 2")
    assert not named(asset_rows(objects, "team-b", "business"))["eight"].reasons


def test_only_one_type(objects: list[dict[str, Any]]) -> None:
    assert set(named(asset_rows(objects, "team-a", "research", "inference"))) == {"one", "ours", "sets"}
    worker = named(asset_rows(objects, "team-a", "research", "distributed", "worker"))["one"]
    assert [(item.workload_type, item.replica_type) for item in worker.types] == [("distributed", "worker")]


def test_where_it_is_imposed_and_when_it_was_used(objects: list[dict[str, Any]]) -> None:
    rows = named(asset_rows(objects, "team-a", "research"))
    assert {item.workload_type for item in rows["sets"].types if item.imposed} == {"workspace"}
    assert rows["ours"].last_used
    assert not rows["eight"].last_used
    assert rows["ours"].to_dict()["lastUsed"] == rows["ours"].last_used


@pytest.mark.cluster
def test_of_a_cluster(world: World, invoke: Invoke) -> None:
    seen = invoke("assets", "-n", "team-a", "--type", "workspace", "--kubeconfig", world.kubeconfig)
    assert seen.exit_code == 0, seen.output
    lines = [line.split() for line in seen.stdout.splitlines()]
    assert lines[0] == ["KIND", "NAME", "FROM", "READY", "COMPLIES", "IMPOSED", "LAST", "USED"]
    assert ["ComputeResource", "one-gpu", "cluster", "yes", "yes"] in [line[:5] for line in lines]
    assert ["Credential", "registry", "department", "research", "yes", "yes"] in [line[:6] for line in lines]
    data = json.loads(invoke("assets", "-n", "team-a", "-o", "json", "--kubeconfig", world.kubeconfig).stdout)
    assert {item["name"] for item in data} >= {"torch", "small", "jupyter", "imagenet", "notebook"}


@pytest.mark.cluster
def test_bad_options(world: World, invoke: Invoke) -> None:
    seen = invoke("assets", "--replica", "worker", "--type", "workspace", "--kubeconfig", world.kubeconfig)
    assert (seen.exit_code, "--replica is for --type distributed" in seen.output) == (2, True)
