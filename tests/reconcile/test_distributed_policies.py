"""Policies of type distributed in the reconciliation: section `worker` and section `master`, each about its pods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from outfitter.cli.policy.vectors import read_vectors
from world import TEAM, World, asset, issues, reason

IMAGE = "registry.example.com/box:1"
NAME = "many"
VECTORS = {
    vector["id"]: vector
    for vector in read_vectors(Path(__file__).parents[1] / "policy" / "vectors" / "policy.yaml")
    if vector.get("type") == "distributed"
}


def policy(name: str = "rules", **spec: Any) -> dict[str, Any]:
    return asset("WorkloadPolicy", name, {"workloadType": "distributed", **spec})


def training(**spec: Any) -> dict[str, Any]:
    fields = {"image": IMAGE, "distributedFramework": "PyTorch", "backend": "native", **spec}
    return asset("DistributedTraining", NAME, fields)


def status(world: World) -> dict[str, Any]:
    return world.status("DistributedTraining", NAME)


def rows(world: World) -> list[list[str]]:
    return [[row["field"], row["rule"]] for row in status(world).get("violations", ())]


def container(world: World, job: str) -> dict[str, Any]:
    found: dict[str, Any] = world.get("Job", job)["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize("name", ["V45-distributed-sections", "V46-master-same-as-worker"])
async def test_vector(name: str) -> None:
    """As the vectors judge a submission. `spec` of a submission are the workers."""
    vector = VECTORS[name]
    submitted = dict(vector["submit"])
    fields = {**submitted.pop("spec"), **submitted}
    if "masterSpec" in fields:
        fields["masterSpec"] = {"image": IMAGE, **fields["masterSpec"]}
    (link,) = vector["chain"]
    world = World(policy(rules=link["rules"]), training(**fields))
    await world.settle()
    assert rows(world) == vector["errors"]
    assert reason(status(world)) == "PolicyViolation"
    assert world.all("Job") == []
    (row,) = status(world)["violations"]
    assert (row["policy"], row["scope"]) == (f"{TEAM}/rules", "project")
    world.edit("WorkloadPolicy", "rules", rules={})
    await world.settle()
    world.annotate("DistributedTraining", NAME, restartedAt="1")
    await world.settle()
    assert rows(world) == []
    assert world.all("Job") != []


async def test_a_rule_of_the_master_names_its_field() -> None:
    """Violations of both sections at once, each with the place in the spec."""
    most = {"compute": {"gpuDevicesRequest": {"max": 1}}}
    world = World(
        policy(rules={"worker": most, "master": most}),
        training(compute={"gpuDevicesRequest": 2}, masterSpec={"image": IMAGE, "compute": {"gpuDevicesRequest": 4}}),
    )
    await world.settle()
    assert rows(world) == [["worker.compute.gpuDevicesRequest", "max"], ["master.compute.gpuDevicesRequest", "max"]]
    fields = [item["message"].partition(": ")[0] for item in status(world)["issues"]]
    assert fields == ["spec.compute.gpuDevicesRequest", "spec.masterSpec.compute.gpuDevicesRequest"]


async def test_each_section_gives_its_defaults() -> None:
    """Also to a copy of a worker, whose template is another one then."""
    defaults = {"worker": {"workingDir": "/worker"}, "master": {"workingDir": "/master"}}
    world = World(policy(defaults=defaults), training(masterSpecSameAsWorker=True, numWorkers=1), jobs="Running")
    await world.settle()
    assert container(world, f"{NAME}-master")["workingDir"] == "/master"
    assert container(world, f"{NAME}-worker-0")["workingDir"] == "/worker"
    assert status(world)["master"]["desired"] == status(world)["worker"]["desired"] == 1


async def test_each_section_imposes_its_data() -> None:
    """Mounted in the pods of the section alone, and both in the status."""
    sources = [
        asset("DataSource", name, {"nfs": {"server": "s", "path": f"/{name}", "mountPath": f"/mnt/{name}"}})
        for name in ("of-workers", "of-masters")
    ]
    imposed = {"worker": [{"name": "of-workers"}], "master": [{"name": "of-masters"}]}
    world = World(
        *sources, policy(imposedAssets=imposed), training(masterSpec={"image": IMAGE}, numWorkers=1), jobs="Running"
    )
    await world.settle()
    mounts = {
        job: [item["mountPath"] for item in container(world, f"{NAME}-{job}")["volumeMounts"]]
        for job in ("master", "worker-0")
    }
    assert mounts == {"master": ["/mnt/of-masters"], "worker-0": ["/mnt/of-workers"]}
    assert status(world)["imposedDataSources"] == ["of-masters", "of-workers"]


async def test_a_section_without_its_pods_is_not_applied() -> None:
    """JAX has no master."""
    rules = {"master": {"compute": {"cpuCoreRequest": {"required": True}}}}
    world = World(policy(rules=rules), training(distributedFramework="JAX"), jobs="Running")
    await world.settle()
    assert (rows(world), reason(status(world))) == ([], "Running")


async def test_a_policy_of_another_type_is_none() -> None:
    rules = {"compute": {"cpuCoreRequest": {"required": True}}}
    world = World(
        asset("WorkloadPolicy", "rules", {"workloadType": "training", "rules": rules}),
        training(masterSpecSameAsWorker=True),
        jobs="Running",
    )
    await world.settle()
    assert "PolicyViolation" not in issues(status(world))
    assert reason(status(world)) == "Running"


async def test_an_invalid_section_lets_nothing_start() -> None:
    wrong = {"compute": {"cpuCoreRequest": {"min": 4, "max": 2}}}
    world = World(policy(rules={"master": wrong}), training(masterSpecSameAsWorker=True))
    await world.settle()
    assert reason(status(world)) == "PolicyInvalid"
    assert world.all("Job") == []


async def test_a_tightened_policy_touches_nothing_that_runs() -> None:
    world = World(
        policy(rules={}), training(masterSpecSameAsWorker=True, compute={"gpuDevicesRequest": 2}), jobs="Running"
    )
    await world.settle()
    before = world.all("Job")
    world.edit("WorkloadPolicy", "rules", rules={"master": {"compute": {"gpuDevicesRequest": {"max": 1}}}})
    await world.settle()
    assert world.all("Job") == before
    assert [(row["kind"], row["reason"]) for row in status(world)["outdated"]] == [("WorkloadPolicy", "Edited")]
    world.annotate("DistributedTraining", NAME, restartedAt="1")
    await world.settle()
    assert rows(world) == [["master.compute.gpuDevicesRequest", "max"]]
    assert world.all("Job") == before
