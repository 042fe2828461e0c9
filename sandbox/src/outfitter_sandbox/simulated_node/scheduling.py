"""Whether a pod fits on the node, and kube-scheduler's message. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from outfitter.api.quantities import parse_quantity

Object = dict[str, Any]
Amounts = dict[str, Decimal]  # resource name -> base units
NOT_HELPFUL = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
NO_VICTIMS = "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."


def requests_of(pod: Object) -> Amounts:
    """The resources that a pod requests.

    The sum over containers or the largest init container. Includes `pods`: 1. Restartable init containers (sidecars)
    count like containers.
    """
    init_containers = pod["spec"].get("initContainers") or ()
    sidecars = [container for container in init_containers if container.get("restartPolicy") == "Always"]
    total = added([_requests(container) for container in (*sidecars, *pod["spec"]["containers"])])
    for container in init_containers:
        if container not in sidecars:
            total |= {name: max(total.get(name, Decimal()), value) for name, value in _requests(container).items()}
    return total | {"pods": Decimal(1)}


def added(amounts: Iterable[Amounts]) -> Amounts:
    """The sum, name by name."""
    total: Amounts = {}
    for summand in amounts:
        for name, value in summand.items():
            total[name] = total.get(name, Decimal()) + value
    return total


def scheduling_obstacle(
    pod: Object, labels: Mapping[str, str], capacity: Mapping[str, str], used: Iterable[Amounts]
) -> str:
    """Why the pod cannot be bound, as kube-scheduler words it; empty when it fits."""
    selector = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(name) != value for name, value in selector.items()):
        reason = "1 node(s) didn't match Pod's node affinity/selector"
        return f"0/1 nodes are available: {reason}. {NOT_HELPFUL}"
    taken = added(used)
    insufficient = [
        name
        for name, requested in sorted(requests_of(pod).items())
        if requested > 0 and requested > parse_quantity(capacity.get(name, 0)) - taken.get(name, Decimal())
    ]
    if not insufficient:
        return ""
    return f"0/1 nodes are available: {', '.join(f'1 Insufficient {name}' for name in insufficient)}. {NO_VICTIMS}"


def claims_of(pod: Object) -> list[str]:
    """Names of the PersistentVolumeClaims that a pod mounts."""
    return [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["spec"].get("volumes") or ()
        if "persistentVolumeClaim" in volume
    ]


def _requests(container: Object) -> Amounts:
    resources = container.get("resources") or {}
    quantities = (resources.get("limits") or {}) | (resources.get("requests") or {})
    return {name: parse_quantity(quantity) for name, quantity in quantities.items()}
