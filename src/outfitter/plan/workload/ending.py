"""Workloads that end: each run has one Job, whose result stays known when the Job is gone.

`status.run` is the record. A run starts with a new revision, or after a stop. What has completed runs again only if the
annotation restartedAt asks for it: no other event, such as a deleted Job or revision, starts it. One module: all
functions read or make this record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from outfitter.api.v1alpha1 import runs_to_end, traits_of
from outfitter.backends import Progress, progress
from outfitter.observe import Observation, failed
from outfitter.plan.workload.observed import ObservedState, has_started
from outfitter.plan.workload.revision import Revision
from outfitter.problems import Problem, note, printable, stalled
from outfitter.reasons import Level, Reason, reason_named
from outfitter.resolve.distributed import with_effect
from outfitter.resolve.request import WorkloadRequest
from outfitter.snapshot import CachedObject, Reader
from outfitter.status import timestamp

COMPLETED: Final = "Completed"
FAILED: Final = "Failed"
CHILDREN_SECONDS: Final = 30 * 24 * 3600
"""Until the children of a workload that ended are deleted, unless its spec says otherwise."""
_BACKOFF: Final = 10  # seconds until all pods of a group start again; doubled each time, as the Job controller does
_LONGEST_BACKOFF: Final = 360
_CAUSE_LIMIT: Final = 1000  # characters
_PROGRESS: Final = ("progress", "startTime", "completionTime", "duration")


@dataclass(frozen=True)
class Ending:
    """How far a workload that ends is. `record`: the `status.run` to write; `facts`: the rest of its progress."""

    record: Mapping[str, Any]
    facts: Mapping[str, Any]
    expired: bool = False
    """Its children are deleted, because it ended long ago."""
    written: Mapping[str, Any] = field(default_factory=dict)
    """The record that the status has."""
    again: bool = False
    """An attempt of a group failed, and another one follows."""

    @property
    def unwritten(self) -> bool:
        """Return whether the status does not have the result yet."""
        return bool(self.record.get("result")) and not self.written.get("result")

    def without_uid(self) -> Ending:
        """Return the ending of a group whose controllers are about to go, so that their absence is no loss."""
        return replace(self, record={name: value for name, value in self.record.items() if name != "uid"})

    @property
    def between_attempts(self) -> bool:
        """Return whether all pods of a group are to start again: what is asked for now does not prevent that."""
        return bool(self.record.get("attempt")) and not self.record.get("uid") and not self.result

    @property
    def goes_on(self) -> bool:
        """Return whether there is something to do once the status is written: clean up, or start the pods again."""
        between = bool(self.record and not self.result and not self.record.get("uid"))
        return self.unwritten or (between and bool(self.written.get("uid")))

    @property
    def result(self) -> str:
        """Return how the run ended: Completed, Failed, or "" while it lasts."""
        return str(self.record.get("result") or "")

    @property
    def problem(self) -> Problem | None:
        """Return why the run failed."""
        if self.result != FAILED or "message" not in self.record:
            return None
        reason = reason_named(self.record.get("reason", "")) or Reason.POD_FAILED
        return Problem(reason, self.record["message"], Level.STALLED)


def seen_run(request: WorkloadRequest, observed: ObservedState) -> Progress | None:
    """Return the progress of the run that the request asks for: not that of a run before a restart or a stop."""
    controllers = observed.controllers
    seen = progress(request.traits, controllers)
    if seen is None or seen.restarted_at != request.restarted_at:
        return None
    ours = any(live.kind == "Job" for live in controllers)  # another controller counts its attempts itself
    if ours and seen.attempt < int(recorded(request).get("attempt") or 1) and seen.result != COMPLETED:
        return None  # an attempt that failed; the next one follows once its Jobs are gone
    if request.traits.grouped and any(map(has_started, observed.pods)):
        seen = replace(seen, has_run=True)
    return None if seen.result == FAILED and request.suspended else seen


def recorded(request: WorkloadRequest) -> Mapping[str, Any]:
    """Return the record of the run that the request asks for; empty before its first status."""
    status: Mapping[str, Any] = request.resource.body.get("status") or {}
    record: Mapping[str, Any] = status.get("run") or {}
    if record.get("restartedAt", "") != request.restarted_at:
        return {}
    return {} if record.get("result") == FAILED and request.suspended else record


def result_of(request: WorkloadRequest, seen: Progress | None) -> str:
    """Return how the run ended: Completed, which is final, Failed, or "" while it lasts."""
    return str(recorded(request).get("result") or (seen.result if seen is not None else ""))


def failed_and_stopped(request: WorkloadRequest, controllers: Sequence[CachedObject]) -> bool:
    """Return whether the user stopped a run that had failed: its Job goes, and a start makes another one."""
    seen = progress(request.traits, controllers)
    return request.suspended and seen is not None and seen.result == FAILED


def after_end(request: WorkloadRequest, current: Revision | None, inputs: str) -> tuple[Problem, ...]:
    """Return the note that an edit after the end has no effect."""
    if current is None or current.inputs == inputs:
        return ()
    text = f"The change of the spec has no effect, because the run ended. To run it again: {restart(request)}"
    return (note(Reason.RESTART_REQUIRED, text),)


def restart(request: WorkloadRequest) -> str:
    """Return the command that runs a workload again."""
    kind = request.resource.live.kind.lower()
    return (
        f"kubectl -n {request.namespace} annotate {kind} {request.name} --overwrite "
        "outfitter.dev/restartedAt=$(date +%s)"
    )


def fixed(request: WorkloadRequest, current: Revision, new: Revision, seen: Progress | None) -> Problem | None:
    """Return the problem of an edit that would replace the Job of a run under way; its progress would be lost."""
    under_way = seen is not None and seen.has_run and not seen.stopped
    same = current.groups == new.groups and _completions(current) == _completions(new)
    if request.traits.grouped:
        same = same and _whole(current) == _whole(new)
    if not under_way or same:
        return None
    text = (
        "The spec changed in a part that a running Job cannot change, so the Job keeps running as it is. To apply the "
        "change, set suspend to true, and to false once it is stopped; another program then starts from the beginning. "
        f"To start from the beginning at once: {restart(request)}"
    )
    return stalled(Reason.RESTART_REQUIRED, text)


_FREE: Final = frozenset(
    ("autoDeletionTimeAfterCompletionSeconds", "category", "cleanPodPolicy", "relatedUrls", "terminateAfterPreemption")
)
"""Fields of a group that change nothing of what runs."""


def _whole(revision: Revision) -> dict[str, Any]:
    """Return what a group that runs cannot change; how often Jobs start again can."""
    native = getattr(revision.spec, "backend", None) == "native"
    free = {*_FREE, *(("backoffLimit",) if native else ())}
    given = {name: value for name, value in revision.submission.items() if name not in free}
    return {name: with_effect(value, _FREE) if name == "masterSpec" else value for name, value in given.items()}


def _completions(revision: Revision) -> int:
    if traits_of(revision.type).grouped:
        return sum(group.count for group in revision.groups)
    return int(revision.submission.get("completions") or 1)


def judge(reader: Reader, request: WorkloadRequest, revision: Revision | None, seen: Progress | None) -> Ending | None:
    """Return how far a workload that ends is; None for one that is kept running. A run that ended needs no revision."""
    record = recorded(request)
    if seen is not None and seen.result == FAILED and seen.leader_active and not reader.passed(seen.ended, _BACKOFF):
        seen = replace(seen, result="")  # the pod of rank 0 may have succeeded at the same moment
    if revision is not None and not runs_to_end(request.traits, revision.spec) and not record and seen is None:
        return None
    if not record.get("result"):
        record = _current(reader, request, revision, seen, record)
    facts = _facts(request, revision, seen, kept=bool(record))
    if recorded(request).get("result") and "completionTime" in (before := request.resource.body.get("status") or {}):
        facts |= {name: before[name] for name in ("completionTime", "duration") if name in before}
    if record.get("reason") == Reason.JOB_DELETED and "completionTime" not in facts:
        facts["completionTime"] = timestamp(reader.now)
    # Children are deleted once the status has the result: it is all that is left of the run then.
    ended = facts.get("completionTime", "") if recorded(request).get("result") else ""
    expired = bool(ended) and reader.passed(ended, _keep_seconds(revision))
    return Ending(record, facts, expired, recorded(request), again=seen is not None and seen.again)


def _current(
    reader: Reader,
    request: WorkloadRequest,
    revision: Revision | None,
    seen: Progress | None,
    record: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Return the record of a run without a recorded result."""
    if seen is not None and seen.partial and record.get("uid") and not seen.result:
        return _lost(request, record)
    if seen is not None:
        again = (
            seen.again
            and not request.stopped
            and reader.passed(seen.ended, min(_BACKOFF * 2 ** (seen.attempt - 1), _LONGEST_BACKOFF))
        )
        found = {
            "revision": seen.revision,
            "uid": "" if again or seen.partial else seen.uid,
            "restartedAt": seen.restarted_at,
            "attempt": seen.attempt + (1 if again else 0),
            "disruptions": int(record.get("disruptions") or 0) + (1 if again and seen.disrupted else 0),
            "result": seen.result,
        }
        told = {} if seen.result else {name: record[name] for name in ("reason", "message") if name in record}
        return {**told, **{name: value for name, value in found.items() if value and (name, value) != ("attempt", 1)}}
    if record.get("attempt") and not record.get("uid") and not request.stopped:
        return record  # between two attempts, whatever the revision is
    if revision is not None and record.get("revision") == revision.name and not request.stopped:
        unserved = _KINDS.get(getattr(revision.spec, "backend", None) or "", "")
        gone = record.get("uid") and (not unserved or reader.serves(unserved))
        return _lost(request, record) if gone else record
    return {}


