"""Causes that the cluster knows are in the status: of pods, controllers, autoscalers and scopes."""

from __future__ import annotations

import pytest
from cause_cases import CREATING, NOW, SCHEDULED, event, later, unready
from reason_cases import IMAGE, NAME, RUNNING, add_pod, controller_kind, ended, waiting_container, workload

from outfitter.status import is_stalled
from world import START, TEAM, Body, World, asset, issues, namespace, reason

POD_EVENTS = [
    (
        "FailedAttachVolume",
        'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) w',
        "VolumeMountFailed",
    ),
    ("FailedMount", 'MountVolume.SetUp failed for volume "s" : secret "keys" not found', "VolumeMountFailed"),
    ("FailedCreatePodSandBox", "Failed to create pod sandbox: plugin failed", "PodSandboxFailed"),
]


@pytest.mark.parametrize(("code", "message", "expected"), POD_EVENTS)
@pytest.mark.parametrize("kind", RUNNING)
async def test_a_pod_that_waits_for_a_volume_or_a_network(kind: str, code: str, message: str, expected: str) -> None:
    """From the Events of the pod, once they are older than the hold time; no longer when the network is ready."""
    world = await unready(kind)
    add_pod(world, kind, CREATING)
    world.cluster.user_apply(event(world.get("Pod", "w-0"), code, message))
    await world.once(kind, NAME)
    assert expected not in issues(world.status(kind, NAME)), "it may end by itself"
    status = await later(world, kind)
    assert reason(status) == expected
    assert not is_stalled(status)
    ready = {"type": "PodReadyToStartContainers", "status": "True"}
    world.cluster.user_status("Pod", TEAM, "w-0", {**CREATING, "conditions": [SCHEDULED, ready]})
    assert expected not in issues(await later(world, kind)), "volumes and network are ready"


async def test_an_event_of_another_namespace_is_not_about_the_pod() -> None:
    """Its author may have no right where the pod is."""
    world = await unready("Workspace")
    add_pod(world, "Workspace", CREATING)
    world.cluster.user_apply(namespace("evil"))
    foreign = event(world.get("Pod", "w-0"), "FailedMount", "you were hacked")
    foreign["metadata"]["namespace"] = foreign["involvedObject"]["namespace"] = "evil"
    world.cluster.user_apply(foreign)
    assert "hacked" not in str(await later(world, "Workspace"))


async def test_a_text_that_names_the_cause_comes_before_one_that_only_timed_out() -> None:
    """The kubelet repeats the second one."""
    world = await unready("Workspace")
    add_pod(world, "Workspace", CREATING)
    pod = world.get("Pod", "w-0")
    world.cluster.user_apply(event(pod, "FailedAttachVolume", "Multi-Attach error for volume x"))
    late = {"lastTimestamp": "2026-01-01T00:09:00Z"}
    world.cluster.user_apply(event(pod, "FailedMount", "timed out waiting for the condition", "f", **late))
    assert "another node" in (await later(world, "Workspace"))["message"]


@pytest.mark.parametrize("kind", ["Inference", "Artifact"])
async def test_the_newest_pod_of_the_newest_revision_speaks(kind: str) -> None:
    """Neither the alphabet nor an old pod decides."""
    world = await unready(kind)
    message = 'ReplicaSet "w-new" is progressing.'
    progress = {"type": "Progressing", "status": "True", "message": message}
    stored = world.get("Deployment", NAME)["status"]
    world.cluster.user_status("Deployment", TEAM, NAME, {**stored, "conditions": [progress]})
    for name, replica_set, created, code in (
        ("w-a", "w-old", "2026-01-01T00:00:03Z", "ErrImagePull"),
        ("w-b", "w-new", "2026-01-01T00:00:01Z", "RunContainerError"),
        ("w-c", "w-new", "2026-01-01T00:00:02Z", "CreateContainerError"),
    ):
        container = {"name": "main", "image": IMAGE, "state": {"waiting": {"reason": code}}}
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": replica_set, "uid": name, "controller": True}
        status = {"phase": "Pending", "conditions": [SCHEDULED], "containerStatuses": [container]}
        add_pod(world, kind, status, name=name, ownerReferences=[owner])
        pod = world.get("Pod", name)
        pod["metadata"]["creationTimestamp"] = created
        world.cluster.user_replace(pod)
    assert "Pod w-c is in CreateContainerError" in (await later(world, kind))["message"]


