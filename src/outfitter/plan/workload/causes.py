"""Why the pods of a workload are not ready, as problems: from pods, controllers, claims and autoscalers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from outfitter.backends import Run
from outfitter.observe import (
    FieldNames,
    Observation,
    PodSummary,
    State,
    crashed,
    diagnose,
    diagnose_claim,
    field_names,
    limits_added,
    newest_message,
    not_ending,
    observe_autoscaler,
    refusal,
)
from outfitter.plan.workload.observed import ObservedState
from outfitter.problems import Problem, note
from outfitter.reasons import Reason
from outfitter.resolve.request import WorkloadRequest
from outfitter.snapshot import CachedObject, Reader

_HELD_BY_OTHERS = (Reason.UNSCHEDULABLE, Reason.VOLUME_MOUNT_FAILED)
"""What can follow from an old pod that does not end."""


def names_of(request: WorkloadRequest) -> FieldNames:
    """Return the fields that remedies for a workload name."""
    return field_names(request.resource.live.kind, of_artifact=request.artifact is not None)


def pod_causes(
    reader: Reader, observed: ObservedState, request: WorkloadRequest, pods: PodSummary
) -> Iterator[Observation]:
    """Yield why pods are not ready, the first cause first."""
    names = names_of(request)
    failure = diagnose(reader, pods.candidates, names)
    if failure is None and not request.stopped:
        failure = _refusal(reader, observed, names)
    ending = list(not_ending(reader, pods.ending))
    if failure is not None and failure.reason not in _HELD_BY_OTHERS:
        yield failure
    yield from ending
    if failure is not None and failure.reason in _HELD_BY_OTHERS:
        yield failure


def _refusal(reader: Reader, observed: ObservedState, names: FieldNames) -> Observation | None:
    """Return why a controller cannot create its pods."""
    for live in observed.controllers:
        status = live.body.get("status") or {}
        condition = next((item for item in status.get("conditions") or () if item["type"] == "ReplicaFailure"), None)
        if condition is not None and condition.get("status") == "True":
            return refusal(condition.get("message", ""), names)
        if status.get("replicas", 0) >= 1:
            continue
        if message := newest_message(reader, live):
            return refusal(message, names)
    return None


def pod_problems(
    causes: Iterable[Observation], known: Sequence[Problem], *, ready: bool, ends: bool = False
) -> Iterator[Problem]:
    """Yield the causes as problems. While the workload is ready, only a pod that does not end is one, as a note.

    `ends`: it is ready with its first started pod, so that what keeps the other pods is a note.
    """
    told = {problem.message for problem in known}
    for cause in causes:
        if cause.message in told:
            continue  # the claim of the workload itself
        if not ready:
            yield Problem(cause.reason, cause.message, cause.reason.level)
        elif ends or cause.reason in (Reason.POD_NOT_TERMINATED, Reason.NODE_LOST):
            yield note(cause.reason, cause.message)


def claim_problems(reader: Reader, claims: Iterable[CachedObject]) -> Iterator[Problem]:
    """Yield the problems of claims that are lost or cannot be bound."""
    for live in claims:
        if (problem := claim_problem(reader, live)) is not None:
            yield problem


def claim_problem(reader: Reader, live: CachedObject, field: str = "", namespace: str = "") -> Problem | None:
    """Return the problem of a claim that is lost or cannot be bound."""
    seen = diagnose_claim(reader, live)
    if seen.state is not State.FAILED:
        return None
    return Problem(seen.reason, seen.message, seen.reason.level, field, namespace)


def remarks(
    reader: Reader, run: Run, pods: PodSummary, children: Iterable[CachedObject], *, ready: bool
) -> Iterator[Problem]:
    """Yield notes about limits that others set, volumes without a group, and autoscalers that cannot scale."""
    names = names_of(run.request)
    # A spec that sets the source of the user has decided. Without a crash there is no sign that writing fails.
    security = run.spec.security
    undecided = security.uid_gid_source is None and not security.custom_ids and crashed(pods.candidates)
    paths = dict.fromkeys(path for group in run.pods if undecided for path in _without_group(group.template["spec"]))
    if paths:
        text = (
            f"The container fails, and the pod has no fsGroup for its claims at {', '.join(paths)}. If its log "
            f"says that it cannot write there, {names.group}: the volumes then belong to that group."
        )
        yield note(Reason.FS_GROUP_UNSET, text)
    if added := limits_added(pods.candidates):
        text = f"A LimitRange of the namespace sets what the spec leaves out: {added}. Set it in {names.compute}."
        yield note(Reason.LIMIT_RANGE_APPLIED, text)
    for live in children if ready else ():  # the metrics of pods that are not ready are missing anyway
        if live.kind != "HorizontalPodAutoscaler":
            continue
        seen = observe_autoscaler(live, names)
        if seen.state is State.FAILED and not reader.held(seen.since):
            yield note(seen.reason, seen.message)


def _without_group(pod: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of writable claims whose group the storage alone decides. Root can write into all of them."""
    security = pod.get("securityContext") or {}
    if "fsGroup" in security or security.get("runAsNonRoot") is False:
        return
    claims = {item["name"]: item["persistentVolumeClaim"] for item in pod.get("volumes") or () if _is_claim(item)}
    for container in pod["containers"]:
        for mount in container.get("volumeMounts") or ():
            claim = claims.get(mount["name"])
            if claim is not None and not claim.get("readOnly") and not mount.get("readOnly"):
                yield mount["mountPath"]


def _is_claim(volume: Mapping[str, Any]) -> bool:
    return "persistentVolumeClaim" in volume
