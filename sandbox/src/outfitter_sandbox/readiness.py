"""How to see that a component of a sandbox works, not only runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from outfitter.errors import ApiError
from outfitter_sandbox.components import API_SERVER, CONTROLLER_MANAGER, ETCD, NODE, Layout
from outfitter_sandbox.connection import Connection
from outfitter_sandbox.nodes import REAL


def readiness(name: str, layout: Layout, state: Mapping[str, Any], api: Connection) -> Callable[[], bool]:
    """A question to ask until it says yes."""
    pki = layout.pki
    if state["node"] == REAL:
        from outfitter_sandbox.realnode import node

        check = node.readiness(name, node.place_of(layout.directory, state), api, state["programs"]["ctr"])
        if check is not None:
            return check
    if name == ETCD:
        certificate, key = pki / "etcd-client.crt", pki / "etcd-client.key"
        etcd = Connection.with_certificate(
            layout.etcd_url, authority=pki / "etcd-ca.crt", certificate=certificate, key=key
        )
        return lambda: _succeeds(etcd, "/health")
    if name == API_SERVER:
        return lambda: _succeeds(api, "/readyz")
    if name == NODE:
        return lambda: _succeeds(api, "/api/v1/nodes/sandbox")
    enabled = state["controllers"].split(",")
    makes_accounts = "serviceaccount-controller" in enabled or (
        "*" in enabled and "-serviceaccount-controller" not in enabled
    )
    if name == CONTROLLER_MANAGER and makes_accounts:  # pods are refused until this account is there
        return lambda: _succeeds(api, "/api/v1/namespaces/default/serviceaccounts/default")
    return lambda: True


def waves(names: Mapping[str, Any], node: str) -> list[tuple[str, ...]]:
    """Components in the order of their start; those of one wave do not wait for one another."""
    if node == REAL:
        from outfitter_sandbox.realnode.commands import WAVES

        return list(WAVES)
    return [(ETCD,), (API_SERVER,), tuple(name for name in names if name not in (ETCD, API_SERVER))]


def _succeeds(connection: Connection, path: str) -> bool:
    try:
        return connection.answer("GET", path)[0] == 200
    except ApiError:
        return False
