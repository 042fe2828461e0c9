"""The first status of what ends is true from the start: one plan and one write, with the uid of a Job that is new."""

from __future__ import annotations

from typing import Any

import pytest
from doors import Refusing

from outfitter.errors import Invalid
from world import Body, World, asset, reason

IMAGE = "registry.example.com/train:1"
MASTER = {"image": "registry.example.com/master:1"}


def training(**spec: Any) -> Body:
    return asset("Training", "t", {"image": IMAGE, **spec})


def group(framework: str = "PyTorch", **spec: Any) -> Body:
    same = {} if framework == "JAX" or "masterSpec" in spec else {"masterSpecSameAsWorker": True}
    given = {"image": IMAGE, "distributedFramework": framework, "numWorkers": 3, **same, **spec}
    return asset("DistributedTraining", "t", given)


@pytest.mark.parametrize(
    ("item", "main"),
    [
        pytest.param(training(), "Job", id="training"),
        pytest.param(training(completions=4, parallelism=2), "Job", id="several-pods"),
        pytest.param(training(restartPolicy="OnFailure"), "Job", id="on-failure"),
        pytest.param(training(suspend=True), "", id="stopped"),
        pytest.param(asset("Workspace", "t", {"image": IMAGE, "restartPolicy": "Never"}), "Job", id="workspace"),
        pytest.param(group(backend="native"), "Job", id="one-job"),
        pytest.param(group(backend="native", masterSpec=MASTER), "Job", id="job-per-rank"),
        pytest.param(group(backend="native", masterSpec=MASTER, suspend=True), "", id="job-per-rank-stopped"),
        pytest.param(group("JAX", backend="native"), "Job", id="without-master"),
        pytest.param(group(backend="jobset", masterSpec=MASTER), "JobSet", id="jobset"),
        pytest.param(group("MPI", backend="kubeflow", masterSpec=MASTER), "MPIJob", id="mpi"),
    ],
)
async def test_one_write_says_it(item: Body, main: str) -> None:
    world = World(item, jobs="")
    await world.settle()
    writes = [each for each in world.cluster.writes if each.kind == item["kind"]]
    assert [each.verb for each in writes] == ["status"]
    record = world.status(item["kind"], "t").get("run")
    if main:
        assert record is not None
        assert record["uid"] in {each["metadata"]["uid"] for each in world.all(main)}
    else:
        assert record is None


@pytest.mark.parametrize(
    "item",
    [group(backend="jobset", masterSpec=MASTER), group("MPI", backend="kubeflow", masterSpec=MASTER)],
    ids=["jobset", "mpi"],
)
async def test_a_controller_that_is_silent_is_noticed(item: Body) -> None:
    """No event follows the creation, so that the first plan sets the time of the next one."""
    world = World(item, jobs="")
    found = await world.once("DistributedTraining", "t")
    assert found.requeue_after is not None
    world.tick(61)
    await world.once("DistributedTraining", "t")
    assert reason(world.status("DistributedTraining", "t")) == "ControllerMissing"


@pytest.mark.parametrize("refused", ["Job", "Service"])
@pytest.mark.parametrize(
    "item", [training(ports=[{"container": 80}]), group(backend="native", masterSpec=MASTER)], ids=["training", "group"]
)
async def test_a_run_is_recorded_once_it_is_whole(item: Body, refused: str) -> None:
    """As long as a child is missing there is no record that would count it as lost."""
    world = World(item, jobs="")
    door = Refusing(world.cluster, "create", Invalid("not like this", status=422), kind=refused, times=1)
    world.connect(door)
    await world.settle()
    assert door.refused == 1
    record = world.status(item["kind"], "t")["run"]
    assert record["uid"] in {each["metadata"]["uid"] for each in world.all("Job")}
    assert "result" not in record
    told = [each.manifest.get("run") for each in world.cluster.writes if each.verb == "status"]
    assert told == [None, record]
