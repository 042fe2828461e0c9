"""State of JobSets and MPIJobs, whose own controllers create Jobs and pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outfitter.naming import ANNOTATION_STOPPED_REVISION, KUEUE_QUEUE
from outfitter.observe.state import READY, UNSEEN, Observation, failed, progressing
from outfitter.reasons import Reason

Body = Mapping[str, Any]


def suspended(spec: Body) -> bool:
    """Whether the object is to have no pods: a JobSet says so itself, an MPIJob in `runPolicy`."""
    return bool(spec.get("suspend") or (spec.get("runPolicy") or {}).get("suspend"))


def counts(body: Body) -> dict[str, int]:
    """How many Jobs of a JobSet, or pods of an MPIJob, are active, ready, succeeded or failed."""
    status = body.get("status") or {}
    found = [*(status.get("replicatedJobsStatus") or ())]
    # An MPIJob counts its running pods as active.
    found += [{**each, "ready": each.get("active", 0)} for each in (status.get("replicaStatuses") or {}).values()]
    return {name: sum(int(each.get(name, 0)) for each in found) for name in ("active", "ready", "succeeded", "failed")}


def wanted(spec: Body) -> int:
    """How many Jobs of a JobSet, or pods of an MPIJob, there are to be."""
    parts = [*(spec.get("replicatedJobs") or ()), *(spec.get("mpiReplicaSpecs") or {}).values()]
    return sum(int(each.get("replicas", 1)) for each in parts)


def condition(body: Body, *types: str) -> Body:
    """The first of these conditions that is True; empty if none is."""
    found = (body.get("status") or {}).get("conditions") or ()
    return next((item for item in found if item["type"] in types and item.get("status") == "True"), {})


def observe_group(body: Body) -> Observation:
    """State of the object: ready once all pods have started, when it is complete, and when a stop has ended them."""
    if condition(body, "Completed", "Succeeded"):
        return READY
    if end := condition(body, "Failed"):
        return failed(Reason.POD_FAILED, end.get("message", ""))
    meta, found = body["metadata"], counts(body)
    if suspended(body["spec"]):
        return _suspended(body, meta, found)
    if not body.get("status"):
        return UNSEEN
    ready, needed = found["ready"] + found["succeeded"], wanted(body["spec"])
    if ready >= needed:
        return READY
    return progressing(Reason.PROGRESSING, f"{ready} of {needed} parts are ready.")


def _suspended(body: Body, meta: Body, found: Mapping[str, int]) -> Observation:
    if ANNOTATION_STOPPED_REVISION not in (meta.get("annotations") or {}):
        queue = (meta.get("labels") or {}).get(KUEUE_QUEUE)
        text = f"The pods wait for quota in queue {queue} of Kueue." if queue else "The pods are not started yet."
        return progressing(Reason.QUEUED if queue else Reason.PROGRESSING, text)
    if found["active"] or found["ready"] or not condition(body, "Suspended"):
        return progressing(Reason.STOPPING, "The pods are being stopped.")
    return READY
