"""How what runs is: its controllers, pods and claims -> phase, problems and facts for status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from outfitter.api.v1alpha1.running import Phase
from outfitter.naming import ANNOTATION_STOPPED_REVISION, clone_snapshot, selector_labels
from outfitter.observe import UNSEEN, Observation, PodSummary, State, observe, refusal
from outfitter.plan.diff import Diff
from outfitter.plan.workload import revision as revisions
from outfitter.plan.workload.hosts import reached
from outfitter.plan.workload.revision import Revision
from outfitter.problems import Problem, stalled
from outfitter.reasons import Level, Reason
from outfitter.render.connection import Endpoints
from outfitter.resolve.request import WorkloadRequest
from outfitter.snapshot import CachedObject, Reader, Resource
from outfitter.status import StatusInput

CONTROLLERS = ("StatefulSet", "Deployment")
_STOPPED = "suspended: set suspend to false to start it"


@dataclass(frozen=True)
class ObservedState:
    """What lives of a workload."""

    controllers: tuple[CachedObject, ...]
    revisions: tuple[CachedObject, ...]  # oldest first
    pods: tuple[CachedObject, ...]
    published: CachedObject | None  # the pin that status names, if it is what it says
    phase: str  # what status said last

    @property
    def revision(self) -> Revision | None:
        """The pin that status names."""
        return revisions.read(self.published) if self.published else None

    @property
    def newest(self) -> int:
        """Number of the newest pin, 0 without one."""
        return max((int(live.body["revision"]) for live in self.revisions), default=0)

    @property
    def was_stopped(self) -> bool:
        """Whether it was suspended before this pass."""
        if not self.controllers:  # what they would tell is gone with them
            return self.phase in (Phase.STOPPED, Phase.STOPPING)
        return self.published is not None and self.stopped_at == self.published.name

    @property
    def stopped_at(self) -> str:
        """Name of the pin that was current when the workload was suspended; "" while it runs."""
        for live in self.controllers:
            annotations = live.body["metadata"].get("annotations") or {}
            if ANNOTATION_STOPPED_REVISION in annotations:
                return str(annotations[ANNOTATION_STOPPED_REVISION])
        return ""

    @property
    def statuses(self) -> list[dict[str, Any]]:
        """What the controllers say."""
        return [live.body.get("status") or {} for live in self.controllers]

    def total(self, field: str) -> int:
        """A number of pods, over all controllers."""
        return sum(int(status.get(field, 0)) for status in self.statuses)

    @property
    def update_revision(self) -> str:
        """The revision that pods of a StatefulSet should have, once it has seen the newest template; else ""."""
        for live, status in zip(self.controllers, self.statuses, strict=True):
            if live.kind == "StatefulSet" and status.get("observedGeneration", 0) >= live.generation:
                return str(status.get("updateRevision", ""))
        return ""


def observe_workload(reader: Reader, resource: Resource) -> ObservedState:
    """What lives of the workload that `resource` owns."""
    live = resource.live
    status = resource.body.get("status") or {}
    children = [child for child in reader.children(live.uid) if child.namespace == live.namespace]
    own = [child for child in children if child.controller == live.uid]
    not_a_pin = clone_snapshot(live.name)
    found = [child for child in own if child.kind == "ControllerRevision" and child.name != not_a_pin]
    revision = status.get("revision", "")
    controllers = tuple(child for child in own if child.kind in CONTROLLERS)
    makers = {child.uid for child in controllers if child.kind == "StatefulSet"}
    return ObservedState(
        controllers,
        tuple(sorted(found, key=lambda child: child.body["revision"])),
        # A Deployment's pods belong to ReplicaSets, which are not watched.
        tuple(c for c in children if c.kind == "Pod" and (not makers or c.controller in makers)),
        next((child for child in found if revisions.trusted(child, live.name, revision)), None),
        status.get("runPhase") or status.get("phase", ""),
    )


def waiting_status(request: WorkloadRequest, problems: list[Problem]) -> StatusInput:
    """Status of a workload of which nothing exists yet."""
    if request.stopped and not any(problem.level > Level.NOTE for problem in problems):
        facts = _facts(request, Phase.STOPPED, 0, 0)
        return StatusInput(True, Reason.STOPPED, _STOPPED, tuple(problems), facts, (1, 1))
    failed = any(problem.level is Level.STALLED for problem in problems)
    facts = _facts(request, Phase.FAILED if failed else Phase.PENDING, 0, 0)
    return StatusInput(False, Reason.WAITING, "", tuple(problems), facts, (0, 1))


def running_status(
    reader: Reader,
    request: WorkloadRequest,
    observed: ObservedState,
    revision: Revision,
    exposure: Endpoints,
    pods: PodSummary,
    problems: list[Problem],
    *,
    pending: bool,
    diff: Diff,
    conflicts: Mapping[str, Problem],
) -> StatusInput:
    """Status of a pinned workload: how its pods are, how to reach it, what is newer than its pin."""
    state = _state(observed, pending=pending)
    found = _failure(reader, observed, pods, request)
    if found is None and state.state is State.FAILED:
        found = state
    if found is not None and state.state is not State.READY:
        level = Level.STALLED if found.reason in (Reason.POD_SECURITY_VIOLATION, Reason.POD_REFUSED) else Level.WAITING
        problems = [*problems, Problem(found.reason, found.message, level)]
    problems += _claim_problems(reader, diff)
    previous = request.resource.body.get("status") or {}
    before = previous.get("runPhase" if request.own_artifact else "phase", "")
    phase = _phase(request, observed, state, found, pods, before, pending=pending)
    facts = _facts(request, phase, observed.total("replicas"), observed.total("readyReplicas"))
    facts["revision"] = revision.name
    facts["outdated"] = revisions.outdated(reader, revision, request.namespace) or None
    facts["connections"] = [*reached(request.resource, exposure, diff, conflicts), *exposure.links] or None
    links = [
        {"name": item.name, "url": item.url, "type": item.type}
        for item in revision.spec.related_urls
        if not item.exclude
    ]
    facts["relatedUrls"] = links or None
    if phase is Phase.STOPPED:
        return StatusInput(True, Reason.STOPPED, _STOPPED, tuple(problems), facts, (1, 1))
    ready = state.state is State.READY
    return StatusInput(ready, Reason.RUNNING if ready else state.reason, state.message, tuple(problems), facts, (1, 1))


def _facts(request: WorkloadRequest, phase: Phase, replicas: int, ready: int) -> dict[str, Any]:
    selector = selector_labels(request.resource.live.kind, request.name)
    return {
        "runPhase" if request.own_artifact else "phase": phase.value,
        "replicas": replicas,
        "readyReplicas": ready,
        "selector": ",".join(f"{key}={value}" for key, value in sorted(selector.items())),
    }


def _state(observed: ObservedState, *, pending: bool) -> Observation:
    """The controllers together: the first that is not ready, failures first."""
    if not observed.controllers or pending:
        return UNSEEN
    seen = [observe(live) for live in observed.controllers]
    failed = next((item for item in seen if item.state is State.FAILED), None)
    return failed or next((item for item in seen if item.state is not State.READY), seen[0])


def _failure(reader: Reader, observed: ObservedState, pods: PodSummary, request: WorkloadRequest) -> Observation | None:
    if pods.failure is not None or not observed.controllers or request.stopped:
        return pods.failure
    for live, status in zip(observed.controllers, observed.statuses, strict=True):
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
    state: Observation,
    failure: Observation | None,
    pods: PodSummary,
    before: str,
    *,
    pending: bool,
) -> Phase:
    if request.resource.live.deleting:
        return Phase.DELETING
    if request.stopped:
        return Phase.STOPPED if state.state is State.READY or not observed.controllers else Phase.STOPPING
    if state.state is State.READY:
        return Phase.RUNNING
    if not any(status.get("observedGeneration") for status in observed.statuses):
        return Phase.CREATING  # no controller has seen it yet
    if before in (Phase.STOPPED, Phase.STOPPING, Phase.RESUMING) and failure is None:
        return Phase.RESUMING
    if pending or state.reason == Reason.UPDATING:
        return Phase.UPDATING
    if before in (Phase.RUNNING, Phase.DEGRADED):
        return Phase.DEGRADED
    if before == Phase.UPDATING and failure is None:
        return Phase.UPDATING
    return Phase.INITIALIZING if pods.scheduled else Phase.PENDING


def _claim_problems(reader: Reader, diff: Diff) -> list[Problem]:
    found = []
    for live in diff.live.values():
        if live.kind == "PersistentVolumeClaim":
            seen = observe(live, first_consumer=reader.binds_late(live))
            if seen.state is State.FAILED:
                found.append(stalled(seen.reason, f"PersistentVolumeClaim {live.name}: {seen.message}"))
    return found


def serious(problems: Iterable[Problem]) -> bool:
    """Whether any of these keeps a pin from being made."""
    return any(problem.level > Level.NOTE for problem in problems)


def group_facts(observed: ObservedState, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Pods of each container group; `names`: group -> Deployment."""
    by_name = {live.name: live.body.get("status") or {} for live in observed.controllers}
    found = []
    for group, deployment in names.items():
        status = by_name.get(deployment, {})
        found.append(
            {
                "name": group,
                "deployment": deployment,
                "replicas": int(status.get("replicas", 0)),
                "readyReplicas": int(status.get("readyReplicas", 0)),
            }
        )
    return found
