"""State of the pods of a workload: failures, scheduling, and pods that block a rollout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.observe.state import Observation, failed
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject

_IMAGE_REMEDY: Final = (
    "Check the name and tag of the image, and whether a dockerRegistry Credential covers its registry."
)
_WAITING: Final[Mapping[str, tuple[Reason, str]]] = {
    "ImagePullBackOff": (Reason.IMAGE_PULL_FAILED, _IMAGE_REMEDY),
    "ErrImagePull": (Reason.IMAGE_PULL_FAILED, _IMAGE_REMEDY),
    "ErrImageNeverPull": (
        Reason.IMAGE_PULL_FAILED,
        "The node does not have the image. Set imagePullPolicy IfNotPresent.",
    ),
    "InvalidImageName": (Reason.IMAGE_PULL_FAILED, "Correct the name of the image."),
    "CreateContainerConfigError": (
        Reason.CONTAINER_CONFIG_INVALID,
        "Create the Secret, ConfigMap or key that the container needs.",
    ),
    "CreateContainerError": (Reason.CONTAINER_CONFIG_INVALID, "Correct the settings of the container."),
    "RunContainerError": (
        Reason.CONTAINER_START_FAILED,
        "Check command, workingDir, and whether the image works with its user.",
    ),
    "CrashLoopBackOff": (Reason.CRASH_LOOP_BACK_OFF, "Read its log: kubectl logs --previous"),
}
"""The kubelet's reason for a container that waits -> reason and remedy."""

_RUNS_AS_ROOT: Final = re.compile(
    r"container has runAsNonRoot and image (will run as root|has non-numeric user \([^)]*\))"
    r"|container's runAsUser breaks non-root policy"
)

Conditions = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class PodSummary:
    """The state of all pods of a workload. `unready_outdated`: unready pods of an old StatefulSet revision."""

    scheduled: bool = False
    failure: Observation | None = None
    unready_outdated: tuple[CachedObject, ...] = ()


def observe_pods(pods: Iterable[CachedObject], update_revision: str = "") -> PodSummary:
    """The first failure, whether all pods are scheduled, and unready pods without `update_revision`."""
    scheduled, failure, unready_outdated = True, None, []
    any_pod = False
    for pod in pods:
        body = pod.body
        conditions = {item["type"]: item for item in (body.get("status") or {}).get("conditions") or ()}
        if pod.deleting:
            # Five minutes after a node is lost, its pods are deleted, which only that node could confirm.
            failure = failure or _node_lost(body, conditions)
            continue
        any_pod = True
        scheduled = scheduled and conditions.get("PodScheduled", {}).get("status") == "True"
        failure = failure or _pod_failure(body, conditions)
        if _outdated(body, update_revision) and conditions.get("Ready", {}).get("status") != "True":
            unready_outdated.append(pod)
    return PodSummary(scheduled and any_pod, failure, tuple(unready_outdated))


def _outdated(body: Mapping[str, Any], update_revision: str) -> bool:
    revision = (body["metadata"].get("labels") or {}).get("controller-revision-hash", "")
    return bool(update_revision and revision and revision != update_revision)


def _pod_failure(body: Mapping[str, Any], conditions: Conditions) -> Observation | None:
    name, status = body["metadata"]["name"], body.get("status") or {}
    scheduling = conditions.get("PodScheduled", {})
    if scheduling.get("reason") == "Unschedulable":
        since = scheduling.get("lastTransitionTime") or ""
        return _unschedulable(name, scheduling.get("message", "no node fits the pod"), since)
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        failure = _container_failure(name, container)
        if failure:
            return failure
    if status.get("phase") == "Failed":
        cause = ": ".join(part for part in (status.get("reason"), status.get("message")) if part)
        return failed(Reason.POD_FAILED, f"Pod {name} failed: {(cause or 'a container ended').rstrip('.')}.")
    return _node_lost(body, conditions)


def _unschedulable(pod: str, message: str, since: str) -> Observation:
    cause = message.partition(" no new claims to deallocate")[0].partition(" preemption:")[0].rstrip(" .,")
    remedy = "Request less in compute, choose another nodeType or other nodePools, or free capacity."
    return failed(Reason.UNSCHEDULABLE, f"Pod {pod} cannot be scheduled: {cause}. {remedy}", since)


def _node_lost(body: Mapping[str, Any], conditions: Conditions) -> Observation | None:
    name, ready = body["metadata"]["name"], conditions.get("Ready", {})
    containers_ready = conditions.get("ContainersReady", {}).get("status") == "True"
    # A kubelet sets a reason. The node controller sets none, after 40 s without an answer of the kubelet.
    if ready.get("status") != "False" or not containers_ready or ready.get("reason"):
        return None
    node = (body.get("spec") or {}).get("nodeName", "?")
    remedy = f"Restore the node. If it is lost, ask an administrator to run: kubectl delete node {node}"
    return failed(Reason.NODE_LOST, f"Pod {name} is on node {node}, which does not answer. {remedy}")


def _container_failure(pod: str, container: Mapping[str, Any]) -> Observation | None:
    state = container.get("state") or {}
    last = (container.get("lastState") or {}).get("terminated") or state.get("terminated") or {}
    waiting = state.get("waiting") or {}
    if last.get("reason") == "OOMKilled" and not container.get("ready"):
        remedy = "Raise compute.cpuMemoryLimit, and cpuMemoryRequest with it."
        return failed(Reason.OOM_KILLED, f"Pod {pod} exceeded its memory limit. {remedy}")
    known = _WAITING.get(waiting.get("reason", ""))
    if known is None:
        return None
    if found := _RUNS_AS_ROOT.search(waiting.get("message", "")):
        # The kubelet reads the user of the image only here, so no earlier check can report it.
        remedy = "Set security.runAsUid with uidGidSource: custom, or runAsNonRoot: false, or use another image."
        return failed(Reason.RUNS_AS_ROOT, f"Pod {pod} cannot start: {found[0]}. {remedy}")
    reason, remedy = known
    return failed(reason, f"Pod {pod} is in {waiting['reason']}{_detail(reason, container, waiting, last)}. {remedy}")


def _detail(reason: Reason, container: Mapping[str, Any], waiting: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    """What is known of the cause, without counters and times: each change of a message costs a write."""
    if reason is Reason.CRASH_LOOP_BACK_OFF:
        return f" (exit code {last['exitCode']})" if "exitCode" in last else ""
    if reason is Reason.IMAGE_PULL_FAILED:
        return f" for image {container['image']}" if container.get("image") else ""
    message = waiting.get("message", "").rstrip(".")
    return f": {message}" if message else ""