DISRUPTIONS = [
    {"reason": "Evicted", "message": "The node was low on resource: memory."},
    {"reason": "Preempting", "message": "Preempted in order to admit critical pod"},
    {"reason": "Terminated", "message": "Pod was terminated in response to imminent node shutdown."},
    {"reason": "NodeShutdown"},
    {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]},
    {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]},
]


@pytest.mark.parametrize("status", DISRUPTIONS, ids=lambda status: str(status.get("reason", "condition")))
@pytest.mark.parametrize("kind", RUNNING)
async def test_a_pod_that_others_ended_is_no_failure(kind: str, status: Body) -> None:
    """Its controller replaces it."""
    world = await unready(kind)
    add_pod(world, kind, {"phase": "Failed", **status})
    assert issues(await later(world, kind)) == []


async def test_a_pod_that_exceeded_its_own_limit_is_a_failure() -> None:
    """The same reason as an eviction by a node that is short of memory."""
    world = await unready("Workspace")
    message = "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi."
    add_pod(world, "Workspace", {"phase": "Failed", "reason": "Evicted", "message": message})
    status = await later(world, "Workspace")
    assert reason(status) == "PodFailed"
    assert "total limit of containers 1Gi" in status["message"]


async def test_a_failed_pod_that_was_replaced_is_history() -> None:
    """A Deployment keeps it for a while."""
    world = await unready("Inference")
    add_pod(world, "Inference", {"phase": "Failed", "reason": "OutOfcpu"}, name="w-0")
    assert issues(await later(world, "Inference")) == ["PodFailed"]
    add_pod(world, "Inference", CREATING, name="w-1")
    assert issues(await later(world, "Inference")) == []


# -- pods that do not end -----------------------------------------------------------------------------------------


def start_deletion(world: World, name: str, *, finalizers: tuple[str, ...] = ("kubelet",)) -> None:
    """Delete a pod that something keeps."""
    pod = world.get("Pod", name)
    pod["metadata"] |= {"finalizers": list(finalizers), "deletionTimestamp": NOW}
    world.cluster.user_replace(pod)


@pytest.mark.parametrize("kind", RUNNING)
async def test_an_old_pod_that_does_not_end(kind: str) -> None:
    """Which one, and since when; and what follows from it comes second."""
    world = await unready(kind)
    add_pod(world, kind, {"phase": "Running", "conditions": [SCHEDULED]})
    start_deletion(world, "w-0", finalizers=("example.com/hold",))
    await world.once(kind, NAME)
    assert issues(world.status(kind, NAME)) == [], "it may just take its time"
    status = await later(world, kind)
    assert reason(status) == "PodNotTerminated"
    assert f"Pod w-0 should have ended at {NOW}, but finalizers hold it: example.com/hold." in status["message"]
    short = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "1 Insufficient x"}
    add_pod(world, kind, {"phase": "Pending", "conditions": [short]}, name="w-1")
    assert issues(await later(world, kind)) == ["PodNotTerminated", "Unschedulable"]


async def test_a_pod_that_its_node_keeps() -> None:
    """Without a finalizer of its own, only the kubelet can hold it."""
    world = await unready("Workspace")
    add_pod(world, "Workspace", {"phase": "Running", "conditions": [SCHEDULED]})
    pod = world.get("Pod", "w-0")
    pod["metadata"] |= {"deletionTimestamp": NOW, "deletionGracePeriodSeconds": 30, "finalizers": []}
    live = world.caches["Pod"].get(TEAM, "w-0")
    assert live is not None
    projected = world.caches.project("Pod", {**pod, "metadata": {**pod["metadata"], "resourceVersion": "999"}})
    assert projected is not None
    world.caches.put(projected)
    assert "node n still runs it" in (await later(world, "Workspace"))["message"]


