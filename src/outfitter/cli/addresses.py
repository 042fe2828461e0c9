"""The addresses of a workload that `outfitter open` can use, and which of them a user wants. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outfitter.api.shape import did_you_mean
from outfitter.cli.objects import title, words
from outfitter.errors import OutfitterError
from outfitter.render.urls import build_url, is_link, path_of

Body = Mapping[str, Any]

SERVING: Final = "serving"
_NOT_HTTP: Final = ("pycharm",)  # its gateway uses SSH
_SERVING_PORTS: Final = ("http", "grpc")  # names of the port for requests in the Service of a workload
LOOPBACK: Final = "127.0.0.1"
"""The address that a forward listens on. Browsers try ::1 first for `localhost`, where another program can listen."""
_ANSWERS: Final = ("Running", "Degraded", "Updating")  # phases in which pods can answer


@dataclass(frozen=True)
class Address:
    """A connection, port or URL of a workload. `port`: of the container, 0 for a link to another system.

    `url`: the address outside the pod, "" without one. `path`: where the tool answers below its host.
    """

    name: str
    tool: str = ""
    tool_name: str = ""
    port: int = 0
    url: str = ""
    path: str = "/"
    http: bool = True
    message: str = ""

    @property
    def label(self) -> str:
        """Return the name with its tool, and port or URL, for a list."""
        where = f"port {self.port}" if self.port else self.url or "without a URL"
        tool = self.tool_name or self.tool
        return f"{self.name} ({tool}, {where})" if tool else f"{self.name} ({where})"

    def local_url(self, port: int) -> str:
        """Return the address behind a local port. Without HTTP it is host and port alone."""
        return build_url("http", LOOPBACK, port, self.path) if self.http else f"{LOOPBACK}:{port}"


def addresses(body: Body, service: Body | None = None) -> list[Address]:
    """Return the addresses in the status of an object, in order, the port for requests first.

    `service`: the Service with the name of the workload, which has the number of the port for requests.
    """
    status = body.get("status") or {}
    found = [_connection(item) for item in status.get("connections") or ()]
    if serving := _serving(status, service):
        found.insert(0, serving)
    names = {item.name for item in found}
    links = [Address(item["name"], url=item["url"]) for item in status.get("relatedUrls") or () if item.get("url")]
    return found + [link for link in links if link.name not in names]


def _connection(item: Body) -> Address:
    port, url, tool = item.get("containerPort", 0), item.get("url", ""), item.get("toolType", "")
    external = item.get("connectionType") == "ExternalUrl"
    # The Ingress passes the path on, so a tool with a path in its URL answers below the same path.
    path = path_of(url) if external and url else "/"
    http = external or tool not in _NOT_HTTP
    return Address(item["name"], tool, item.get("toolName", ""), port, url, path, http, item.get("message", ""))


def _serving(status: Body, service: Body | None) -> Address | None:
    ports = ((service or {}).get("spec") or {}).get("ports") or ()
    found = next((item for item in ports if item.get("name") in _SERVING_PORTS), None)
    if found is None or not status.get("url"):
        return None
    url = str(status["url"])
    inside = url == build_url("http", _host(service or {}), found["port"])
    return Address(SERVING, port=int(found["port"]), url="" if inside else url, http=found["name"] == "http")


def _host(service: Body) -> str:
    meta = service["metadata"]
    return f"{meta['name']}.{meta['namespace']}.svc"


def choose(body: Body, found: Sequence[Address], name: str = "", port: int = 0) -> Address:
    """Return the address of a name or port, else the first one with HTTP. OutfitterError if there is none."""
    if port:
        return next((item for item in found if item.port == port), Address(f"port {port}", port=port))
    listed = ", ".join(item.label for item in found) or "none"
    if name:
        for item in found:
            if item.name == name:
                return item
        hint = did_you_mean(name, [item.name for item in found])
        raise OutfitterError(f"{title(body)} has no connection {name}.{hint} Its connections are: {listed}.")
    in_order = sorted(found, key=lambda item: (not item.port, not item.http))
    if not in_order:
        text = f"outfitter open {words(body)} --port PORT"
        raise OutfitterError(f"{title(body)} has no connection. To forward a port of its pod: {text}")
    return in_order[0]


def external_url(body: Body, address: Address) -> str:
    """Return the URL outside the cluster. OutfitterError with the way without one.

    A browser also opens files and runs scripts, so an address in a status that is no web link is refused.
    """
    if is_link(address.url):
        return address.url
    if address.url:
        raise OutfitterError(f"{title(body)}: the address of {address.name} is no web link: {address.url}")
    cause = f" {address.message}" if address.message else ""
    text = f"{title(body)}: {address.name} has no URL.{cause}"
    raise OutfitterError(f"{text} To forward its port, leave out --url." if address.port else text)


def others_note(body: Body, found: Sequence[Address], chosen: Address) -> str:
    """Return a note that lists all addresses; "" if there is no choice."""
    if len(found) < 2:
        return ""
    listed = ", ".join(item.label for item in found)
    return f"{title(body)} has {len(found)} connections: {listed}. This is {chosen.name}; --connection chooses another."


def phase_note(body: Body) -> str:
    """Return a note for a workload whose URL cannot answer now; "" for one that runs."""
    status = body.get("status") or {}
    phase = status.get("phase") or "Pending"
    return "" if phase in _ANSWERS else f"{title(body)} is {phase.lower()}: {status.get('message', '')}".rstrip(": ")