_KINDS: Final = {"jobset": "JobSet", "kubeflow": "MPIJob"}
"""Backend of a group -> its kind, whose absence means nothing where the API server does not serve it."""


def attempt_of(request: WorkloadRequest, seen: Progress | None) -> int:
    """Return the number of the start of all pods of a group that is to run: the record says it before it happens."""
    return max(int(recorded(request).get("attempt") or 1), seen.attempt if seen is not None else 1)


def disruptions_of(request: WorkloadRequest) -> int:
    """Return how many attempts of a group ended because the cluster took a pod: they are no failures."""
    return int(recorded(request).get("disruptions") or 0)


def _lost(request: WorkloadRequest, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a run whose Job was deleted: whether it had ended is not known."""
    what = f"A Job of {request.name}" if request.traits.grouped else f"Job {request.name}"
    message = (
        f"{what} was deleted, and may have done its work. Outfitter does not make it again by itself. To run it again: "
        f"{restart(request)}"
    )
    return {**record, "result": FAILED, "reason": str(Reason.JOB_DELETED), "message": message}


def _keep_seconds(revision: Revision | None) -> int:
    given = revision.spec.auto_deletion_time_after_completion_seconds if revision is not None else None
    return CHILDREN_SECONDS if given is None else given


def _facts(request: WorkloadRequest, revision: Revision | None, seen: Progress | None, *, kept: bool) -> dict[str, Any]:
    """Return the progress: of the Job, else as the last status says."""
    before = request.resource.body.get("status") or {}
    if seen is None:
        facts = {name: before[name] for name in _PROGRESS if name in before} if kept else {}
        return {**facts, "progress": {**facts["progress"], "active": 0}} if "progress" in facts else facts
    known = (before.get("progress") or {}).get("completions")
    counts = {
        "completions": _completions(revision) if revision is not None else known,
        "active": seen.active,
        "succeeded": seen.succeeded,
        "failed": seen.failed,
    }
    facts = {
        "progress": {name: value for name, value in counts.items() if value is not None},
        "startTime": seen.started or None,
        "completionTime": (seen.ended if seen.result else "") or None,
        "duration": _duration(seen.started, seen.ended) if seen.result else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _duration(started: str, ended: str) -> str | None:
    if not started or not ended:
        return None
    first, last = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (started, ended))
    total = max(int((last - first) / timedelta(seconds=1)), 0)
    parts = (total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "m"), (total % 60, "s")
    shown = [f"{number}{unit}" for number, unit in parts if number]
    return "".join(shown[:2]) or "0s"


def attempt_explained(ending: Ending, cause: Observation) -> Ending:
    """Return the ending with the reason of the attempt that failed."""
    message = printable(f"The last attempt failed: {cause.message[:_CAUSE_LIMIT]}")
    return replace(ending, record={**ending.record, "reason": str(cause.reason), "message": message})


def explained(ending: Ending, cause: Observation | None, request: WorkloadRequest) -> Ending:
    """Return the ending with the reason of its failure: that of a pod, as long as one is there to tell it."""
    known = ending.record.get("reason")
    if ending.result != FAILED or (known and (known != Reason.RUN_FAILED or cause is None)):
        return ending
    again = f"To run it again, fix that, then: {restart(request)}"
    if cause is None:
        cause = failed(Reason.RUN_FAILED, "The Job failed, and no pod is left that says why.")
    message = printable(f"{cause.message[:_CAUSE_LIMIT]} {again}")
    return replace(ending, record={**ending.record, "reason": str(cause.reason), "message": message})
