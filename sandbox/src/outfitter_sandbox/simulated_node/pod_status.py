"""The status of a pod under each behaviour, as a kubelet writes it.

Pure: status in, status out. Choose the behaviour with annotation `sandbox.outfitter.dev/pods` on the pod or else on its
namespace:

    ready     Running and Ready (the default)
    slow      Running, Ready after some seconds
    hang      Running, never Ready
    crash     CrashLoopBackOff; Failed when it may not restart
    oom       the same after OOMKilled, exit code 137
    image     ImagePullBackOff
    fail      phase Failed
    complete  runs for a moment, then phase Succeeded (the default of a Job's pods)
    idle      Running and Ready, and the watcher of a Workspace reports that it is not used

Annotation `sandbox.outfitter.dev/log` on either is the end of the log of containers that fail,
`sandbox.outfitter.dev/message` the message of containers that succeed, and `sandbox.outfitter.dev/digest` the digest of
the images of containers that start. Default: none.
"""

from __future__ import annotations

from typing import Any

from outfitter.idleness import Report, Verdict
from outfitter.naming import ACTIVITY

Object = dict[str, Any]
ANNOTATION = "sandbox.outfitter.dev/pods"
LOG_ANNOTATION = "sandbox.outfitter.dev/log"
MESSAGE_ANNOTATION = "sandbox.outfitter.dev/message"
DIGEST_ANNOTATION = "sandbox.outfitter.dev/digest"
BEHAVIOURS = ("ready", "slow", "hang", "crash", "oom", "image", "fail", "complete", "idle")
SLOW_SECONDS = 3.0
COMPLETE_SECONDS = 0.3
RESTARTS = 3
_LONG_AGO = "2000-01-01T00:00:00Z"  # an idle container ran for longer than any limit


def behaviour_of(pod: Object, namespace: Object) -> str:
    """The pod's annotation, else its namespace's, else the default of its owner.

    Unknown values count as absent.
    """
    for holder in (pod, namespace):
        behaviour = _annotation(holder, ANNOTATION)
        if behaviour in BEHAVIOURS:
            return behaviour
    owners = pod["metadata"].get("ownerReferences") or ()
    return "complete" if any(owner["kind"] == "Job" for owner in owners) else "ready"


def words_of(pod: Object, namespace: Object, *, failed: bool) -> str:
    """What a container leaves: the end of its log if it failed, else its message."""
    name = LOG_ANNOTATION if failed else MESSAGE_ANNOTATION
    return _annotation(pod, name) or _annotation(namespace, name)


def digest_of(pod: Object, namespace: Object) -> str:
    """The digest of the images of a pod that starts."""
    return _annotation(pod, DIGEST_ANNOTATION) or _annotation(namespace, DIGEST_ANNOTATION)


def stage_of(pod: Object, behaviour: str, age: float) -> tuple[str, float]:
    """The stage `age` seconds after the binding, and the seconds until the next.

    The seconds are 0 when no stage follows. Stages: ready, unready, crash, oom, image, failed, failed-oom, succeeded,
    idle.
    """
    if behaviour == "slow":
        return ("ready", 0) if age >= SLOW_SECONDS else ("unready", SLOW_SECONDS - age)
    if behaviour == "complete":
        return ("succeeded", 0) if age >= COMPLETE_SECONDS else ("ready", COMPLETE_SECONDS - age)
    if behaviour in ("crash", "oom") and pod["spec"].get("restartPolicy") == "Never":
        return ("failed-oom" if behaviour == "oom" else "failed"), 0
    return {"hang": "unready", "fail": "failed"}.get(behaviour, behaviour), 0


