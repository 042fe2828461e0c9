"""When a container counts as ready to serve."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.rules import Node, Rule
from outfitter.api.types import Port, PositiveInt32, Seconds


class HttpGet(Model):
    """An HTTP request; any answer from 200 to 399 is success."""

    path: Annotated[str, Field(max_length=1024, pattern=r"^(/[a-zA-Z0-9\-_./]*)?$")] | None = None
    """Path to request. Default: /"""
    port: Port | None = None
    """Port to ask, 1 to 65535."""
    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.:]*)$")] | None = None
    """Host to ask. Default: the pod itself."""
    scheme: Literal["HTTP", "HTTPS"] | None = None
    """HTTP (default) or HTTPS; a certificate is not checked."""


class ProbeHandler(Model):
    """How to ask."""

    http_get: HttpGet | None = None
    """Ask by an HTTP request."""


def _has_port(probe: Node) -> bool:
    return "port" in probe.get("handler", {}).get("httpGet", {})


class ReadinessProbe(Model):
    """How to find out whether the container is ready."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.handler) && has(self.handler.httpGet) && has(self.handler.httpGet.port)",
            "a readiness probe needs handler.httpGet.port: the port to ask",
            _has_port,
            field="handler",
            reason="FieldValueRequired",
            complete=True,
        ),
    )

    initial_delay_seconds: Seconds | None = None
    """Seconds to wait after the container started. Default: 0."""
    period_seconds: PositiveInt32 | None = None
    """Seconds between two probes. Default: 10."""
    timeout_seconds: PositiveInt32 | None = None
    """Seconds after which a probe has failed. Default: 1."""
    success_threshold: PositiveInt32 | None = None
    """Successes in a row that make the container ready. Default: 1."""
    failure_threshold: PositiveInt32 | None = None
    """Failures in a row that make the container not ready. Default: 3."""
    handler: ProbeHandler | None = None
    """How to ask."""


class Probes(Model):
    """When a container counts as ready to serve."""

    readiness: ReadinessProbe | None = None
    """Traffic is sent to the container only while this probe succeeds."""


class InlineReadinessProbe(ReadinessProbe):
    """How to find out whether the container is ready; what is absent comes from assets and policies."""

    PARTIAL: ClassVar[bool] = True


class InlineProbes(Probes):
    """When a container counts as ready to serve; what is absent comes from assets and policies."""

    readiness: InlineReadinessProbe | None = None
    """Traffic is sent to the container only while this probe succeeds."""
