"""The port for requests in a merged submission: from `servingPort`, or from a connection of type ServingPort."""

from __future__ import annotations

from typing import Any

from outfitter.api.v1alpha1.connections import ConnectionOverride
from outfitter.api.v1alpha1.inference import InferenceSpec


def serving_connections(spec: InferenceSpec) -> list[ConnectionOverride]:
    """Return the connections of type ServingPort."""
    return [item for item in spec.connections if item.connection_type == "ServingPort"]


def serving_port(spec: Any) -> int | None:
    """Return the port at which an inference without an artifact answers."""
    if not isinstance(spec, InferenceSpec):
        return None
    if spec.serving_port is not None and spec.serving_port.container is not None:
        return spec.serving_port.container
    return next((item.container_port for item in serving_connections(spec)), None)


def protocol_of_connection(spec: Any) -> str | None:
    """Return the protocol of the port for requests where only a connection names it."""
    if not isinstance(spec, InferenceSpec) or (spec.serving_port is not None and spec.serving_port.protocol):
        return None
    return next((item.protocol for item in serving_connections(spec)), None)
