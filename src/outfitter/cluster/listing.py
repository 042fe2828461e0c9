"""The uids of all objects of a kind, from a paged list of metadata."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import NamedTuple
from urllib.parse import urlencode

from outfitter.api.version import GROUP, VERSION
from outfitter.cluster.client import PAGE, path_of
from outfitter.cluster.resources import api_resource
from outfitter.cluster.transport import METADATA_LIST, Transport, parsed
from outfitter.errors import ApiError, ConfigurationError, NotFound


class Listing(NamedTuple):
    """The uids in one namespace ("" for all) at resourceVersion `version`."""

    namespace: str
    uids: frozenset[str]
    version: int


async def listings(transport: Transport, kind: str, namespaces: Iterable[str] = ()) -> list[Listing]:
    """One Listing, or one per namespace. ConfigurationError if the CRD of the kind is not installed."""
    try:
        return [await _listing(transport, kind, namespace) for namespace in tuple(namespaces) or ("",)]
    except NotFound:
        text = f"The API server does not serve {kind}. Install the CustomResourceDefinitions of Outfitter first."
        raise ConfigurationError(text) from None


async def served_plurals(transport: Transport) -> frozenset[str]:
    """The resources of our API group that the API server serves now."""
    found = parsed(await transport.request("GET", f"/apis/{GROUP}/{VERSION}"))
    return frozenset(resource["name"] for resource in found.get("resources") or ())


async def unserved_plurals(
    transport: Transport, wanted: Collection[str], *, looks: int = 6, pause: float = 1.0
) -> frozenset[str]:
    """Of these resources of our API group those that the API server does not serve, also not at the last look.

    Those of a new installation are served one after the other. `pause`: seconds between two looks. Without a first
    answer all count as served; an error later changes nothing.
    """
    missing = frozenset(wanted)
    for look in range(looks):
        try:
            missing -= await served_plurals(transport)
        except ApiError:
            if look == 0:
                return frozenset()
        if not missing or look == looks - 1:
            break
        await asyncio.sleep(pause)
    return missing


async def existing_uids(transport: Transport, kind: str, namespaces: Iterable[str] = ()) -> frozenset[str]:
    """The uid of every object of a kind that exists on the server now."""
    found = await listings(transport, kind, namespaces)
    return frozenset(uid for listing in found for uid in listing.uids)


async def _listing(transport: Transport, kind: str, namespace: str) -> Listing:
    uids: set[str] = set()
    query, version = {"limit": str(PAGE)}, 0
    while True:
        path = f"{path_of(api_resource(kind), namespace)}?{urlencode(query)}"
        page = parsed(await transport.request("GET", path, accept=METADATA_LIST))
        meta = page.get("metadata") or {}
        version = version or int(meta.get("resourceVersion") or 0)
        uids.update(item["metadata"]["uid"] for item in page.get("items") or ())
        if not meta.get("continue"):
            return Listing(namespace, frozenset(uids), version)
        query["continue"] = meta["continue"]
