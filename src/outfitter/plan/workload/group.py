"""What the status says of a workload whose pods have ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from outfitter.backends import Run, backend_of
from outfitter.naming import KUEUE_QUEUE, LABEL_CONTAINER_GROUP
from outfitter.observe import condition, phase
from outfitter.plan.workload.observed import ObservedState
from outfitter.problems import Problem
from outfitter.reasons import Reason
from outfitter.render.scheduling import needs_pod_group
from outfitter.snapshot import Reader
from outfitter.status import OtherCondition

_SILENCE: Final = 60  # seconds
GANG: Final = "GangScheduled"


def group_facts(run: Run, observed: ObservedState, *, ended: bool) -> dict[str, Any]:
    """Return the backend, and the pods of each role."""
    facts: dict[str, Any] = {"backend": getattr(run.spec, "backend", None)}
    for group in run.pods:
        labels = [(pod, pod.body["metadata"].get("labels") or {}) for pod in observed.pods]
        own = [pod for pod, given in labels if given.get(LABEL_CONTAINER_GROUP) == group.key]
        ready = sum(condition(pod, "Ready").get("status") == "True" for pod in own if phase(pod) == "Running")
        facts[group.name] = {"desired": 0 if ended or run.request.stopped else group.count, "ready": ready}
    return facts


def silent(reader: Reader, observed: ObservedState) -> Iterator[Problem]:
    """Yield the problem of a controller that does not look at its object."""
    for live in observed.controllers:
        created = live.body["metadata"].get("creationTimestamp", "")
        if live.kind == "Job" or live.body.get("status") or live.deleting or not created:
            continue
        if reader.passed(created, _SILENCE):
            text = (
                f"No controller has looked at {live.kind} {live.namespace}/{live.name} for a minute. Ask an "
                f"administrator whether the controller of {live.kind} runs, or set backend to native."
            )
            yield Problem(Reason.CONTROLLER_MISSING, text, Reason.CONTROLLER_MISSING.level)


def gang(run: Run) -> tuple[OtherCondition, ...]:
    """Return the condition that says whether all pods are scheduled together, or none."""
    several = len(run.pods) > 1 and backend_of(run.request.traits, run.spec).controllers == ("Job",)
    if needs_pod_group(run.pods) or (run.settings.uses_kai and not several):
        return (OtherCondition(GANG, Reason.GANG, "KAI schedules all pods together.", holds=True),)
    if any(KUEUE_QUEUE in group.controller_labels for group in run.pods) and not several:
        text = "Kueue admits all pods together. The scheduler then places each of them alone."
        return (OtherCondition(GANG, Reason.GANG, text, holds=True),)
    why = "Each rank has a Job of its own here" if several else "The cluster has no scheduler for it"
    text = f"{why}, so that some pods may wait for resources while others hold theirs."
    return (OtherCondition(GANG, Reason.NO_GANG_SCHEDULER, text, holds=False),)
