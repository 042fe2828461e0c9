"""The watcher of a workspace: its reports, and its own state, which must not change that of the workspace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from outfitter.backends import ControllerState
from outfitter.idleness import Report, Verdict
from outfitter.naming import ACTIVITY
from outfitter.observe import READY, State, phase
from outfitter.plan.workload.ending import restart
from outfitter.plan.workload.revision import Revision, with_groups
from outfitter.problems import Problem, note
from outfitter.reasons import Reason
from outfitter.render.activity import FIELD, is_watched, limit, unwatched, watched_seconds
from outfitter.resolve.request import WorkloadRequest
from outfitter.snapshot import CachedObject, Reader

_STARTING: Final = ("ContainerCreating", "PodInitializing", "CrashLoopBackOff")
"""Reasons for which a container waits that name no cause of their own."""


def idle_since(reader: Reader, revision: Revision, pod: CachedObject) -> tuple[Report, str] | None:
    """Return the report that a pod was idle for as long as the revision allows, and its time; None otherwise.

    The last report counts: the watcher takes it back when the workspace is used again. A limit that is longer than that
    of the report, from an edit that did not replace the pod, ends later by the difference.
    """
    seconds = limit(revision.spec)
    if seconds is None or pod.deleting or phase(pod) != "Running":
        return None
    ended = _last_end(_watcher(pod))
    report, time = Report.of(ended), str(ended.get("finishedAt") or "")
    if report is None or report.verdict is not Verdict.IDLE or not time or not _ran(pod, time, report.seconds):
        return None
    if report.seconds < seconds and not reader.passed(time, seconds - report.seconds):
        return None
    return report, time


def _ran(pod: CachedObject, until: str, seconds: int) -> bool:
    """Return whether the tools of a pod ran for so long before a time; both times are of the kubelet.

    A tool that waits for its image, or fails again and again, is not idle: its own problem is to be seen.
    """
    starts = [str(((item.get("state") or {}).get("running") or {}).get("startedAt") or "") for item in _tools(pod)]
    return bool(starts) and all(start and _seconds(start, until) >= seconds for start in starts)


def _seconds(start: str, end: str) -> float:
    first, last = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (start, end))
    return (last - first).total_seconds()


def undisturbed(state: ControllerState) -> ControllerState:
    """Return the state of a workspace with a pod that is ready but for its watcher: the workspace is ready."""
    if state.state.reason is not Reason.PROGRESSING or state.state.state is not State.PROGRESSING or not state.seen:
        return state
    newest = next(iter(state.pods.candidates), None)
    if newest is None or newest in state.pods.unready_outdated or not _ready_but_watcher(newest):
        return state
    return replace(state, state=READY, ready=1)


def _ready_but_watcher(pod: CachedObject) -> bool:
    tools, watcher = _tools(pod), _watcher(pod)
    return bool(watcher) and not watcher.get("ready") and bool(tools) and all(item.get("ready") for item in tools)


def watcher_problems(request: WorkloadRequest, revision: Revision, pods: Iterable[CachedObject]) -> Iterator[Problem]:
    """Yield the notes that the pod has a longer limit than the spec, and that its watcher does not run, or failed.

    `pods`: in order, the one that explains the state first.
    """
    pod, seconds = next(iter(pods), None), limit(revision.spec)
    if pod is None or seconds is None or request.stopped:
        return
    running = watched_seconds(revision.template)
    if running is not None and running > seconds:
        text = (
            f"The limit of {seconds} seconds applies from the next start on. The pod has {running} seconds. To start "
            f"it again: {restart(request)}"
        )
        yield note(Reason.NOT_ENFORCED, text, FIELD)
    watcher = _watcher(pod)
    waiting = str(((watcher.get("state") or {}).get("waiting") or {}).get("reason") or "")
    code = _last_end(watcher).get("exitCode")
    cause = waiting if waiting and waiting not in _STARTING else f"exit code {code}" if code else ""
    if cause:
        text = (
            f"Container {ACTIVITY} of pod {pod.name}, which watches for use, has failed: {cause}. The workspace keeps "
            "running, and is stopped for being idle only if the container runs. Look into its log, or ask an "
            "administrator to check activityImage."
        )
        yield note(Reason.ACTIVITY_UNKNOWN, text)


def _tools(pod: CachedObject) -> list[Mapping[str, Any]]:
    statuses = (pod.body.get("status") or {}).get("containerStatuses") or ()
    return [item for item in statuses if item["name"] != ACTIVITY]


def _watcher(pod: CachedObject) -> Mapping[str, Any]:
    statuses = (pod.body.get("status") or {}).get("containerStatuses") or ()
    return next((item for item in statuses if item["name"] == ACTIVITY), {})


def _last_end(container: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how a container ended the last time; empty before."""
    ends = ((container.get(name) or {}).get("terminated") for name in ("state", "lastState"))
    return next((end for end in ends if end), {})


def keeping_pods(new: Revision, current: Revision | None) -> Revision:
    """Return a new revision with the pods of the current one if nothing but the watcher differs.

    Another limit, or another image of the watcher, is no reason to end what runs in a workspace.
    """
    if current is None or new.groups == current.groups or not all(is_watched(item.template) for item in current.groups):
        return new
    plain, before = (
        [replace(group, template=unwatched(group.template)) for group in revision.groups] for revision in (new, current)
    )
    return with_groups(new, current.groups) if plain == before else new
