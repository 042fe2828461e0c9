"""The DataSources of other namespaces that have yet to give a workload the volume that it mounts."""

from __future__ import annotations

from collections.abc import Iterator

from outfitter.resolve.volumes import DataVolume, PvcVolume
from outfitter.resolve.workload import Resolved
from outfitter.snapshot import Key, Reader


def awaited(reader: Reader, resolved: Resolved | None) -> frozenset[Key]:
    """Return the DataSources that create a claim here once they know this user."""
    return frozenset(_awaited(reader, resolved)) if resolved is not None else frozenset()


def _awaited(reader: Reader, resolved: Resolved) -> Iterator[Key]:
    namespace = resolved.request.namespace
    for part in (resolved, resolved.master):
        for volume in part.volumes if part is not None else ():
            asset = volume.use.asset
            shared = isinstance(volume, DataVolume) or (isinstance(volume, PvcVolume) and volume.data_sharing)
            if asset is None or not shared or asset.live.namespace == namespace:
                continue
            assert isinstance(volume, DataVolume | PvcVolume)
            if reader.get_untracked("PersistentVolumeClaim", namespace, volume.claim_name) is None:
                yield asset.key
