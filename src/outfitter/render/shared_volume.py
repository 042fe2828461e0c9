"""The storage of one claim in another namespace: a claim there, and a PersistentVolume with the same handle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outfitter.naming import LABEL_RETAINED, owner_labels, shared_volume
from outfitter.snapshot import CachedObject

# Secrets with which a driver creates and grows volumes: a volume that is only mounted does not need them.
_CONTROLLER = ("controllerExpandSecretRef", "controllerPublishSecretRef", "nodeExpandSecretRef")


def pair(
    owner: CachedObject, source: Mapping[str, Any], name: str, namespace: str, size: str, *, writable: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the claim `name` of a namespace and its PersistentVolume.

    `source` is the PersistentVolume of the origin. The new one is the same storage, reserved for the claim; when it is
    deleted the storage stays.
    """
    spec, volume = source["spec"], shared_volume(owner.uid, namespace)
    labels = owner_labels(owner.kind, owner.name, owner.uid)
    csi = {key: value for key, value in spec["csi"].items() if key not in _CONTROLLER}
    modes = ["ReadWriteMany" if writable else "ReadOnlyMany"]
    common = {"accessModes": modes, "storageClassName": "", "volumeMode": spec.get("volumeMode")}
    reserved = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name}
    return (
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace, "labels": {**labels, LABEL_RETAINED: "false"}},
            "spec": {**common, "volumeName": volume, "resources": {"requests": {"storage": size}}},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume, "labels": labels},
            "spec": {
                **common,
                "capacity": {"storage": spec["capacity"]["storage"]},
                "claimRef": reserved,
                "csi": csi if writable else {**csi, "readOnly": True},
                "mountOptions": spec.get("mountOptions"),
                "nodeAffinity": spec.get("nodeAffinity"),
                "persistentVolumeReclaimPolicy": "Retain",
            },
        },
    )
