"""Connections, ports and exposed URLs -> Services, Ingresses and the links of the status.

One module: which addresses there are, and what is made of them; both know the fields of an Endpoint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from outfitter.api.v1alpha1.connections import EXTERNAL_TOOLS
from outfitter.api.v1alpha1.inference import InferenceSpec
from outfitter.naming import connection_host, connection_service, dns_label
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Reason
from outfitter.render.urls import connection_url, has_plain_path, host_of, is_link, path_of, uses_tls
from outfitter.resolve.workload import Spec
from outfitter.settings import Settings

_PLACEHOLDER = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class Endpoint:
    """One address of a workload. `type`: LoadBalancer, NodePort, ClusterIP, or ExternalUrl (with an Ingress).

    `shared`: a port of the Service that has the workload's own name; else a Service of its own.
    """

    name: str
    type: str
    port: int
    service_port: int
    node_port: int | None = None
    url: str = ""
    tool: str = ""
    tool_name: str = ""
    shared: bool = False

    def service(self, workload: str) -> str:
        """Return the name of its Service."""
        return workload if self.shared else connection_service(workload, self.name)

    @property
    def host(self) -> str:
        """Return the host of its Ingress, "" without one."""
        return host_of(self.url) if self.type == "ExternalUrl" else ""


@dataclass(frozen=True)
class Endpoints:
    """All addresses of a workload, the links to other systems, and the problems of both."""

    inside: tuple[Endpoint, ...]
    links: tuple[dict[str, Any], ...]
    problems: tuple[Problem, ...]


def unplain_paths(exposure: Endpoints) -> Iterator[Problem]:
    """Yield URLs whose path ingress controllers may read in different ways. What runs with such a path keeps it."""
    for item in exposure.inside:
        if item.host and not has_plain_path(item.url):
            text = f"The path of {item.url} has other characters than letters, digits and -._~. Remove them."
            yield stalled(Reason.INVALID_SPEC, text, f"spec.connections[{item.name}]")


def endpoints(spec: Spec, workload: str, namespace: str, settings: Settings) -> Endpoints:
    """Return the addresses of merged connections, ports and exposedUrls."""
    problems: list[Problem] = []
    links: list[dict[str, Any]] = []
    inside: list[Endpoint] = []
    for item in spec.connections:
        field = f"spec.connections[{item.name}]"
        if item.tool_type is None:
            problems.append(
                stalled(
                    Reason.INVALID_SPEC,
                    f"Connection {item.name} does not exist in the Environment. Correct the name, or set toolType, "
                    "connectionType and containerPort.",
                    field,
                )
            )
        elif item.tool_type in EXTERNAL_TOOLS:
            links.append(_link(item, spec, field, problems))
        else:
            serving = isinstance(spec, InferenceSpec)
            found = _connection(item, field, workload, namespace, settings, problems, serving=serving)
            inside += [found] if found else []
    inside += _ports(spec, problems) + _exposed(spec, workload, namespace, settings, problems)
    _clashes(inside, problems)
    return Endpoints(tuple(inside), tuple(links), tuple(problems))


def _connection(
    item: Any,
    field: str,
    workload: str,
    namespace: str,
    settings: Settings,
    problems: list[Problem],
    *,
    serving: bool,
) -> Endpoint | None:
    kind, port = item.connection_type, item.container_port
    if kind == "ServingPort" and serving and port is not None:
        return None  # the Service of the container group
    if kind is None or port is None or kind == "ServingPort":
        text = f"Connection {item.name} has no connectionType or no containerPort. Set both."
        if kind == "ServingPort":
            text = f"Connection {item.name} of type ServingPort needs an Inference and containerPort. Change the type."
        problems.append(stalled(Reason.INVALID_SPEC, text, field))
        return None
    if item.node_port is not None and (kind != "NodePort" or not item.custom_node_port):
        text = (
            "The node port is valid only with connectionType NodePort and customNodePort: true. Remove the field, "
            "or set both."
        )
        problems.append(stalled(Reason.INVALID_SPEC, text, f"{field}.nodePort"))
    if kind == "NodePort" and item.custom_node_port and item.node_port is None:
        text = f"Connection {item.name} has customNodePort: true and no node port. Set the field."
        problems.append(stalled(Reason.NODE_PORT_MISSING, text, f"{field}.nodePort"))
    url: str | Problem = ""
    if kind == "ExternalUrl":
        host = connection_host(workload, item.name, namespace, settings.domain)
        custom = bool(item.custom_url)
        url = connection_url(item.external_url, host, f"{field}.externalUrl", settings, custom=custom)
    if isinstance(url, Problem):
        problems.append(url)
        url = ""
    return Endpoint(item.name, kind, port, port, item.node_port, url, item.tool_type)


def _link(item: Any, spec: Spec, field: str, problems: list[Problem]) -> dict[str, Any]:
    """Return the link to a tool of another system, with placeholders filled from plain variables."""
    plain = {variable.name: variable.value for variable in spec.environment_variables if variable.value is not None}
    left: list[str] = []

    def fill(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name in plain:
            return str(plain[name])
        left.append(name)
        return match[0]

    url = _PLACEHOLDER.sub(fill, item.external_url or "")
    if not is_link(url) and not (left and url.startswith("$")):
        text = "The link has no scheme https or http, and is left out. Correct the URL."
        problems.append(note(Reason.NOT_ENFORCED, text, f"{field}.externalUrl"))
        url = ""
    entry = {"name": item.name, "toolType": item.tool_type, "url": url}
    if left:
        text = (
            f"The link names variables without a plain value: {', '.join(left)}. Set their values, or change the link."
        )
        problems.append(note(Reason.PLACEHOLDER_UNRESOLVED, text, f"{field}.externalUrl"))
        entry["message"] = text
    return entry


def _ports(spec: Spec, problems: list[Problem]) -> list[Endpoint]:
    found = []
    for item in spec.ports:
        if item.exclude:
            continue
        name = item.name or f"port-{item.container}"
        if item.container is None:
            problems.append(
                stalled(
                    Reason.INVALID_SPEC,
                    f"Port {name} has no container port. Set the field.",
                    f"spec.ports[{name}].container",
                )
            )
            continue
        kind = item.service_type or "ClusterIP"
        node_port = item.external if kind == "NodePort" else None
        service_port = item.container if kind == "NodePort" else item.external or item.container
        found.append(
            Endpoint(
                dns_label(name),
                kind,
                item.container,
                service_port,
                node_port,
                tool=item.tool_type or "",
                tool_name=item.tool_name or "",
            )
        )
    return found


def _exposed(spec: Spec, workload: str, namespace: str, settings: Settings, problems: list[Problem]) -> list[Endpoint]:
    found = []
    for item in spec.exposed_urls:
        if item.exclude:
            continue
        name = dns_label(item.name or f"url-{item.container}")
        field = f"spec.exposedUrls[{name}]"
        if item.container is None:
            problems.append(
                stalled(Reason.INVALID_SPEC, f"URL {name} has no container port. Set the field.", f"{field}.container")
            )
            continue
        host = connection_host(workload, name, namespace, settings.domain)
        url = connection_url(item.url, host, f"{field}.url", settings, custom=item.url is not None)
        if isinstance(url, Problem):
            problems.append(url)
            url = ""
        found.append(
            Endpoint(
                name,
                "ExternalUrl",
                item.container,
                item.container,
                url=url,
                tool=item.tool_type or "",
                tool_name=item.tool_name or "",
            )
        )
    return found


def _clashes(inside: list[Endpoint], problems: list[Problem]) -> None:
    names: dict[str, int] = {}
    node_ports: dict[int, str] = {}
    hosts: dict[str, str] = {}
    for item in inside:
        names[item.name] = names.get(item.name, 0) + 1
        if names[item.name] == 2:
            problems.append(
                stalled(
                    Reason.CONFLICT,
                    f"Two connections or ports have the name {item.name}. Rename one of them.",
                    "spec.connections",
                )
            )
        if item.node_port is not None and node_ports.setdefault(item.node_port, item.name) != item.name:
            text = (
                f"Node port {item.node_port} is set by {node_ports[item.node_port]} and {item.name}. Change one of "
                "them."
            )
            problems.append(stalled(Reason.CONFLICT, text, f"spec.connections[{item.name}].nodePort"))
        if item.url and hosts.setdefault(item.url, item.name) != item.name:
            text = f"URL {item.url} is set by {hosts[item.url]} and {item.name}. Change one of them."
            problems.append(stalled(Reason.CONFLICT, text, f"spec.connections[{item.name}].externalUrl"))


def manifests(
    inside: tuple[Endpoint, ...],
    workload: str,
    meta: Mapping[str, Any],
    selector: Mapping[str, str],
    settings: Settings,
    serving: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return the Services of all addresses, and an Ingress for each URL.

    `meta`: namespace, labels, ownerReferences. `serving`: the port for requests, on the Service of the workload's name.
    """
    types: dict[str, str] = {}
    ports: dict[str, list[Mapping[str, Any]]] = {}
    if serving is not None:
        types[workload], ports[workload] = "ClusterIP", [serving]
    for item in inside:
        name = item.service(workload)
        types[name] = "ClusterIP" if item.type == "ExternalUrl" else item.type
        entries = ports.setdefault(name, [])
        if all(entry["port"] != item.service_port for entry in entries):
            entries.append(_port(item))
    services = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**meta, "name": name},
            "spec": {"type": types[name], "selector": dict(selector), "ports": entries},
        }
        for name, entries in ports.items()
    ]
    urls = [item for item in inside if item.type == "ExternalUrl" and item.url]
    return [*services, *(_ingress(item, workload, meta, settings) for item in urls)]


def _port(item: Endpoint) -> dict[str, Any]:
    return {
        "name": item.name,
        "port": item.service_port,
        "targetPort": item.port,
        "protocol": "TCP",
        "nodePort": item.node_port,
    }


def _ingress(item: Endpoint, workload: str, meta: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    name = connection_service(workload, item.name)
    backend = {"service": {"name": item.service(workload), "port": {"number": item.service_port}}}
    path = {"path": path_of(item.url), "pathType": "Prefix", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {**meta, "name": name, **({"annotations": auth} if (auth := settings.ingress_auth) else {})},
        "spec": {
            "ingressClassName": settings.ingress_class,
            "rules": [{"host": item.host, "http": {"paths": [path]}}],
            "tls": [{"hosts": [item.host]}] if uses_tls(item.url) else None,
        },
    }


def container_ports(inside: tuple[Endpoint, ...], serving: int | None = None) -> list[dict[str, Any]]:
    """Return each container port once, without the serving port."""
    ports = dict.fromkeys(item.port for item in inside if item.port != serving)
    return [{"containerPort": port, "protocol": "TCP"} for port in ports]
