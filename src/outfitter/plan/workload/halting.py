"""Workloads that Outfitter stops by itself, although `suspend` is false: `status.halted` says why, until a restart.

The operator never writes a spec, so a stop of its own is recorded in the status. It ends when the annotation
restartedAt changes, or once the workload was suspended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from outfitter.api.v1alpha1 import runs_to_end
from outfitter.backends import Progress
from outfitter.naming import ANNOTATION_RESTARTED_AT
from outfitter.observe import preempted
from outfitter.plan.workload.activity import idle_since
from outfitter.plan.workload.ending import restart
from outfitter.plan.workload.inputs import inputs
from outfitter.plan.workload.revision import Revision
from outfitter.reasons import Reason
from outfitter.render.activity import limit
from outfitter.resolve.request import WorkloadRequest
from outfitter.snapshot import CachedObject, Reader


def with_halt(
    reader: Reader,
    request: WorkloadRequest,
    current: Revision | None,
    pods: Sequence[CachedObject],
    seen: Progress | None,
) -> WorkloadRequest:
    """Return the request, stopped if Outfitter stopped the workload, or has a cause to do so now."""
    if request.suspended or current is None:
        return request
    halted = _in_force(request) or _preemption(request, current, pods, seen)
    halted = halted or _overdue(reader, request, current, started(request, current, seen))
    halted = halted or _idle(reader, request, current, pods)
    return replace(request, halted=halted, stopped=True) if halted else request


def _in_force(request: WorkloadRequest) -> Mapping[str, Any]:
    status: Mapping[str, Any] = request.resource.body.get("status") or {}
    halted: Mapping[str, Any] = status.get("halted") or {}
    return halted if halted.get("restartedAt", "") == request.restarted_at else {}


def _preemption(
    request: WorkloadRequest, current: Revision, pods: Iterable[CachedObject], seen: Progress | None
) -> Mapping[str, Any]:
    """Return why a workload that shall stay stopped after a preemption is stopped."""
    ends = runs_to_end(request.traits, current.spec)
    if not current.spec.terminate_after_preemption or (ends and (seen is None or not seen.started)):
        return {}
    since = seen.started if seen is not None else ""
    own = [pod for pod in pods if _follows(pod, request.restarted_at)]  # not those of before a restart
    times = sorted(time for pod in own if (time := preempted(pod, since)))
    if not times:
        return {}
    text = f"A more important workload took its resources. To start it again: {restart(request)}"
    return _halt(request, Reason.PREEMPTED, text, times[0])


def _follows(pod: CachedObject, restarted_at: str) -> bool:
    annotations = pod.body["metadata"].get("annotations") or {}
    return str(annotations.get(ANNOTATION_RESTARTED_AT, "")) == restarted_at


def started(request: WorkloadRequest, current: Revision, seen: Progress | None) -> str:
    """Return when a workload with a longest time started, in RFC 3339; "" before, and without a longest time."""
    if _longest(current) is None:
        return ""
    if seen is not None:
        return seen.started
    status: Mapping[str, Any] = request.resource.body.get("status") or {}
    return str(status.get("startTime") or "") if status.get("revision") == current.name else ""


def start_fact(
    reader: Reader, request: WorkloadRequest, current: Revision, pods: Iterable[CachedObject], *, settled: bool
) -> dict[str, Any]:
    """Return the status field with the start of a workload that is kept running and has a longest time.

    `settled`: all pods are of this revision, and ready.
    """
    if _longest(current) is None or request.stopped:
        return {}
    times = [str((pod.body.get("status") or {}).get("startTime") or "") for pod in pods if settled and not pod.deleting]
    start, seconds = started(request, current, None) or min(filter(None, times), default=""), _longest(current)
    if not start or seconds is None:
        return {}
    reader.passed(start, seconds)  # the plan at that time stops it
    return {"startTime": start}


def _longest(revision: Revision) -> int | None:
    return getattr(revision.spec, "max_runtime_seconds", None)


def _overdue(reader: Reader, request: WorkloadRequest, current: Revision, start: str) -> Mapping[str, Any]:
    """Return why a workload that ran for as long as it may is stopped."""
    seconds = _longest(current)
    if not start or seconds is None or not reader.passed(start, seconds):
        return {}
    end = datetime.fromisoformat(start.replace("Z", "+00:00")) + timedelta(seconds=seconds)
    text = f"It ran for {seconds} seconds, as maxRuntimeSeconds allows. To start it again: {restart(request)}"
    return _halt(request, Reason.RUNTIME_EXCEEDED, text, end.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _idle(
    reader: Reader, request: WorkloadRequest, current: Revision, pods: Iterable[CachedObject]
) -> Mapping[str, Any]:
    """Return why a workspace that was not used for as long as it may is stopped.

    An edit that is not in the revision yet may set a longer limit: it is judged first.
    """
    if current.inputs != inputs(request):
        return {}
    own = (pod for pod in pods if _follows(pod, request.restarted_at))
    found = next(filter(None, (idle_since(reader, current, pod) for pod in own)), None)
    if found is None:
        return {}
    report, time = found
    seconds = max(report.seconds, limit(current.spec) or 0)
    how = "No connection was open" if report.by_connections else "It was not used"
    known = " Jupyter does not report its kernels without a token." if report.by_connections else ""
    text = f"{how} for {seconds} seconds, as idleTimeoutSeconds allows.{known} To start it again: {restart(request)}"
    return _halt(request, Reason.IDLE, text, time)


def _halt(request: WorkloadRequest, reason: Reason, message: str, time: str) -> dict[str, Any]:
    halted = {"reason": str(reason), "message": message, "time": time, "restartedAt": request.restarted_at}
    return {name: value for name, value in halted.items() if value}
