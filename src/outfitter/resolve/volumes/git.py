"""A Git repository."""

from __future__ import annotations

from dataclasses import dataclass

from outfitter.api.v1alpha1.volumes import GitFields
from outfitter.resolve.volumes.base import UnsupportedVolume, VolumeUse


@dataclass(frozen=True)
class GitVolume(UnsupportedVolume):
    """A Git repository."""

    LACKS = "A volume with a Git repository is not supported."

    @staticmethod
    def create(source: GitFields, use: VolumeUse) -> GitVolume:
        """Read the fields of a DataSource or an inline volume."""
        return GitVolume(use.at(source.path))
