"""The files of an OCI image."""

from __future__ import annotations

from dataclasses import dataclass

from outfitter.api.v1alpha1.volumes import ImageFields
from outfitter.naming import IMAGE_VOLUMES
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.resolve.private import Requester
from outfitter.resolve.volumes.base import BaseVolume, Lookup, VolumeUse
from outfitter.snapshot import Reader


@dataclass(frozen=True)
class ImageVolume(BaseVolume):
    """The files of an OCI image."""

    reference: str
    pull_policy: str | None
    sub_path: str | None

    @staticmethod
    def create(source: ImageFields, use: VolumeUse) -> ImageVolume:
        """Read the fields of a DataSource or an inline volume."""
        mounted = use.at(source.mount_path)
        return ImageVolume(mounted, source.reference or "", source.pull_policy, source.sub_path)

    def look_up(self, reader: Reader, namespace: str, user: Requester | None) -> Lookup:
        """Look up whether the cluster can mount images."""
        return _problem(reader, self.use.field)

    def source_problem(self, reader: Reader, namespace: str) -> Problem | None:
        """Return the problem of a cluster that cannot mount images."""
        return _problem(reader, "spec.image")


def _problem(reader: Reader, field: str) -> Problem | None:
    if reader.serves(IMAGE_VOLUMES):
        return None
    text = (
        "The cluster cannot mount images, which needs Kubernetes 1.35 or newer. Use another data source, or ask an "
        "administrator to upgrade the cluster."
    )
    return stalled(Reason.UNSUPPORTED, text, field)
