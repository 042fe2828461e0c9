"""The hosts of a workload: which ones it can have, and the addresses in its status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from outfitter.backends import Run
from outfitter.naming import connection_service
from outfitter.plan.diff import Diff
from outfitter.problems import Problem, stalled, waiting
from outfitter.reasons import Reason
from outfitter.render import serving
from outfitter.render.connection import Endpoints
from outfitter.render.urls import build_url, host_of
from outfitter.snapshot import CachedObject, Reader, Resource


def host_conflicts(reader: Reader, resource: Resource, hosts: Iterable[tuple[str, str, str]]) -> dict[str, Problem]:
    """Return the name of each Ingress whose host another workload has, and the problem: the first one keeps a host.

    `hosts`: name of the Ingress, host, and the field that asks for it.
    """
    conflicts = {}
    for name, host, field in hosts:
        published = _published(resource.body, host)
        home = host_namespace(reader, host)
        if home not in ("", resource.live.namespace) and not published:
            text = (
                f"Host {host} belongs to namespace {home}, because its first part ends with -{home}. Choose another "
                "name or host."
            )
            conflicts[name] = stalled(Reason.HOST_FORBIDDEN, text, field)
            continue
        first = next((live for live in reader.claimants(host) if _counts(reader, live, host, home)), None)
        if first is None or resource.live.uid in (first.owner, first.controller):
            continue
        if published and not _published(_owner(reader, first), host):
            continue  # an Ingress of a user cannot take a host that a status published before
        reader.track(first.kind, first.namespace, first.name)
        other = "another workload" if first.owner else f"Ingress {first.namespace}/{first.name}"
        text = f"Host {host} belongs to {other}. Choose another host."
        conflicts[name] = waiting(Reason.HOST_TAKEN, text, field)
    return conflicts


def host_namespace(reader: Reader, host: str) -> str:
    """Return the Namespace that a host below the domain belongs to; "" if it belongs to none.

    Generated hosts end with the namespace of their workload. Of several Namespaces, the longest counts.
    """
    domain = reader.settings.domain
    if not domain or not host.endswith(f".{domain}"):
        return ""
    label = host.removesuffix(f".{domain}")
    parts = label.split("-") if "." not in label else []
    endings = ("-".join(parts[number:]) for number in range(1, len(parts)))
    return next((name for name in endings if reader.get("Namespace", "", name) is not None), "")


def hosts(reader: Reader, run: Run) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each Ingress, its host, and the field that asks for it."""
    request = run.request
    for item in run.exposure.inside:
        if item.host:
            yield connection_service(request.name, item.name), item.host, f"spec.connections[{item.name}]"
    host = serving.public_host(request, run.spec, reader.settings)
    if host:
        yield request.name, host, "spec.servingPort"


def _owner(reader: Reader, ingress: CachedObject) -> Mapping[str, Any]:
    owner = reader.owner(ingress.owner)
    return owner.body if owner else {}


def _counts(reader: Reader, ingress: CachedObject, host: str, home: str) -> bool:
    """Return whether an Ingress can hold a host: a child of an object in its namespace, or one that others made.

    `home`: the namespace that the host belongs to. Elsewhere only a workload holds it that published it before.
    """
    at_home = home in ("", ingress.namespace)
    if not ingress.owner:
        return at_home
    owner = reader.owner(ingress.owner)
    if owner is None or owner.namespace != ingress.namespace or ingress.controller != ingress.owner:
        return False
    return at_home or _published(owner.body, host)


def _published(body: Mapping[str, Any], host: str) -> bool:
    """Return whether the status of an object names this host."""
    status = body.get("status") or {}
    urls = [status.get("url", ""), *(item.get("url", "") for item in status.get("connections") or ())]
    return any(host_of(str(url)) == host for url in urls if url)


def reached(
    resource: Resource, exposure: Endpoints, diff: Diff, conflicts: Mapping[str, Problem]
) -> list[dict[str, Any]]:
    """Return `status.connections`: the address of each endpoint; none for a host of another workload."""
    result = []
    for item in exposure.inside:
        name = connection_service(resource.live.name, item.name)
        service = diff.live.get(("Service", resource.live.namespace, item.service(resource.live.name)))
        body = service.body if service else {}
        ports = (body.get("spec") or {}).get("ports") or [{}]
        addresses = ((body.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        address = (addresses[0].get("hostname") or addresses[0].get("ip")) if addresses else None
        entry: dict[str, Any] = {
            "name": item.name,
            "toolType": item.tool or None,
            "toolName": item.tool_name or None,
            "connectionType": item.type,
            "containerPort": item.port,
            "nodePort": ports[0].get("nodePort", item.node_port) if item.type == "NodePort" else None,
            "url": item.url or (build_url("http", address, item.service_port) if address else None),
        }
        if name in conflicts:
            entry |= {"url": None, "message": conflicts[name].message}
        if item.type == "LoadBalancer" and not address:
            entry["message"] = "The load balancer has no address yet."
        result.append({key: value for key, value in entry.items() if value is not None})
    return result
