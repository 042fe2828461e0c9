"""Data volumes beside policies, templates and types of workloads."""

from __future__ import annotations

import pytest
from test_data_volumes import OTHER, data_volume, mounts, place, user, world

from world import asset, reason


@pytest.mark.parametrize("inline", [True, False])
async def test_policies_judge_it_inline_and_as_an_asset(inline: bool) -> None:
    rules = {"storage": {"dataVolume": {"attributes": {"mountPath": {"options": [{"value": "/data"}]}}}}}
    policy = asset("WorkloadPolicy", "own", {"workloadType": "workspace", "rules": rules}, OTHER)
    named = {"storage": {"dataVolume": [{"id": "sets", "mountPath": "/sets"}]}, "assets": {}} if inline else {}
    it = world(data_volume(), policy, user(**named))
    await it.settle()
    status = it.status("Workspace", "box", OTHER)
    assert reason(status) == "PolicyViolation"
    assert "storage.dataVolume" in status["message"]
    moved = {"storage": {"dataVolume": [{"id": "sets", "mountPath": "/data"}]}, "assets": {}}
    it.edit("Workspace", "box", OTHER, **moved)
    await it.settle()
    assert mounts(it, OTHER)["path"] == "/data"


async def test_a_policy_mounts_it_into_every_workload() -> None:
    policy = asset("WorkloadPolicy", "own", {"workloadType": "workspace", "imposedAssets": [{"name": "sets"}]}, OTHER)
    it = world(data_volume(), policy, user(assets={}))
    await it.settle()
    assert mounts(it, OTHER)["path"] == "/sets"


@pytest.mark.parametrize("types", [["training"], ["workspace"]])
async def test_the_types_of_workloads_that_it_is_for(types: list[str]) -> None:
    body = data_volume()
    body["spec"]["supportedTypes"] = types
    it = world(body, user(storage={"dataVolume": [{"id": "sets", "mountPath": "/data"}]}, assets={}))
    await it.settle()
    assert reason(it.status("Workspace", "box", OTHER)) == ("Running" if "workspace" in types else "TypeNotSupported")


async def test_a_template_and_a_distributed_training_mount_it() -> None:
    inline = {"storage": {"dataVolume": [{"id": "sets", "mountPath": "/data"}]}}
    template = asset("WorkloadTemplate", "start", {"workloadType": "workspace", **inline}, OTHER)
    group = {
        "image": "registry.example.com/t:1",
        "distributedFramework": "PyTorch",
        "numWorkers": 1,
        "backend": "native",
    }
    training = asset("DistributedTraining", "sum", {**group, "masterSpec": {"image": group["image"], **inline}}, OTHER)
    it = world(data_volume(), template, training, user(assets={}, template={"name": "start"}))
    await it.settle()
    name, _ = place(it, OTHER)
    assert mounts(it, OTHER)["claimName"] == name
    pods = [job["spec"]["template"]["spec"] for job in it.all("Job")]
    claims = [item["persistentVolumeClaim"]["claimName"] for pod in pods for item in pod.get("volumes", ())
              if "persistentVolumeClaim" in item]  # fmt: skip
    assert claims == [name]
