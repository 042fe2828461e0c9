"""Why the pods of a workload are not ready: the only place that decides it.

The newest pod of the newest revision speaks first. A pod is read with its Events, its claims with their Events, and
what its conditions say of its node.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from outfitter.naming import ACTIVITY
from outfitter.observe.causes import Cause, Source, explain, shown, stable
from outfitter.observe.claims import diagnose_claim
from outfitter.observe.events import newest_causes
from outfitter.observe.fetches import fetch_failure, is_fetching
from outfitter.observe.fields import FieldNames
from outfitter.observe.pods import condition, deletion_time, phase
from outfitter.observe.state import Observation, State, failed
from outfitter.problems import quoted
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject, Reader

_LIMITED: Final = "kubernetes.io/limit-ranger"  # annotation of the admission plugin LimitRanger on pods
_BEFORE_START: Final = ("ContainerCreating", "PodInitializing", "")
_FULL: Final = re.compile(r'Usage of EmptyDir volume "([^"]{1,63})" exceeds the limit "([^"]{1,32})"')
_IMAGE: Final = re.compile(r'image "([^"\s]{1,512})"')
_SHOWN: Final = 3  # pods that do not end


def diagnose(reader: Reader, pods: Iterable[CachedObject], names: FieldNames) -> Observation | None:
    """The cause of the first pod that has one; None while it is younger than the hold time. `pods` are in order."""
    for pod in pods:
        found = _pod(reader, pod, names)
        if found is not None:
            return None if reader.held(found.since) else found
    return None


def not_ending(reader: Reader, pods: Iterable[CachedObject]) -> Iterator[Observation]:
    """Yield the pods whose deletion lasts longer than their grace period, and since when."""
    overdue = [found for pod in pods if (found := _overdue(reader, pod)) is not None]
    yield from overdue[:_SHOWN]


def _overdue(reader: Reader, pod: CachedObject) -> Observation | None:
    # Five minutes after a node is lost, its pods are deleted, which only that node could confirm.
    lost = _node_lost(pod)
    if lost is not None:
        return lost
    since = deletion_time(pod)
    if not since or reader.held(since):
        return None
    body = pod.body
    start = f"Pod {pod.name} should have ended at {since}"
    if finalizers := body["metadata"].get("finalizers"):
        held = ", ".join(finalizers)
        return failed(Reason.POD_NOT_TERMINATED, f"{start}, but finalizers hold it: {held}. Ask their owner.", since)
    node = (body.get("spec") or {}).get("nodeName", "?")
    remedy = "Ask an administrator to check the node. If the container is gone, run: kubectl delete pod --force"
    return failed(Reason.POD_NOT_TERMINATED, f"{start}, but node {node} still runs it. {remedy}", since)


def _pod(reader: Reader, pod: CachedObject, names: FieldNames) -> Observation | None:
    body = pod.body
    status = body.get("status") or {}
    scheduling = condition(pod, "PodScheduled")
    if scheduling.get("status") == "False":
        return _claims(reader, pod) or _unschedulable(pod, scheduling, names)
    containers = _containers(status)
    for container in containers:
        failure = _container(pod, container, names)
        if failure is not None:
            return failure
    if phase(pod) == "Failed":
        if full := _FULL.search(str(status.get("message", ""))):
            text = f"Pod {pod.name} was evicted: its volume {full[1]} holds more than {full[2]}. Raise sizeLimit."
            return failed(Reason.NO_SPACE, text)
        cause = ": ".join(part for part in (status.get("reason"), status.get("message")) if part)
        return failed(Reason.POD_FAILED, f"Pod {pod.name} failed: {stable(cause) or _last_words(containers)}.")
    lost = _node_lost(pod)
    if lost is None and scheduling and _waits_for_node(pod, containers):
        return _events(reader, pod, names) or _claims(reader, pod)
    return lost


def _containers(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The containers of a pod in the order of their start, without the watcher, whose state has a note of its own."""
    found = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return [item for item in found if item.get("name") != ACTIVITY]


def _last_words(containers: Iterable[Mapping[str, Any]]) -> str:
    """The exit code of the first container that failed, and the last line that it left."""
    for container in containers:
        end = (container.get("state") or {}).get("terminated") or {}
        if end.get("exitCode"):
            lines = [line.strip() for line in str(end.get("message") or "").splitlines() if line.strip()]
            said = f", and its last words are {quoted(shown(lines[-1]))}" if lines else ""
            return f"container {container.get('name', '?')} ended with exit code {end['exitCode']}{said}"
    return "a container ended"


def _unschedulable(pod: CachedObject, scheduling: Mapping[str, Any], names: FieldNames) -> Observation:
    message = scheduling.get("message") or "no node fits the pod"
    message = message.partition(" no new claims to deallocate")[0].partition(" preemption:")[0]
    cause = explain(Source.SCHEDULER, scheduling.get("reason", ""), message, names)
    assert cause is not None, "the table has a row for every message of the scheduler"
    text = f"Pod {pod.name} cannot be scheduled: {cause.text}. {cause.remedy}"
    return failed(cause.reason, text, scheduling.get("lastTransitionTime") or "")


def _claims(reader: Reader, pod: CachedObject) -> Observation | None:
    """The first claim of a pod that cannot be bound."""
    for mounted in _volumes(pod, "persistentVolumeClaim"):
        name = mounted["claimName"]
        claim = reader.get("PersistentVolumeClaim", pod.namespace, name)
        found = diagnose_claim(reader, claim) if claim is not None else None
        if found is not None and found.state is State.FAILED:
            return found
    return None


