"""A claim that another project shares."""

from __future__ import annotations

from dataclasses import dataclass

from outfitter.api.v1alpha1 import datasource, storage
from outfitter.resolve.volumes.base import UnsupportedVolume, VolumeUse


@dataclass(frozen=True)
class DataVolume(UnsupportedVolume):
    """A claim that another project shares."""

    LACKS = "Data volumes are not supported."

    @staticmethod
    def create(source: datasource.DataVolume | storage.DataVolume, use: VolumeUse) -> DataVolume:
        """Read the fields of a DataSource or an inline volume."""
        return DataVolume(use.at(source.mount_path))
