"""Reads all that `outfitter trace` shows, with the rights of the user, who may lack some."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from outfitter.api.v1alpha1 import KINDS
from outfitter.children import CHILD_KINDS
from outfitter.cli.objects import read_object
from outfitter.cli.references import Reference, references
from outfitter.cli.target import Target
from outfitter.cli.trace_nodes import Node, Trace, child_nodes, reference_node
from outfitter.cluster.client import Client, path_of
from outfitter.cluster.resources import api_resource
from outfitter.cluster.transport import METADATA_LIST, METADATA_ONLY, parsed
from outfitter.errors import Forbidden, NotFound
from outfitter.naming import LABEL_OWNER_UID

_WITHOUT_CONTENT = ("Secret", "ConfigMap")  # only their metadata is read


async def read_trace(client: Client, chosen: Target, namespace: str, system: str) -> Trace:
    """Return the trace of an object. `system`: the namespace with the shared assets."""
    body = await read_object(client, chosen, namespace)
    found, (children, pods, hidden) = await asyncio.gather(
        asyncio.gather(*(_reference(client, item, namespace, system) for item in references(chosen.kind, body))),
        _children(client, body),
    )
    return Trace(body, tuple(found), child_nodes(children, pods), tuple(hidden))


async def _reference(client: Client, reference: Reference, namespace: str, system: str) -> Node:
    """Find an object in the namespace of the workload, then among the shared ones."""
    custom = any(kind.name == reference.kind for kind in KINDS)
    places = [reference.namespace] if reference.namespace else [namespace, system] if custom else [namespace]
    if reference.scope:
        places = [namespace] if reference.scope == "project" else [system]
    readable = True
    for place in dict.fromkeys(places):
        try:
            body = await _get(client, reference.kind, place, reference.name)
        except Forbidden:
            readable = False
        else:
            if body is not None:
                return reference_node(reference.kind, reference.name, body)
    return reference_node(reference.kind, reference.name, None, readable=readable)


async def _get(client: Client, kind: str, namespace: str, name: str) -> Mapping[str, Any] | None:
    if kind not in _WITHOUT_CONTENT:
        return await client.get(kind, namespace, name)
    try:
        path = path_of(api_resource(kind), namespace, name)
        return parsed(await client.transport.request("GET", path, accept=METADATA_ONLY))
    except NotFound:
        return None


async def _children(
    client: Client, body: Mapping[str, Any]
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]], list[str]]:
    """Return the children of an object, its pods, and the kinds that the user may not list."""
    kinds = [kind.kind for kind in CHILD_KINDS if kind.created and kind.namespaced and kind.kind != "EffectivePolicy"]
    kinds += ["Pod", *(kind.name for kind in KINDS if kind.on_demand)]
    optional = {kind.kind for kind in CHILD_KINDS if kind.optional or kind.setting}
    lists = await asyncio.gather(*(_owned(client, kind, body) for kind in kinds))
    hidden = [kind for kind, items in zip(kinds, lists, strict=True) if items is None and kind not in optional]
    found = [item for items in lists for item in items or ()]
    current = (body.get("status") or {}).get("revision")
    children = [item for item in found if item["kind"] not in ("Pod", "ControllerRevision")]
    children += [item for item in found if item["kind"] == "ControllerRevision" and item["metadata"]["name"] == current]
    return children, [item for item in found if item["kind"] == "Pod"], hidden


async def _owned(client: Client, kind: str, body: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return the children of one kind; None if the user may not list them."""
    meta = body["metadata"]
    selector = f"{LABEL_OWNER_UID}={meta['uid']}"
    try:
        if kind not in _WITHOUT_CONTENT:
            return [*await client.list(kind, meta["namespace"], label_selector=selector)]
        path = f"{path_of(api_resource(kind), meta['namespace'])}?labelSelector={quote(selector, safe='')}"
        items = parsed(await client.transport.request("GET", path, accept=METADATA_LIST)).get("items") or ()
        return [{**item, "kind": kind} for item in items]
    except Forbidden:
        return None
    except NotFound:  # the API server does not serve the kind
        return []
