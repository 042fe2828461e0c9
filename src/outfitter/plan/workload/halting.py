"""Workloads that Outfitter stops by itself, although `suspend` is false: `status.halted` says why, until a restart.

The operator never writes a spec, so a stop of its own is recorded in the status. It ends when the annotation
restartedAt changes, or once the workload was suspended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from outfitter.api.v1alpha1 import runs_to_end
from outfitter.backends import Progress
from outfitter.observe import preempted
from outfitter.plan.workload.ending import restart
from outfitter.plan.workload.revision import Revision
from outfitter.reasons import Reason
from outfitter.resolve.request import WorkloadRequest
from outfitter.snapshot import CachedObject


def with_halt(
    request: WorkloadRequest, current: Revision | None, pods: Iterable[CachedObject], seen: Progress | None
) -> WorkloadRequest:
    """Return the request, stopped if Outfitter stopped the workload, or has a cause to do so now."""
    if request.suspended or current is None:
        return request
    halted = _in_force(request) or _preemption(request, current, pods, seen)
    return replace(request, halted=halted, stopped=True) if halted else request


def _in_force(request: WorkloadRequest) -> Mapping[str, Any]:
    status: Mapping[str, Any] = request.resource.body.get("status") or {}
    halted: Mapping[str, Any] = status.get("halted") or {}
    return halted if halted.get("restartedAt", "") == request.restarted_at else {}


def _preemption(
    request: WorkloadRequest, current: Revision, pods: Iterable[CachedObject], seen: Progress | None
) -> Mapping[str, Any]:
    """Return why a workload that shall stay stopped after a preemption is stopped."""
    if not current.spec.terminate_after_preemption or (seen is None and runs_to_end(request.traits, current.spec)):
        return {}
    status: Mapping[str, Any] = request.resource.body.get("status") or {}
    since = seen.started if seen is not None else ""
    before = (status.get("halted") or {}).get("time", "")  # of a pod that is still there after a restart
    times = sorted(time for pod in pods if (time := preempted(pod, since)) > before)
    if not times:
        return {}
    text = f"A more important workload took its resources. To start it again: {restart(request)}"
    return _halt(request, Reason.PREEMPTED, text, times[0])


def _halt(request: WorkloadRequest, reason: Reason, message: str, time: str) -> dict[str, Any]:
    halted = {"reason": str(reason), "message": message, "time": time, "restartedAt": request.restarted_at}
    return {name: value for name, value in halted.items() if value}
