"""Pods that find each other by the variables of their framework: each rank comes exactly once, or the program fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integration.harness.client import Object, condition
from integration.harness.jobset import JobSetController, install_crds

from .conftest import Stage
from .harness.images import WEB
from .harness.team import Team

pytestmark = [pytest.mark.foreign_crds, pytest.mark.jobset]
KIND = "DistributedTraining"
FRAMEWORKS = ("PyTorch", "TF", "XGBoost", "JAX")
SECONDS = 240.0
EACH_ATTEMPT = 90.0  # seconds: longer than the pause before the next one


@pytest.fixture(scope="module", autouse=True)
def served(stage: Stage) -> Iterator[None]:
    """The cluster serves JobSets, and their controller runs; the operator finds out by itself."""
    if stage.cluster.sandbox is None:
        yield  # of an existing cluster, which must have JobSet
        return
    install_crds(stage.api, "jobset")
    stage.cluster.sandbox.restart("kube-controller-manager")
    with JobSetController.start(stage.cluster.sandbox):
        yield


def phase(expected: str) -> Callable[[Object], bool]:
    return lambda item: item["status"].get("phase") == expected


def ended(item: Object) -> bool:
    """Until the operator knows of JobSet, it says that the cluster has none; it looks every minute."""
    unknown = condition(item, "Ready").get("reason") == "FrameworkUnsupported"
    return item["status"].get("phase") in ("Completed", "Failed") and not unknown


def training(team: Team, name: str, framework: str, **spec: Any) -> None:
    """One of a master and three workers; JAX has no master, so four workers."""
    given: Object = {"distributedFramework": framework, "numWorkers": 3, "image": WEB, "command": "rendezvous"}
    if framework == "JAX":
        given["numWorkers"] = 4
    elif "masterSpec" not in spec:
        given["masterSpecSameAsWorker"] = True
    team.make(KIND, name, {**given, **spec})


def own_master() -> Object:
    return {"image": WEB, "command": "rendezvous", "args": "1"}


@pytest.mark.parametrize("backend", ["native", "jobset"])
def test_all_ranks_meet(team: Team, backend: str) -> None:
    """Equal pods, and a master of its own, for every framework."""
    made = []
    for framework in FRAMEWORKS:
        training(team, framework.lower(), framework, backend=backend)
        made.append(framework.lower())
        if framework != "JAX":
            name = f"{framework.lower()}-own"
            training(team, name, framework, backend=backend, masterSpec=own_master())
            made.append(name)
    for name in made:
        item = team.wait(KIND, name, ended, SECONDS)
        assert item["status"]["phase"] == "Completed", condition(item, "Ready")
        assert item["status"]["backend"] == backend
        assert "attempt" not in item["status"]["run"]


@pytest.mark.parametrize("backend", ["native", "jobset"])
def test_a_rank_that_is_killed(team: Team, backend: str) -> None:
    """All start again and meet again; with no attempt left, the training fails."""
    training(team, "back", "PyTorch", backend=backend, args="3600", masterSpec={**own_master(), "args": "3600"})
    training(team, "fails", "PyTorch", backend=backend, args="3600", backoffLimit=0)
    for name in ("back", "fails"):
        team.wait(KIND, name, phase("Running"), SECONDS)
    before = {pod["metadata"]["uid"] for pod in team.pods("back")}
    for name in ("back", "fails"):
        kill(team, name)
    item = team.wait(KIND, "fails", phase("Failed"), EACH_ATTEMPT)
    assert condition(item, "Stalled")["status"] == "True"
    again = team.wait(KIND, "back", lambda item: item["status"]["run"].get("attempt") == 2, EACH_ATTEMPT)
    assert again["status"]["backend"] == backend
    team.wait(KIND, "back", phase("Running"), SECONDS)
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in team.pods("back"))


def kill(team: Team, name: str) -> None:
    """End the program of a worker."""
    pods = [pod["metadata"] for pod in team.pods(name)]
    worker = next(pod for pod in pods if pod["labels"]["outfitter.dev/container-group"] == "worker")
    team.run(worker["name"], "kill")  # which may end with the container


def test_elastic(team: Team) -> None:
    """Without ranks: the pods meet at the first one."""
    training(team, "e", "PyTorch", backend="native", minReplicas=2, maxReplicas=3)
    item = team.wait(KIND, "e", phase("Completed"), SECONDS)
    assert item["status"]["worker"]["desired"] == 0
