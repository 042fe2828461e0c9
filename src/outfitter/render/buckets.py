"""Buckets that a CSI driver mounts: a PersistentVolume and a claim of the workload for each, and its mount."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from outfitter.naming import LABEL_RETAINED, bucket_claim, bucket_volume, owner_labels
from outfitter.render.owner import owner_reference
from outfitter.render.pod import PodPatch
from outfitter.render.urls import amazon_region, bucket_name
from outfitter.render.volumes import volume_name
from outfitter.resolve.volumes import S3Volume
from outfitter.resolve.workload import Resolved
from outfitter.settings import Settings
from outfitter.snapshot import CachedObject, Resource

_SIZE: Final = "1Gi"  # a claim needs one, and the driver ignores it
_MODES: Final = ("ReadOnlyMany",)


@dataclass(frozen=True)
class BucketMount:
    """A bucket that a driver mounts. `options`: mount options; `url`: "" for Amazon S3."""

    claim: str
    bucket: str
    url: str
    options: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """The bucket as the administrator writes it in `s3Buckets`."""
        return bucket_name(self.bucket, self.url)

    def stored(self) -> dict[str, Any]:
        """Return the mount as a revision holds it."""
        return {"claim": self.claim, "bucket": self.bucket, "url": self.url, "options": list(self.options)}

    @staticmethod
    def read(stored: Mapping[str, Any]) -> BucketMount:
        """Read a mount from a revision."""
        return BucketMount(stored["claim"], stored["bucket"], stored["url"], tuple(stored["options"]))


def bucket_mounts(resolved: Resolved, settings: Settings) -> tuple[BucketMount, ...]:
    """Return the mounts of all pods, each once."""
    return tuple(dict.fromkeys(_all_mounts(resolved, settings)))


def _all_mounts(resolved: Resolved, settings: Settings) -> Iterator[BucketMount]:
    for part in (resolved, resolved.master):
        for volume in part.volumes if part is not None else ():
            mount = mount_of(volume, part, settings) if part is not None and isinstance(volume, S3Volume) else None
            if mount is not None:
                yield mount


def mount_of(volume: S3Volume, resolved: Resolved, settings: Settings) -> BucketMount | None:
    """Return how a driver mounts a bucket; None for one that a container copies.

    The driver has its own identity for all workloads. It serves no bucket with a login, and no bucket that the
    administrator did not list.
    """
    region = amazon_region(volume.url) if volume.url else ""
    url = volume.url.rstrip("/") if region is None else ""
    if volume.login is not None or not settings.mounts_bucket(bucket_name(volume.bucket, url)):
        return None
    security = resolved.spec.security
    options = ["read-only", "allow-other"]
    options += [f"uid={security.run_as_uid}"] if security.run_as_uid is not None else []
    options += [f"gid={security.run_as_gid}"] if security.run_as_gid is not None else []
    options += [f"region {region}"] if region else []
    options += [f"endpoint-url {url}", "force-path-style"] if url else []
    live = resolved.request.resource.live
    content = orjson.dumps([settings.s3_driver, volume.bucket, url, options])
    return BucketMount(bucket_claim(live.kind, live.name, content), volume.bucket, url, tuple(options))


def pod_patch(volume: S3Volume, mount: BucketMount) -> PodPatch:
    """Return the claim and its mount for the pods."""
    name, use = volume_name(volume), volume.use
    source = {"persistentVolumeClaim": {"claimName": mount.claim, "readOnly": True}}
    mounts = [{"name": name, "mountPath": use.mount_path, "readOnly": True}]
    return PodPatch(use.origin, volumes=[{"name": name, **source}], mounts=mounts)


def claim(mount: BucketMount, resource: Resource) -> dict[str, Any]:
    """Return the claim of a mount. The workload owns it: it holds no data."""
    live = resource.live
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": mount.claim,
            "namespace": live.namespace,
            "labels": {**owner_labels(live.kind, live.name, live.uid), LABEL_RETAINED: "false"},
            "ownerReferences": [owner_reference(resource)],
        },
        "spec": {
            "accessModes": list(_MODES),
            "resources": {"requests": {"storage": _SIZE}},
            "storageClassName": "",
            "volumeMode": "Filesystem",
            "volumeName": bucket_volume(live.uid, mount.claim),
        },
    }


def volume(mount: BucketMount, live: CachedObject, driver: str) -> dict[str, Any]:
    """Return the PersistentVolume of a mount, reserved for its claim. `live`: the workload."""
    name = bucket_volume(live.uid, mount.claim)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": owner_labels(live.kind, live.name, live.uid)},
        "spec": {
            "accessModes": list(_MODES),
            "capacity": {"storage": _SIZE},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": live.namespace,
                "name": mount.claim,
            },
            "csi": {
                "driver": driver,
                "readOnly": True,
                "volumeAttributes": {"bucketName": mount.bucket},
                "volumeHandle": name,
            },
            "mountOptions": list(mount.options),
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "volumeMode": "Filesystem",
        },
    }
