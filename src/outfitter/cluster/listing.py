"""Which objects of a kind exist, by a paged metadata-only list: what the watch of our kinds is checked against."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlencode

from outfitter.cluster.client import PAGE, path_of
from outfitter.cluster.resources import api_resource
from outfitter.cluster.transport import METADATA_LIST, Transport, parsed


class Listing(NamedTuple):
    """The uids of one namespace ("" for all) at `version`."""

    namespace: str
    uids: frozenset[str]
    version: int


async def listings(transport: Transport, kind: str, namespaces: Iterable[str] = ()) -> list[Listing]:
    """One Listing, or one per namespace."""
    found: list[Listing] = []
    for namespace in tuple(namespaces) or ("",):
        uids: set[str] = set()
        query, version = {"limit": str(PAGE)}, 0
        while True:
            path = f"{path_of(api_resource(kind), namespace)}?{urlencode(query)}"
            page = parsed(await transport.request("GET", path, accept=METADATA_LIST))
            meta = page.get("metadata") or {}
            version = version or int(meta.get("resourceVersion") or 0)
            uids.update(item["metadata"]["uid"] for item in page.get("items") or ())
            if not meta.get("continue"):
                break
            query["continue"] = meta["continue"]
        found.append(Listing(namespace, frozenset(uids), version))
    return found