async def test_a_ready_workload_keeps_a_note_of_a_pod_that_does_not_end() -> None:
    """It holds its devices."""
    world = World(workload("Inference"))
    await world.settle()
    add_pod(world, "Inference", {"phase": "Running", "conditions": [SCHEDULED]})
    start_deletion(world, "w-0")
    status = await later(world, "Inference")
    assert (reason(status), issues(status)) == ("Running", ["PodNotTerminated"])


# -- admission, autoscalers, volumes ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RUNNING)
async def test_limits_of_a_limit_range(kind: str) -> None:
    """What it adds is a note; a pod that it kills names it."""
    world = await unready(kind)
    annotations = {"kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu, memory limit for container main"}
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    waiting = {"name": "main", "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended}
    status = {"phase": "Running", "conditions": [SCHEDULED], "containerStatuses": [waiting]}
    add_pod(world, kind, status, annotations=annotations)
    found = await later(world, kind)
    assert issues(found) == ["OOMKilled", "LimitRangeApplied"]
    assert "memory limit that a LimitRange of the namespace sets" in found["message"]
    assert "cpu, memory limit for container main" in found["issues"][1]["message"]


REFUSED = [
    'Pod "w" is invalid: spec.containers[0].resources.requests: Invalid value: "800Mi": must be less than or equal to '
    "memory limit of 512Mi",
    'pods "w" is forbidden: maximum memory usage per Container is 1Gi, but limit is 4Gi',
]


@pytest.mark.parametrize("message", REFUSED)
@pytest.mark.parametrize("kind", RUNNING)
async def test_a_pod_that_a_limit_range_refuses(kind: str, message: str) -> None:
    """The message names the LimitRange and the field to set."""
    world = await unready(kind)
    controller = world.get(controller_kind(kind), NAME)
    failure = {"type": "ReplicaFailure", "status": "True", "message": message}
    conditions = {"conditions": [failure]} if controller["kind"] == "Deployment" else {}
    world.cluster.user_status(controller["kind"], TEAM, NAME, {**controller["status"], "replicas": 0, **conditions})
    world.cluster.user_apply(event(controller, "FailedCreate", message))
    status = await later(world, kind)
    assert reason(status) == "LimitRangeViolation"
    assert "A LimitRange of the namespace" in status["message"]


def scaled(*conditions: Body) -> tuple[World, Body]:
    """An Inference with an autoscaler whose status has these conditions."""
    autoscaling = {"minReplicas": 1, "maxReplicas": 3, "metric": "cpu", "metricThreshold": 60}
    spec = {"image": IMAGE, "servingPort": {"container": 8080}, "autoscaling": autoscaling}
    spec["compute"] = {"cpuCoreRequest": 1}
    return World(asset("Inference", NAME, spec), settings={"domain": "example.com"}), {"conditions": list(conditions)}


METRIC = "the HPA was unable to compute the replica count: unable to get metrics for resource cpu: no metrics returned"
INACTIVE = {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": METRIC}
AUTOSCALERS = [
    ([{**INACTIVE, "lastTransitionTime": NOW}], ["AutoscalingFailed"]),
    (
        [{"type": "AbleToScale", "status": "False", "reason": "FailedGetScale", "message": "no scale"}],
        ["AutoscalingFailed"],
    ),
    ([{"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas", "message": "at the limit"}], []),
    ([{"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled", "message": "0 replicas"}], []),
    ([{"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": "fine"}], []),
]


@pytest.mark.parametrize(("conditions", "expected"), AUTOSCALERS)
async def test_an_autoscaler_that_does_not_scale(conditions: list[Body], expected: list[str]) -> None:
    """The workload stays Ready, with a note; a limit that is reached is none."""
    world, status = scaled(*conditions)
    await world.settle()
    world.cluster.user_status("HorizontalPodAutoscaler", TEAM, NAME, status)
    found = await later(world, "Inference")
    assert (reason(found), issues(found)) == ("Running", expected)


VOLUMES = [
    ({}, True),
    ({"security": {"readOnlyRootFilesystem": True}}, True),
    ({"security": {"uidGidSource": "fromTheImage"}}, False),
    ({"security": {"uidGidSource": "custom", "runAsUid": 1000, "runAsGid": 100}}, False),
    ({"security": {"runAsNonRoot": False}}, False),
]


@pytest.mark.parametrize(("fields", "noted"), VOLUMES)
@pytest.mark.parametrize("read_only", [False, True])
async def test_volumes_that_the_user_of_the_image_may_not_write(fields: Body, noted: bool, read_only: bool) -> None:
    """A note once a container fails, unless the volumes get a group, or are only read."""
    source = {"pvc": {"path": "/data", "readOnly": read_only, "claimInfo": {"size": "1Gi"}}}
    spec = {"image": IMAGE, "assets": {"dataSources": [{"name": "home"}]}, **fields}
    world = World(asset("DataSource", "home", source), asset("Workspace", NAME, spec))
    await world.settle()
    assert issues(world.status("Workspace", NAME)) == [], "nothing says that writing fails"
    world.controllers.pods = False
    world.controllers.run()
    for pod in world.all("Pod"):
        world.cluster.user_delete("Pod", TEAM, pod["metadata"]["name"])
    expected = {"FsGroupUnset"} if noted and not read_only else set()
    for crash in (ended("Error", 1), ended("OOMKilled", 137), ended("Completed", 0)):
        add_pod(world, "Workspace", waiting_container("CrashLoopBackOff", **crash))
        found = set(issues(await later(world, "Workspace"))) & {"FsGroupUnset"}
        assert found == (expected if crash == ended("Error", 1) else set())


@pytest.mark.parametrize("kind", RUNNING)
async def test_volumes_without_a_group_of_every_kind(kind: str) -> None:
    """The note names the field of the kind, once a container fails."""
    home = asset("DataSource", "home", {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi"}}})
    world = World(home, workload(kind, data_sources=[{"name": "home"}]))
    await world.settle()
    assert issues(world.status(kind, NAME)) == []
    world.controllers.pods = False
    world.controllers.run()
    add_pod(world, kind, waiting_container("CrashLoopBackOff", **ended("Error", 1)))
    assert "FsGroupUnset" in issues(await later(world, kind))


# -- scopes -------------------------------------------------------------------------------------------------------

SHARED: list[tuple[str, Body]] = [
    ("Environment", {"image": IMAGE}),
    ("ComputeResource", {"cpuCoreRequest": 1}),
    ("DataSource", {"nfs": {"server": "nas", "path": "/x", "mountPath": "/x"}}),
    ("Credential", {"type": "password", "secretRef": {"name": "s"}}),
    ("NimCache", {"image": IMAGE}),
]


@pytest.mark.parametrize(("kind", "spec"), SHARED, ids=[kind for kind, _ in SHARED])
async def test_a_scope_that_matches_no_namespace(kind: str, spec: Body) -> None:
    """A note of the asset, until a namespace has the labels."""
    scope = {"type": "department", "name": "reserch"}
    world = World(asset(kind, "shared", {**spec, "scope": scope}, "outfitter-system"))
    await world.settle()
    found = world.status(kind, "shared", "outfitter-system")
    assert "NoNamespaceInScope" in issues(found)
    assert "reserch" in str(found["issues"])
    world.cluster.user_apply(namespace("lab", {"outfitter.dev/project": "lab", "outfitter.dev/department": "reserch"}))
    await world.settle()
    assert "NoNamespaceInScope" not in issues(world.status(kind, "shared", "outfitter-system"))


def test_the_start_of_a_world_is_the_time_of_its_events() -> None:
    """Otherwise the hold time would mean nothing here."""
    assert f"{START:%Y-%m-%dT%H:%M:%SZ}" == NOW
