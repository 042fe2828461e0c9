"""Rules on `autoscaling`, which stays live: an edit of it is judged without a new revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from outfitter.policy.effective import EffectivePolicy
from outfitter.policy.submission import apply_policy
from outfitter.policy.violation import Violation
from outfitter.resolve.request import WorkloadRequest

_FIELD: Final = "autoscaling"


def own_scaling(request: WorkloadRequest) -> dict[str, Any]:
    """Return the autoscaling that a workload sets itself, for all pods and for container groups."""
    groups = [{"name": item.name, _FIELD: item.autoscaling.to_dict()} for item in request.sizings if item.autoscaling]
    own = {_FIELD: request.autoscaling.to_dict()} if request.autoscaling is not None else {}
    return {**own, **({"containerGroups": groups} if groups else {})}


def scaling_violations(
    policy: EffectivePolicy, request: WorkloadRequest, inherited: Mapping[str, Any]
) -> Iterator[Violation]:
    """Yield what breaks the rules on autoscaling. `inherited`: the autoscaling of the template."""
    own = request.autoscaling.to_dict() if request.autoscaling is not None else {}
    yield from _violations(policy, {**inherited, **own})
    yield from group_violations(policy, request)


def group_violations(policy: EffectivePolicy, request: WorkloadRequest) -> Iterator[Violation]:
    """Yield what breaks these rules in the autoscaling of a container group."""
    for item in request.sizings:
        if item.autoscaling is not None:
            for found in _violations(policy, item.autoscaling.to_dict()):
                yield replace(found, field=f"containerGroups[{item.name}].{found.field}")


def _violations(policy: EffectivePolicy, given: Mapping[str, Any]) -> list[Violation]:
    found = apply_policy(policy, {_FIELD: dict(given)} if given else {}).violations
    return [item for item in found if item.field.partition(".")[0] == _FIELD]
