"""The addresses of one registry: where its API is, and which other hosts may take part."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final

from yarl import URL

from outfitter.api.registry_hosts import DOCKER_HUB, Network
from outfitter.snapshot import RegistryQuestion

_HUB_API: Final = "registry-1.docker.io"
_HUB_LOGIN: Final = "auth.docker.io"
_HUB_LIST: Final = "hub.docker.com"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a registry is. `origin`: of its API. `hub`: of the list of Docker Hub, which gets no login."""

    origin: URL
    hub: URL | None = None
    auth_hosts: frozenset[str] = frozenset()
    network: Network = "public"
    ca_bundle: str = ""

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return _authority(self.origin)

    @property
    def scheme(self) -> str:
        """The only scheme that is used, for the token service as well."""
        return self.origin.scheme

    def may_ask(self, url: URL) -> bool:
        """Return whether a request may go to a URL: scheme, host and port must be known."""
        known = {self.host, *self.auth_hosts, *([_authority(self.hub)] if self.hub else ())}
        return url.scheme == self.scheme and url.user is None and _authority(url) in known

    def may_log_in(self, url: URL) -> bool:
        """Return whether a URL may receive the login."""
        return self.may_ask(url) and _authority(url) in {self.host, *self.auth_hosts}

    def tls(self) -> ssl.SSLContext | bool:
        """Return how servers are verified: by the certificates of the system, and those of the bundle."""
        if self.scheme == "http":
            return True
        context = ssl.create_default_context()
        if self.ca_bundle:
            context.load_verify_locations(cadata=self.ca_bundle)
        return context


def _authority(url: URL) -> str:
    """Return host and port as an administrator writes them: without the usual port."""
    host = url.host or ""
    shown = f"[{host}]" if ":" in host else host
    return shown if url.is_default_port() or url.port is None else f"{shown}:{url.port}"


def endpoint_of(question: RegistryQuestion) -> Endpoint:
    """Return the addresses of the registry of a question."""
    options = question.options
    scheme = "http" if options.plain_http else "https"
    auth = frozenset(_authority(URL.build(scheme=scheme, authority=name)) for name in options.auth_hosts)
    hub, host = None, question.host
    if host == DOCKER_HUB:
        host, hub, auth = _HUB_API, URL.build(scheme=scheme, host=_HUB_LIST), auth | {_HUB_LOGIN}
    return Endpoint(URL.build(scheme=scheme, authority=host), hub, auth, options.addresses, options.ca_bundle)
