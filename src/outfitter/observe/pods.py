"""The pods of a workload: their order, whether they are scheduled, and those that block a rollout or do not end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.naming import LABEL_CONTAINER_GROUP
from outfitter.snapshot import CachedObject

_ENDED: Final = ("Failed", "Succeeded")
# The kubelet and the node lifecycle controller end pods with these reasons; no container caused it.
_ENDED_FROM_OUTSIDE: Final = ("Preempting", "Terminated", "NodeShutdown", "Shutdown", "NodeLost", "NodeAffinity")
_OWN_LIMIT: Final = "exceed"  # in the message of an eviction: a limit of the pod, and not what the node has


@dataclass(frozen=True, slots=True)
class PodSummary:
    """All pods of a workload.

    `candidates`: those that can explain why it is not ready: of the newest revision first, then the newest.
    `ending`: those that are being deleted, the oldest deletion first. `unready_outdated`: unready pods of an old
    StatefulSet revision.
    """

    scheduled: bool = False
    candidates: tuple[CachedObject, ...] = ()
    ending: tuple[CachedObject, ...] = ()
    unready_outdated: tuple[CachedObject, ...] = ()


def observe_pods(pods: Iterable[CachedObject], newest: Collection[str] = ()) -> PodSummary:
    """Summarize pods. `newest`: revisions of a StatefulSet, or names of ReplicaSets, that pods should have."""
    found = sorted(pods, key=lambda pod: _rank(pod, newest), reverse=True)
    running = [pod for pod in found if not pod.deleting]
    replaced = {_group(pod) for pod in running if phase(pod) not in _ENDED}
    ending = sorted((pod for pod in found if pod.deleting), key=lambda pod: (deletion_time(pod), pod.uid))
    return PodSummary(
        bool(running) and all(condition(pod, "PodScheduled").get("status") == "True" for pod in running),
        tuple(pod for pod in running if not disrupted(pod) and not (phase(pod) in _ENDED and _group(pod) in replaced)),
        tuple(ending),
        tuple(pod for pod in running if _outdated(pod, newest) and condition(pod, "Ready").get("status") != "True"),
    )


def disrupted(pod: CachedObject) -> bool:
    """Whether a pod ended through no fault of its own: drained, preempted, evicted, or its node was shut down."""
    if phase(pod) != "Failed":
        return False
    status = pod.body.get("status") or {}
    if condition(pod, "DisruptionTarget").get("status") == "True":
        return True
    reason = status.get("reason", "")
    if reason == "Evicted":
        return _OWN_LIMIT not in status.get("message", "")
    return reason in _ENDED_FROM_OUTSIDE


def preempted(pod: CachedObject, since: str) -> str:
    """When the scheduler ended a pod for a more important one, in RFC 3339; "" if it did not, or before `since`."""
    found = condition(pod, "DisruptionTarget")
    if found.get("status") != "True" or found.get("reason") != "PreemptionByScheduler":
        return ""
    time = str(found.get("lastTransitionTime", ""))
    return time if time >= since else ""


def phase(pod: CachedObject) -> str:
    """The phase of a pod."""
    return str((pod.body.get("status") or {}).get("phase", ""))


def condition(pod: CachedObject, type_: str) -> Mapping[str, Any]:
    """One condition of a pod; empty if it is absent."""
    found = (pod.body.get("status") or {}).get("conditions") or ()
    return next((item for item in found if item["type"] == type_), {})


def deletion_time(pod: CachedObject) -> str:
    """When a pod that is being deleted should be gone, in RFC 3339: the request plus the grace period."""
    return str(pod.body["metadata"].get("deletionTimestamp", ""))


def _rank(pod: CachedObject, newest: Collection[str]) -> tuple[bool, str, str]:
    """The order of pods; the uid only makes it stable."""
    return _revision(pod) in newest, pod.body["metadata"].get("creationTimestamp", ""), pod.uid


def _revision(pod: CachedObject) -> str:
    """The revision of a pod: its label if a StatefulSet made it, else the name of its ReplicaSet."""
    meta = pod.body["metadata"]
    label = (meta.get("labels") or {}).get("controller-revision-hash", "")
    return label or next((ref["name"] for ref in meta.get("ownerReferences") or () if ref.get("controller")), "")


def _outdated(pod: CachedObject, newest: Collection[str]) -> bool:
    label = (pod.body["metadata"].get("labels") or {}).get("controller-revision-hash", "")
    return bool(newest and label and label not in newest)


def _group(pod: CachedObject) -> str:
    """The container group of a pod; a StatefulSet has one."""
    return str((pod.body["metadata"].get("labels") or {}).get(LABEL_CONTAINER_GROUP, ""))
