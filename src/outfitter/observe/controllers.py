"""Readiness of StatefulSets, Deployments and Jobs: one function per kind, from object to Observation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from outfitter.naming import ANNOTATION_STOPPED_REVISION, KUEUE_QUEUE
from outfitter.observe.state import READY, UNSEEN, Observation, State, failed, progressing
from outfitter.reasons import Reason


def observe_stateful_set(body: Mapping[str, Any]) -> Observation:
    """Readiness of a StatefulSet by its replicas, revisions and observed generation."""
    status = body.get("status") or {}
    wanted = (body.get("spec") or {}).get("replicas", 1)
    if unseen := _unseen(body, status):
        return unseen
    if wanted == 0:
        return progressing(Reason.STOPPING, "The pod is being stopped.") if status.get("replicas", 0) else READY
    if status.get("updateRevision") and status.get("updateRevision") != status.get("currentRevision"):
        return progressing(Reason.UPDATING, "The pod is being replaced.")
    return _ready_replicas(status, wanted)


def observe_deployment(body: Mapping[str, Any]) -> Observation:
    """Readiness of a Deployment by its replicas, its rollout and its progress deadline."""
    status = body.get("status") or {}
    wanted = (body.get("spec") or {}).get("replicas", 1)
    if unseen := _unseen(body, status):
        return unseen
    if wanted == 0:
        return progressing(Reason.STOPPING, "The pods are being stopped.") if status.get("replicas", 0) else READY
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    if conditions.get("Progressing", {}).get("reason") == "ProgressDeadlineExceeded":
        text = "The pods did not become ready in time. Check their log, or raise initializationTimeoutSeconds."
        return failed(Reason.INITIALIZATION_TIMEOUT, text)
    ready, updated, total = (status.get(name, 0) for name in ("readyReplicas", "updatedReplicas", "replicas"))
    # A rollout shows two of these three; one alone is a first start, or a scale-up.
    if sum((ready >= wanted, updated < wanted, total > updated)) >= 2:
        return progressing(Reason.UPDATING, "The pods are being replaced.")
    return _ready_replicas(status, wanted)


def observe_job(body: Mapping[str, Any]) -> Observation:
    """Whether a Job is complete, failed or still running."""
    for condition in (body.get("status") or {}).get("conditions") or ():
        if condition.get("status") != "True":
            continue
        if condition["type"] == "Complete":
            return READY
        if condition["type"] == "Failed":
            late = condition.get("reason") == "DeadlineExceeded"
            return failed(Reason.DEADLINE_EXCEEDED if late else Reason.POD_FAILED, condition.get("message", ""))
    return progressing(Reason.PROGRESSING, "The Job is running.")


def observe_run(body: Mapping[str, Any]) -> Observation:
    """State of a Job that is a workload: ready once a pod of it has started, and when it is complete.

    One that we suspended is ready when its pods are gone; without our wish, Kueue has it wait.
    """
    meta, status = body["metadata"], body.get("status") or {}
    wanted = (body.get("spec") or {}).get("suspend", False)
    ended = observe_job(body)
    if ended.state is not State.PROGRESSING:
        return ended
    conditions = {item["type"]: item.get("status") for item in status.get("conditions") or ()}
    if wanted and ANNOTATION_STOPPED_REVISION not in (meta.get("annotations") or {}):
        queue = (meta.get("labels") or {}).get(KUEUE_QUEUE)
        text = f"The Job waits for quota in queue {queue} of Kueue." if queue else "The Job is not started yet."
        return progressing(Reason.QUEUED if queue else Reason.PROGRESSING, text)
    if wanted:
        left = status.get("active", 0) or status.get("terminating", 0) or conditions.get("Suspended") != "True"
        return progressing(Reason.STOPPING, "The pods are being stopped.") if left else READY
    if status.get("ready", 0) or status.get("succeeded", 0):
        return READY
    text = "The Job has not started a pod yet." if not status.get("active") else "No pod of the Job is ready."
    return progressing(Reason.PROGRESSING, text)


def _unseen(body: Mapping[str, Any], status: Mapping[str, Any]) -> Observation | None:
    seen = status.get("observedGeneration", 0)
    if seen >= body["metadata"].get("generation", 0):
        return None
    return replace(UNSEEN, reason=Reason.UPDATING) if seen else UNSEEN


def _ready_replicas(status: Mapping[str, Any], wanted: int) -> Observation:
    ready = status.get("readyReplicas", 0)
    return progressing(Reason.PROGRESSING, f"{ready} of {wanted} pods are ready.") if ready < wanted else READY
