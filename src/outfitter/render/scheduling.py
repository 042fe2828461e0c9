"""Queue, priority and preemptibility -> labels and fields of a pod and of the controller that creates it.

KAI takes a pod without labels for preemptible training, so every pod of Outfitter has them where KAI schedules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from outfitter.naming import KUEUE_QUEUE
from outfitter.problems import Problem, note
from outfitter.reasons import Reason
from outfitter.render.pod import PodPatch
from outfitter.render.podset import PodSet
from outfitter.render.ranks import Layout
from outfitter.resolve.scheduling import Scheduling
from outfitter.settings import Settings

KAI_QUEUE: Final = "kai.scheduler/queue"
KAI_PREEMPTIBILITY: Final = "kai.scheduler/preemptibility"
KAI_PRIORITY: Final = "priorityClassName"
KAI_GANG: Final = "kai.scheduler/batch-min-member"
KAI_GROUP: Final = "pod-group-name"
_KAI_NO_GROUPER: Final = "kai.scheduler/skip-podgrouper"
_KAI_SCHEDULER: Final = "kai-scheduler"
_PLAIN: Final = "default-scheduler"
"""What the API server sets where a pod names no scheduler."""


def pod_patch(scheduling: Scheduling, source: str, default_source: str, settings: Settings) -> list[PodPatch]:
    """Return scheduler, priority and labels of a pod. `default_source`: the origin of built-in defaults."""
    name = settings.scheduler_name or (_KAI_SCHEDULER if settings.uses_kai else "")
    priority = source if "priorityClass" in scheduling.given else default_source
    patches = [PodPatch(priority, pod={"priorityClassName": scheduling.priority_class})]
    scheduler = {"schedulerName": name if name != _PLAIN else ""}
    patches += [PodPatch(default_source, labels=_kai(scheduling, settings), pod=scheduler)]
    return [_without_empty(patch) for patch in patches]


def _without_empty(patch: PodPatch) -> PodPatch:
    return PodPatch(patch.source, labels=patch.labels, pod={key: value for key, value in patch.pod.items() if value})


def _kai(scheduling: Scheduling, settings: Settings) -> dict[str, str]:
    if not settings.uses_kai:
        return {}
    labels = {
        KAI_QUEUE: scheduling.queue,
        KAI_PREEMPTIBILITY: scheduling.preemptibility,
        KAI_PRIORITY: scheduling.priority_class,
    }
    return {key: value for key, value in labels.items() if value}


def controller_labels(scheduling: Scheduling, settings: Settings) -> dict[str, str]:
    """Return the labels of the StatefulSet, Deployment or Job: the groupers of KAI and Kueue read them there."""
    if settings.queue_backend == "kueue" and scheduling.queue:
        return {KUEUE_QUEUE: scheduling.queue}
    return _kai(scheduling, settings)


def download_labels(scheduling: Scheduling, settings: Settings) -> dict[str, str]:
    """Return the labels of a download Job: those of KAI. A queue of Kueue is for workloads alone."""
    return _kai(scheduling, settings)


def queue_label(pods: Iterable[PodSet]) -> str:
    """Return the queue of the pods of a revision; "" for none."""
    labels = next((group.controller_labels for group in pods), {})
    return labels.get(KAI_QUEUE) or labels.get(KUEUE_QUEUE) or ""


def kueue_owned(pods: Iterable[PodSet]) -> bool:
    """Return whether Kueue decides when a Job of these pods starts: the Job is created suspended, without a wish."""
    return any(KUEUE_QUEUE in group.controller_labels for group in pods)


def gang_marks(settings: Settings, layout: Layout) -> dict[str, str]:
    """Return the annotation of a Job of several pods by which KAI places all of them, or none."""
    if not settings.uses_kai or not layout.equal:
        return {}
    return {KAI_GANG: str(layout.elastic[0] if layout.elastic else layout.size)}


def gang_patch(settings: Settings, layout: Layout, source: str) -> Iterator[PodPatch]:
    """Yield the annotations of pods with a Job each by which KAI places all of them, or none.

    Without them KAI makes a group of its own for each Job.
    """
    if settings.uses_kai and layout.backend == "native" and not layout.equal:
        yield PodPatch(source, annotations={KAI_GROUP: layout.name, _KAI_NO_GROUPER: "true"})


def needs_pod_group(pods: Iterable[PodSet]) -> bool:
    """Return whether the pods of a revision belong to a PodGroup that Outfitter creates."""
    return any(KAI_GROUP in (group.template["metadata"].get("annotations") or {}) for group in pods)


def pod_group(pods: Sequence[PodSet], layout: Layout, meta: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the PodGroup of pods with a Job each, where KAI schedules them."""
    if not needs_pod_group(pods):
        return
    labels = pods[0].controller_labels
    spec = {
        "minMember": layout.elastic[0] if layout.elastic else layout.size,
        "queue": labels.get(KAI_QUEUE),
        "preemptibility": labels.get(KAI_PREEMPTIBILITY),
        "priorityClassName": labels.get(KAI_PRIORITY),
    }
    yield {
        "apiVersion": "scheduling.run.ai/v2alpha2",
        "kind": "PodGroup",
        "metadata": {**meta, "name": layout.name, "labels": {**meta["labels"], **labels}},
        "spec": {name: value for name, value in spec.items() if value},
    }


def remarks(scheduling: Scheduling, settings: Settings) -> Iterator[Problem]:
    """Yield the notes about fields that the schedulers of the cluster do not honour."""
    if "preemptibility" in scheduling.given and not settings.uses_kai:
        text = (
            "Without KAI, pods are preempted by their priority alone, so preemptibility is not enforced. Set "
            "priorityClass, or remove the field."
        )
        yield note(Reason.NOT_ENFORCED, text, "spec.preemptibility")
    if "queue" in scheduling.given and not settings.has_queues:
        text = "The cluster has no queues for Outfitter (the setting queueBackend is none). Remove the field."
        yield note(Reason.NOT_ENFORCED, text, "spec.queue")


def kept(template: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pod template with the scheduling of the one that a Job was created with, which cannot change."""
    labels = {key: value for key, value in _labels(template).items() if key not in _OWN}
    labels |= own_labels(made)
    spec = {key: value for key, value in template["spec"].items() if key != "schedulerName"}
    if (name := made["spec"].get("schedulerName", _PLAIN)) != _PLAIN:
        spec["schedulerName"] = name
    return {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}, "spec": spec}


def own_labels(made: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels of a pod template that KAI reads."""
    return {key: value for key, value in _labels(made).items() if key in _OWN}


_OWN: Final = (KAI_QUEUE, KAI_PREEMPTIBILITY, KAI_PRIORITY)


def _labels(template: Mapping[str, Any]) -> Mapping[str, str]:
    return (template.get("metadata") or {}).get("labels") or {}
