"""A pinned inference -> Deployment, Service, Ingress, PodDisruptionBudget and HorizontalPodAutoscaler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outfitter.api.v1alpha1.inference import InferenceSpec
from outfitter.api.v1alpha1.serving import Autoscaling
from outfitter.naming import (
    ANNOTATION_SCALED,
    ANNOTATION_STOPPED_REVISION,
    connection_service,
    group_labels,
    group_workload,
    serving_host,
)
from outfitter.problems import Problem, note, stalled, unsupported
from outfitter.reasons import Reason
from outfitter.render import connection
from outfitter.render.connection import Endpoints
from outfitter.render.owner import child_meta
from outfitter.render.workload import GroupPods
from outfitter.resolve.request import WorkloadRequest
from outfitter.settings import Settings

_RESOURCES = ("cpu", "memory")
_NEEDS_BACKEND = ("throughput", "concurrency", "latency")
_NGINX = "nginx.ingress.kubernetes.io"


def children(
    request: WorkloadRequest,
    groups: Sequence[GroupPods],
    revision: str,
    exposure: Endpoints,
    spec: Any,
    settings: Settings,
) -> list[dict[str, Any]]:
    """Everything of a pinned inference but the pin and its claims."""
    live = request.resource.live
    meta = child_meta(request.resource)
    result: list[dict[str, Any]] = []
    for number, group in enumerate(groups):
        name = group_workload(live.name, group.name, first=number == 0)
        selector = group_labels(live.kind, live.name, group.name)
        scaling = effective(request, group.name)
        result.append(_deployment(request, group, name, selector, revision, meta, scaled=scaling is not None))
        if group.port is not None:
            result.append(_service(name, group.port, selector, meta, spec))
        result += _scaled(request, group, name, selector, meta, scaling)
    url = public_url(request, spec, settings)
    if url and groups[0].port is not None:
        result.append(_ingress(live.name, groups[0].port, url, meta, spec, settings))
    selector = group_labels(live.kind, live.name, groups[0].name)
    return [*result, *connection.manifests(exposure.inside, live.name, meta, selector, settings)]


def _deployment(
    request: WorkloadRequest,
    group: GroupPods,
    name: str,
    selector: Mapping[str, str],
    revision: str,
    meta: Mapping[str, Any],
    *,
    scaled: bool,
) -> dict[str, Any]:
    """`replicas` is left out where an autoscaler sets it: a field that we do not ask for is not ours."""
    scaled = scaled and not request.stopped
    annotations = {ANNOTATION_STOPPED_REVISION: revision} if request.stopped else {}
    if scaled:
        annotations[ANNOTATION_SCALED] = "true"
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**meta, "name": name, "annotations": annotations},
        "spec": {
            "replicas": None if scaled else replicas(request, group.name),
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": group.deadline,
            "strategy": {"type": "Recreate"} if group.recreate else rolling,
            "selector": {"matchLabels": dict(selector)},
            "template": group.template,
        },
    }


def replicas(request: WorkloadRequest, group: str) -> int:
    """How many pods a group has where no autoscaler says so."""
    if request.stopped:
        return 0
    scaling = request.scaling(group)
    if scaling is None:
        return request.count(group)
    return max(scaling.min_replicas if scaling.min_replicas is not None else 1, 1)


def effective(request: WorkloadRequest, group: str) -> Autoscaling | None:
    """How a group is scaled; None where its number of pods is fixed, also by equal bounds."""
    scaling = request.scaling(group)
    if scaling is None or scaling.metric is None or most(scaling) <= least(scaling):
        return None
    return scaling


def least(scaling: Autoscaling) -> int:
    """Fewest pods; going to zero is refused, see problems()."""
    return max(scaling.min_replicas if scaling.min_replicas is not None else 1, 1)


def most(scaling: Autoscaling) -> int:
    """Most pods."""
    return max(scaling.max_replicas or 0, least(scaling))


def _service(name: str, port: int, selector: Mapping[str, str], meta: Mapping[str, Any], spec: Any) -> dict[str, Any]:
    grpc = _grpc(spec)
    entry = {
        "name": "grpc" if grpc else "http",
        "port": port,
        "targetPort": port,
        "protocol": "TCP",
        "appProtocol": "kubernetes.io/h2c" if grpc else None,
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**meta, "name": name},
        "spec": {"type": "ClusterIP", "selector": dict(selector), "ports": [entry]},
    }


def _scaled(
    request: WorkloadRequest,
    group: GroupPods,
    name: str,
    selector: Mapping[str, str],
    meta: Mapping[str, Any],
    scaling: Autoscaling | None,
) -> Iterator[dict[str, Any]]:
    if request.stopped:
        return
    if scaling is not None:
        yield _autoscaler(name, meta, scaling)
    if scaling is not None or replicas(request, group.name) > 1:
        yield {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {**meta, "name": name},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": dict(selector)}},
        }


def _autoscaler(name: str, meta: Mapping[str, Any], scaling: Autoscaling) -> dict[str, Any]:
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


def _serving(spec: Any) -> dict[str, Any] | None:
    """What is said of the serving port; None where it is not asked for, which is not the same as asked for plainly."""
    port = spec.serving_port if isinstance(spec, InferenceSpec) else None
    return port.to_dict() if port is not None else None


def _grpc(spec: Any) -> bool:
    return (_serving(spec) or {}).get("protocol") == "grpc"


def public_url(request: WorkloadRequest, spec: Any, settings: Settings) -> str:
    """The address outside the cluster; "" where it has none: not asked for, or no domain is set."""
    serving = _serving(spec)
    if serving is None or serving.get("clusterLocalAccessOnly") or not settings.domain:
        return ""
    scheme = "https" if settings.ingress_tls else "http"
    return f"{scheme}://{serving_host(request.name, request.namespace, settings.domain)}"


def url(request: WorkloadRequest, groups: Sequence[GroupPods], spec: Any, settings: Settings) -> str | None:
    """Where requests are answered; the address inside the cluster if there is no other."""
    if not groups or groups[0].port is None:
        return None
    inside = f"http://{request.name}.{request.namespace}.svc:{groups[0].port}"
    return public_url(request, spec, settings) or inside


def _ingress(name: str, port: int, url: str, meta: Mapping[str, Any], spec: Any, settings: Settings) -> dict[str, Any]:
    host = url.split("://", 1)[1]
    annotations: dict[str, str] = {}
    if settings.ingress_class.startswith("nginx"):
        seconds = spec.serving_configuration.request_timeout_seconds if spec.serving_configuration else None
        if seconds is not None:
            annotations |= {f"{_NGINX}/proxy-read-timeout": str(seconds), f"{_NGINX}/proxy-send-timeout": str(seconds)}
        if _grpc(spec):
            annotations[f"{_NGINX}/backend-protocol"] = "GRPC"
    backend = {"service": {"name": name, "port": {"number": port}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {**meta, "name": name, "annotations": annotations},
        "spec": {
            "ingressClassName": settings.ingress_class,
            "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
            "tls": [{"hosts": [host]}] if url.startswith("https") else None,
        },
    }


def problems(request: WorkloadRequest, groups: Sequence[GroupPods], spec: Any, settings: Settings) -> Iterator[Problem]:
    """What of scaling and serving cannot be had here."""
    field = "spec.run" if request.own_definition else "spec"
    services = {group_workload(request.name, group.name, first=n == 0): group.name for n, group in enumerate(groups)}
    for item in connection.endpoints(spec, request.name, request.namespace, settings).inside:
        name = connection_service(request.name, item.name)
        if name in services:
            text = f"it would have the Service {name} of container group {services[name]}: rename the connection"
            yield stalled(Reason.CONFLICT, text, f"{field}.connections[{item.name}]")
    for group in groups:
        yield from _scaling_problems(request, group, field)
    serving = _serving(spec)
    if serving is not None and serving.get("authorizationType", "public") != "public":
        text = "limiting who may ask needs an identity-aware proxy"
        yield unsupported(f"{field}.servingPort.authorizationType", text)
    if serving is not None and not serving.get("clusterLocalAccessOnly") and not settings.domain:
        text = "an admin has set no domain, so it can be reached inside the cluster only"
        yield note(Reason.CLUSTER_LOCAL, text, f"{field}.servingPort")
    timeouts = spec.serving_configuration if isinstance(spec, InferenceSpec) else None
    if timeouts and timeouts.request_timeout_seconds is not None and not settings.ingress_class.startswith("nginx"):
        text = "this cluster's ingress takes no such limit from us"
        yield note(Reason.NOT_ENFORCED, text, f"{field}.servingConfiguration.requestTimeoutSeconds")


def _scaling_problems(request: WorkloadRequest, group: GroupPods, field: str) -> Iterator[Problem]:
    scaling = request.scaling(group.name)
    if scaling is None:
        return
    own = request.sizing(group.name)
    where = f"{field}.autoscaling"
    if own is not None and own.autoscaling is not None:
        where = f"{field}.containerGroups[{group.name}].autoscaling"
    if scaling.min_replicas == 0:
        text = "scaling to zero needs a backend that keeps requests meanwhile, and there is none: set 1 or more"
        yield stalled(Reason.SCALE_TO_ZERO_UNSUPPORTED, text, f"{where}.minReplicas")
    if scaling.metric in _NEEDS_BACKEND:
        text = f"{scaling.metric} needs a backend that counts requests; use cpu, memory or a metric of the pods"
        yield unsupported(f"{where}.metric", text)
    if scaling.metric in _RESOURCES:
        lacking = [
            item["name"]
            for item in group.template["spec"]["containers"]
            if scaling.metric not in (item.get("resources") or {}).get("requests", {})
        ]
        if lacking:
            name = "cpuCoreRequest" if scaling.metric == "cpu" else "cpuMemoryRequest"
            text = f"{scaling.metric} is measured against requests: give {name} for {', '.join(lacking)}"
            yield stalled(Reason.INVALID_SPEC, text, f"{where}.metric")
    for name, value in (
        ("initialReplicas", scaling.initial_replicas),
        ("activationReplicas", scaling.activation_replicas),
        ("concurrencyHardLimit", scaling.concurrency_hard_limit or None),
    ):
        if value is not None:
            yield note(Reason.NOT_ENFORCED, "it needs a backend that sees requests: ignored", f"{where}.{name}")
