"""Whether a pod fits on the one node, and the scheduler's words when it does not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from outfitter.api.quantities import parse_quantity

Object = dict[str, Any]
Amounts = dict[str, Decimal]  # resource name -> base units
UNHELPFUL = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
PREEMPTION = "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."


def requests_of(pod: Object) -> Amounts:
    """What a pod asks for: the sum over containers or the largest init container, as the scheduler counts.

    Includes `pods`: 1. Restartable init containers (sidecars) count like containers.
    """
    initial = pod["spec"].get("initContainers") or ()
    sidecars = [each for each in initial if each.get("restartPolicy") == "Always"]
    total = added([_requests(each) for each in (*sidecars, *pod["spec"]["containers"])])
    for each in initial:
        if each not in sidecars:
            total |= {name: max(total.get(name, Decimal()), needed) for name, needed in _requests(each).items()}
    return total | {"pods": Decimal(1)}


def added(amounts: Iterable[Amounts]) -> Amounts:
    """The sum, name by name."""
    total: Amounts = {}
    for each in amounts:
        for name, value in each.items():
            total[name] = total.get(name, Decimal()) + value
    return total


def why_not(pod: Object, labels: Mapping[str, str], capacity: Mapping[str, str], used: Iterable[Amounts]) -> str:
    """Why the pod cannot be bound, as the scheduler would say it; empty when it fits."""
    wanted = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(name) != value for name, value in wanted.items()):
        reason = "1 node(s) didn't match Pod's node affinity/selector"
        return f"0/1 nodes are available: {reason}. {UNHELPFUL}"
    taken = added(used)
    short = [
        name
        for name, needed in sorted(requests_of(pod).items())
        if needed > 0 and needed > parse_quantity(capacity.get(name, 0)) - taken.get(name, Decimal())
    ]
    if not short:
        return ""
    return f"0/1 nodes are available: {', '.join(f'1 Insufficient {name}' for name in short)}. {PREEMPTION}"


def claims_of(pod: Object) -> list[str]:
    """Names of the PersistentVolumeClaims that a pod mounts."""
    return [
        each["persistentVolumeClaim"]["claimName"]
        for each in pod["spec"].get("volumes") or ()
        if "persistentVolumeClaim" in each
    ]


def _requests(container: Object) -> Amounts:
    resources = container.get("resources") or {}
    asked = (resources.get("limits") or {}) | (resources.get("requests") or {})
    return {name: parse_quantity(value) for name, value in asked.items()}
