"""A directory of an NFS server."""

from __future__ import annotations

from dataclasses import dataclass

from outfitter.api.v1alpha1.volumes import NfsFields
from outfitter.resolve.volumes.base import StandaloneVolume, VolumeUse


@dataclass(frozen=True)
class NfsVolume(StandaloneVolume):
    """A directory of an NFS server."""

    server: str | None
    path: str | None
    read_only: bool

    @staticmethod
    def create(source: NfsFields, use: VolumeUse) -> NfsVolume:
        """Read the fields of a DataSource or an inline volume."""
        return NfsVolume(use.at(source.mount_path or source.path), source.server, source.path, source.read_only)
