"""Is a live object where it should be? One small function per native kind: dict -> Observation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject


class State(StrEnum):
    """How far a live object is."""

    READY = "Ready"
    PROGRESSING = "Progressing"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Observation:
    """What one live object says of itself; `reason` is CamelCase, `message` is for people, with the fix if known."""

    state: State
    reason: Reason = Reason.READY
    message: str = ""


READY = Observation(State.READY)
UNSEEN = Observation(State.PROGRESSING, Reason.PROGRESSING, "the controller has not seen the newest version yet")
"""Of what was just made."""


def observe(live: CachedObject, *, first_consumer: bool = False) -> Observation:
    """The state of a child. `first_consumer`: the PVC's class binds only once a pod uses it."""
    body = live.body
    if live.kind == "PersistentVolumeClaim":
        return _pvc(body, first_consumer=first_consumer)
    check = _CHECKS.get(live.kind)
    return check(body) if check else READY


def _statefulset(body: Mapping[str, Any]) -> Observation:
    status = body.get("status") or {}
    wanted = (body.get("spec") or {}).get("replicas", 1)
    if status.get("observedGeneration", 0) < body["metadata"].get("generation", 0):
        return replace(UNSEEN, reason=Reason.UPDATING) if status.get("observedGeneration") else UNSEEN
    if wanted == 0:
        left = status.get("replicas", 0)
        return Observation(State.PROGRESSING, Reason.STOPPING, "the pod is being stopped") if left else READY
    if status.get("updateRevision") and status.get("updateRevision") != status.get("currentRevision"):
        return Observation(State.PROGRESSING, Reason.UPDATING, "the pod is being replaced")
    ready = status.get("readyReplicas", 0)
    if ready < wanted:
        return Observation(State.PROGRESSING, Reason.PROGRESSING, f"{ready} of {wanted} pods are ready")
    return READY


def _pvc(body: Mapping[str, Any], *, first_consumer: bool) -> Observation:
    phase = (body.get("status") or {}).get("phase", "Pending")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return Observation(
            State.FAILED, Reason.LOST_PHASE, "its PersistentVolume is gone; restore the volume or make a new claim"
        )
    if first_consumer:
        return Observation(State.READY, Reason.WAIT_FOR_FIRST_CONSUMER, "bound when the first pod uses it")
    return Observation(State.PROGRESSING, Reason.PENDING, "no volume is bound yet")


def _deployment(body: Mapping[str, Any]) -> Observation:
    status, spec = body.get("status") or {}, body.get("spec") or {}
    wanted, seen = spec.get("replicas", 1), status.get("observedGeneration", 0)
    if seen < body["metadata"].get("generation", 0):
        reason = Reason.UPDATING if seen else Reason.PROGRESSING
        return Observation(State.PROGRESSING, reason, "the controller has not seen the newest version yet")
    if wanted == 0:
        left = status.get("replicas", 0)
        return Observation(State.PROGRESSING, Reason.STOPPING, "the pods are being stopped") if left else READY
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    rolling = ready >= wanted and (updated < wanted or status.get("replicas", 0) > updated)
    if conditions.get("Progressing", {}).get("reason") == "ProgressDeadlineExceeded":
        text = "its pods did not become ready in time: look at their log, or raise initializationTimeoutSeconds"
        return Observation(State.FAILED, Reason.INITIALIZATION_TIMEOUT, text)
    if rolling or (updated < wanted and status.get("replicas", 0) > updated):
        return Observation(State.PROGRESSING, Reason.UPDATING, "the pods are being replaced")
    if ready < wanted:
        return Observation(State.PROGRESSING, Reason.PROGRESSING, f"{ready} of {wanted} pods are ready")
    return READY


def _job(body: Mapping[str, Any]) -> Observation:
    for condition in (body.get("status") or {}).get("conditions") or ():
        if condition.get("status") != "True":
            continue
        if condition["type"] == "Complete":
            return READY
        if condition["type"] == "Failed":
            late = condition.get("reason") == "DeadlineExceeded"
            reason = Reason.DEADLINE_EXCEEDED if late else Reason.FAILED
            return Observation(State.FAILED, reason, condition.get("message", ""))
    return Observation(State.PROGRESSING, Reason.PROGRESSING, "it is running")


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], Observation]] = {
    "StatefulSet": _statefulset,
    "Deployment": _deployment,
    "Job": _job,
}

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
        return Observation(State.FAILED, Reason.UNSCHEDULABLE, f"pod {name} fits no node: {text}; {fix}")
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        found = _container_failure(name, container)
        if found:
            return found
    if status.get("phase") == "Failed":
        why = ": ".join(part for part in (status.get("reason"), status.get("message")) if part) or "its container ended"
        return Observation(State.FAILED, Reason.POD_FAILED, f"pod {name} failed: {why}")
    return _node_lost(body, conditions)


