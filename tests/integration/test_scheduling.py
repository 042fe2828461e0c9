"""Priorities, queues and GPU backends on the real API server: what each scheduler reads, and who is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from foreign_crds import pod_group_crd
from outfitter.errors import Invalid

from .conftest import Stack
from .harness.client import Object, condition, message, ready, stalls
from .harness.jobset import apply_crds
from .harness.process import Operator
from .harness.space import Space

HALF = {"gpuDevicesRequest": 1, "gpuRequestType": "portion", "gpuPortionRequest": 0.5}
IMAGE = "registry.example.com/box:1"
Restart = Callable[..., Operator]


@pytest.fixture
def restart(operator: Operator) -> Iterator[Restart]:
    """Start the operator again with other settings; the usual ones come back after the test."""
    usual = dict(operator.settings)

    def again(**settings: str) -> Operator:
        operator.stop()
        operator.settings = {**usual, **settings}
        return operator.start()

    yield again
    if operator.running:
        operator.stop()
    operator.settings = usual


@contextmanager
def priority_class(stack: Stack, name: str, value: int) -> Iterator[None]:
    """A PriorityClass for as long as a test needs it: others would get it by default."""
    stack.api.create({"kind": "PriorityClass", "metadata": {"name": name}, "value": value})
    yield
    stack.api.delete("PriorityClass", "", name)


def pod(space: Space, name: str = "box") -> Object:
    """The pod template of a workspace."""
    found: Object = space.need("StatefulSet", name)["spec"]["template"]
    return found


@pytest.mark.parametrize(
    ("compute", "what"),
    [
        ({**HALF, "gpuPortionRequest": 1.5}, "less than or equal to 1"),
        ({**HALF, "gpuDevicesRequest": 2}, "one device only"),
        ({**HALF, "gpuPortionLimit": 0.3}, "less than gpuPortionRequest"),
        ({"gpuDevicesRequest": 1, "gpuRequestType": "portion"}, "needs gpuPortionRequest"),
        ({**HALF, "extendedResources": [{"resource": "nvidia.com/gpu", "quantity": 1}]}, "Set gpuDevicesRequest"),
    ],
)
def test_the_server_refuses(space: Space, compute: object, what: str) -> None:
    with pytest.raises(Invalid, match=what):
        space.make("ComputeResource", "bad", compute)


def test_a_class_that_appears_later(stack: Stack, space: Space) -> None:
    space.make("Workspace", "box", {"image": IMAGE, "priorityClass": "low"})
    refused = space.wait("Workspace", "box", stalls("PriorityUnknown"))
    assert "no PriorityClass low or outfitter-low" in message(refused)
    assert space.get("StatefulSet", "box") is None
    with priority_class(stack, "outfitter-low", 40):
        space.ready("Workspace", "box")
        assert pod(space)["spec"]["priorityClassName"] == "outfitter-low"
        space.make("Workspace", "wrong", {"image": IMAGE, "priorityClass": "urgent"})
        wrong = space.wait("Workspace", "wrong", stalls("PriorityUnknown"))
        assert message(wrong).endswith("Use another class, or one of the words low.")
        space.delete("Workspace", "wrong")
        space.delete("Workspace", "box")


def test_defaults_come_with_their_classes_and_restart_nothing(stack: Stack, space: Space) -> None:
    before = space.running("before")["status"]["revision"]
    with priority_class(stack, "outfitter-high", 125):
        # The class is in the cache of the operator once a workload that names it is accepted.
        space.running("named", priorityClass="high")
        space.running("after")
        assert pod(space, "after")["spec"]["priorityClassName"] == "outfitter-high"
        space.touch("Workspace", "before", "1")
        space.running("last")
        assert space.need("Workspace", "before")["status"]["revision"] == before
        assert "priorityClassName" not in pod(space, "before")["spec"]
        for name in ("before", "named", "after", "last"):
            space.delete("Workspace", name)


def test_every_pod_has_the_labels_of_kai(stack: Stack, space: Space, restart: Restart) -> None:
    space.running("older")
    stored = space.need("StatefulSet", "older")["metadata"]["resourceVersion"]
    operator = restart(gpu_backend="kai")
    space.label(queue="team-gpus")
    space.make("Workspace", "box", {"image": IMAGE, "compute": HALF})
    space.ready("Workspace", "box")
    labels = {"kai.scheduler/queue": "team-gpus", "kai.scheduler/preemptibility": "non-preemptible"}
    template, stateful_set = pod(space), space.need("StatefulSet", "box")
    assert labels.items() <= template["metadata"]["labels"].items()
    assert labels.items() <= stateful_set["metadata"]["labels"].items()
    assert template["metadata"]["annotations"]["gpu-fraction"] == "0.5"
    assert template["spec"]["schedulerName"] == "kai-scheduler"
    assert "resources" not in template["spec"]["containers"][0] or not template["spec"]["containers"][0]["resources"]
    (each,) = space.list("Pod", labelSelector="outfitter.dev/owner-name=box")
    assert labels.items() <= each["metadata"]["labels"].items()
    # What runs keeps its pod: neither the setting nor the label of the Namespace restarts it.
    operator.quiet()
    assert space.need("StatefulSet", "older")["metadata"]["resourceVersion"] == stored
    space.label(queue="other-gpus")
    newer = {"kind": "Namespace", "namespace": "", "name": space.name, "reason": "Edited"}
    space.wait("Workspace", "box", lambda item: newer in item["status"].get("outdated", ()))
    assert pod(space)["metadata"]["labels"]["kai.scheduler/queue"] == "team-gpus"
    space.annotate("Workspace", "box", restartedAt="now")
    space.wait("Workspace", "box", lambda item: not item["status"].get("outdated") and ready(item))
    assert pod(space)["metadata"]["labels"]["kai.scheduler/queue"] == "other-gpus"
    # A queue of KAI belongs to no namespace, so the label of this one allows its own only.
    space.make("Workspace", "thief", {"image": IMAGE, "queue": "team-gpus"})
    assert "cannot use queue team-gpus" in message(space.wait("Workspace", "thief", stalls("QueueForbidden")))


def test_a_job_for_each_rank_is_one_group_of_kai(stack: Stack, space: Space, restart: Restart) -> None:
    """KAI's API is found within seconds of its installation; its PodGroup is kept as it is to be, and goes."""
    restart(queue_backend="kai")
    spec = {"distributedFramework": "PyTorch", "numWorkers": 2, "image": IMAGE, "backend": "native"}
    kind = "DistributedTraining"
    space.make(kind, "d", {**spec, "masterSpec": {"image": IMAGE, "command": "lead"}})
    assert "scheduling.run.ai/v2alpha2" in message(space.wait(kind, "d", stalls("Unsupported")))
    (name,) = apply_crds(stack.api, [pod_group_crd()])
    space.wait("PodGroup", "d", lambda item: item and item["spec"]["minMember"] == 3)
    item = space.wait(kind, "d", lambda item: (condition(item, "GangScheduled") or {}).get("status") == "True")
    assert condition(item, "GangScheduled")["reason"] == "GangScheduled"
    for job in space.list("Job"):
        assert job["spec"]["template"]["metadata"]["annotations"]["pod-group-name"] == "d"
    space.edit("PodGroup", "d", {"spec": {"minMember": 1}})
    space.wait("PodGroup", "d", lambda item: item["spec"]["minMember"] == 3)
    space.spec(kind, "d", masterSpec=None, masterSpecSameAsWorker=True)
    space.annotate(kind, "d", restartedAt="now")
    space.gone("PodGroup", "d")
    stack.api.delete("CustomResourceDefinition", "", name)


