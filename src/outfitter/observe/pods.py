"""State of the pods of a workload: failures, scheduling, and pods that block a rollout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.observe.state import Observation, failed
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject

# Reasons for which a container waits, and what a person can do. The kubelet's words, not ours.
_WAITING: Mapping[str, tuple[Reason, str]] = {
    "ImagePullBackOff": (
        Reason.IMAGE_PULL_FAILED,
        "check the image's name and tag, and that a dockerRegistry Credential covers its registry",
    ),
    "ErrImagePull": (
        Reason.IMAGE_PULL_FAILED,
        "check the image's name and tag, and that a dockerRegistry Credential covers its registry",
    ),
    "ErrImageNeverPull": (
        Reason.IMAGE_PULL_FAILED,
        "the image is not on the node: choose imagePullPolicy IfNotPresent",
    ),
    "InvalidImageName": (Reason.IMAGE_PULL_FAILED, "correct the image's name"),
    "CreateContainerConfigError": (
        Reason.CONTAINER_CONFIG_INVALID,
        "a Secret, ConfigMap or key that the container needs is missing",
    ),
    "CreateContainerError": (Reason.CONTAINER_CONFIG_INVALID, "correct the container's settings"),
    "RunContainerError": (
        Reason.CONTAINER_START_FAILED,
        "check command, workingDir and whether the image fits this user",
    ),
    "CrashLoopBackOff": (Reason.CRASH_LOOP_BACK_OFF, "look at its log: kubectl logs"),
}

_RUNS_AS_ROOT: Final = re.compile(
    r"container has runAsNonRoot and image (will run as root|has non-numeric user \([^)]*\))"
    r"|container's runAsUser breaks non-root policy"
)


@dataclass(frozen=True, slots=True)
class PodSummary:
    """What the pods of a workload say together."""

    scheduled: bool = False
    failure: Observation | None = None
    unready_outdated: tuple[CachedObject, ...] = ()


def observe_pods(pods: Iterable[CachedObject], update_revision: str = "") -> PodSummary:
    """The first failure among pods, whether all are scheduled, and not-ready pods of an old StatefulSet revision."""
    scheduled, failure, stuck = True, None, []
    any_pod = False
    for pod in pods:
        body = pod.body
        conditions = {item["type"]: item for item in (body.get("status") or {}).get("conditions") or ()}
        if pod.deleting:
            # After five minutes its pods are told to go, which only the lost node itself could confirm.
            failure = failure or _node_lost(body, conditions)
            continue
        any_pod = True
        if conditions.get("PodScheduled", {}).get("status") != "True":
            scheduled = False
        found = _pod_failure(body, conditions)
        failure = failure or found
        revision = (body["metadata"].get("labels") or {}).get("controller-revision-hash", "")
        ready = conditions.get("Ready", {}).get("status") == "True"
        if update_revision and revision and revision != update_revision and not ready:
            stuck.append(pod)
    return PodSummary(scheduled and any_pod, failure, tuple(stuck))


def _pod_failure(body: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> Observation | None:
    name, status = body["metadata"]["name"], body.get("status") or {}
    scheduling = conditions.get("PodScheduled", {})
    if scheduling.get("reason") == "Unschedulable":
        text = scheduling.get("message", "no node fits").partition(" no new claims to deallocate")[0]
        text = text.partition(" preemption:")[0].rstrip(" .,")
        fix = "ask for less in compute, for another nodeType or nodePools, or wait for room"
        return failed(Reason.UNSCHEDULABLE, f"pod {name} fits no node: {text}; {fix}")
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        found = _container_failure(name, container)
        if found:
            return found
    if status.get("phase") == "Failed":
        why = ": ".join(part for part in (status.get("reason"), status.get("message")) if part) or "its container ended"
        return failed(Reason.POD_FAILED, f"pod {name} failed: {why}")
    return _node_lost(body, conditions)


def _node_lost(body: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> Observation | None:
    name, ready = body["metadata"]["name"], conditions.get("Ready", {})
    contained = conditions.get("ContainersReady", {}).get("status") == "True"
    # The kubelet gives a reason. Without one it was the node controller, which no kubelet has answered for 40 s.
    if ready.get("status") != "False" or not contained or ready.get("reason"):
        return None
    node = (body.get("spec") or {}).get("nodeName", "?")
    fix = f"it goes on when the node is back; if it is gone for good, an admin deletes it: kubectl delete node {node}"
    return failed(Reason.NODE_LOST, f"pod {name}: its node {node} does not answer; {fix}")


def _container_failure(pod: str, container: Mapping[str, Any]) -> Observation | None:
    last = (
        (container.get("lastState") or {}).get("terminated") or (container.get("state") or {}).get("terminated") or {}
    )
    waiting = (container.get("state") or {}).get("waiting") or {}
    if last.get("reason") == "OOMKilled" and not container.get("ready"):
        return failed(
            Reason.OOM_KILLED, f"pod {pod} ran out of memory: raise compute.cpuMemoryLimit (and cpuMemoryRequest)"
        )
    known = _WAITING.get(waiting.get("reason", ""))
    if known is None:
        return None
    if found := _RUNS_AS_ROOT.search(waiting.get("message", "")):
        # The kubelet checks the user of the image only now; no earlier check is possible.
        fix = (
            "set security.runAsUid (with uidGidSource: custom) to a user of the image, take another image, "
            "or set security.runAsNonRoot: false where the namespace allows root"
        )
        return failed(Reason.RUNS_AS_ROOT, f"pod {pod}: {found[0]}; {fix}")
    reason, fix = known
    code = f" (exit code {last['exitCode']})" if waiting["reason"] == "CrashLoopBackOff" and "exitCode" in last else ""
    text = waiting.get("message", "") if reason not in (Reason.CRASH_LOOP_BACK_OFF, Reason.IMAGE_PULL_FAILED) else ""
    said = f": {text}" if text else ""
    image = f" of image {container['image']}" if reason == Reason.IMAGE_PULL_FAILED and container.get("image") else ""
    return failed(reason, f"pod {pod}: {waiting['reason']}{image}{code}{said}; {fix}")