def status_of(pod: Object, stage: str, now: str, address: str, words: str = "", digest: str = "") -> Object:
    """The members of `status` that the kubelet owns.

    `now` is RFC 3339, `address` the pod's IP, `words` what its containers leave, `digest` that of the images that are
    pulled now.
    """
    old = pod.get("status") or {}
    ready = stage in ("ready", "idle")
    finished = stage in ("failed", "failed-oom", "succeeded")
    phase = {"image": "Pending", "succeeded": "Succeeded"}.get(stage, "Failed" if finished else "Running")
    if phase == "Pending" and old.get("phase") == "Running":
        phase = "Running"  # a pod that ran once never goes back to Pending
    names = ", ".join(container["name"] for container in pod["spec"]["containers"])
    reasons = {"ready": "", "idle": "", "succeeded": "PodCompleted", "failed": "PodFailed", "failed-oom": "PodFailed"}
    reason = reasons.get(stage, "ContainersNotReady")
    message = f"containers with unready status: [{names}]" if reason == "ContainersNotReady" else ""
    conditions = [
        _condition(old, "PodReadyToStartContainers", now, holds=not finished),
        _condition(old, "Initialized", now, holds=True, reason="PodCompleted" if stage == "succeeded" else ""),
        _condition(old, "Ready", now, holds=ready, reason=reason, message=message),
        _condition(old, "ContainersReady", now, holds=ready, reason=reason, message=message),
        _condition(old, "PodScheduled", now, holds=True),
    ]
    written = {condition["type"] for condition in conditions}
    conditions += [condition for condition in old.get("conditions") or () if condition["type"] not in written]
    init_containers = pod["spec"].get("initContainers") or ()
    return {
        "phase": phase,
        "startTime": old.get("startTime") or now,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "hostIP": "192.0.2.1",
        "hostIPs": [{"ip": "192.0.2.1"}],
        "conditions": conditions,
        "initContainerStatuses": [_init_container(container, now, ready=ready) for container in init_containers],
        "containerStatuses": [
            _container(pod, container, stage, now, words)
            | {"imageID": "" if stage == "image" else _image_id(old, container, digest)}
            for container in pod["spec"]["containers"]
        ],
    }


def unschedulable(pod: Object, message: str, now: str) -> Object:
    """The status that kube-scheduler writes for a pod that fits on no node."""
    old = pod.get("status") or {}
    others = [condition for condition in old.get("conditions") or () if condition["type"] != "PodScheduled"]
    scheduled = _condition(old, "PodScheduled", now, holds=False, reason="Unschedulable", message=message)
    return {"phase": "Pending", "conditions": [*others, scheduled]}


def _annotation(holder: Object, name: str) -> str:
    return str((holder.get("metadata", {}).get("annotations") or {}).get(name) or "")


def _condition(old: Object, kind: str, now: str, *, holds: bool, reason: str = "", message: str = "") -> Object:
    status = "True" if holds else "False"
    before: Object = next((item for item in old.get("conditions") or () if item["type"] == kind), {})
    since = before["lastTransitionTime"] if before.get("status") == status else now
    result = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since}
    return result | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def _image_id(old: Object, container: Object, digest: str) -> str:
    """The image that a container runs, as containerd reports it: that of its start."""
    statuses = old.get("containerStatuses") or ()
    before = next((item["imageID"] for item in statuses if item["name"] == container["name"]), "")
    folder, slash, name = container["image"].partition("@")[0].rpartition("/")
    return before or (f"{folder}{slash}{name.partition(':')[0]}@{digest}" if digest else "")


def _init_container(container: Object, now: str, *, ready: bool) -> Object:
    common = _common(container, 0)
    if container.get("restartPolicy") == "Always":  # a sidecar
        return common | {"ready": ready, "started": True, "state": {"running": {"startedAt": now}}}
    return common | {"ready": True, "started": False, "state": {"terminated": _terminated(0, "Completed", now)}}


def _container(pod: Object, container: Object, stage: str, now: str, words: str) -> Object:
    name = container["name"]
    if stage in ("ready", "unready", "idle"):
        running = {"running": {"startedAt": _LONG_AGO if stage == "idle" else now}}
        found = _common(container, 0) | {"ready": stage != "unready", "started": True, "state": running}
        return found | _reported(container, now) if stage == "idle" and name == ACTIVITY else found
    stopped = _common(container, 0) | {"ready": False, "started": False}
    if stage == "succeeded":
        end = _terminated(0, "Completed", now) | ({"message": words} if words else {})
        return stopped | {"state": {"terminated": end}}
    if stage == "image":
        message = f'Back-off pulling image "{container["image"]}"'
        return stopped | {"state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}}
    end = _terminated(137, "OOMKilled", now) if "oom" in stage else _terminated(1, "Error", now)
    if words and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        end["message"] = words
    if stage.startswith("failed"):
        return stopped | {"state": {"terminated": end}}
    meta = pod["metadata"]
    message = f"back-off 40s restarting failed container={name} pod={meta['name']}_{meta['namespace']}({meta['uid']})"
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    return stopped | {"state": waiting, "lastState": {"terminated": end}, "restartCount": RESTARTS}


def _reported(container: Object, now: str) -> Object:
    """The end of a watcher that saw no use for as long as its arguments say, after which it was started again."""
    seconds = next(int(word.partition("=")[2]) for word in container["args"] if word.startswith("--seconds="))
    end = _terminated(0, "Completed", now) | {"message": Report(Verdict.IDLE, seconds).text()}
    return {"lastState": {"terminated": end}, "restartCount": 1}


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
