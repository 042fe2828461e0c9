"""The autoscaling in effect: the newest one that the policies of the project accept.

Autoscaling makes no revision, so the status records what was accepted, and an edit is judged against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outfitter.api.v1alpha1.serving import Autoscaling, InlineAutoscaling
from outfitter.plan.workload.revision import Revision
from outfitter.policy.in_force import in_force
from outfitter.policy.project import KIND, invalid_problems, violation_problem
from outfitter.policy.scaling import own_scaling, scaling_violations
from outfitter.policy.violation import Violation
from outfitter.problems import Problem
from outfitter.render.scaling import autoscaling_of
from outfitter.resolve.request import WorkloadRequest
from outfitter.snapshot import Reader


@dataclass(frozen=True)
class Scale:
    """The autoscaling in effect, and why it is not the one of the spec."""

    accepted: Mapping[str, Any]
    problems: Sequence[Problem] = ()
    violations: Sequence[Violation] = ()

    @property
    def refused(self) -> bool:
        """Return whether the autoscaling of the spec has no effect."""
        return bool(self.problems)


def judge_scale(reader: Reader, request: WorkloadRequest, revision: Revision) -> Scale:
    """Judge the autoscaling of a workload that runs a revision, if it was edited since it was accepted."""
    own, accepted = own_scaling(request), _accepted(reader, request)
    if own == accepted:
        return Scale(own)
    if request.stopped:
        return Scale(accepted)  # judged with everything else when it is started
    counts = in_force(reader, request.namespace, request.type)
    if counts.invalid:
        return Scale(accepted, tuple(invalid_problems(counts.invalid)))
    found = tuple(scaling_violations(counts.policy, request, _inherited(revision)))
    return Scale(accepted, tuple(map(violation_problem, found)), found) if found else Scale(own)


def _accepted(reader: Reader, request: WorkloadRequest) -> Mapping[str, Any]:
    """Return the autoscaling that was accepted last: as the status says, else as the autoscaler says.

    A status of an earlier version has no record.
    """
    body = request.resource.body
    status: Mapping[str, Any] = body.get("status") or {}
    if "scaling" in status:
        return status["scaling"] or {}
    seen = status.get("observedGeneration") == body["metadata"].get("generation")
    if seen:
        return own_scaling(request)
    live = reader.get_untracked("HorizontalPodAutoscaler", request.namespace, request.name)
    ours = live is not None and live.owner == request.resource.live.uid
    return {"autoscaling": autoscaling_of(live.body)} if live is not None and ours else {}


def _inherited(revision: Revision) -> dict[str, Any]:
    """Return the autoscaling of the template: that of the revision without the defaults of policies."""
    given: Mapping[str, Any] = revision.submission.get("autoscaling") or {}
    of_policy = {
        path.partition(".")[2] for path, origin in revision.origins.items() if origin.partition(" ")[0] == KIND
    }
    return {name: value for name, value in given.items() if name not in of_policy}


def with_scale(request: WorkloadRequest, scale: Scale) -> WorkloadRequest:
    """Return the request with the autoscaling in effect."""
    if not scale.refused:
        return request
    groups = {item["name"]: item["autoscaling"] for item in scale.accepted.get("containerGroups") or ()}
    own = scale.accepted.get("autoscaling")
    sizings = [
        item.model_copy(
            update={"autoscaling": Autoscaling.model_validate(groups[item.name]) if item.name in groups else None}
        )
        for item in request.sizings
    ]
    kept = InlineAutoscaling.model_validate(own) if own is not None else None
    return replace(request, autoscaling=kept, sizings=tuple(sizings))


def scale_facts(request: WorkloadRequest, scale: Scale) -> dict[str, Any]:
    """Return the status field that records it.

    A status of an earlier version has none until the next edit, so that an upgrade writes nothing.
    """
    body = request.resource.body
    status: Mapping[str, Any] = body.get("status") or {}
    same = status.get("observedGeneration") == body["metadata"].get("generation")
    if "scaling" not in status and (same or not (scale.accepted or scale.refused)):
        return {}
    return {"scaling": dict(scale.accepted) if scale.accepted or scale.refused else None}
