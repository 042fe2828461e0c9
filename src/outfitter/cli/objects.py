"""Objects that a command names: read with the rights of the user, and how messages name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outfitter.errors import OutfitterError

if TYPE_CHECKING:
    from outfitter.cli.target import Target
    from outfitter.cluster.client import Client


async def read_object(client: Client, chosen: Target, namespace: str) -> dict[str, Any]:
    """Return an object. OutfitterError if it does not exist."""
    kind = chosen.kind
    found = await client.get(kind.name, namespace, chosen.name)
    if found is None:
        listing = f"outfitter status {kind.singular} -n {namespace}"
        raise OutfitterError(f"{kind.name} {namespace}/{chosen.name} does not exist. To list them: {listing}")
    return {**found, "kind": kind.name}


def title(body: Mapping[str, Any]) -> str:
    """Return kind, namespace and name, for use in a sentence."""
    meta = body["metadata"]
    return f"{body['kind']} {meta['namespace']}/{meta['name']}"


def words(body: Mapping[str, Any]) -> str:
    """Return the arguments that name an object on the command line."""
    meta = body["metadata"]
    return f"{body['kind'].lower()}/{meta['name']} -n {meta['namespace']}"
