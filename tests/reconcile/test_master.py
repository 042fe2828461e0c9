"""The master of a distributed training: its own claims, links and fields, beside those of the workers."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1.distributedtraining import DistributedTraining
from outfitter.naming import LABEL_PROJECT, LABEL_QUEUE
from outfitter.resolve.distributed import FIELDS_OF_THE_WHOLE
from outfitter.simulator.controllers import failed_pod
from world import TEAM, World, asset, complete, condition, namespace

IMAGE = "registry.example.com/box:1"


def training(master: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A training whose master has these fields."""
    fields = {"image": IMAGE, "distributedFramework": "PyTorch", "backend": "native", **spec}
    return asset("DistributedTraining", "many", {**fields, "masterSpec": {"image": IMAGE, **master}})


def claim(name: str, size: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "path": f"/{name}", "claimInfo": {"size": size}, **more}


async def test_claims_of_master_and_workers_are_created() -> None:
    """Each once. A claim that both name is shared, with the size that the workers give it."""
    shared, of_master = claim("shared", "1Gi", claimName="data"), claim("shared", "5Gi", claimName="data")
    world = World(
        training(
            {"storage": {"pvc": [of_master, claim("out", "3Gi", ephemeral=True)]}},
            storage={"pvc": [shared, claim("scratch", "2Gi")]},
        ),
        jobs="Running",
    )
    await world.settle()
    claims = {item["metadata"]["name"]: item for item in world.all("PersistentVolumeClaim")}
    sizes = {name: item["spec"]["resources"]["requests"]["storage"] for name, item in claims.items()}
    mounted = {
        volume["persistentVolumeClaim"]["claimName"]
        for job in world.all("Job")
        for volume in job["spec"]["template"]["spec"]["volumes"]
    }
    assert sizes.keys() == mounted
    assert sizes.pop("data") == "1Gi"
    assert sorted(sizes.values()) == ["2Gi", "3Gi"]
    world.edit("DistributedTraining", "many", suspend=True)
    await world.settle()
    left = [item["spec"]["resources"]["requests"]["storage"] for item in world.all("PersistentVolumeClaim")]
    assert sorted(left) == ["1Gi", "2Gi"]


async def test_links_of_master_and_workers_are_shown() -> None:
    """One of each name, because the status is a list by name."""
    board = {"name": "board", "url": "https://board.example.com", "type": "dashboard"}
    docs = {"name": "docs", "url": "https://docs.example.com", "type": "docs"}
    other = {**docs, "url": "https://other.example.com"}
    world = World(training({"relatedUrls": [board, other]}, relatedUrls=[docs]), jobs="Running")
    await world.settle()
    assert world.status("DistributedTraining", "many")["relatedUrls"] == [docs, board]


PRIORITY = complete({"kind": "PriorityClass", "metadata": {"name": "outfitter-low"}, "value": 1})
LABELLED = namespace(TEAM, {LABEL_PROJECT: TEAM, LABEL_QUEUE: "red"})
# Of some fields, values that the workers could not have here.
OF_THE_WHOLE: dict[str, list[Any]] = {
    "queue": ["other", "x"],
    "priorityClass": ["high", "no-such-class"],
    "preemptibility": ["preemptible", "non-preemptible", "semi-preemptible"],
    "terminateAfterPreemption": [True, False],
    "restartPolicy": ["OnFailure", "Never"],
    "backoffLimit": [0, 2],
    "autoDeletionTimeAfterCompletionSeconds": [0, 60],
}


@pytest.mark.parametrize("scheduler", [{}, {"queue_backend": "kai"}, {"queue_backend": "kueue"}])
@pytest.mark.parametrize(("field", "value"), [(name, value) for name, each in OF_THE_WHOLE.items() for value in each])
async def test_a_field_of_the_whole_training_is_not_one_of_the_master(
    field: str, value: Any, scheduler: dict[str, Any]
) -> None:
    """It runs as without the field, and its status says where the field belongs."""
    rendered = []
    for given in ({}, {field: value}):
        world = World(PRIORITY, LABELLED, training(given), jobs="Running", settings=scheduler)
        await world.settle()
        status = world.status("DistributedTraining", "many")
        assert condition(status, "Stalled") is None, status["issues"]
        told = [item["message"] for item in status.get("issues", ()) if item["message"].startswith("spec.masterSpec.")]
        assert [text.partition(": ")[0] for text in told] == [f"spec.masterSpec.{name}" for name in given]
        assert all(f"The whole training has one {field}" in text for text in told)
        rendered.append([item["spec"] for item in world.all("Job")])
    assert rendered[0] == rendered[1]
    assert rendered[0]


