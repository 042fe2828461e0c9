"""`outfitter policy diff`: what an edit of policies would change, and whom it would refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Invoke, World

Write = Callable[..., Path]
SYSTEM = "outfitter-system"
VERSION = "outfitter.dev/v1alpha1"


def made(kind: str, name: str, spec: dict[str, Any], namespace: str = "team-a") -> dict[str, Any]:
    return {
        "apiVersion": VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec
    }  # fmt: skip


def project(name: str, department: str = "research") -> dict[str, Any]:
    labels = {"outfitter.dev/project": name, "outfitter.dev/department": department}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def policy(name: str, scope: str = "", **spec: Any) -> dict[str, Any]:
    """Return a policy of workspaces: of a department, of the cluster with `cluster`, else of team-a."""
    where = {"type": "cluster"} if scope == "cluster" else {"type": "department", "name": scope}
    own = {"workloadType": "workspace", **spec}
    return made("WorkloadPolicy", name, {**own, "scope": where} if scope else own, SYSTEM if scope else "team-a")


GPUS = {"compute": {"gpuDevicesRequest": {"max": 4}}}
WORLD = [
    project("team-a"),
    project("team-b"),
    project("sales", "business"),
    policy("limits", "cluster", rules=GPUS),
    made("Environment", "torch", {"image": "torch:1"}, SYSTEM),
    made("ComputeResource", "two", {"gpuDevicesRequest": 2}, SYSTEM),
    made("ComputeResource", "eight", {"gpuDevicesRequest": 8}, SYSTEM),
    made("Workspace", "small", {"image": "a", "compute": {"gpuDevicesRequest": 1}}),
    made("Workspace", "by-assets", {"assets": {"environment": {"name": "torch"}, "compute": {"name": "two"}}}),
    made("Workspace", "stopped", {"image": "a", "suspend": True, "compute": {"gpuDevicesRequest": 3}}, "team-b"),
    made("Workspace", "refused", {"image": "a", "assets": {"compute": {"name": "eight"}}}, "team-b"),
    made("Workspace", "elsewhere", {"image": "a", "compute": {"gpuDevicesRequest": 4}}, "sales"),
    made("Inference", "served", {"image": "a", "servingPort": {"container": 80}, "compute": {"gpuDevicesRequest": 4}}),
]


@pytest.fixture
def diff(invoke: Invoke, write: Write) -> Callable[..., dict[str, Any]]:
    """The difference that objects make to WORLD, as data, with the exit code."""

    def run(*given: dict[str, Any], world: list[dict[str, Any]] = WORLD, more: tuple[str, ...] = ()) -> dict[str, Any]:
        current, new = write(yaml.safe_dump_all(world), "current.yaml"), write(yaml.safe_dump_all(given), "new.yaml")
        seen = invoke("policy", "diff", "-f", new, "--current", current, "-o", "json", *more)
        assert seen.stdout, seen.stderr
        return {**json.loads(seen.stdout), "exit": seen.exit_code}

    return run


def refused(found: dict[str, Any], part: str = "refused") -> list[tuple[str, str, str]]:
    return [(item["name"], item["field"], item["rule"]) for item in found[part]]


def test_who_would_be_refused(diff: Callable[..., dict[str, Any]]) -> None:
    """Values of assets count, stopped workloads count, what is refused today already does not."""
    found = diff(policy("limits", "cluster", rules={"compute": {"gpuDevicesRequest": {"max": 1}}}))
    gpus = ("compute.gpuDevicesRequest", "max")
    assert refused(found) == [("elsewhere", *gpus), ("by-assets", *gpus), ("stopped", *gpus)]
    assert found["changes"] == [
        {
            "workloadType": "workspace", "field": "compute.gpuDevicesRequest", "part": "rule",
            "before": '{"max": 4}', "after": '{"max": 1}', "projects": 3, "first": "sales",
        }
    ]  # fmt: skip
    assert (found["exit"], found["workloads"], found["projects"]) == (1, 6, 3)


def test_who_is_not_refused_any_more(diff: Callable[..., dict[str, Any]]) -> None:
    found = diff(policy("limits", "cluster", rules={"compute": {"gpuDevicesRequest": {"max": 8}}}))
    assert refused(found) == []
    assert refused(found, "allowed") == [("refused", "compute.gpuDevicesRequest", "max")]
    assert found["exit"] == 0


@pytest.mark.parametrize(
    ("spec", "broken", "change"),
    [
        ({"rules": {"image": {"options": [{"value": "torch:1"}]}}}, ["refused", "stopped"], "image"),
        ({"rules": {"workingDir": {"required": True}}}, ["refused", "stopped"], "workingDir"),
        ({"defaults": {"workingDir": "/w"}, "rules": {"workingDir": {"required": True}}}, [], "workingDir"),
        ({"defaults": {"labels": {"instances": [{"name": "a", "value": "b"}]}}}, [], "labels[a]"),
    ],
)
def test_a_new_policy_of_a_department(
    diff: Callable[..., dict[str, Any]], spec: dict[str, Any], broken: list[str], change: str
) -> None:
    world = [body for body in WORLD if body["metadata"]["name"] not in ("small", "by-assets")]
    found = diff(policy("research", "research", **spec), world=world)
    assert [item["name"] for item in found["refused"]] == broken
    assert {(item["field"], item["projects"]) for item in found["changes"]} == {(change, 2)}


def test_a_policy_that_is_not_valid_stops_all(diff: Callable[..., dict[str, Any]]) -> None:
    found = diff(policy("research", "research", imposedAssets=[{"name": "gone"}]))
    assert {item["name"] for item in found["refused"]} == {"small", "by-assets", "stopped", "refused"}
    assert "imposedAssets[gone]" in found["errors"][0]
    assert found["exit"] == 1


def test_an_imposed_data_set_at_a_path_that_is_taken(diff: Callable[..., dict[str, Any]]) -> None:
    volume = {"storage": {"emptyDirVolume": [{"name": "own", "path": "/data"}]}}
    world = [*WORLD, made("Workspace", "mounts", {"image": "a", **volume})]
    data = made("DataSource", "sets", {"nfs": {"server": "s", "path": "/p", "mountPath": "/data"}}, SYSTEM)
    found = diff(data, policy("research", "research", imposedAssets=[{"name": "sets"}]), world=world)
    assert [(item["name"], item["rule"]) for item in found["refused"]] == [("mounts", "mountPath")]
    assert {(item["field"], item["part"]) for item in found["changes"]} == {("storage.nfs[sets]", "imposed")}


def test_what_has_no_effect_is_told(diff: Callable[..., dict[str, Any]]) -> None:
    """A rule that a wider policy owns, and a second policy of one scope and type."""
    found = diff(policy("own", rules=GPUS), policy("second", "cluster", rules={"image": {"required": True}}))
    second, owned = found["warnings"]
    assert "WorkloadPolicy team-a/own (project team-a): compute.gpuDevicesRequest" in owned
    assert second.startswith(f"WorkloadPolicy {SYSTEM}/second has no effect, because WorkloadPolicy {SYSTEM}/limits")
    assert (found["changes"], found["exit"]) == ([], 0)


def test_a_project_that_moves_to_another_department(diff: Callable[..., dict[str, Any]]) -> None:
    world = [*WORLD, policy("business", "business", rules={"compute": {"cpuCoreRequest": {"required": True}}})]
    found = diff(project("team-b", "business"), world=world)
    assert refused(found) == [
        (name, "compute.cpuCoreRequest", "required") for name in ("refused", "stopped")
    ]  # fmt: skip


def test_one_namespace(diff: Callable[..., dict[str, Any]]) -> None:
    new = policy("limits", "cluster", rules={"compute": {"gpuDevicesRequest": {"max": 1}}})
    found = diff(new, more=("-n", "team-b"))
    assert [item["name"] for item in found["refused"]] == ["stopped"]
    assert (found["projects"], found["changes"][0]["first"]) == (1, "team-b")


def test_the_table(invoke: Invoke, write: Write) -> None:
    current = write(yaml.safe_dump_all(WORLD), "current.yaml")
    new = write(yaml.safe_dump(policy("limits", "cluster", rules={"compute": {"gpuDevicesRequest": {"max": 2}}})))
    seen = invoke("policy", "diff", "-f", new, "--current", current)
    assert '{"max": 4}  {"max": 2}  3 of 3' in seen.stdout
    assert "  Workspace team-b/stopped: spec.compute.gpuDevicesRequest: 3 is more than 2, the most" in seen.stdout
    assert "1 change; of 6 workloads, 2 newly refused" in seen.stderr


@pytest.mark.cluster
def test_of_a_cluster(world: World, invoke: Invoke, write: Write) -> None:
    """The examples, as the operator runs them; nothing is written."""
    spec = {"workloadType": "workspace", "scope": {"type": "department", "name": "research"}}
    rules = {"compute": {"gpuDevicesRequest": {"max": 0}}}
    new = write(yaml.safe_dump(made("WorkloadPolicy", "research-notebooks", {**spec, "rules": rules}, SYSTEM)))
    seen = invoke("policy", "diff", "-f", new, "--kubeconfig", world.kubeconfig)
    assert seen.exit_code == 1, seen.output
    assert "Workspace team-a/alice: spec.compute.gpuDevicesRequest: 1 is more than 0" in seen.stdout
    assert "labels[example.com/cost-center]" in seen.stdout
    path = f"/apis/{VERSION}/namespaces/{SYSTEM}/workloadpolicies/research-notebooks"
    assert world.sandbox.connection().request("GET", path)["metadata"]["generation"] == 1
