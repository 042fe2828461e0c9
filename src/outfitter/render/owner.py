"""Metadata of children: whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outfitter.api.version import API_VERSION
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


def labelled(manifest: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return a child with further labels of Outfitter."""
    meta = manifest["metadata"]
    return {**manifest, "metadata": {**meta, "labels": {**(meta.get("labels") or {}), **labels}}}


# Programs take orders from annotations of these kinds: ingress controllers, load balancers, DNS.
_OBEYED: Final = ("Ingress", "Service")


def labelled_by_user(manifest: Mapping[str, Any], metadata: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return a child with the labels and annotations of the user, which admission policies may demand.

    Names that Outfitter sets win. An Ingress or Service gets only annotations without a prefix.
    """
    meta = manifest["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if manifest["kind"] in _OBEYED:
        annotations = {name: value for name, value in annotations.items() if "/" not in name}
    added = {
        "labels": {**labels, **(meta.get("labels") or {})},
        "annotations": {**annotations, **(meta.get("annotations") or {})},
    }
    return {**manifest, "metadata": {**meta, **{name: values for name, values in added.items() if values}}}
