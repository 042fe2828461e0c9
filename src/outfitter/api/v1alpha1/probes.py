"""Probes of a container."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.rules import Node, Rule
from outfitter.api.types import Port, PositiveInt32, Seconds


class HttpGet(Model):
    """An HTTP request; a status from 200 to 399 is success."""

    path: Annotated[str, Field(max_length=1024, pattern=r"^(/[a-zA-Z0-9\-_./]*)?$")] | None = None
    """Path to request. Default: /"""
    port: Port | None = None
    """Port of the request, 1 to 65535."""
    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.:]*)$")] | None = None
    """Host of the request. Default: the pod."""
    scheme: Literal["HTTP", "HTTPS"] | None = None
    """HTTP (default) or HTTPS; a certificate is not checked."""


class ProbeHandler(Model):
    """Request of the probe."""

    http_get: HttpGet | None = None
    """HTTP request."""


def _has_port(probe: Node) -> bool:
    return "port" in probe.get("handler", {}).get("httpGet", {})


class ReadinessProbe(Model):
    """Readiness probe."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.handler) && has(self.handler.httpGet) && has(self.handler.httpGet.port)",
            "The readiness probe has no handler.httpGet.port. Set the port of the request.",
            _has_port,
            field="handler",
            reason="FieldValueRequired",
            complete=True,
        ),
    )

    initial_delay_seconds: Seconds | None = None
    """Seconds between the start of the container and the first probe. Default: 0."""
    period_seconds: PositiveInt32 | None = None
    """Seconds between two probes. Default: 10."""
    timeout_seconds: PositiveInt32 | None = None
    """Timeout of a probe in seconds. Default: 1."""
    success_threshold: PositiveInt32 | None = None
    """Consecutive successes after which the container is ready. Default: 1."""
    failure_threshold: PositiveInt32 | None = None
    """Consecutive failures after which the container is not ready. Default: 3."""
    handler: ProbeHandler | None = None
    """Request of the probe."""


class Probes(Model):
    """Probes of a container."""

    readiness: ReadinessProbe | None = None
    """Traffic is sent to the container only while this probe succeeds."""


class InlineReadinessProbe(ReadinessProbe):
    """Readiness probe; absent fields come from assets and policies."""

    PARTIAL: ClassVar[bool] = True


class InlineProbes(Probes):
    """Probes of a container; absent fields come from assets and policies."""

    readiness: InlineReadinessProbe | None = None
    """Traffic is sent to the container only while this probe succeeds."""