def test_the_queue_of_kueue(space: Space, restart: Restart) -> None:
    restart(queue_backend="kueue")
    space.label(queue="shared")
    space.running()
    assert space.need("StatefulSet", "box")["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "shared"
    assert "kueue.x-k8s.io/queue-name" not in pod(space)["metadata"]["labels"]
    space.spec("Workspace", "box", queue="mine")
    space.wait("StatefulSet", "box", lambda item: item["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "mine")


def test_device_claims(space: Space, restart: Restart) -> None:
    """The scheduler of this control plane allocates no devices: the objects and their life are the subject."""
    restart(gpu_backend="dra")
    space.make("Workspace", "box", {"image": IMAGE, "compute": {"gpuDevicesRequest": 2}})
    space.wait("StatefulSet", "box", bool)
    (claim,) = pod(space)["spec"]["resourceClaims"]
    assert pod(space)["spec"]["containers"][0]["resources"] == {"claims": [{"name": claim["name"]}]}
    name = claim["resourceClaimTemplateName"]
    template = space.wait("ResourceClaimTemplate", name, bool)
    (request,) = template["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"] == {"allocationMode": "ExactCount", "count": 2, "deviceClassName": "gpu.nvidia.com"}
    # A label of the user changes the object, whose content never changes.
    space.spec("Workspace", "box", labels=[{"name": "cost", "value": "a"}])
    space.wait("ResourceClaimTemplate", name, lambda item: item["metadata"]["labels"].get("cost") == "a")
    space.spec("Workspace", "box", compute=None)
    space.gone("ResourceClaimTemplate", name)
    space.make("Workspace", "part", {"image": IMAGE, "compute": HALF})
    assert "Device claims give whole GPUs" in message(space.wait("Workspace", "part", stalls("FractionsUnsupported")))
