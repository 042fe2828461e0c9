"""Volumes that several namespaces mount: the storage behind them, which a CSI driver would make."""

from __future__ import annotations

from typing import Any

from outfitter.naming import shared_claim, shared_volume

from .client import Api, Object
from .models import IMAGE
from .rights import SYSTEM
from .space import Space

DRIVER = "file.csi.example.com"
CLASS = "files"
CLAIM = shared_claim("shared")


def storage(
    api: Api, driver: str, claim: str, handle: str = "", namespace: str = SYSTEM, name: str = "", **spec: Any
) -> str:
    """A volume as a CSI driver would provision it for a claim, of the system namespace unless told otherwise."""
    name = name or f"csi-{claim}"
    fields = spec
    spec = {
        "capacity": {"storage": "150Gi"},
        "accessModes": ["ReadWriteMany"],
        "storageClassName": CLASS,
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": namespace, "name": claim},
        "csi": {"driver": driver, "volumeHandle": handle or f"vol-{claim}", "volumeAttributes": {"share": "models"}},
        **fields,
    }
    api.create({"kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
    return name


def share(space: Space, name: str, **spec: Any) -> Object:
    """A cache of the admin's for every project."""
    fields = {"image": IMAGE, "scope": {"type": "cluster"}, "sharing": "staticPV", "storageClass": CLASS}
    return space.make("NimCache", name, {**fields, "credential": {"name": "admin-ngc"}, **spec})


def volume(api: Api, cache: Object, space: Space) -> Object | None:
    """What mounts it in one namespace."""
    return api.get("PersistentVolume", "", shared_volume(cache["metadata"]["uid"], space.name))
