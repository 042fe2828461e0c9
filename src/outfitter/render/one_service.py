"""One Service per workload: which of its addresses are ports of the Service that has the workload's name."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from outfitter.render.connection import Endpoints

_INSIDE: Final = ("ClusterIP", "ExternalUrl")
_SERVING_NAMES: Final = ("http", "grpc")


def in_one_service(exposure: Endpoints, serving: int | None) -> Endpoints:
    """Return the addresses with those inside the cluster on one Service. `serving`: the port for requests.

    A Service has each port and each name once. So addresses with the same two ports share one entry, and an address
    with another container port behind a port that is in use, or with a name in use, keeps a Service of its own.
    """
    targets = {} if serving is None else {serving: serving}
    names = () if serving is None else _SERVING_NAMES
    placed = []
    for item in exposure.inside:
        known = targets.get(item.service_port)
        shared = item.type in _INSIDE and (item.name not in names if known is None else known == item.port)
        if shared:
            targets[item.service_port] = item.port
        placed.append(replace(item, shared=shared))
    return replace(exposure, inside=tuple(placed))