def _node_lost(body: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> Observation | None:
    name, ready = body["metadata"]["name"], conditions.get("Ready", {})
    contained = conditions.get("ContainersReady", {}).get("status") == "True"
    # The kubelet gives a reason. Without one it was the node controller, which no kubelet has answered for 40 s.
    if ready.get("status") != "False" or not contained or ready.get("reason"):
        return None
    node = (body.get("spec") or {}).get("nodeName", "?")
    fix = f"it goes on when the node is back; if it is gone for good, an admin deletes it: kubectl delete node {node}"
    return Observation(State.FAILED, Reason.NODE_LOST, f"pod {name}: its node {node} does not answer; {fix}")


def _container_failure(pod: str, container: Mapping[str, Any]) -> Observation | None:
    last = (
        (container.get("lastState") or {}).get("terminated") or (container.get("state") or {}).get("terminated") or {}
    )
    waiting = (container.get("state") or {}).get("waiting") or {}
    if last.get("reason") == "OOMKilled" and not container.get("ready"):
        return Observation(
            State.FAILED,
            Reason.OOM_KILLED,
            f"pod {pod} ran out of memory: raise compute.cpuMemoryLimit (and cpuMemoryRequest)",
        )
    known = _WAITING.get(waiting.get("reason", ""))
    if known is None:
        return None
    if found := _RUNS_AS_ROOT.search(waiting.get("message", "")):
        # The kubelet looks at the image's user only now: nobody could refuse it before.
        fix = (
            "set security.runAsUid (with uidGidSource: custom) to a user of the image, take another image, "
            "or set security.runAsNonRoot: false where the namespace allows root"
        )
        return Observation(State.FAILED, Reason.RUNS_AS_ROOT, f"pod {pod}: {found[0]}; {fix}")
    reason, fix = known
    code = f" (exit code {last['exitCode']})" if waiting["reason"] == "CrashLoopBackOff" and "exitCode" in last else ""
    text = waiting.get("message", "") if reason not in (Reason.CRASH_LOOP_BACK_OFF, Reason.IMAGE_PULL_FAILED) else ""
    said = f": {text}" if text else ""
    image = f" of image {container['image']}" if reason == Reason.IMAGE_PULL_FAILED and container.get("image") else ""
    return Observation(State.FAILED, reason, f"pod {pod}: {waiting['reason']}{image}{code}{said}; {fix}")


def refusal(message: str) -> Observation:
    """The server's refusal to create a pod (quota, Pod Security, admission), with the fix."""
    if "violates PodSecurity" in message:
        fix = (
            "make the environment fit (runAsNonRoot, no added capabilities, no hostPath), or let an admin relax the "
            "namespace's pod-security.kubernetes.io/enforce label"
        )
        return Observation(State.FAILED, Reason.POD_SECURITY_VIOLATION, f"{_tail(message)}; {fix}")
    if "exceeded quota" in message:
        fix = "free some of the quota, ask for less compute, or let an admin raise it"
        return Observation(State.FAILED, Reason.QUOTA_EXCEEDED, f"{_tail(message)}; {fix}")
    if "failed quota" in message:
        fix = "the namespace's quota wants every pod to say this much: set it in compute"
        return Observation(State.FAILED, Reason.QUOTA_EXCEEDED, f"{_tail(message)}; {fix}")
    return Observation(State.FAILED, Reason.POD_REFUSED, _tail(message))


def _tail(message: str) -> str:
    """The server's own words, without the prefix of the controller that passed them on."""
    return re.sub(r"^(create Pod \S+ in StatefulSet \S+ failed error|Error creating): ", "", message).strip()


# How the end of a download's log tells why it failed. The log itself is never passed on: it may show a key.
_DOWNLOAD: tuple[tuple[str, Reason, str], ...] = (
    (
        r"no space left|disk quota exceeded|enospc",
        Reason.NO_SPACE,
        "the volume is full: raise size where its storage class allows growth, or make a larger cache",
    ),
    (
        r"\b40[13]\b|unauthori[sz]ed|forbidden|invalid (api )?key|authentication (failed|error)|access denied",
        Reason.KEY_REJECTED,
        "the key was rejected: correct the Secret of the ngcApiKey Credential, or use one that may have this model",
    ),
)


def observe_download(job: CachedObject, pods: Iterable[CachedObject]) -> Observation:
    """A download Job together with its pods: READY when complete, else why it does not get on, in one of few words."""
    body = job.body
    state = _job(body)
    if state.state is State.READY:
        return state
    if state.state is State.PROGRESSING:
        # A pod that failed ends its Job, which has just not said so yet.
        failure = observe_pods(pod for pod in pods if (pod.body.get("status") or {}).get("phase") != "Failed").failure
        return Observation(State.PROGRESSING, failure.reason, failure.message) if failure else state
    if state.reason == Reason.DEADLINE_EXCEEDED:
        text = "it took too long: look at the network, or let an admin raise the operator's nimDownloadSeconds"
        return Observation(State.FAILED, Reason.DEADLINE_EXCEEDED, text)
    for pod in pods:
        for container in (pod.body.get("status") or {}).get("containerStatuses") or ():
            ended = (container.get("state") or {}).get("terminated") or {}
            if ended.get("reason") == "OOMKilled":
                return Observation(
                    State.FAILED, Reason.OUT_OF_MEMORY, "it ran out of memory: raise compute.cpuMemoryLimit"
                )
            for pattern, reason, fix in _DOWNLOAD:
                if re.search(pattern, ended.get("message") or "", re.IGNORECASE):
                    return Observation(State.FAILED, reason, fix)
    log = f"look at its log: kubectl logs job/{job.name} -n {job.namespace}"
    return Observation(State.FAILED, Reason.DOWNLOAD_FAILED, f"the download failed; {log}")
