"""DataSource and inline storage -> volumes, mounts and claims."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from outfitter.api.quantities import quantity_text
from outfitter.naming import LABEL_RETAINED, credential_secret, dns_label, fit, short_hash
from outfitter.problems import Problem, unsupported
from outfitter.render.pod import PodPatch
from outfitter.resolve.volumes import VolumeUse
from outfitter.settings import Settings

CSI_NFS = "nfs.csi.k8s.io"
UNSUPPORTED: Mapping[str, str] = {
    "git": "cloning git repositories into a volume is not built yet",
    "s3": "copying s3 buckets into a volume is not built yet",
    "dataVolume": "data volumes are not built yet",
}


def pod_patch(use: VolumeUse, settings: Settings) -> tuple[PodPatch | None, list[Problem]]:
    """The volume and its mount; or the problem that keeps it from being mounted."""
    if use.member in UNSUPPORTED:
        return None, [unsupported(use.field, UNSUPPORTED[use.member])]
    volume, mount = _VOLUMES[use.member](use, settings)
    # Volume names are DNS labels and unique in the pod; the path keeps two uses of one asset apart.
    name = fit(f"{dns_label(use.name)}-{short_hash(use.mount_path, 4)}")
    if use.member == "pvc" and use.leaf.claim_info and use.leaf.claim_info.volume_mode == "Block":
        device = {"name": name, "devicePath": use.mount_path}
        return PodPatch(use.source, volumes=[{"name": name, **volume}], devices=[device]), []
    mounts = [{"name": name, "mountPath": use.mount_path, **mount}]
    return PodPatch(use.source, volumes=[{"name": name, **volume}], mounts=mounts), []


_Parts = tuple[dict[str, Any], dict[str, Any]]


def _read_only(flag: bool) -> dict[str, Any]:
    return {"readOnly": True} if flag else {}


def _nfs(use: VolumeUse, settings: Settings) -> _Parts:
    leaf = use.leaf
    read_only = leaf.read_only is not False
    if settings.nfs_backend == "csi":
        attributes = {"server": leaf.server, "share": leaf.path}
        return {"csi": {"driver": CSI_NFS, "volumeAttributes": attributes, **_read_only(read_only)}}, _read_only(
            read_only
        )
    return {"nfs": {"server": leaf.server, "path": leaf.path, **_read_only(read_only)}}, _read_only(read_only)


def _host_path(use: VolumeUse, settings: Settings) -> _Parts:
    mount = _read_only(use.leaf.read_only is not False)
    if use.leaf.mount_propagation:
        mount["mountPropagation"] = use.leaf.mount_propagation
    return {"hostPath": {"path": use.leaf.path}}, mount


def _pvc(use: VolumeUse, settings: Settings) -> _Parts:
    read_only = _read_only(bool(use.leaf.read_only))
    return {"persistentVolumeClaim": {"claimName": use.claim, **read_only}}, read_only


def _mode(leaf: Any) -> dict[str, Any]:
    return {"defaultMode": int(leaf.default_mode, 8)} if leaf.default_mode else {}


def _config_map(use: VolumeUse, settings: Settings) -> _Parts:
    mount = {"subPath": use.leaf.sub_path} if use.leaf.sub_path else {}
    return {"configMap": {"name": use.claim, **_mode(use.leaf)}}, mount


def _secret(use: VolumeUse, settings: Settings) -> _Parts:
    credential = getattr(use.leaf, "credential", None)
    name = credential_secret(credential.name) if credential else use.leaf.secret
    return {"secret": {"secretName": name, **_mode(use.leaf)}}, {"readOnly": True}


def _empty_dir(use: VolumeUse, settings: Settings) -> _Parts:
    body = {"medium": use.leaf.medium, "sizeLimit": use.leaf.size_limit and quantity_text(use.leaf.size_limit)}
    return {"emptyDir": {key: value for key, value in body.items() if value}}, {}


_VOLUMES: Mapping[str, Callable[[VolumeUse, Settings], _Parts]] = {
    "nfs": _nfs,
    "hostPath": _host_path,
    "pvc": _pvc,
    "configMapVolume": _config_map,
    "secretVolume": _secret,
    "emptyDirVolume": _empty_dir,
}


def persistent_volume_claim(
    leaf: Any, name: str, namespace: str, labels: Mapping[str, str], *, retain: bool
) -> dict[str, Any]:
    """The claim of a new pvc. Retained ones carry a label instead of an owner, so that the data outlives its object."""
    info = leaf.claim_info
    chosen = info.access_modes
    modes = [
        mode
        for mode, wanted in (
            ("ReadWriteOnce", chosen and chosen.read_write_once),
            ("ReadOnlyMany", chosen and chosen.read_only_many),
            ("ReadWriteMany", chosen and chosen.read_write_many),
        )
        if wanted
    ]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**labels, LABEL_RETAINED: "true" if retain else "false"},
            "annotations": {item.key: item.value for item in info.added_attr_values or ()},
        },
        "spec": {
            "accessModes": modes or ["ReadWriteOnce"],
            "resources": {"requests": {"storage": quantity_text(info.size)}},
            "storageClassName": info.storage_class,
            "volumeMode": info.volume_mode,
        },
    }
