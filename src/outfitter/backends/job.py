"""Pods that run to completion: a Job, and the Services of its connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from outfitter.backends.base import Backend, ControllerState, Progress, Run, annotated, controller_meta
from outfitter.children import jobs
from outfitter.naming import (
    ANNOTATION_FIXED,
    ANNOTATION_PROGRAM,
    ANNOTATION_RESTARTED_AT,
    ANNOTATION_REVISION,
    ANNOTATION_STOPPED_REVISION,
    selector_labels,
)
from outfitter.observe import UNSEEN, observe_pods, observe_run
from outfitter.problems import Problem
from outfitter.render import connection
from outfitter.render.owner import child_meta
from outfitter.render.scheduling import kueue_owned
from outfitter.snapshot import CachedObject

BACKOFF_LIMIT: Final = 6
NO_FAULT: Final = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
"""A drained, preempted or evicted pod costs no attempt."""
_RESULTS: Final = {"Complete": "Completed", "Failed": "Failed"}


class JobBackend:
    """Runs a workload until enough pods have succeeded, or too many have failed."""

    controllers: tuple[str, ...] = ("Job",)
    children: tuple[str, ...] = ("Job", "Service", "Ingress")

    def render(self, run: Run) -> list[dict[str, Any]]:
        """Return the Job and its Services."""
        live = run.request.resource.live
        meta, selector = child_meta(run.request.resource), selector_labels(live.kind, live.name)
        spec = {**job_spec(run), "template": run.pods[0].template}
        marks = {
            ANNOTATION_REVISION: run.revision,
            ANNOTATION_FIXED: jobs.digest(spec),
            ANNOTATION_PROGRAM: jobs.program(spec),
        }
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                **controller_meta(meta, run.pods[0]),
                "name": live.name,
                "annotations": annotated(run, marks),
            },
            "spec": spec,
        }
        return [job, *connection.manifests(run.exposure.inside, live.name, meta, selector, run.settings)]

    def limits(self, run: Run) -> Iterator[Problem]:
        """Yield nothing: a Job has no limits beyond those of its pod."""
        yield from ()

    def observe(self, controllers: Sequence[CachedObject], pods: Iterable[CachedObject]) -> ControllerState:
        """Return the state of the Job, and of the pods that it has made."""
        job = _job(controllers)
        if job is None:
            return ControllerState(UNSEEN, observe_pods(pods))
        body = job.body
        status = body.get("status") or {}
        own = [pod for pod in pods if pod.controller == job.uid]
        return ControllerState(
            observe_run(body),
            observe_pods(own),
            int(status.get("active", 0)),
            int(status.get("ready", 0)),
            bool(status),
        )

    def progress(self, controllers: Sequence[CachedObject]) -> Progress | None:
        """Return the progress of the Job."""
        job = _job(controllers)
        return progress_of(job) if job is not None else None


def _job(controllers: Sequence[CachedObject]) -> CachedObject | None:
    return next((live for live in controllers if live.kind == "Job" and counts(live)), None)


def counts(job: CachedObject) -> bool:
    """Return whether a Job tells the state of its run: one that is being deleted does only where it has ended."""
    return not job.deleting or bool(progress_of(job).result)


def job_spec(run: Run) -> dict[str, Any]:
    """Return the spec of the Job of a workload, without its template."""
    completions = getattr(run.spec, "completions", None) or 1
    restarts_in_place = run.spec.restart_policy == "OnFailure"
    return {
        "parallelism": getattr(run.spec, "parallelism", None) or 1,
        "completions": completions,
        "completionMode": "Indexed" if completions > 1 else "NonIndexed",
        "backoffLimit": BACKOFF_LIMIT if run.spec.backoff_limit is None else run.spec.backoff_limit,
        "suspend": run.request.stopped or kueue_owned(run.pods),
        "podReplacementPolicy": "Failed",
        # The API server accepts it only for pods whose containers are not started again.
        "podFailurePolicy": None if restarts_in_place else {"rules": [dict(NO_FAULT)]},
    }


@lru_cache(maxsize=256)  # one plan asks many times, and each answer means to parse the Job
def progress_of(job: CachedObject) -> Progress:
    """Return the progress of a Job."""
    body = job.body
    status, meta = body.get("status") or {}, body["metadata"]
    ends = {item["type"]: item for item in status.get("conditions") or () if item.get("status") == "True"}
    result = next((result for kind, result in _RESULTS.items() if kind in ends), "")
    end = ends.get("Complete") or ends.get("Failed") or {}
    annotations = meta.get("annotations") or {}
    of_pods = body["spec"]["template"]["metadata"].get("annotations") or {}
    return Progress(
        uid=job.uid,
        revision=str(annotations.get(ANNOTATION_REVISION, "")),
        restarted_at=str(of_pods.get(ANNOTATION_RESTARTED_AT, "")),
        stopped=ANNOTATION_STOPPED_REVISION in annotations,
        has_run=jobs.has_run(body),
        active=int(status.get("active", 0)),
        succeeded=int(status.get("succeeded", 0)),
        failed=int(status.get("failed", 0)),
        started=str(status.get("startTime", "")),
        ended=str(status.get("completionTime") or end.get("lastTransitionTime", "")),
        result=result,
    )


BACKEND: Final[Backend] = JobBackend()
