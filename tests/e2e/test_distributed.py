"""Pods that find each other by the variables of their framework: each rank comes exactly once, or the program fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from foreign_crds import download
from integration.harness.client import Object, condition
from integration.harness.jobset import JobSetController, install_crds

from .conftest import RESTRICTED, Stage
from .harness.data import CONTAINER_SECURITY, POD_SECURITY
from .harness.images import MPI, WEB
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


@pytest.fixture
def mpi_operator(stage: Stage) -> Iterator[None]:
    """The MPI operator in a pod, with the account and the rights of its own manifests."""
    if stage.cluster.sandbox is None:
        yield  # of an existing cluster, which must have it
        return
    install_crds(stage.api, "mpi-operator")
    folder = download(online=True)["mpi-operator"] / "manifests" / "base"
    stage.api.apply({"kind": "Namespace", "metadata": {"name": "mpi-operator", "labels": RESTRICTED}})
    place = {"namespace": "mpi-operator"}
    for name in ("service-account", "cluster-role", "cluster-role-binding"):
        item = next(yaml.safe_load_all((folder / f"{name}.yaml").read_text(encoding="utf-8")))
        if name == "service-account":
            item["metadata"] |= place
        item |= {"subjects": [each | place for each in item["subjects"]]} if "subjects" in item else {}
        stage.api.apply(item)
    pod = {"serviceAccountName": "mpi-operator", "securityContext": POD_SECURITY}
    container = {"name": "main", "image": MPI, "args": ["--kube-api-qps=50"], "securityContext": CONTAINER_SECURITY}
    given = {"kind": "Pod", "metadata": {"name": "mpi-operator", "namespace": "mpi-operator"}}
    stage.api.apply({**given, "spec": {**pod, "containers": [container]}})
    yield
    stage.api.delete("Namespace", "", "mpi-operator")


@pytest.mark.mpi_operator
def test_mpi_reaches_each_worker(team: Team, mpi_operator: None) -> None:
    """Each worker of the host file is another pod, both sides have the SSH key, and the workers go at the end."""
    folder = "/home/mpi/.ssh"
    part = {
        "image": WEB,
        "command": "rendezvous",
        "environmentVariables": [{"name": "SSH_AUTH", "value": folder}],
    }
    training(team, "mpi", "MPI", slotsPerWorker=2, sshAuthMountPath=folder, masterSpec=part, **part)
    item = team.wait(KIND, "mpi", ended, SECONDS)
    assert item["status"]["phase"] == "Completed", condition(item, "Ready")
    assert item["status"]["backend"] == "kubeflow"
    (launcher,) = (pod["metadata"]["name"] for pod in team.pods("mpi") if "launcher" in pod["metadata"]["name"])
    assert "all 6 ranks on 3 hosts are there" in team.log(launcher, "main")
    team.gone("Pod", "mpi-worker-0")


def test_elastic(team: Team) -> None:
    """Without ranks: the pods meet at the first one."""
    training(team, "e", "PyTorch", backend="native", minReplicas=2, maxReplicas=3)
    item = team.wait(KIND, "e", phase("Completed"), SECONDS)
    assert item["status"]["worker"]["desired"] == 0
