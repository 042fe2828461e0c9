"""Observations of child objects: their state, the reason and the message."""

from __future__ import annotations

import re
from typing import Any

import pytest

from outfitter.children import observe
from outfitter.observe import (
    Observation,
    State,
    diagnose,
    diagnose_claim,
    field_names,
    not_ending,
    observe_download,
    observe_pods,
    refusal,
)
from outfitter.snapshot import CachedObject
from world import World, complete


def live(kind: str, status: dict[str, Any] | None = None, **body: Any) -> CachedObject:
    meta = {"name": "w", "generation": 2, "uid": "u", "resourceVersion": "1", **body.pop("metadata", {})}
    return CachedObject.of(complete({"kind": kind, "metadata": meta, "status": status or {}, **body}))


def failure_of(*pods: CachedObject) -> Observation | None:
    """Why pods are not ready, where nothing else is known of them."""
    return diagnose(World().reader(), observe_pods(pods).candidates, field_names("Workspace"))


def is_readable(message: str) -> bool:
    """Whether a message is short and consists of sentences; a command at its end has no full stop."""
    return len(message) < 200 and re.fullmatch(r"[A-Z0-9].*(\.|: kubectl [^.]+)", message) is not None


SEEN = {"observedGeneration": 2, "currentRevision": "a", "updateRevision": "a"}

STATEFULSETS = [
    ({}, 1, State.PROGRESSING, "Progressing"),
    ({"observedGeneration": 1, "replicas": 1, "readyReplicas": 1}, 1, State.PROGRESSING, "Updating"),
    ({**SEEN}, 1, State.PROGRESSING, "Progressing"),
    ({**SEEN, "replicas": 1}, 1, State.PROGRESSING, "Progressing"),
    ({**SEEN, "replicas": 1, "readyReplicas": 1}, 1, State.READY, "Ready"),
    ({**SEEN, "replicas": 1, "readyReplicas": 1, "updateRevision": "b"}, 1, State.PROGRESSING, "Updating"),
    ({**SEEN, "replicas": 1, "readyReplicas": 1}, 0, State.PROGRESSING, "Stopping"),
    ({**SEEN}, 0, State.READY, "Ready"),
]


@pytest.mark.parametrize(("status", "replicas", "state", "reason"), STATEFULSETS)
def test_statefulsets(status: dict[str, Any], replicas: int, state: State, reason: str) -> None:
    """By replicas, revisions and the observed generation."""
    found = observe(live("StatefulSet", status, spec={"replicas": replicas}))
    assert (found.state, found.reason) == (state, reason)


FULL = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
LATE = {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}

DEPLOYMENTS = [
    ({}, 2, State.PROGRESSING, "Progressing"),
    ({**FULL, "observedGeneration": 1}, 2, State.PROGRESSING, "Updating"),
    ({**FULL}, 2, State.READY, "Ready"),
    ({**FULL, "readyReplicas": 1}, 2, State.PROGRESSING, "Progressing"),
    ({**FULL, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}, 2, State.PROGRESSING, "Progressing"),
    ({**FULL, "updatedReplicas": 1}, 2, State.PROGRESSING, "Updating"),
    ({**FULL, "updatedReplicas": 1, "readyReplicas": 1}, 2, State.PROGRESSING, "Updating"),
    ({**FULL, "replicas": 3}, 2, State.PROGRESSING, "Updating"),
    ({**FULL, "replicas": 3, "readyReplicas": 1}, 2, State.PROGRESSING, "Progressing"),
    ({**FULL, "replicas": 1, "updatedReplicas": 1, **LATE}, 2, State.FAILED, "InitializationTimeout"),
    ({**FULL}, 0, State.PROGRESSING, "Stopping"),
    ({"observedGeneration": 2}, 0, State.READY, "Ready"),
]


@pytest.mark.parametrize(("status", "replicas", "state", "reason"), DEPLOYMENTS)
def test_deployments(status: dict[str, Any], replicas: int, state: State, reason: str) -> None:
    """By replicas, the rollout and its deadline."""
    found = observe(live("Deployment", status, spec={"replicas": replicas}))
    assert (found.state, found.reason) == (state, reason)
    assert found.state is State.READY or is_readable(found.message)


def ended_job(kind: str, reason: str = "", value: str = "True") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": value, "reason": reason}]}


