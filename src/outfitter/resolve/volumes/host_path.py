"""A directory of the node."""

from __future__ import annotations

from dataclasses import dataclass

from outfitter.api.v1alpha1.volumes import HostPathFields
from outfitter.resolve.volumes.base import StandaloneVolume, VolumeUse


@dataclass(frozen=True)
class HostPathVolume(StandaloneVolume):
    """A directory of the node."""

    path: str | None
    read_only: bool
    mount_propagation: str | None

    @staticmethod
    def create(source: HostPathFields, use: VolumeUse) -> HostPathVolume:
        """Read the fields of a DataSource or an inline volume."""
        mounted = use.at(source.mount_path or source.path)
        return HostPathVolume(mounted, source.path, source.read_only, source.mount_propagation)
