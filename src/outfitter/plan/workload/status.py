"""The status of a workload: phase, problems and facts of its controllers, pods and claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outfitter.api.v1alpha1.running import Phase
from outfitter.backends import ControllerState, Run
from outfitter.naming import group_labels, group_workload, selector_labels
from outfitter.observe import UNSEEN, Observation, State
from outfitter.plan.workload import revision as revisions
from outfitter.plan.workload.causes import pod_causes, pod_problems
from outfitter.plan.workload.data import data_rows, rows_of_run, with_fetching
from outfitter.plan.workload.ending import COMPLETED, Ending, attempt_explained, explained, restart
from outfitter.plan.workload.moved_images import moved_images
from outfitter.plan.workload.observed import ObservedState
from outfitter.plan.workload.revision import Revision
from outfitter.policy.violation import Violation
from outfitter.problems import Problem
from outfitter.reasons import Level, Reason, reason_named
from outfitter.render import serving
from outfitter.render.podset import PodSet
from outfitter.render.urls import is_link
from outfitter.resolve.artifact import number_of
from outfitter.resolve.request import WorkloadRequest
from outfitter.snapshot import Reader
from outfitter.status import StatusInput

_LISTED_OUTDATED = 64
_LISTED_VIOLATIONS = 64
_SUSPENDED = "The workload is suspended. Set suspend to false to start it."
_SCALED_DOWN = "The workload is scaled to 0. Set replicas to 1 or more to start it."


def waiting_status(request: WorkloadRequest, problems: Sequence[Problem]) -> StatusInput:
    """Return the status of a workload without a revision."""
    if request.stopped and not any(problem.level > Level.NOTE for problem in problems):
        facts = _facts(request, Phase.STOPPED, 0, 0)
        return StatusInput(True, _stop_reason(request), _stopped(request), tuple(problems), facts, (1, 1))
    failed = any(problem.level is Level.STALLED for problem in problems)
    facts = _facts(request, Phase.FAILED if failed else Phase.PENDING, 0, 0)
    return StatusInput(False, Reason.WAITING, "", tuple(problems), facts, (0, 1))


def running_status(
    reader: Reader,
    run: Run,
    observed: ObservedState,
    revision: Revision,
    state: ControllerState,
    problems: Sequence[Problem],
    *,
    pending: bool,
    ending: Ending | None = None,
) -> StatusInput:
    """Return the status of a workload that has a revision. `pending`: its children are about to change."""
    request = run.request
    now = UNSEEN if pending or not observed.controllers else state.state
    causes = list(pod_causes(reader, observed, request, state.pods))
    if not causes and now.state is State.FAILED:
        causes = [now]
    failure = causes[0] if causes else None
    shown = now if causes else with_fetching(now, state.pods.candidates)
    if ending is not None and ending.result:
        cause = next((item for item in causes if item is not now), None)
        rows = data_rows(run.pods, state.pods.candidates)
        return ended_status(request, explained(ending, cause, request), revision, problems, rows)
    if ending is not None and ending.again and failure is not None:
        ending = attempt_explained(ending, failure)
    found = [*problems, *pod_problems(causes, problems, ready=now.state is State.READY, ends=ending is not None)]
    before = (request.resource.body.get("status") or {}).get("runPhase" if request.own_artifact else "phase", "")
    phase = _phase(request, observed, now, failure, state, before, pending=pending)
    facts = {**_facts(request, phase, state.replicas, state.ready), **_scale_facts(run, observed)}
    facts |= progress_facts(ending)
    facts["revision"] = revision.name
    facts["outdated"] = _outdated(reader, request, observed, revision) or None
    facts["relatedUrls"] = _links(revision.spec) or None
    facts["halted"] = request.halted
    facts["data"] = None if phase is Phase.STOPPED else data_rows(run.pods, state.pods.candidates)
    if phase is Phase.STOPPED:
        return StatusInput(True, _stop_reason(request), _stopped(request), tuple(found), facts, (1, 1))
    ready = now.state is State.READY
    return StatusInput(ready, Reason.RUNNING if ready else shown.reason, shown.message, tuple(found), facts, (1, 1))


def _outdated(
    reader: Reader, request: WorkloadRequest, observed: ObservedState, revision: Revision
) -> list[dict[str, Any]]:
    """Return what is newer than that which runs: assets, then images."""
    before = (request.resource.body.get("status") or {}).get("outdated") or ()
    images = moved_images(reader, revision, observed.pods, request.namespace, before)
    return [*revisions.outdated(reader, revision, request.namespace), *images][:_LISTED_OUTDATED]


def _links(spec: Any) -> list[dict[str, Any]]:
    """Return the related URLs of a workload, then those of its master with other names."""
    found: dict[str, dict[str, Any]] = {}
    for item in (*spec.related_urls, *getattr(getattr(spec, "master_spec", None), "related_urls", ())):
        if not item.exclude and is_link(item.url or ""):  # an older schema took other schemes
            found.setdefault(item.name, {"name": item.name, "url": item.url, "type": item.type})
    return list(found.values())


def ended_status(
    request: WorkloadRequest,
    ending: Ending,
    revision: Revision | None,
    problems: Sequence[Problem],
    rows: Sequence[Mapping[str, Any]] | None = None,
) -> StatusInput:
    """Return the status of a workload whose run is over. `rows`: what its pods have fetched, as far as they exist."""
    completed = ending.result == COMPLETED
    facts = {**_facts(request, Phase.COMPLETED if completed else Phase.FAILED, 0, 0), **progress_facts(ending)}
    facts["revision"] = revision.name if revision is not None else None
    facts["data"] = rows_of_run(rows, (request.resource.body.get("status") or {}).get("data") or ())
    found = (*problems, *([ending.problem] if ending.problem else ()))
    also = " and set suspend to false" if request.suspended else ""
    text = f"The workload completed. To run it again: {restart(request)}{also}" if completed else ""
    return StatusInput(completed, Reason.COMPLETED if completed else Reason.POD_FAILED, text, found, facts, (1, 1))


def progress_facts(ending: Ending | None) -> dict[str, Any]:
    """Return the progress of a workload that ends."""
    return {} if ending is None else {**ending.facts, "run": dict(ending.record) or None}


def _stop_reason(request: WorkloadRequest) -> Reason:
    return (reason_named(request.halted["reason"]) if request.halted else None) or Reason.STOPPED


def _stopped(request: WorkloadRequest) -> str:
    """Return why a workload is stopped, and how to start it."""
    if request.halted:
        return str(request.halted["message"])
    return _SUSPENDED if request.suspended else _SCALED_DOWN


def _facts(request: WorkloadRequest, phase: Phase, replicas: int, ready: int) -> dict[str, Any]:
    selector = selector_labels(request.resource.live.kind, request.name)
    return {
        "runPhase" if request.own_artifact else "phase": phase.value,
        "replicas": replicas,
        "readyReplicas": ready,
        "selector": ",".join(f"{key}={value}" for key, value in sorted(selector.items())),
    }


def _scale_facts(run: Run, observed: ObservedState) -> dict[str, Any]:
    """Return what the scale subresource shows where several container groups share one `replicas`: the first of them.

    An autoscaler multiplies the number that it reads. With the pods of all groups in it, it would never come to rest.
    """
    request = run.request
    group = next((group for group in run.pods if request.follows_replicas(group.name)), None)
    if not request.traits.scales or len(run.pods) < 2 or group is None:
        return {}
    facts = next(item for item in _group_facts(request, run.pods, observed) if item["name"] == group.name)
    labels = group_labels(request.resource.live.kind, request.name, group.key)
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return {"replicas": facts["replicas"], "readyReplicas": facts["readyReplicas"], "selector": selector}


def _phase(
    request: WorkloadRequest,
    observed: ObservedState,
    now: Observation,
    failure: Observation | None,
    state: ControllerState,
    before: str,
    *,
    pending: bool,
) -> Phase:
    if request.resource.live.deleting:
        return Phase.DELETING
    if request.stopped:
        gone = not observed.controllers and not observed.running
        return Phase.STOPPED if now.state is State.READY or gone else Phase.STOPPING
    if now.state is State.READY:
        return Phase.RUNNING
    if not state.seen:
        return Phase.CREATING
    if before in (Phase.STOPPED, Phase.STOPPING, Phase.RESUMING) and failure is None:
        return Phase.RESUMING
    if pending or now.reason == Reason.UPDATING:
        return Phase.UPDATING
    if before in (Phase.RUNNING, Phase.DEGRADED):
        return Phase.DEGRADED
    if before == Phase.UPDATING and failure is None:
        return Phase.UPDATING
    return Phase.INITIALIZING if state.pods.scheduled else Phase.PENDING


def serving_facts(reader: Reader, run: Run, observed: ObservedState, revision: Revision) -> dict[str, Any]:
    """Return where a workload that serves answers, from which artifact, and the pods of each container group."""
    request = run.request
    if not request.traits.serves:
        return {}
    facts: dict[str, Any] = {"url": serving.url(request, run.pods, run.spec, run.settings)}
    if request.artifact is not None or request.own_artifact:
        facts["containerGroups"] = _group_facts(request, run.pods, observed)
    if revision.artifact is not None:
        facts["artifact"] = _artifact_facts(reader, request.namespace, revision.artifact)
    return facts


def _artifact_facts(reader: Reader, namespace: str, artifact: Mapping[str, Any]) -> dict[str, Any]:
    repository = reader.resource("ArtifactRepository", namespace, artifact["repository"])
    facts = {
        "name": artifact["name"],
        "repository": artifact["repository"],
        "version": number_of(repository, artifact["uid"]),
        "generation": artifact["generation"],
    }
    return {key: value for key, value in facts.items() if value is not None}


def _group_facts(request: WorkloadRequest, pods: Sequence[PodSet], observed: ObservedState) -> list[dict[str, Any]]:
    statuses = {live.name: live.body.get("status") or {} for live in observed.controllers}
    names = [group_workload(request.name, group.key, first=number == 0) for number, group in enumerate(pods)]
    return [
        {
            "name": group.name,
            "deployment": name,
            "replicas": int(statuses.get(name, {}).get("replicas", 0)),
            "readyReplicas": int(statuses.get(name, {}).get("readyReplicas", 0)),
        }
        for group, name in zip(pods, names, strict=True)
    ]


def violation_rows(found: Sequence[Violation]) -> list[dict[str, Any]] | None:
    """Return `status.violations` of a workload; None without any."""
    rows = [
        {
            "field": item.field,
            "rule": item.rule,
            "given": item.given or None,
            "allowed": item.allowed or None,
            "policy": item.source.policy if item.source else None,
            "scope": item.source.scope if item.source else None,
            "message": item.message,
        }
        for item in found[:_LISTED_VIOLATIONS]
    ]
    return [{key: value for key, value in row.items() if value is not None} for row in rows] or None