JOBS = [
    ({}, State.PROGRESSING, "Progressing"),
    (ended_job("Complete"), State.READY, "Ready"),
    (ended_job("Complete", value="False"), State.PROGRESSING, "Progressing"),
    (ended_job("Failed", "BackoffLimitExceeded"), State.FAILED, "PodFailed"),
    (ended_job("Failed", "DeadlineExceeded"), State.FAILED, "DeadlineExceeded"),
]


@pytest.mark.parametrize(("status", "state", "reason"), JOBS)
def test_jobs(status: dict[str, Any], state: State, reason: str) -> None:
    """By the condition that ends a Job."""
    found = observe(live("Job", status))
    assert (found.state, found.reason) == (state, reason)


FAILED_JOB = ended_job("Failed", "BackoffLimitExceeded")

DOWNLOADS = [
    (ended_job("Complete"), {}, State.READY, "Ready"),
    ({}, {"phase": "Running"}, State.PROGRESSING, "Progressing"),
    ({}, {"phase": "Failed"}, State.PROGRESSING, "Progressing"),
    (
        {},
        {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]},
        State.PROGRESSING,
        "ImagePullFailed",
    ),
    (ended_job("Failed", "DeadlineExceeded"), {}, State.FAILED, "DeadlineExceeded"),
    (FAILED_JOB, {}, State.FAILED, "DownloadFailed"),
    (FAILED_JOB, {"reason": "OOMKilled"}, State.FAILED, "OutOfMemory"),
    (FAILED_JOB, {"message": "write /cache/x: no space left on device"}, State.FAILED, "NoSpace"),
    (FAILED_JOB, {"message": "GET https://example.com: 401 Unauthorized"}, State.FAILED, "KeyRejected"),
    (FAILED_JOB, {"message": "connection reset"}, State.FAILED, "DownloadFailed"),
]


@pytest.mark.parametrize(("job", "pod_status", "state", "reason"), DOWNLOADS)
def test_downloads(job: dict[str, Any], pod_status: dict[str, Any], state: State, reason: str) -> None:
    """By the Job, then by its pod: the end of the log gives a reason and is never shown."""
    terminated = job == FAILED_JOB and {"containerStatuses": [{"state": {"terminated": pod_status}}]}
    container = {"name": "main", "env": [{"name": "NGC_API_KEY", "valueFrom": {"secretKeyRef": {"name": "k"}}}]}
    made = live("Job", job, spec={"template": {"spec": {"containers": [container]}}})
    found = observe_download(World().reader(), made, [pod(status=terminated or pod_status)])
    assert (found.state, found.reason) == (state, reason)
    assert pod_status.get("message", "?") not in found.message
    assert found.state is State.READY or is_readable(found.message)


LATE_BINDING = "WaitForFirstConsumer"

CLAIMS = [
    ({}, False, State.PROGRESSING, "Pending"),
    ({"phase": "Pending"}, False, State.PROGRESSING, "Pending"),
    ({"phase": "Pending"}, True, State.READY, "Ready"),
    ({"phase": "Bound"}, False, State.READY, "Ready"),
    ({"phase": "Lost"}, False, State.FAILED, "LostPhase"),
    ({"phase": "Lost"}, True, State.FAILED, "LostPhase"),
]


@pytest.mark.parametrize(("status", "late", "state", "reason"), CLAIMS)
def test_claims(status: dict[str, Any], late: bool, state: State, reason: str) -> None:
    """A claim that is bound by its first pod is ready before it is bound."""
    world = World(complete({"kind": "StorageClass", "metadata": {"name": "late"}, "volumeBindingMode": LATE_BINDING}))
    spec = {"storageClassName": "late"} if late else {}
    found = diagnose_claim(world.reader(), live("PersistentVolumeClaim", status, spec=spec))
    assert (found.state, found.reason) == (state, reason)


def test_kinds_without_a_state_are_ready() -> None:
    """A Service has no readiness."""
    assert observe(live("Service", spec={})).state is State.READY


def pod(name: str = "w-0", *, status: dict[str, Any] | None = None, revision: str = "", **meta: Any) -> CachedObject:
    labels = {"controller-revision-hash": revision} if revision else {}
    return live("Pod", status, metadata={"name": name, "labels": labels, **meta}, spec={})