def _volumes(pod: CachedObject, kind: str) -> Iterator[Mapping[str, Any]]:
    """Yield the volumes of one kind."""
    return (item[kind] for item in (pod.body.get("spec") or {}).get("volumes") or () if kind in item)


def _waits_for_node(pod: CachedObject, containers: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the volumes or the network of a pod are not ready yet: no container has ever run."""
    if condition(pod, "PodReadyToStartContainers").get("status") == "True" or phase(pod) != "Pending":
        return False
    states = [container.get("state") or {} for container in containers]
    return all(set(state) <= {"waiting"} and _waiting(state) in _BEFORE_START for state in states)


def _waiting(state: Mapping[str, Any]) -> str:
    return str((state.get("waiting") or {}).get("reason", ""))


def _events(reader: Reader, pod: CachedObject, names: FieldNames) -> Observation | None:
    for cause, since in newest_causes(reader, pod, Source.POD, names):
        return failed(cause.reason, f"Pod {pod.name} cannot start: {cause.text}. {cause.remedy}", since)
    return None


def _node_lost(pod: CachedObject) -> Observation | None:
    ready, containers = condition(pod, "Ready"), condition(pod, "ContainersReady")
    # A kubelet sets a reason. The node controller sets none, after 40 s without an answer of the kubelet.
    if ready.get("status") != "False" or containers.get("status") != "True" or ready.get("reason"):
        return None
    node = (pod.body.get("spec") or {}).get("nodeName", "?")
    remedy = f"Restore the node. If it is lost, ask an administrator to run: kubectl delete node {node}"
    return failed(Reason.NODE_LOST, f"Pod {pod.name} is on node {node}, which does not answer. {remedy}")


def _container(pod: CachedObject, container: Mapping[str, Any], names: FieldNames) -> Observation | None:
    state = container.get("state") or {}
    last = (container.get("lastState") or {}).get("terminated") or state.get("terminated") or {}
    waiting = state.get("waiting") or {}
    if last.get("reason") == "OOMKilled" and not container.get("ready"):
        whose = "the memory limit that a LimitRange of the namespace sets" if _limited(pod, "memory limit") else ""
        text = f"Pod {pod.name} exceeded {whose or 'its memory limit'}. {names.memory}"
        return failed(Reason.OOM_KILLED, text)
    if is_fetching(container) and (failure := fetch_failure(pod, container)) is not None:
        return failure
    code, message = waiting.get("reason", ""), waiting.get("message", "")
    cause = explain(Source.CONTAINER, code, message, names) if code else None
    if cause is None:
        return None
    if cause.precise:
        return failed(cause.reason, f"Pod {pod.name} cannot start: {cause.text}. {cause.remedy}")
    return failed(cause.reason, f"Pod {pod.name} is in {code}{_detail(pod, cause, container, last)}. {cause.remedy}")


def _detail(pod: CachedObject, cause: Cause, container: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    """What is known of the cause, without counters and times: each change of a message costs a write."""
    if cause.reason is Reason.CRASH_LOOP_BACK_OFF:
        return f" (exit code {last['exitCode']})" if "exitCode" in last else ""
    if cause.reason is Reason.IMAGE_PULL_FAILED:
        if missing := _missing_volume(pod, container):
            return f" for image {missing} of a volume"
        return f" for image {container['image']}" if container.get("image") else ""
    return f": {cause.text}" if cause.text else ""


def _missing_volume(pod: CachedObject, container: Mapping[str, Any]) -> str:
    """The image of a volume that cannot be pulled, which the kubelet reports as the state of each container.

    It quotes the image as written, and the container runtime quotes it with the registry.
    """
    message = str(((container.get("state") or {}).get("waiting") or {}).get("message", ""))
    named = set(_IMAGE.findall(message))

    def is_named(image: str) -> bool:
        forms = (image, f"{image}:latest")
        return any(name in forms or name.endswith(tuple(f"/{form}" for form in forms)) for name in named)

    references = (str(volume.get("reference", "")) for volume in _volumes(pod, "image"))
    found = next((image for image in references if image and is_named(image)), "")
    return "" if is_named(str(container.get("image", ""))) else found


def crashed(pods: Iterable[CachedObject]) -> bool:
    """Whether a container ended with an error of its own and is not ready since: it may lack the rights to write."""
    for pod in pods:
        status = pod.body.get("status") or {}
        for container in _containers(status):
            if is_fetching(container):
                continue
            states = (container.get("lastState") or {}, container.get("state") or {})
            ends = [state.get("terminated") or {} for state in states]
            failed_itself = any(end.get("exitCode") and end.get("reason") != "OOMKilled" for end in ends)
            if failed_itself and not container.get("ready"):
                return True
    return False


def limits_added(pods: Iterable[CachedObject]) -> str:
    """What a LimitRange added to the limits of the first pod that it changed; empty if it changed none."""
    for pod in pods:
        added = _added(pod)
        if " limit " in f"{added} ":
            return added
    return ""


def _limited(pod: CachedObject, what: str) -> bool:
    return what in _added(pod)


def _added(pod: CachedObject) -> str:
    """The text of the admission plugin, such as: cpu, memory limit for container main."""
    text = (pod.body["metadata"].get("annotations") or {}).get(_LIMITED, "")
    return str(text).removeprefix("LimitRanger plugin set: ")
