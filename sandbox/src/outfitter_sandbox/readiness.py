"""Readiness checks of the components of a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from outfitter.errors import ApiError
from outfitter_sandbox.components import API_SERVER, CONTROLLER_MANAGER, ETCD, NODE, Layout
from outfitter_sandbox.connection import Connection
from outfitter_sandbox.nodes import REAL


def readiness(name: str, layout: Layout, state: Mapping[str, Any], api: Connection) -> Callable[[], bool]:
    """The readiness check of one component, to call until it returns True."""
    if state["node"] == REAL:
        from outfitter_sandbox.realnode import node

        check = node.readiness(name, node.place_of(layout.directory, state), api, state["programs"]["ctr"])
        if check is not None:
            return check
    if name == ETCD:
        etcd = Connection.with_certificate(
            layout.etcd_url,
            authority=layout.pki / "etcd-ca.crt",
            certificate=layout.pki / "etcd-client.crt",
            key=layout.pki / "etcd-client.key",
        )
        return lambda: succeeds(etcd, "/health")
    if name == API_SERVER:
        return lambda: succeeds(api, "/readyz")
    if name == NODE:
        return lambda: succeeds(api, "/api/v1/nodes/sandbox")
    enabled = state["controllers"].split(",")
    makes_accounts = "serviceaccount-controller" in enabled or (
        "*" in enabled and "-serviceaccount-controller" not in enabled
    )
    if name == CONTROLLER_MANAGER and makes_accounts:  # the API server rejects pods until this account exists
        return lambda: succeeds(api, "/api/v1/namespaces/default/serviceaccounts/default")
    return lambda: True


def waves(names: Mapping[str, Any], node: str) -> list[tuple[str, ...]]:
    """Components in start order; those of one wave start at the same time."""
    if node == REAL:
        from outfitter_sandbox.realnode.commands import WAVES

        return list(WAVES)
    return [(ETCD,), (API_SERVER,), tuple(name for name in names if name not in (ETCD, API_SERVER))]


def succeeds(connection: Connection, path: str) -> bool:
    """Whether the server answers a GET with 200."""
    try:
        return connection.answer("GET", path)[0] == 200
    except ApiError:
        return False
