"""An empty directory that lives as long as the pod."""

from __future__ import annotations

from dataclasses import dataclass

from outfitter.api.v1alpha1 import storage
from outfitter.resolve.volumes.base import StandaloneVolume, VolumeUse


@dataclass(frozen=True)
class EmptyDirVolume(StandaloneVolume):
    """An empty directory that lives as long as the pod."""

    medium: str | None
    size_limit: str | int | float | None

    @staticmethod
    def create(source: storage.EmptyDirVolume, use: VolumeUse) -> EmptyDirVolume:
        """Read the fields of an inline volume."""
        return EmptyDirVolume(use.at(source.path), source.medium, source.size_limit)