@pytest.mark.parametrize("backend", ["native", "jobset"])
@pytest.mark.parametrize("field", OF_THE_WHOLE)
async def test_such_a_field_can_change_while_it_runs(field: str, backend: str) -> None:
    """It needs no restart, because it changes nothing."""
    given = {"workingDir": "/master"}
    world = World(training(given, backend=backend), jobs="Running")
    await world.settle()
    before = [item["spec"] for kind in ("Job", "JobSet") for item in world.all(kind)]
    master = {"image": IMAGE, **given, field: OF_THE_WHOLE[field][-1]}
    world.edit("DistributedTraining", "many", masterSpec=master)
    await world.settle()
    status = world.status("DistributedTraining", "many")
    assert [item["issue"] for item in status["issues"]] == ["NotEnforced"]
    assert [item["spec"] for kind in ("Job", "JobSet") for item in world.all(kind)] == before


def test_the_fields_of_the_whole_are_those_whose_description_says_so() -> None:
    """The schema, the note of the operator and this file agree."""
    fields = resource_schema(DistributedTraining)["properties"]["spec"]["properties"]["masterSpec"]["properties"]
    silent = {name for name, schema in fields.items() if schema.get("description", "").startswith("Has no effect")}
    assert silent == OF_THE_WHOLE.keys() == set(FIELDS_OF_THE_WHOLE)


async def test_a_problem_of_the_master_counts_where_its_pod_is_like_the_workers() -> None:
    """What is not supported is not rendered, so that the templates are equal."""
    world = World(
        training({"compute": {"gpuRequestType": "portion", "gpuPortionRequest": 0.5, "gpuDevicesRequest": 1}})
    )
    await world.settle()
    (issue,) = world.status("DistributedTraining", "many")["issues"]
    assert issue["issue"] == "FractionsUnsupported"
    assert issue["message"].startswith("spec.masterSpec.compute.gpuRequestType: ")
    assert world.all("Job") == []


async def test_a_master_like_the_workers_has_their_framework() -> None:
    """Also where a policy gives it, whose section `master` has no such field."""
    world = World(
        asset(
            "WorkloadPolicy",
            "frameworks",
            {"workloadType": "distributed", "defaults": {"worker": {"distributedFramework": "PyTorch"}}},
        ),
        asset("DistributedTraining", "many", {"image": IMAGE, "backend": "native", "masterSpecSameAsWorker": True}),
        jobs="Running",
    )
    await world.settle()
    status = world.status("DistributedTraining", "many")
    assert (status["phase"], status["worker"]["desired"]) == ("Running", 2)
    variables = world.get("Job", "many")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "WORLD_SIZE", "value": "2"} in variables


async def test_stopped_after_a_preemption_of_one_pod() -> None:
    """All pods end, because the others have lost a peer."""
    fields = {"image": IMAGE, "distributedFramework": "JAX", "backend": "native", "terminateAfterPreemption": True}
    world = World(asset("DistributedTraining", "many", {**fields, "numWorkers": 3}), jobs="Running")
    await world.settle()
    job = world.get("Job", "many")
    pod = failed_pod(job, "")
    took = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    pod["status"]["conditions"] = [{**took, "lastTransitionTime": world.time().strftime("%Y-%m-%dT%H:%M:%SZ")}]
    world.cluster.user_apply(pod)
    await world.settle()
    status = world.status("DistributedTraining", "many")
    assert (status["phase"], status["halted"]["reason"]) == ("Stopped", "Preempted")
    assert world.get("Job", "many")["spec"]["suspend"] is True
