"""The serving port: Service, Ingress, URLs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from outfitter.api.v1alpha1.inference import InferenceSpec
from outfitter.naming import connection_service, group_workload, serving_host
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Reason
from outfitter.render.connection import Endpoints
from outfitter.render.podset import PodSet
from outfitter.render.urls import build_url, ingress_url
from outfitter.resolve.request import WorkloadRequest
from outfitter.settings import Settings

_NGINX: Final = "nginx.ingress.kubernetes.io"


def service_port(group: PodSet, spec: Any) -> dict[str, Any] | None:
    """Return the port of the Service of a container group; None for one that does not serve."""
    if group.port is None:
        return None
    grpc = _grpc(spec, group)
    return {
        "name": "grpc" if grpc else "http",
        "port": group.port,
        "targetPort": group.port,
        "protocol": "TCP",
        "appProtocol": "kubernetes.io/h2c" if grpc else None,
    }


def ingress(
    name: str, group: PodSet, host: str, meta: Mapping[str, Any], spec: Any, settings: Settings
) -> dict[str, Any]:
    """Return the Ingress of the serving port."""
    signed_in = spec.serving_port is not None and spec.serving_port.authorization_type == "authenticatedUsers"
    annotations = dict(settings.ingress_auth) if signed_in else {}
    if settings.ingress_class.startswith("nginx"):
        seconds = spec.serving_configuration.request_timeout_seconds if spec.serving_configuration else None
        if seconds is not None:
            annotations |= {f"{_NGINX}/proxy-read-timeout": str(seconds), f"{_NGINX}/proxy-send-timeout": str(seconds)}
        if _grpc(spec, group):
            annotations[f"{_NGINX}/backend-protocol"] = "GRPC"
    backend = {"service": {"name": name, "port": {"number": group.port}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {**meta, "name": name, "annotations": annotations},
        "spec": {
            "ingressClassName": settings.ingress_class,
            "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
            "tls": [{"hosts": [host]}] if settings.ingress_tls else None,
        },
    }


def public_host(request: WorkloadRequest, spec: Any, settings: Settings) -> str:
    """Return the host outside the cluster; "" where none is requested or no domain is set."""
    serving = _serving(spec)
    if serving is None or serving.get("clusterLocalAccessOnly") or not settings.domain:
        return ""
    return serving_host(request.name, request.namespace, settings.domain)


def url(request: WorkloadRequest, groups: Sequence[PodSet], spec: Any, settings: Settings) -> str | None:
    """Return the address that answers requests; the one inside the cluster if there is no other."""
    if not groups or groups[0].port is None:
        return None
    host = public_host(request, spec, settings)
    if host:
        return ingress_url(host, settings)
    return build_url("http", f"{request.name}.{request.namespace}.svc", groups[0].port)


def _serving(spec: Any) -> dict[str, Any] | None:
    """Return the given fields of the serving port; None without one. An empty one is not the same as none."""
    port = spec.serving_port if isinstance(spec, InferenceSpec) else None
    return port.to_dict() if port is not None else None


def _grpc(spec: Any, group: PodSet) -> bool:
    return ((_serving(spec) or {}).get("protocol") or group.protocol) == "grpc"


def limits(
    request: WorkloadRequest, groups: Sequence[PodSet], exposure: Endpoints, spec: Any, settings: Settings
) -> Iterator[Problem]:
    """Yield what the serving port asks for and cannot have."""
    field = "spec.run" if request.own_definition else "spec"
    services = {group_workload(request.name, group.name, first=n == 0): group.name for n, group in enumerate(groups)}
    for item in exposure.inside:
        name = connection_service(request.name, item.name)
        if name in services and not item.shared:
            text = (
                f"Connection {item.name} needs Service {name}, which belongs to container group {services[name]}. "
                "Rename the connection."
            )
            yield stalled(Reason.CONFLICT, text, f"{field}.connections[{item.name}]")
    serving = _serving(spec)
    if serving is not None and request.own_artifact and "container" in serving:
        text = "The primary container sets the port. Outfitter ignores the field."
        yield note(Reason.NOT_ENFORCED, text, f"{field}.servingPort.container")
    if serving is not None and not serving.get("clusterLocalAccessOnly") and not settings.domain:
        text = (
            "The operator has no domain, so the workload is reachable only inside the cluster. Ask an "
            "administrator to set the domain."
        )
        yield note(Reason.CLUSTER_LOCAL, text, f"{field}.servingPort")
    timeouts = spec.serving_configuration if isinstance(spec, InferenceSpec) else None
    if timeouts and timeouts.request_timeout_seconds is not None:
        cause = ""
        if not settings.ingress_class.startswith("nginx"):
            cause = "The Ingress controller of this cluster does not support a request timeout."
        elif not public_host(request, spec, settings):
            cause = "The workload has no Ingress that could end a request."
        if cause:
            where = f"{field}.servingConfiguration.requestTimeoutSeconds"
            yield note(Reason.NOT_ENFORCED, f"{cause} Outfitter ignores the field.", where)
