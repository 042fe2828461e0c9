"""What JobSets and MPIJobs share: one object whose own controller makes all pods of a distributed workload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from outfitter.backends.base import ControllerState, Progress, Run, annotated, as_group, controller_meta
from outfitter.children import groups, observe
from outfitter.naming import (
    ANNOTATION_FIXED,
    ANNOTATION_LEAST,
    ANNOTATION_RESTARTED_AT,
    ANNOTATION_REVISION,
    ANNOTATION_STOPPED_REVISION,
)
from outfitter.observe import READY, UNSEEN, State, condition, observe_pods, phase
from outfitter.observe import groups as of_groups
from outfitter.render.owner import child_meta
from outfitter.snapshot import CachedObject


def manifest(
    run: Run, api_version: str, kind: str, name: str, spec: Mapping[str, Any], more: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the object of a group."""
    marks = {ANNOTATION_REVISION: run.revision, ANNOTATION_FIXED: groups.digest(spec), **(more or {})}
    if run.request.restarted_at:
        marks[ANNOTATION_RESTARTED_AT] = run.request.restarted_at
    meta = controller_meta(child_meta(run.request.resource), run.pods[0])
    made = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {**meta, "name": name, "annotations": annotated(run, marks)},
        "spec": spec,
    }
    return as_group(run, [made])[0]


def state(kind: str, controllers: Sequence[CachedObject], pods: Iterable[CachedObject]) -> ControllerState:
    """Return the state of the object, and of its pods."""
    live = _only(kind, controllers)
    if live is None:
        return ControllerState(UNSEEN, observe_pods(pods))
    own = [pod for pod in pods if phase(pod) not in ("Failed", "Succeeded")]
    ready = sum(condition(pod, "Ready").get("status") == "True" for pod in own)
    seen = observe(live)
    enough = (live.body["metadata"].get("annotations") or {}).get(ANNOTATION_LEAST, "")
    if (
        enough
        and seen.state is State.PROGRESSING
        and ready >= int(enough)
        and not of_groups.suspended(live.body["spec"])
    ):
        seen = READY
    return ControllerState(seen, observe_pods(pods), len(own), ready, bool(live.body.get("status")))


def progress(kind: str, controllers: Sequence[CachedObject]) -> Progress | None:
    """Return the progress of the object."""
    live = _only(kind, controllers)
    if live is None:
        return None
    status, annotations = live.body.get("status") or {}, live.body["metadata"].get("annotations") or {}
    found = of_groups.counts(live.body)
    completed = of_groups.condition(live.body, "Completed", "Succeeded")
    failed = of_groups.condition(live.body, "Failed")
    runs = status and not of_groups.suspended(live.body["spec"])
    started = str(live.body["metadata"].get("creationTimestamp", "")) if runs else ""
    end = completed or failed
    return Progress(
        uid=live.uid,
        revision=str(annotations.get(ANNOTATION_REVISION, "")),
        restarted_at=str(annotations.get(ANNOTATION_RESTARTED_AT, "")),
        stopped=ANNOTATION_STOPPED_REVISION in annotations,
        has_run=groups.has_run(live.body),
        active=found["active"],
        succeeded=found["succeeded"],
        failed=found["failed"],
        started=str(status.get("startTime") or started),
        ended=str(status.get("completionTime") or end.get("lastTransitionTime", "")),
        result="Completed" if completed else "Failed" if failed else "",
        attempt=int(status.get("restarts") or 0) + 1,
    )


def _only(kind: str, controllers: Sequence[CachedObject]) -> CachedObject | None:
    found = (live for live in controllers if live.kind == kind)
    ends = ("Completed", "Succeeded", "Failed")
    return next((live for live in found if not live.deleting or of_groups.condition(live.body, *ends)), None)
