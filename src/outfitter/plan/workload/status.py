"""The state of a workload: its controllers, pods and claims -> phase, problems and facts of its status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outfitter.api.v1alpha1.running import Phase
from outfitter.backends import ControllerState, Run, controller_kinds
from outfitter.children import observe
from outfitter.naming import ANNOTATION_STOPPED_REVISION, clone_snapshot, group_workload, selector_labels
from outfitter.observe import UNSEEN, Observation, PodSummary, State, refusal
from outfitter.plan.workload import revision as revisions
from outfitter.plan.workload.revision import Revision
from outfitter.problems import Problem, stalled
from outfitter.reasons import Level, Reason
from outfitter.render import serving
from outfitter.render.podset import PodSet
from outfitter.resolve.artifact import number_of
from outfitter.resolve.request import WorkloadRequest
from outfitter.snapshot import CachedObject, Reader, Resource
from outfitter.status import StatusInput

_SUSPENDED = "The workload is suspended. Set suspend to false to start it."
_SCALED_DOWN = "The workload is scaled to 0. Set replicas to 1 or more to start it."


@dataclass(frozen=True)
class ObservedState:
    """The existing children of a workload."""

    controllers: tuple[CachedObject, ...]
    revisions: tuple[CachedObject, ...]  # oldest first
    pods: tuple[CachedObject, ...]
    published: CachedObject | None  # the revision that the status names, if its content fits its name
    phase: str  # of the last status

    @property
    def revision(self) -> Revision | None:
        """Return the revision that the status names."""
        return revisions.read(self.published) if self.published else None

    @property
    def newest(self) -> int:
        """Return the number of the newest revision, 0 without one."""
        return max((int(live.body["revision"]) for live in self.revisions), default=0)

    @property
    def was_stopped(self) -> bool:
        """Return whether it was suspended before this reconciliation."""
        if not self.controllers:  # their annotations are gone with them
            return self.phase in (Phase.STOPPED, Phase.STOPPING)
        return self.published is not None and self.stopped_at == self.published.name

    @property
    def stopped_at(self) -> str:
        """Return the revision that was current when the workload was suspended; "" while it runs."""
        for live in self.controllers:
            annotations = live.body["metadata"].get("annotations") or {}
            if ANNOTATION_STOPPED_REVISION in annotations:
                return str(annotations[ANNOTATION_STOPPED_REVISION])
        return ""


def observe_workload(reader: Reader, resource: Resource) -> ObservedState:
    """Return the existing children of a workload."""
    live = resource.live
    status = resource.body.get("status") or {}
    children = [child for child in reader.children(live) if child.namespace == live.namespace]
    own = [child for child in children if child.controller == live.uid]
    snapshot = clone_snapshot(live.name)
    found = [child for child in own if child.kind == "ControllerRevision" and child.name != snapshot]
    revision = status.get("revision", "")
    starts = controller_kinds()
    return ObservedState(
        tuple(child for child in own if child.kind in starts),
        tuple(sorted(found, key=lambda child: child.body["revision"])),
        tuple(child for child in children if child.kind == "Pod"),
        next((child for child in found if revisions.trusted(child, live.name, revision)), None),
        status.get("runPhase") or status.get("phase", ""),
    )


def waiting_status(request: WorkloadRequest, problems: Sequence[Problem]) -> StatusInput:
    """Return the status of a workload without a revision."""
    if request.stopped and not any(problem.level > Level.NOTE for problem in problems):
        facts = _facts(request, Phase.STOPPED, 0, 0)
        return StatusInput(True, Reason.STOPPED, _stopped(request), tuple(problems), facts, (1, 1))
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
) -> StatusInput:
    """Return the status of a workload that has a revision. `pending`: its children are about to change."""
    request = run.request
    now = UNSEEN if pending or not observed.controllers else state.state
    failure = _failure(reader, observed, state.pods, request)
    if failure is None and now.state is State.FAILED:
        failure = now
    found = list(problems)
    if failure is not None and now.state is not State.READY:
        final = failure.reason in (Reason.POD_SECURITY_VIOLATION, Reason.POD_REFUSED)
        found.append(Problem(failure.reason, failure.message, Level.STALLED if final else Level.WAITING))
    before = (request.resource.body.get("status") or {}).get("runPhase" if request.own_artifact else "phase", "")
    phase = _phase(request, observed, now, failure, state, before, pending=pending)
    facts = _facts(request, phase, state.replicas, state.ready)
    facts["revision"] = revision.name
    facts["outdated"] = revisions.outdated(reader, revision, request.namespace) or None
    links = [
        {"name": item.name, "url": item.url, "type": item.type}
        for item in revision.spec.related_urls
        if not item.exclude
    ]
    facts["relatedUrls"] = links or None
    if phase is Phase.STOPPED:
        return StatusInput(True, Reason.STOPPED, _stopped(request), tuple(found), facts, (1, 1))
    ready = now.state is State.READY
    return StatusInput(ready, Reason.RUNNING if ready else now.reason, now.message, tuple(found), facts, (1, 1))


def _stopped(request: WorkloadRequest) -> str:
    """Return why a workload is stopped, and how to start it."""
    return _SUSPENDED if request.suspended else _SCALED_DOWN


def _facts(request: WorkloadRequest, phase: Phase, replicas: int, ready: int) -> dict[str, Any]:
    selector = selector_labels(request.resource.live.kind, request.name)
    return {
        "runPhase" if request.own_artifact else "phase": phase.value,
        "replicas": replicas,
        "readyReplicas": ready,
        "selector": ",".join(f"{key}={value}" for key, value in sorted(selector.items())),
    }


def _failure(reader: Reader, observed: ObservedState, pods: PodSummary, request: WorkloadRequest) -> Observation | None:
    if pods.failure is not None and reader.held(pods.failure.since):
        return None  # for example a claim that is bound a moment later
    if pods.failure is not None or not observed.controllers or request.stopped:
        return pods.failure
    for live in observed.controllers:
        status = live.body.get("status") or {}
        condition = next((item for item in status.get("conditions") or () if item["type"] == "ReplicaFailure"), None)
        if condition is not None and condition.get("status") == "True":
            return refusal(condition.get("message", ""))
        if status.get("replicas", 0) >= 1:
            continue
        said = [event.body for event in reader.events(live.uid)]
        newest = max(said, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "", default=None)
        if newest is not None:
            return refusal(newest.get("message", ""))
    return None


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
        return Phase.STOPPED if now.state is State.READY or not observed.controllers else Phase.STOPPING
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


def claim_problems(reader: Reader, claims: Iterable[CachedObject]) -> Iterator[Problem]:
    """Yield the problems of claims that lost their volume."""
    for live in claims:
        seen = observe(live, first_consumer=reader.binds_late(live))
        if seen.state is State.FAILED:
            yield stalled(
                seen.reason, f"PersistentVolumeClaim {live.namespace}/{live.name} is in phase Lost. {seen.message}"
            )


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
    names = [group_workload(request.name, group.name, first=number == 0) for number, group in enumerate(pods)]
    return [
        {
            "name": group.name,
            "deployment": name,
            "replicas": int(statuses.get(name, {}).get("replicas", 0)),
            "readyReplicas": int(statuses.get(name, {}).get("readyReplicas", 0)),
        }
        for group, name in zip(pods, names, strict=True)
    ]
