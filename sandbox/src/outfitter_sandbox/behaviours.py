"""How a pod's status looks under each behaviour, as a kubelet would write it. Pure: status in, status out.

Choose with annotation `sandbox.outfitter.dev/pods` on the pod or else on its namespace:

    ready     Running and Ready (the default)
    slow      Running, Ready after some seconds
    hang      Running, never Ready
    crash     CrashLoopBackOff; Failed when it may not restart
    oom       the same after OOMKilled, exit code 137
    image     ImagePullBackOff
    fail      phase Failed
    complete  runs for a moment, then phase Succeeded (the default of a Job's pods)

Annotation `sandbox.outfitter.dev/log` on either is the end of the log of containers that fail.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
ANNOTATION = "sandbox.outfitter.dev/pods"
LOG = "sandbox.outfitter.dev/log"
BEHAVIOURS = ("ready", "slow", "hang", "crash", "oom", "image", "fail", "complete")
SLOW_SECONDS = 3.0
COMPLETE_SECONDS = 0.3
RESTARTS = 3


def behaviour_of(pod: Object, namespace: Object) -> str:
    """The pod's annotation, else its namespace's, else what its owner suggests. An unknown word counts as absent."""
    for holder in (pod, namespace):
        chosen = (holder.get("metadata", {}).get("annotations") or {}).get(ANNOTATION)
        if chosen in BEHAVIOURS:
            return str(chosen)
    owners = pod["metadata"].get("ownerReferences") or ()
    return "complete" if any(each["kind"] == "Job" for each in owners) else "ready"


def log_of(pod: Object, namespace: Object) -> str:
    """How the log of a failed container ends."""
    for holder in (pod, namespace):
        found = (holder.get("metadata", {}).get("annotations") or {}).get(LOG)
        if found:
            return str(found)
    return ""


def stage_of(pod: Object, behaviour: str, age: float) -> tuple[str, float]:
    """The stage to show `age` seconds after the pod was bound, and the seconds until the next (0: it is the last).

    Stages: ready, unready, crash, oom, image, failed, failed-oom, succeeded.
    """
    if behaviour == "slow":
        return ("ready", 0) if age >= SLOW_SECONDS else ("unready", SLOW_SECONDS - age)
    if behaviour == "complete":
        return ("succeeded", 0) if age >= COMPLETE_SECONDS else ("ready", COMPLETE_SECONDS - age)
    if behaviour in ("crash", "oom") and pod["spec"].get("restartPolicy") == "Never":
        return ("failed-oom" if behaviour == "oom" else "failed"), 0
    return {"hang": "unready", "fail": "failed"}.get(behaviour, behaviour), 0


def status_of(pod: Object, stage: str, now: str, address: str, log: str = "") -> Object:
    """The members of `status` that the kubelet owns; `now` is RFC 3339, `address` the pod's IP, `log` its end."""
    old = pod.get("status") or {}
    ready = stage == "ready"
    finished = stage in ("failed", "failed-oom", "succeeded")
    phase = {"image": "Pending", "succeeded": "Succeeded"}.get(stage, "Failed" if finished else "Running")
    if phase == "Pending" and old.get("phase") == "Running":
        phase = "Running"  # a pod that ran once never goes back to Pending
    names = ", ".join(each["name"] for each in pod["spec"]["containers"])
    reasons = {"ready": "", "succeeded": "PodCompleted", "failed": "PodFailed", "failed-oom": "PodFailed"}
    reason = reasons.get(stage, "ContainersNotReady")
    message = f"containers with unready status: [{names}]" if reason == "ContainersNotReady" else ""
    conditions = [
        _condition(old, "PodReadyToStartContainers", now, holds=not finished),
        _condition(old, "Initialized", now, holds=True, reason="PodCompleted" if stage == "succeeded" else ""),
        _condition(old, "Ready", now, holds=ready, reason=reason, message=message),
        _condition(old, "ContainersReady", now, holds=ready, reason=reason, message=message),
        _condition(old, "PodScheduled", now, holds=True),
    ]
    ours = {each["type"] for each in conditions}
    conditions += [each for each in old.get("conditions") or () if each["type"] not in ours]
    return {
        "phase": phase,
        "startTime": old.get("startTime") or now,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "hostIP": "192.0.2.1",
        "hostIPs": [{"ip": "192.0.2.1"}],
        "conditions": conditions,
        "initContainerStatuses": [_initial(each, ready, now) for each in pod["spec"].get("initContainers") or ()],
        "containerStatuses": [_container(pod, each, stage, now, log) for each in pod["spec"]["containers"]],
    }


def unschedulable(pod: Object, message: str, now: str) -> Object:
    """The status that the scheduler leaves on a pod that fits nowhere."""
    old = pod.get("status") or {}
    others = [each for each in old.get("conditions") or () if each["type"] != "PodScheduled"]
    scheduled = _condition(old, "PodScheduled", now, holds=False, reason="Unschedulable", message=message)
    return {"phase": "Pending", "conditions": [*others, scheduled]}


def _condition(old: Object, kind: str, now: str, *, holds: bool, reason: str = "", message: str = "") -> Object:
    status = "True" if holds else "False"
    before: Object = next((each for each in old.get("conditions") or () if each["type"] == kind), {})
    since = before["lastTransitionTime"] if before.get("status") == status else now
    result = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since}
    return result | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def _initial(container: Object, ready: bool, now: str) -> Object:
    common = _common(container, 0)
    if container.get("restartPolicy") == "Always":  # a sidecar
        return common | {"ready": ready, "started": True, "state": {"running": {"startedAt": now}}}
    return common | {"ready": True, "started": False, "state": {"terminated": _terminated(0, "Completed", now)}}


def _container(pod: Object, container: Object, stage: str, now: str, log: str) -> Object:
    name = container["name"]
    if stage in ("ready", "unready"):
        running = {"running": {"startedAt": now}}
        return _common(container, 0) | {"ready": stage == "ready", "started": True, "state": running}
    stopped = _common(container, 0) | {"ready": False, "started": False}
    if stage == "succeeded":
        return stopped | {"state": {"terminated": _terminated(0, "Completed", now)}}
    if stage == "image":
        message = f'Back-off pulling image "{container["image"]}"'
        return stopped | {"state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}}
    end = _terminated(137, "OOMKilled", now) if "oom" in stage else _terminated(1, "Error", now)
    if log and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        end["message"] = log
    if stage.startswith("failed"):
        return stopped | {"state": {"terminated": end}}
    meta = pod["metadata"]
    message = f"back-off 40s restarting failed container={name} pod={meta['name']}_{meta['namespace']}({meta['uid']})"
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    return stopped | {"state": waiting, "lastState": {"terminated": end}, "restartCount": RESTARTS}


def _common(container: Object, restarts: int) -> Object:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "restartCount": restarts,
        "lastState": {},
    }


def _terminated(code: int, reason: str, now: str) -> Object:
    return {"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now}