def status(container: dict[str, Any] | None = None, *, init: bool = False, **more: Any) -> dict[str, Any]:
    conditions = [{"type": "PodScheduled", "status": "True"}, *more.pop("conditions", ())]
    field = "initContainerStatuses" if init else "containerStatuses"
    return {"phase": "Pending", "conditions": conditions, field: [container] if container else [], **more}


def waits(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {
        "name": "main",
        "image": "example.com/u:1",
        "ready": False,
        "state": {"waiting": {"reason": reason, "message": message}},
        **more,
    }


def ended(reason: str, code: int) -> dict[str, Any]:
    return {"terminated": {"reason": reason, "exitCode": code}}


FAILURES = [
    (status(waits("ImagePullBackOff", "back-off")), "ImagePullFailed", "example.com/u:1"),
    (status(waits("ErrImagePull", "unauthorized")), "ImagePullFailed", "dockerRegistry"),
    (status(waits("ErrImageNeverPull")), "ImagePullFailed", "IfNotPresent"),
    (status(waits("InvalidImageName")), "ImagePullFailed", "Correct the name of the image"),
    (
        status(waits("CreateContainerConfigError", 'secret "x" not found')),
        "ContainerConfigInvalid",
        "Secret x does not exist. Create it.",
    ),
    (
        status(
            waits(
                "CreateContainerConfigError", 'container has runAsNonRoot and image will run as root (pod: "x_y(1-2)"'
            )
        ),
        "RunsAsRoot",
        "image will run as root. Set security.runAsUid",
    ),
    (
        status(
            waits("CreateContainerConfigError", "container has runAsNonRoot and image has non-numeric user (app), c")
        ),
        "RunsAsRoot",
        "non-numeric user (app). Set security.runAsUid",
    ),
    (status(waits("RunContainerError", "exec: no such file")), "ContainerStartFailed", "no such file"),
    (
        status(waits("CrashLoopBackOff", "back-off 5m0s", lastState=ended("Error", 3))),
        "CrashLoopBackOff",
        "exit code 3",
    ),
    (status(waits("CrashLoopBackOff", lastState=ended("OOMKilled", 137))), "OOMKilled", "cpuMemoryLimit"),
    (status({"name": "main", "ready": False, "state": ended("OOMKilled", 137)}), "OOMKilled", "cpuMemoryLimit"),
    (status(waits("ErrImagePull"), init=True), "ImagePullFailed", "image"),
    (
        {
            "phase": "Pending",
            "conditions": [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/3 nodes: 3 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: x.",
                }
            ],
        },
        "Unschedulable",
        "3 Insufficient nvidia.com/gpu. Request less",
    ),
    ({"phase": "Failed", "reason": "Evicted", "message": "Pod exceeds its ephemeral limit"}, "PodFailed", "ephemeral"),
    ({"phase": "Failed"}, "PodFailed", "container ended"),
    (
        status(conditions=[{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]),
        "NodeLost",
        "does not answer. Restore the node",
    ),
]


@pytest.mark.parametrize(
    ("message", "image"),
    [
        ('Back-off pulling image "models/bert:3": ErrImagePull: not found', "models/bert:3 of a volume"),
        ('failed to pull and unpack image "registry.example.com/models/bert:3": no', "models/bert:3 of a volume"),
        ('Back-off pulling image "data:latest": ErrImagePull', "data of a volume"),
        ('failed to pull and unpack image "docker.io/library/data:latest": no', "data of a volume"),
        ('Back-off pulling image "example.com/u:1": ErrImagePull', "example.com/u:1"),
        ('failed to pull and unpack image "example.com/other:1": no', "example.com/u:1"),
        ("not found", "example.com/u:1"),
    ],
)
def test_the_image_that_cannot_be_pulled(message: str, image: str) -> None:
    """The kubelet reports the image of a volume as the state of the container, whose own image is there."""
    volumes = [{"image": {"reference": "models/bert:3"}}, {"persistentVolumeClaim": {"claimName": "c"}}]
    volumes.append({"image": {"reference": "data"}})
    body = live("Pod", status(waits("ErrImagePull", message)), metadata={"name": "w-0"}, spec={"volumes": volumes})
    failure = failure_of(body)
    assert failure is not None
    assert failure.message.startswith(f"Pod w-0 is in ErrImagePull for image {image}. Check the name")


@pytest.mark.parametrize(("found", "reason", "text"), FAILURES)
def test_pod_failures(found: dict[str, Any], reason: str, text: str) -> None:
    """The message holds the pod, the kubelet's text and the remedy."""
    failure = failure_of(pod(status=found))
    assert failure is not None
    assert (failure.state, failure.reason) == (State.FAILED, reason)
    assert text in failure.message
    assert "w-0" in failure.message
    assert is_readable(failure.message)


def test_a_pod_whose_deletion_waits_for_a_lost_node_is_a_failure() -> None:
    """A pod that ends on a healthy node is none."""
    meta = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    lost = status(conditions=[{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}])
    world = World()
    (failure,) = not_ending(world.reader(), observe_pods([pod(status=lost, **meta)]).ending)
    assert failure.reason == "NodeLost"
    assert "kubectl delete node" in failure.message
    said = {"reason": "ContainersNotReady"}
    going = status(conditions=[{"type": kind, "status": "False", **said} for kind in ("Ready", "ContainersReady")])
    assert not list(not_ending(world.reader(), observe_pods([pod(status=going, **meta)]).ending))


FINE = [
    status(waits("ContainerCreating")),
    status(waits("PodInitializing")),
    status({"name": "main", "ready": True, "state": {"running": {}}}),
    status({"name": "main", "ready": True, "state": {"running": {}}, "lastState": ended("OOMKilled", 137)}),
    status({"name": "main", "ready": False, "state": ended("Error", 1)}),
    {"phase": "Running"},
    {},
]


@pytest.mark.parametrize("found", FINE)
def test_pods_that_start(found: dict[str, Any]) -> None:
    """Starting, running, recovered or restarting: no failure."""
    assert failure_of(pod(status=found)) is None


def test_messages_have_no_counters_and_back_off_times() -> None:
    """Each change of a message costs a status write."""
    texts = set()
    for message in ("back-off 10s restarting", "back-off 20s restarting"):
        container = waits("CrashLoopBackOff", message, restartCount=len(message), lastState=ended("Error", 1))
        failure = failure_of(pod(status=status(container)))
        assert failure is not None
        texts.add(failure.message)
    assert len(texts) == 1


def test_scheduled() -> None:
    """All pods are scheduled, and there is at least one. Pods that are being deleted do not count."""
    there = pod(status={"conditions": [{"type": "PodScheduled", "status": "True"}]})
    not_yet = pod("w-1", status={})
    going = pod("w-2", status={"phase": "Failed"}, deletionTimestamp="2026-01-01T00:00:00Z")
    assert observe_pods([there]).scheduled
    assert not observe_pods([there, not_yet]).scheduled
    assert not observe_pods([]).scheduled
    assert observe_pods([there, going]).scheduled
    assert failure_of(going) is None


def test_pods_that_block_a_rollout() -> None:
    """Unready pods of an old revision, unless they are being deleted or the newest revision is unknown."""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    stuck = pod("w-0", status={}, revision="old")
    fine = [
        pod("w-1", status=ready, revision="old"),
        pod("w-2", status={}, revision="new"),
        pod("w-3", status={}, revision="old", deletionTimestamp="2026-01-01T00:00:00Z"),
        pod("w-4", status={}),
    ]
    assert [item.name for item in observe_pods([stuck, *fine], ["new"]).unready_outdated] == ["w-0"]
    assert observe_pods([stuck, *fine]).unready_outdated == ()


def test_refusals() -> None:
    """The server's answer without the prefix of the controller, and a remedy."""
    prefix = "create Pod w-0 in StatefulSet w failed error: "
    quota = refusal(prefix + 'pods "w-0" is forbidden: exceeded quota: q, requested: pods=1')
    must = refusal(prefix + 'pods "w-0" is forbidden: failed quota: q: must specify limits.cpu')
    security = refusal(prefix + 'pods "w-0" is forbidden: violates PodSecurity "restricted:latest": hostPath volumes')
    other = refusal(prefix + 'admission webhook "x" denied the request: no')
    assert [item.reason for item in (quota, must, security, other)] == [
        "QuotaExceeded",
        "QuotaExceeded",
        "PodSecurityViolation",
        "PodRefused",
    ]
    for item in (quota, must, security, other):
        assert item.state is State.FAILED
        assert not item.message.startswith("create Pod")
    assert "requested: pods=1" in quota.message
    assert "Set them in compute" in must.message
    assert "pod-security.kubernetes.io/enforce" in security.message
