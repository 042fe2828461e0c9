"""The number of pods: fixed, or set by an autoscaler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from outfitter.api.quantities import parse_quantity
from outfitter.api.v1alpha1.serving import Autoscaling
from outfitter.api.validation import incomplete_part
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Reason
from outfitter.render.podset import PodSet
from outfitter.resolve.request import WorkloadRequest

_RESOURCES: Final = ("cpu", "memory")


def replicas(request: WorkloadRequest, group: str) -> int:
    """Return the number of pods of a group without an autoscaler."""
    if request.stopped:
        return 0
    scaling = request.scaling(group)
    if scaling is None:
        return request.count(group)
    return max(scaling.min_replicas if scaling.min_replicas is not None else 1, 1)


def effective(request: WorkloadRequest, group: str) -> Autoscaling | None:
    """Return how a group is scaled; None where its number of pods is fixed, also by equal bounds."""
    scaling = request.scaling(group)
    if scaling is None or scaling.metric is None or most(scaling) <= least(scaling):
        return None
    return scaling


def least(scaling: Autoscaling) -> int:
    """Return the lowest number of pods; zero is refused by limits()."""
    return max(scaling.min_replicas if scaling.min_replicas is not None else 1, 1)


def most(scaling: Autoscaling) -> int:
    """Return the highest number of pods."""
    return max(scaling.max_replicas or 0, least(scaling))


def autoscaler(name: str, meta: Mapping[str, Any], scaling: Autoscaling) -> dict[str, Any]:
    """Return the HorizontalPodAutoscaler of a Deployment."""
    threshold = scaling.metric_threshold
    if scaling.metric in _RESOURCES:
        target = {"type": "Utilization", "averageUtilization": threshold}
        metric: dict[str, Any] = {"type": "Resource", "resource": {"name": scaling.metric, "target": target}}
    else:
        target = {"type": "AverageValue", "averageValue": str(threshold)}
        metric = {"type": "Pods", "pods": {"metric": {"name": scaling.metric}, "target": target}}
    delay = scaling.scale_down_delay_seconds
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {**meta, "name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": least(scaling),
            "maxReplicas": most(scaling),
            "metrics": [metric],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": delay}} if delay is not None else None,
        },
    }


def autoscaling_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the autoscaling that `autoscaler` made a HorizontalPodAutoscaler from."""
    spec = body["spec"]
    found: dict[str, Any] = {"minReplicas": spec["minReplicas"], "maxReplicas": spec["maxReplicas"]}
    for metric in spec.get("metrics") or ():
        if resource := metric.get("resource"):
            threshold = resource["target"].get("averageUtilization")
            found |= {"metric": resource["name"], "metricThreshold": threshold}
        elif pods := metric.get("pods"):
            threshold = int(parse_quantity(pods["target"]["averageValue"]))
            found |= {"metric": pods["metric"]["name"], "metricThreshold": threshold}
    delay = ((spec.get("behavior") or {}).get("scaleDown") or {}).get("stabilizationWindowSeconds")
    return {**found, **({"scaleDownDelaySeconds": delay} if delay is not None else {})}


def ignored_replicas(request: WorkloadRequest, groups: Sequence[PodSet], field: str) -> Iterator[Problem]:
    """Yield the note that no pods follow `replicas`, which `kubectl scale` and autoscalers set.

    A write of the scale subresource cannot be refused, and 1 may be the default.
    """
    if request.replicas == 1 or request.suspended or any(request.follows_replicas(group.name) for group in groups):
        return
    scaled = [group.name for group in groups if request.scaling(group.name) is not None]
    if not scaled and all(request.count(group.name) == request.replicas for group in groups):
        return
    cause = "autoscaling sets the number of pods"
    remedy = "Change minReplicas and maxReplicas" if request.replicas else "To stop the workload, set suspend to true"
    if not scaled:
        cause, remedy = "each container group sets its own number of pods", "Change containerGroups"
    text = f"The field has no effect, because {cause}. {remedy}, and do not scale this object."
    yield note(Reason.NOT_ENFORCED, text, f"{field}.replicas")


def limits(request: WorkloadRequest, group: PodSet, field: str) -> Iterator[Problem]:
    """Yield what the autoscaling of a group asks for and cannot have."""
    scaling = request.scaling(group.name)
    if scaling is None:
        return
    own = request.sizing(group.name)
    where = f"{field}.autoscaling"
    if own is not None and own.autoscaling is not None:
        where = f"{field}.containerGroups[{group.name}].autoscaling"
    if scaling.min_replicas == 0:
        text = "Scale to zero needs a backend that holds requests, and none is configured. Set 1 or more."
        yield stalled(Reason.SCALE_TO_ZERO_UNSUPPORTED, text, f"{where}.minReplicas")
    for error in incomplete_part(scaling):
        yield stalled(Reason.INVALID_SPEC, error.message, f"{where}.{'.'.join(map(str, error.path))}")
    if scaling.metric in _RESOURCES:
        lacking = [
            item["name"]
            for item in group.template["spec"]["containers"]
            if scaling.metric not in (item.get("resources") or {}).get("requests", {})
        ]
        if lacking:
            name = "cpuCoreRequest" if scaling.metric == "cpu" else "cpuMemoryRequest"
            text = f"Metric {scaling.metric} needs {name}. Set it in these containers: {', '.join(lacking)}."
            yield stalled(Reason.INVALID_SPEC, text, f"{where}.metric")
    for name, value in (
        ("initialReplicas", scaling.initial_replicas),
        ("activationReplicas", scaling.activation_replicas),
        ("metricThresholdPercentage", scaling.metric_threshold_percentage),
        ("concurrencyHardLimit", scaling.concurrency_hard_limit or None),
        ("scaleToZeroRetentionSeconds", scaling.scale_to_zero_retention_seconds or None),
    ):
        if value is not None:
            yield note(
                Reason.NOT_ENFORCED,
                "The field needs a backend that counts requests, and none is configured. Outfitter ignores the field.",
                f"{where}.{name}",
            )
