"""The volumes of a pod in words: what is fetched, copied or mounted, and from where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from outfitter.naming import READ_ONLY_CLAIM
from outfitter.render.buckets import BucketMount
from outfitter.render.fetch import fetched_by
from outfitter.render.volumes import CSI_NFS

# Volume of the pod -> the list of inline volumes in `storage` that it can come from.
_STORAGE: Final[Mapping[str, str]] = {
    "persistentVolumeClaim": "pvc",
    "ephemeral": "pvc",
    "configMap": "configMapVolume",
    "secret": "secretVolume",
    "emptyDir": "emptyDirVolume",
    "csi": "nfs",
}


class Volumes:
    """The volumes of a pod. `buckets`: those that a CSI driver mounts."""

    def __init__(self, pod: Mapping[str, Any], buckets: Iterable[BucketMount] = ()) -> None:
        self._volumes = {item["name"]: item for item in pod.get("volumes", ())}
        fetched = filter(None, map(fetched_by, pod.get("initContainers", ())))
        self._fetched = {item.volume: item for item in fetched}
        self._buckets = {mount.claim: mount for mount in buckets}

    def storage(self, name: str) -> str:
        """Return the list in `storage` that a volume can come from: `git`, `pvc`."""
        kind, source = self._source(name)
        if name in self._fetched:
            return self._fetched[name].kind
        claim = str(source.get("claimName", ""))
        if claim in self._buckets:
            return "s3"
        return "dataVolume" if claim.startswith(READ_ONLY_CLAIM) else _STORAGE.get(kind, kind)

    def words(self, name: str) -> str:
        """Return a short description of a volume."""
        if name in self._fetched:
            return self._fetched[name].origin
        kind, source = self._source(name)
        match kind:
            case "persistentVolumeClaim":
                claim = source["claimName"]
                bucket = f"s3 bucket {self._buckets[claim].full_name}, by " if claim in self._buckets else ""
                return f"{bucket}PersistentVolumeClaim {claim}"
            case "secret":
                return f"Secret {source.get('secretName', '')}"
            case "configMap":
                return f"ConfigMap {source.get('name', '')}"
            case "nfs":
                return f"nfs {source.get('server')}:{source.get('path')}"
            case "csi" if source.get("driver") == CSI_NFS:
                given = source.get("volumeAttributes") or {}
                return f"nfs {given.get('server')}:{given.get('share')}, by CSI driver {CSI_NFS}"
            case "hostPath":
                return f"path {source.get('path')} of the node"
            case "image":
                return f"image {source.get('reference')}"
            case "emptyDir":
                return "memory" if source.get("medium") == "Memory" else "an empty directory"
        return kind

    def _source(self, name: str) -> tuple[str, Mapping[str, Any]]:
        volume = self._volumes.get(name, {})
        kind = next((key for key in volume if key != "name"), "")
        return kind, volume.get(kind) or {}
