"""Objects of each kind that runs pods, and the status of their pods, for tests of reasons."""

from __future__ import annotations

from typing import Any

from world import TEAM, Body, World, asset, complete

IMAGE = "registry.example.com/u:1"
NAME = "w"
RUNNING = ("Environment", "Workspace", "Inference", "Artifact")
"""Kinds that run pods of a StatefulSet or Deployment."""
TOOLS = ("Environment", "Workspace", "Inference")
"""Those with the fields of an Environment."""


def workload(kind: str, *, compute: str = "", data_sources: list[Body] | None = None, **run: Any) -> Body:
    """An object that runs pods. `run`: fields beside the image; of `spec.run` where the kind has it."""
    refs: Body = {"compute": {"name": compute}} if compute else {}
    if data_sources:
        refs["dataSources"] = data_sources
    if kind == "Artifact":
        groups = [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]
        return asset(kind, NAME, {"containerGroups": groups, "run": {**refs, **run}})
    if kind == "Environment":
        return asset(kind, NAME, {"image": IMAGE, "run": {**refs, **run}})
    return asset(kind, NAME, {"image": IMAGE, "assets": refs, **_required(kind), **run})


def _required(kind: str) -> Body:
    """What a kind must have beside an image: an Inference the port for requests."""
    if kind == "DistributedTraining":
        return {"distributedFramework": "JAX", "backend": "native"}
    return {"servingPort": {"container": 8080, "clusterLocalAccessOnly": True}} if kind == "Inference" else {}


def with_environment(kind: str, fields: Body, **run: Any) -> list[Body]:
    """An object that runs an Environment with these fields, and the Environment where that is another object."""
    if kind == "Environment":
        return [asset(kind, NAME, {"image": IMAGE, **fields, "run": run})]
    environment = asset("Environment", "lab", {"image": IMAGE, **fields})
    return [environment, asset(kind, NAME, {"assets": {"environment": {"name": "lab"}}, **_required(kind), **run})]


def suspend(world: World, kind: str, value: bool) -> None:
    """Stop a workload, or start it again."""
    if kind in ("Environment", "Artifact"):
        world.edit(kind, NAME, run={**world.get(kind, NAME)["spec"]["run"], "suspend": value})
    else:
        world.edit(kind, NAME, suspend=value)


def controller_kind(kind: str) -> str:
    """The kind of the controller that runs the pods."""
    return "StatefulSet" if kind in ("Environment", "Workspace") else "Deployment"


def add_pod(world: World, kind: str, status: Body, **metadata: Any) -> None:
    """Create a pod of a workload, as its controller does."""
    made = world.get(controller_kind(kind), NAME)
    meta = made["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": made["kind"], "name": NAME, "uid": meta["uid"], "controller": True}
    labels = {**meta["labels"], **made["spec"]["template"]["metadata"]["labels"]}
    pod = {"name": "w-0", "namespace": TEAM, "labels": labels, "ownerReferences": [owner], **metadata}
    world.cluster.user_apply(complete({"kind": "Pod", "metadata": pod, "spec": {"nodeName": "n"}, "status": status}))


def waiting_container(reason: str, message: str = "", **more: Any) -> Body:
    """The status of a pod whose container waits."""
    container = {"name": "main", "image": IMAGE, "ready": False, "state": {"waiting": {"reason": reason}}, **more}
    container["state"]["waiting"]["message"] = message
    scheduled = [{"type": "PodScheduled", "status": "True"}]
    return {"phase": "Pending", "conditions": scheduled, "containerStatuses": [container]}


def ended(reason: str, code: int) -> Body:
    """The last state of a container."""
    return {"lastState": {"terminated": {"reason": reason, "exitCode": code}}}


ROOT = "container has runAsNonRoot and image will run as root"
UNSCHEDULABLE = {
    "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available",
}  # fmt: skip
GATED = {
    "type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "Scheduling is blocked",
}  # fmt: skip
LOST = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]

POD_STATUSES = {
    "ContainerConfigInvalid": waiting_container("CreateContainerConfigError", 'secret "x" not found'),
    "ContainerStartFailed": waiting_container("RunContainerError", "exec: no such file"),
    "CrashLoopBackOff": waiting_container("CrashLoopBackOff", **ended("Error", 3)),
    "ImagePullFailed": waiting_container("ImagePullBackOff"),
    "NodeLost": {"phase": "Running", "conditions": LOST},
    "OOMKilled": waiting_container("CrashLoopBackOff", **ended("OOMKilled", 137)),
    "PodFailed": {"phase": "Failed", "reason": "UnexpectedAdmissionError"},
    "Queued": {"phase": "Pending", "conditions": [GATED]},
    "RunsAsRoot": waiting_container("CreateContainerConfigError", ROOT),
    "Unschedulable": {"phase": "Pending", "conditions": [UNSCHEDULABLE]},
}
"""Reason -> status of a pod that shows it."""
