"""The volumes of a workload -> volumes, mounts and devices of its pods."""

from __future__ import annotations

from typing import Any, assert_never

from outfitter.api.quantities import quantity_text
from outfitter.naming import dns_label, fit, short_hash
from outfitter.render.pod import PodPatch
from outfitter.resolve.volumes import (
    ConfigMapVolume,
    DataVolume,
    EmptyDirVolume,
    GitVolume,
    HostPathVolume,
    ImageVolume,
    NfsVolume,
    PvcVolume,
    S3Volume,
    SecretVolume,
    Volume,
)
from outfitter.settings import Settings

CSI_NFS = "nfs.csi.k8s.io"


def pod_patch(volume: Volume, settings: Settings) -> PodPatch | None:
    """Return the volume and its mount; None for one that is fetched."""
    match volume:
        case GitVolume() | S3Volume():
            return None
        case NfsVolume():
            patch = _nfs(volume, settings)
        case HostPathVolume():
            propagation = {"mountPropagation": volume.mount_propagation} if volume.mount_propagation else {}
            patch = _patch(volume, {"hostPath": {"path": volume.path}}, _read_only(volume.read_only) | propagation)
        case PvcVolume():
            patch = _claim(volume, read_only=volume.read_only)
        case DataVolume():
            patch = _claim(volume, read_only=True)
        case ConfigMapVolume():
            source = {"configMap": {"name": volume.config_map, **_mode(volume.mode)}}
            patch = _patch(volume, source, _sub_path(volume))
        case SecretVolume():
            source = {"secret": {"secretName": volume.secret, **_mode(volume.mode)}}
            patch = _patch(volume, source, {"readOnly": True})
        case EmptyDirVolume():
            limit = quantity_text(volume.size_limit) if volume.size_limit else None
            body = {"medium": volume.medium, "sizeLimit": limit}
            patch = _patch(volume, {"emptyDir": {key: value for key, value in body.items() if value}}, {})
        case ImageVolume():
            source = {"image": {"reference": volume.reference, **_pull_policy(volume)}}
            patch = _patch(volume, source, {"readOnly": True, **_sub_path(volume)})
        case _:
            assert_never(volume)
    return patch


def _patch(volume: Volume, source: dict[str, Any], mount: dict[str, Any]) -> PodPatch:
    name, use = volume_name(volume), volume.use
    mounts = [{"name": name, "mountPath": use.mount_path, **mount}]
    return PodPatch(use.origin, volumes=[{"name": name, **source}], mounts=mounts)


def volume_name(volume: Volume) -> str:
    """Return a DNS label that is unique in the pod: the path distinguishes two uses of one DataSource."""
    return fit(f"{dns_label(volume.use.name)}-{short_hash(volume.use.mount_path, 4)}")


def _read_only(flag: bool) -> dict[str, Any]:
    return {"readOnly": True} if flag else {}


def _sub_path(volume: ConfigMapVolume | ImageVolume) -> dict[str, Any]:
    return {"subPath": volume.sub_path} if volume.sub_path else {}


def _pull_policy(volume: ImageVolume) -> dict[str, Any]:
    return {"pullPolicy": volume.pull_policy} if volume.pull_policy else {}


def _mode(mode: str | None) -> dict[str, Any]:
    return {"defaultMode": int(mode, 8)} if mode else {}


def _nfs(volume: NfsVolume, settings: Settings) -> PodPatch:
    read_only = _read_only(volume.read_only)
    if settings.nfs_backend == "csi":
        attributes = {"server": volume.server, "share": volume.path}
        return _patch(volume, {"csi": {"driver": CSI_NFS, "volumeAttributes": attributes, **read_only}}, read_only)
    return _patch(volume, {"nfs": {"server": volume.server, "path": volume.path, **read_only}}, read_only)


def _claim(volume: PvcVolume | DataVolume, *, read_only: bool) -> PodPatch:
    flag = _read_only(read_only)
    source = {"persistentVolumeClaim": {"claimName": volume.claim_name, **flag}}
    if volume.block:
        name, use = volume_name(volume), volume.use
        devices = [{"name": name, "devicePath": use.mount_path}]
        return PodPatch(use.origin, volumes=[{"name": name, **source}], devices=devices)
    return _patch(volume, source, flag)
