"""Read what a removal is about: the installation, its objects, their children, and the CRDs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from outfitter.api.v1alpha1 import ALL_KINDS, KINDS
from outfitter.api.version import GROUP
from outfitter.children import CHILD_KINDS
from outfitter.cli.installation import PART_OF, Installation, find_installations
from outfitter.cli.reader import CRD, NAMESPACE, RELEASE, Reader
from outfitter.cli.uninstall.plan import Found
from outfitter.cluster.client import path_of
from outfitter.cluster.resources import api_resource
from outfitter.errors import ConfigurationError
from outfitter.naming import LABEL_OWNER_UID

_INSTANCE: Final = "app.kubernetes.io/instance"
# Pods end with their controllers, and a removal waits for them.
_CHILDREN: Final = tuple(kind for kind in CHILD_KINDS if (kind.created or kind.kind == "Pod") and kind.group != GROUP)


async def survey(reader: Reader, system: str, chosen: str) -> Found:
    """Return what was found. `chosen`: the namespace of an installation, "" where there is one only."""
    every = await find_installations(reader, system)
    installation, others = choose(every, system, chosen)
    objects, claims, release, crds = await asyncio.gather(
        read_objects(reader), _claims(reader), _release(reader, installation), _crds(reader)
    )
    return Found(installation, others, tuple(objects), tuple(claims), tuple(release), tuple(crds))


def choose(every: list[Installation], system: str, chosen: str) -> tuple[Installation, tuple[Installation, ...]]:
    """Return the installation to remove, and all others. One that is not proven is removed only if it is `chosen`."""
    proven = [item for item in every if item.proven]
    matching = [item for item in every if item.namespace == chosen] if chosen else proven
    if len(matching) == 1:
        return matching[0], tuple(item for item in every if item is not matching[0])
    known = ", ".join(item.title for item in proven)
    if not matching and known:
        raise ConfigurationError(f"Namespace {chosen} has no installation. Installations are: {known}.")
    if not matching and every and not chosen:
        text = f"Deployment {every[0].title} has the labels of an operator, but its ServiceAccount not the rights."
        raise ConfigurationError(f"{text} Name the namespace of Outfitter with --namespace.")
    if not matching:
        return Installation(chosen or system), tuple(every)
    raise ConfigurationError(f"The cluster has several installations: {known}. Choose one with --namespace.")


async def read_objects(
    reader: Reader, kinds: Iterable[str] = (), *, metadata_only: bool = False
) -> list[dict[str, Any]]:
    """Return the custom resources of all namespaces. Default: all kinds but EffectivePolicy."""
    names = tuple(kinds) or tuple(kind.name for kind in KINDS)
    lists = await asyncio.gather(*(reader.items(api_resource(kind), metadata_only=metadata_only) for kind in names))
    return [item for items in lists for item in items]


async def read_children(reader: Reader) -> list[dict[str, Any]]:
    """Return the metadata of all children of custom resources."""
    works = (reader.items(kind, labels=LABEL_OWNER_UID, metadata_only=True) for kind in _CHILDREN)
    lists = await asyncio.gather(*works)
    return [item for items in lists for item in items]


async def _claims(reader: Reader) -> list[dict[str, Any]]:
    return await reader.items(api_resource("PersistentVolumeClaim"), labels=LABEL_OWNER_UID)


async def _release(reader: Reader, installation: Installation) -> list[dict[str, Any]]:
    selector = f"{PART_OF},{_INSTANCE}={installation.instance}"
    lists = await asyncio.gather(*(reader.items(kind, labels=selector, metadata_only=True) for kind in RELEASE))
    return [item for items in lists for item in items]


async def _crds(reader: Reader) -> list[dict[str, Any]]:
    paths = [path_of(CRD, "", f"{kind.plural}.{GROUP}") for kind in ALL_KINDS]
    found = await asyncio.gather(*map(reader.get, paths))
    return [{"kind": CRD.kind, "metadata": item["metadata"]} for item in found if item is not None]


async def existing_namespaces(reader: Reader, names: Iterable[str]) -> frozenset[str]:
    """Return those of the namespaces that exist."""
    found = await asyncio.gather(*(reader.object(NAMESPACE, name) for name in names))
    return frozenset(item["metadata"]["name"] for item in found if item is not None)
