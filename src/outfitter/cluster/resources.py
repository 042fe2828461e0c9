"""The ApiResource of each kind, native or custom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from outfitter.api.v1alpha1 import GROUP, KINDS, VERSION
from outfitter.children import CHILD_KINDS, ApiResource, ChildKind

_LEASE: Final = ApiResource("Lease", "coordination.k8s.io", "v1", "leases")


def resources(kinds: Iterable[ChildKind]) -> Mapping[str, ApiResource]:
    """The resources by kind: these child kinds, the custom resources and the Lease."""
    custom = (ApiResource(kind.name, GROUP, VERSION, kind.plural) for kind in KINDS)
    return {resource.kind: resource for resource in (*kinds, *custom, _LEASE)}


RESOURCES: Final = resources(CHILD_KINDS)


def api_resource(kind: str) -> ApiResource:
    """The ApiResource of a kind; KeyError for a kind that Outfitter does not use."""
    return RESOURCES[kind]
