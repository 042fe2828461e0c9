"""The volumes of claims where nothing creates any: those that were loaded, and those of StorageClasses that were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from outfitter.simulator.cluster import SimulatedCluster
from outfitter.simulator.manifests import Body, copied

INVENTED: Final = "(of the driver)"
"""The handle of a volume that a StorageClass would create."""
_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
_NOT_CSI: Final = "kubernetes.io/"


def unreserved(objects: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield objects for a simulation, which gives every claim another uid.

    A volume that was bound to a claim among them is reserved for this claim, whatever its uid is.
    """
    bodies = list(objects)
    claims = (body["metadata"] for body in bodies if body["kind"] == "PersistentVolumeClaim")
    uids = {_place(meta): meta.get("uid") for meta in claims}
    for body in bodies:
        holder = body["kind"] == "PersistentVolume" and (body.get("spec") or {}).get("claimRef")
        if holder and uids.get(_place(holder), "") in (None, holder.get("uid")):
            reserved = {key: value for key, value in holder.items() if key != "uid"}
            yield {**body, "spec": {**body["spec"], "claimRef": reserved}}
        else:
            yield body


def _place(meta: Mapping[str, Any]) -> tuple[str, str]:
    return meta.get("namespace", ""), meta["name"]


def known_volume(cluster: SimulatedCluster, claim: Body) -> str:
    """Return the name of the volume that a claim gets, "" for none. A StorageClass creates one."""
    meta, named = claim["metadata"], claim["spec"].get("volumeName")
    for volume in cluster.objects("PersistentVolume"):
        holder = volume["spec"].get("claimRef") or {}
        if volume["metadata"]["name"] == named or (not named and holder and _place(holder) == _place(meta)):
            return str(volume["metadata"]["name"])
    storage = None if named else _storage_class(cluster, claim)
    if storage is None:
        return ""
    name = f"pvc-{meta['uid']}"
    cluster.user_apply(_provisioned(name, storage, claim), manager="provisioner")
    return name


def _storage_class(cluster: SimulatedCluster, claim: Body) -> Body | None:
    """Return the StorageClass of a claim, if there is one with a CSI driver."""
    name = claim["spec"].get("storageClassName")
    for found in cluster.objects("StorageClass"):
        meta = found["metadata"]
        default = (meta.get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
        chosen = default if name is None else meta["name"] == name
        if chosen and not str(found.get("provisioner", _NOT_CSI)).startswith(_NOT_CSI):
            return found
    return None


def _provisioned(name: str, storage: Body, claim: Body) -> Body:
    spec, meta = claim["spec"], claim["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "accessModes": copied(spec.get("accessModes")),
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": {"kind": "PersistentVolumeClaim", "namespace": meta["namespace"], "name": meta["name"]},
            "csi": {"driver": storage["provisioner"], "volumeHandle": INVENTED},
            "mountOptions": storage.get("mountOptions"),
            "persistentVolumeReclaimPolicy": storage.get("reclaimPolicy", "Delete"),
            "storageClassName": storage["metadata"]["name"],
            "volumeMode": spec.get("volumeMode") or "Filesystem",
        },
    }
