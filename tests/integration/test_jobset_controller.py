"""The real controller of JobSet on a control plane of its own: the part of the tests that runs JobSets.

Its webhooks are not installed, so that a JobSet has all fields, defaults included. The operator does not run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from foreign_crds import MODULES, MPIJOBS, foreign_crds
from outfitter_sandbox import Sandbox

from .harness.client import Api, Object, condition
from .harness.jobset import JobSetController, install_crds
from .harness.space import Space

pytestmark = pytest.mark.foreign_crds
PODS = "sandbox.outfitter.dev/pods"
GLOBAL_INDEX = "jobset.sigs.k8s.io/job-global-index"
JOBS = {"t-master-0": "0", "t-worker-0": "1", "t-worker-1": "2"}  # name -> index among all Jobs of the set
NO_CONTROLLERS = "namespace-controller"  # the fewest: the flag takes at least one name
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A control plane that serves JobSets."""
    with Sandbox.up(root=tmp_path_factory.mktemp("jobset")) as sandbox:
        api = Api(sandbox)
        install_crds(api, "jobset")
        sandbox.restart("kube-controller-manager")  # else its garbage collector learns of JobSets half a minute later
        yield api


@pytest.fixture(scope="module")
def controller(server: Api) -> Iterator[JobSetController]:
    with JobSetController.start(server.sandbox) as controller:
        yield controller


@pytest.fixture
def team(server: Api, controller: JobSetController) -> Space:
    """A namespace whose JobSets the controller reconciles."""
    name = f"team-{next(_NUMBERS)}"
    server.create({"kind": "Namespace", "metadata": {"name": name}})
    server.wait("ServiceAccount", name, "default", bool)  # pods are refused without it
    return Space(server, name)


def replicated(name: str, replicas: int) -> Object:
    """Jobs of one pod that runs until its annotation changes."""
    container = {"name": "main", "image": "registry.example.com/train:1"}
    pod = {
        "metadata": {"annotations": {PODS: "ready"}},
        "spec": {"restartPolicy": "Never", "subdomain": "t", "containers": [container]},
    }
    job = {"completionMode": "Indexed", "completions": 1, "parallelism": 1, "backoffLimit": 0, "template": pod}
    return {"name": name, "groupName": "default", "replicas": replicas, "template": {"spec": job}}


def job_set(team: Space) -> dict[str, str]:
    """A JobSet `t` whose pods run; Job -> uid."""
    spec = {
        "suspend": False,
        "network": {"enableDNSHostnames": True, "subdomain": "t", "publishNotReadyAddresses": True},
        "startupPolicy": {"startupPolicyOrder": "AnyOrder"},
        "successPolicy": {"operator": "All", "targetReplicatedJobs": ["master"]},
        "failurePolicy": {"maxRestarts": 3, "restartStrategy": "BlockingRecreate"},
        "replicatedJobs": [replicated("master", 1), replicated("worker", 2)],
    }
    team.native("JobSet", "t", spec=spec)
    running(team)
    return uids(team)


def running(team: Space, restarts: int = 0) -> None:
    """Wait until the JobSet counts the pods of all Jobs as ready, after so many restarts."""
    want = {"master": 1, "worker": 2}

    def ready(item: Object) -> bool:
        status = item["status"]
        counts = {job["name"]: job["ready"] for job in status["replicatedJobsStatus"]}
        return bool(counts == want and status["restarts"] == restarts)

    team.wait("JobSet", "t", ready, 60)


def uids(team: Space) -> dict[str, str]:
    return {job["metadata"]["name"]: job["metadata"]["uid"] for job in team.list("Job")}


def active(job: Object) -> int:
    return int(job["status"].get("active", 0))


def end_pod(team: Space, job: str, behaviour: str) -> None:
    """Change how the only pod of a Job behaves."""
    (pod,) = team.list("Pod", labelSelector=f"batch.kubernetes.io/job-name={job}")
    team.edit("Pod", pod["metadata"]["name"], {"metadata": {"annotations": {PODS: behaviour}}})


@pytest.mark.jobset
def test_one_job_per_replica_and_a_headless_service(team: Space) -> None:
    assert set(job_set(team)) == set(JOBS)
    for name, index in JOBS.items():
        template = team.need("Job", name)["spec"]["template"]
        assert template["metadata"]["labels"][GLOBAL_INDEX] == index
        (pod,) = team.list("Pod", labelSelector=f"batch.kubernetes.io/job-name={name}")
        assert pod["metadata"]["labels"][GLOBAL_INDEX] == index
        assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == (f"{name}-0", "t")
    service = team.need("Service", "t")["spec"]
    assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)


@pytest.mark.jobset
def test_suspended_and_resumed_with_the_same_jobs(team: Space) -> None:
    before = job_set(team)
    team.spec("JobSet", "t", suspend=True)
    team.wait("JobSet", "t", lambda item: condition(item, "Suspended")["status"] == "True")
    for name in JOBS:
        team.wait("Job", name, lambda job: condition(job, "Suspended")["status"] == "True" and not active(job))
    team.spec("JobSet", "t", suspend=False)
    for name in JOBS:
        team.wait("Job", name, lambda job: condition(job, "Suspended")["status"] == "False" and active(job) == 1)
    running(team)
    assert uids(team) == before


@pytest.mark.jobset
def test_one_failed_pod_creates_all_jobs_again(team: Space) -> None:
    before = job_set(team)
    end_pod(team, "t-worker-1", "fail")
    running(team, restarts=1)
    after = uids(team)
    assert set(after) == set(JOBS)
    assert not set(after.values()) & set(before.values())


@pytest.mark.jobset
def test_the_set_is_complete_with_its_master(team: Space) -> None:
    """The workers' Jobs, which still ran, are deleted."""
    job_set(team)
    end_pod(team, "t-master-0", "complete")
    team.wait("JobSet", "t", lambda item: item["status"]["terminalState"] == "Completed")
    for name in ("t-worker-0", "t-worker-1"):
        team.gone("Job", name)
    assert set(uids(team)) == {"t-master-0"}


@pytest.mark.jobset
def test_a_deleted_set_is_collected(team: Space) -> None:
    job_set(team)
    pods = [pod["metadata"]["name"] for pod in team.list("Pod")]
    assert len(pods) == len(JOBS)
    team.delete("JobSet", "t")
    for kind, names in (("Job", list(JOBS)), ("Service", ["t"]), ("Pod", pods)):
        for name in names:
            team.gone(kind, name)


GROUPS = {
    "jobset.x-k8s.io",
    "kueue.x-k8s.io",
    "kubeflow.org",
    "kustomize.toolkit.fluxcd.io",
    "source.toolkit.fluxcd.io",
}


@pytest.mark.parametrize(("chosen", "version"), [("training-operator", "v1"), ("mpi-operator", "v2beta1")])
def test_crds_of_all_projects_apply_with_one_definition_of_mpijob(tmp_path: Path, chosen: str, version: str) -> None:
    with pytest.raises(ValueError, match="Choose one"):
        foreign_crds(*MODULES)
    with Sandbox.up(root=tmp_path, node=False, controllers=NO_CONTROLLERS) as sandbox:
        api = Api(sandbox)
        names = install_crds(api, *MODULES, mpijobs=chosen)
        assert len(names) == len(set(names))
        assert {name.partition(".")[2] for name in names} == GROUPS
        served = api.need("CustomResourceDefinition", "", MPIJOBS)["spec"]["versions"]
        assert [item["name"] for item in served] == [version]
