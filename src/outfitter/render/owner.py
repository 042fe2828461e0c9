"""Metadata of children: whose they are."""

from __future__ import annotations

from typing import Any

from outfitter.api.base import API_VERSION
from outfitter.naming import owner_labels
from outfitter.snapshot import Resource


def owner_reference(resource: Resource) -> dict[str, Any]:
    """The controller ownerReference to one of our objects; blockOwnerDeletion would need one more right."""
    live = resource.live
    return {"apiVersion": API_VERSION, "kind": live.kind, "name": live.name, "uid": live.uid, "controller": True}


def child_meta(resource: Resource) -> dict[str, Any]:
    """Metadata that every child in the owner's namespace starts from."""
    live = resource.live
    return {
        "namespace": live.namespace,
        "labels": owner_labels(live.kind, live.name, live.uid),
        "ownerReferences": [owner_reference(resource)],
    }
