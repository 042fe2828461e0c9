"""A bucket of an S3 object store."""

from __future__ import annotations

from dataclasses import dataclass

from outfitter.api.v1alpha1.volumes import S3Fields
from outfitter.resolve.volumes.base import UnsupportedVolume, VolumeUse


@dataclass(frozen=True)
class S3Volume(UnsupportedVolume):
    """A bucket of an S3 object store."""

    LACKS = "A volume with an S3 bucket is not supported."

    @staticmethod
    def create(source: S3Fields, use: VolumeUse) -> S3Volume:
        """Read the fields of a DataSource or an inline volume."""
        return S3Volume(use.at(source.path))

    def not_for_inference(self) -> str:
        """Return the noun phrase: replicas would copy the bucket one by one."""
        return "an S3 bucket"
