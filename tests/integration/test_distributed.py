"""Distributed trainings on a real API server: Jobs by Kubernetes, JobSets by their real controller; simulated pods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from outfitter.errors import Invalid

from .conftest import Stack
from .harness.client import Object, condition, current, message, stalls
from .harness.jobset import JobSetController, install_crds
from .harness.process import Operator
from .harness.space import Space

IMAGE = "registry.example.com/train:1"
PODS = "sandbox.outfitter.dev/pods"
ROLE = "outfitter.dev/container-group"
STRATEGIC = "application/strategic-merge-patch+json"
KIND = "DistributedTraining"

pytestmark = [pytest.mark.foreign_crds, pytest.mark.jobset]


@pytest.fixture(scope="module", autouse=True)
def served(stack: Stack) -> Iterator[JobSetController]:
    """The control plane serves JobSets and MPIJobs, and the controller of JobSet runs."""
    install_crds(stack.api, "jobset", "mpi-operator", mpijobs="mpi-operator")
    stack.sandbox.restart("kube-controller-manager")  # its garbage collector learns of the kinds
    stack.operator.stop()
    stack.operator.start()  # it looks for optional kinds at its start
    with JobSetController.start(stack.sandbox) as controller:
        yield controller


def distributed(space: Space, name: str = "d", *, pods: str = "ready", **spec: Any) -> Object:
    """A PyTorch training of a master and three workers."""
    given = {"distributedFramework": "PyTorch", "numWorkers": 3, "image": IMAGE, "masterSpecSameAsWorker": True}
    given["annotations"] = [{"name": PODS, "value": pods}]
    if "masterSpec" in spec:
        del given["masterSpecSameAsWorker"]
    return space.make(KIND, name, {**given, **spec})


def master(pods: str = "ready", **spec: Any) -> Object:
    return {"image": "registry.example.com/master:1", "annotations": [{"name": PODS, "value": pods}], **spec}


def phase(expected: str) -> Callable[[Object], bool]:
    def holds(item: Object) -> bool:
        status = item["status"]
        return bool(status["phase"] == expected and status["observedGeneration"] == item["metadata"]["generation"])

    return holds


def why(item: Object) -> str:
    return str(condition(item, "Ready").get("reason", ""))


def pods(space: Space, role: str) -> list[Object]:
    """The pods of a role that run."""
    found = [item for item in space.list("Pod") if item["metadata"]["labels"].get(ROLE) == role]
    return [item for item in found if "deletionTimestamp" not in item["metadata"]]


def turn(space: Space, pod: Object, way: str) -> None:
    """Have one pod end."""
    space.edit("Pod", pod["metadata"]["name"], {"metadata": {"annotations": {PODS: way}}})


def variables(pod: Object) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in pod["spec"]["containers"][0]["env"]}


@pytest.mark.parametrize("backend", ["native", "jobset"])
def test_equal_pods_to_their_end(stack: Stack, operator: Operator, space: Space, backend: str) -> None:
    """One Job of all pods, whose index is the rank; the end of rank 0 is the end; nothing is written at rest."""
    distributed(space, backend=backend)
    item = space.wait(KIND, "d", phase("Running"), 60)
    assert item["status"]["backend"] == backend
    assert item["status"]["worker"]["desired"] == 4
    assert condition(item, "GangScheduled")["reason"] == "NoGangScheduler"
    found = sorted(pods(space, "worker"), key=lambda pod: pod["metadata"]["name"])
    ranks = {pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] for pod in found}
    assert ranks == {"0", "1", "2", "3"}
    host = "d-0.d" if backend == "native" else "d-worker-0-0.d"
    assert {variables(pod)["MASTER_ADDR"] for pod in found} == {host}
    assert {pod["spec"]["subdomain"] for pod in found} == {"d"}
    assert {f"{pod['spec']['hostname']}.d" for pod in found} >= {host}
    assert space.need("Service", "d")["spec"]["clusterIP"] == "None"
    for pod in found:
        turn(space, pod, "complete")
    item = space.wait(KIND, "d", phase("Completed"), 60)
    assert item["status"]["run"]["result"] == "Completed"
    operator.quiet()
    still = stack.mark()
    space.touch(KIND, "d", "1")
    operator.stop()
    operator.start()
    operator.quiet()
    assert [(entry.verb, entry.uri) for entry in stack.writes(still) if entry.namespace == space.name] == []


@pytest.mark.parametrize("backend", ["native", "jobset"])
def test_a_master_of_its_own(space: Space, backend: str) -> None:
    """Each pod has a Job; when the master has succeeded, the workers end with it."""
    distributed(space, backend=backend, masterSpec=master())
    item = space.wait(KIND, "d", phase("Running"), 60)
    (first,) = pods(space, "master")
    workers = pods(space, "worker")
    assert len(workers) == 3
    jobset = "jobset.sigs.k8s.io/job-global-index"
    label = "outfitter.dev/rank" if backend == "native" else jobset
    assert sorted(pod["metadata"]["labels"][label] for pod in [first, *workers]) == ["0", "1", "2", "3"]
    address = variables(workers[0])["MASTER_ADDR"]
    assert address == f"{first['spec']['hostname']}.d"
    turn(space, first, "complete")
    item = space.wait(KIND, "d", phase("Completed"), 60)
    assert item["status"]["progress"]["succeeded"] == 1
    space.api.wait("Pod", space.name, workers[0]["metadata"]["name"], lambda pod: pod is None, 60)


@pytest.mark.parametrize("backend", ["native", "jobset"])
def test_a_failed_pod_has_all_start_again(space: Space, backend: str) -> None:
    """The others have lost a peer, so each pod is a new one; that costs one attempt."""
    distributed(space, backend=backend, masterSpec=master(), backoffLimit=1)
    space.wait(KIND, "d", phase("Running"), 60)
    before = {pod["metadata"]["uid"] for pod in space.list("Pod")}
    turn(space, pods(space, "worker")[0], "fail")
    space.wait(KIND, "d", lambda item: item["status"]["run"].get("attempt") == 2 and phase("Running")(item), 90)
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in [*pods(space, "worker"), *pods(space, "master")])
    turn(space, pods(space, "worker")[1], "fail")
    item = space.wait(KIND, "d", phase("Failed"), 90)
    assert condition(item, "Stalled")["status"] == "True"
    assert item["status"]["run"]["attempt"] == 2


@pytest.mark.parametrize("backend", ["native", "jobset"])
def test_stopped_and_started(space: Space, backend: str) -> None:
    distributed(space, backend=backend)
    space.wait(KIND, "d", phase("Running"), 60)
    space.spec(KIND, "d", suspend=True)
    space.wait(KIND, "d", phase("Stopped"), 60)
    space.spec(KIND, "d", suspend=False, image="registry.example.com/train:2")
    space.wait(KIND, "d", phase("Running"), 60)
    assert {pod["spec"]["containers"][0]["image"] for pod in pods(space, "worker")} == {"registry.example.com/train:2"}
    space.spec(KIND, "d", image=IMAGE)
    item = space.wait(KIND, "d", lambda item: why(item) == "RestartRequired")
    assert condition(item, "Stalled")["status"] == "True"
    space.edit(KIND, "d", {"metadata": {"annotations": {"outfitter.dev/restartedAt": "1"}}})
    space.wait(KIND, "d", lambda item: phase("Running")(item) and why(item) == "Running", 60)
    assert {pod["spec"]["containers"][0]["image"] for pod in pods(space, "worker")} == {IMAGE}


def test_a_job_of_the_group_that_was_deleted(space: Space) -> None:
    """Its pods are missing for the others, and may have done their work: the training fails, and says so."""
    distributed(space, backend="native", masterSpec=master())
    space.wait(KIND, "d", phase("Running"), 60)
    space.delete("Job", "d-worker-1", propagationPolicy="Background")
    item = space.wait(KIND, "d", phase("Failed"), 60)
    assert why(item) == "JobDeleted"
    assert space.get("Job", "d-worker-1") is None


def test_finished_while_the_operator_was_down(operator: Operator, space: Space) -> None:
    distributed(space, backend="native", masterSpec=master(), cleanPodPolicy="All")
    space.wait(KIND, "d", phase("Running"), 60)
    (first,) = pods(space, "master")
    operator.kill()
    turn(space, first, "complete")
    space.wait("Job", "d-master", lambda item: item["status"].get("succeeded"), 30)
    operator.start()
    space.wait(KIND, "d", phase("Completed"), 60)
    for name in ("d-master", "d-worker-0"):
        space.gone("Job", name, 30)


def test_mpi_is_an_mpijob(space: Space) -> None:
    """Its controller does not run here: the status says what waits, and for whom."""
    distributed(space, distributedFramework="MPI", numWorkers=2, slotsPerWorker=2, command="mpirun", args="train")
    made = space.wait("MPIJob", "d", bool, 30)["spec"]
    assert (made["slotsPerWorker"], made["runPolicy"]["cleanPodPolicy"]) == (2, "Running")
    launcher, worker = (made["mpiReplicaSpecs"][name] for name in ("Launcher", "Worker"))
    assert (launcher["replicas"], worker["replicas"]) == (1, 2)
    assert launcher["template"]["spec"]["containers"][0]["command"] == ["mpirun"]
    assert "command" not in worker["template"]["spec"]["containers"][0]
    item = space.wait(KIND, "d", lambda item: why(item) == "ControllerMissing", 90)
    assert "MPIJob" in message(item)
    uid = space.need("MPIJob", "d")["metadata"]["uid"]
    space.edit(KIND, "d", {"metadata": {"annotations": {"outfitter.dev/restartedAt": "1"}}})
    space.wait("MPIJob", "d", lambda item: item is not None and item["metadata"]["uid"] != uid, 30)
    space.spec(KIND, "d", suspend=True)
    space.wait("MPIJob", "d", lambda item: item["spec"]["runPolicy"]["suspend"] is True, 30)
    space.delete(KIND, "d")
    space.gone("MPIJob", "d", 60)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"numWorkers": 0}, "numWorkers"),
        ({"restartPolicy": "Always"}, "restartPolicy"),
        ({"masterSpec": {"image": IMAGE}, "masterSpecSameAsWorker": True}, "exclude each other"),
        ({"masterSpecSameAsWorker": False}, "needs a master"),
        ({"distributedFramework": "JAX"}, "JAX has no master"),
        ({"distributedFramework": "TF", "minReplicas": 1}, "Only distributedFramework PyTorch has minReplicas"),
        ({"slotsPerWorker": 2}, "Only distributedFramework MPI has slotsPerWorker"),
        ({"minReplicas": 4}, "minReplicas is above maxReplicas"),
        ({"masterSpec": {"image": IMAGE}, "ports": [{"container": 80}]}, "Move ports into masterSpec"),
    ],
)
def test_what_the_server_refuses(space: Space, spec: Object, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        distributed(space, "no", **spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"distributedFramework": "MPI", "backend": "native"}, "cannot run MPI"),
        ({"backend": "kubeflow"}, "runs MPI alone"),
        ({"backend": "native", "numWorkers": 400, "masterSpec": {"image": "other:1"}}, "at most 256"),
    ],
)
def test_what_the_cluster_cannot_run(space: Space, spec: Object, words: str) -> None:
    distributed(space, **spec)
    item = space.wait(KIND, "d", lambda item: why(item) == "FrameworkUnsupported", 30)
    assert words in message(item)
    assert space.list("Job") == []


@pytest.mark.parametrize("backend", ["native", "jobset"])
def test_a_drained_pod_costs_no_attempt(space: Space, backend: str) -> None:
    """All pods start again without a failure counted."""
    distributed(space, backend=backend, masterSpec=master(), backoffLimit=0)
    space.wait(KIND, "d", phase("Running"), 60)
    pod = pods(space, "worker")[0]
    took = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drained"}
    took["lastTransitionTime"] = pod["metadata"]["creationTimestamp"]
    name = pod["metadata"]["name"]
    space.api.patch("Pod", space.name, name, {"status": {"conditions": [took]}}, sub="status", type_=STRATEGIC)
    turn(space, pod, "fail")
    space.wait(KIND, "d", lambda item: item["status"]["run"].get("attempt") == 2 and phase("Running")(item), 90)
    turn(space, pods(space, "worker")[0], "fail")
    space.wait(KIND, "d", phase("Failed"), 90)


TAKEN = [("native", "Job", "d-worker-1"), ("native", "Service", "d"), ("jobset", "JobSet", "d")]
POD = {"containers": [{"name": "a", "image": IMAGE}], "restartPolicy": "Never"}
THEIRS: Object = {
    "Job": {"suspend": True, "template": {"spec": POD}},
    "Service": {"ports": [{"port": 80}], "selector": {"app": "theirs"}},
    "JobSet": {
        "managedBy": "example.com/theirs",
        "replicatedJobs": [{"name": "a", "template": {"spec": {"template": {"spec": POD}}}}],
    },
}


@pytest.mark.parametrize(("backend", "kind", "name"), TAKEN)
def test_no_rank_runs_while_an_object_of_others_has_a_name(
    stack: Stack, space: Space, backend: str, kind: str, name: str
) -> None:
    """No pod is created, not even for a moment. All of them are, once the name is free."""
    theirs = space.native(kind, name, spec=THEIRS[kind])
    still = stack.mark()
    distributed(space, backend=backend, masterSpec=master())
    said = space.wait(KIND, "d", stalls("NameTaken"), 60)
    assert said["status"]["issues"][0]["issue"] == "NameTaken"
    assert f"{kind} {space.name}/{name} exists, and Outfitter does not manage it" in message(said)
    space.touch(KIND, "d", "1")  # asks for a start of all pods
    space.wait(KIND, "d", lambda item: stalls("NameTaken")(item) and current(item), 60)
    assert pods(space, "master") + pods(space, "worker") == []
    made = {entry.resource for entry in stack.writes(still) if (entry.verb, entry.namespace) == ("create", space.name)}
    assert made - {"events"} == {"controllerrevisions"}  # an event is posted beside the writes, at its own time
    assert space.need(kind, name)["metadata"]["uid"] == theirs["metadata"]["uid"]
    space.delete(kind, name, propagationPolicy="Background")
    space.wait(KIND, "d", phase("Running"), 90)  # the name is looked for once a minute


def test_a_master_that_a_template_gives(space: Space) -> None:
    """With its own fields over those of the template; a priority of the master alone is told, and stops nothing."""
    marked = [{"name": PODS, "value": "ready"}]
    of_master = {**master(), "workingDir": "/template", "priorityClass": "no-such-class"}
    spec = {"workloadType": "distributed", "image": IMAGE, "distributedFramework": "PyTorch", "annotations": marked}
    space.make("WorkloadTemplate", "base", {**spec, "masterSpec": of_master})
    given = {"template": {"name": "base"}, "backend": "native", "masterSpec": {"args": "--own"}}
    space.make(KIND, "d", {**given, "numWorkers": 2})
    item = space.wait(KIND, "d", phase("Running"), 60)
    (first,) = pods(space, "master")
    container = first["spec"]["containers"][0]
    assert (container["image"], container["workingDir"], container["args"]) == (
        master()["image"],
        "/template",
        ["--own"],
    )
    assert len(pods(space, "worker")) == 2
    said = space.need("WorkloadTemplate", "base")["status"]
    assert [issue["issue"] for issue in said["issues"]] == ["NotEnforced"]
    assert said["combinedSpec"]["masterSpec"]["workingDir"] == "/template"
    space.spec(KIND, "d", masterSpec={"priorityClass": "no-such-class"})
    item = space.wait(KIND, "d", lambda item: "spec.masterSpec.priorityClass" in str(item["status"].get("issues")), 30)
    assert (item["status"]["phase"], condition(item, "Stalled")) == ("Running", {})
