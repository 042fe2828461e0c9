"""A bucket of an S3 object store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from outfitter.api.quantities import quantity_text
from outfitter.api.v1alpha1 import datasource, storage
from outfitter.api.v1alpha1.volumes import ClaimInfo
from outfitter.naming import workload_volume
from outfitter.problems import stalled
from outfitter.reasons import Reason
from outfitter.resolve.private import Requester, Use
from outfitter.resolve.volumes.base import Lookup, VolumeUse, contradictory
from outfitter.resolve.volumes.fetched import FetchedVolume
from outfitter.resolve.volumes.login import Login
from outfitter.resolve.volumes.pvc import PvcVolume
from outfitter.snapshot import Reader


@dataclass(frozen=True)
class S3Volume(FetchedVolume):
    """A bucket of an S3 object store, which a container copies. `url`: "" for Amazon S3.

    `cached`: the copy outlives the pod.
    """

    type: ClassVar = "s3"
    bucket: str
    url: str = ""
    cached: bool = False

    @staticmethod
    def create(source: datasource.S3 | storage.S3Volume, use: VolumeUse) -> S3Volume:
        """Read the fields of a DataSource or an inline volume."""
        return S3Volume(
            use.at(source.path),
            source.bucket or "",
            source.url or "",
            source.cache == "claim",
            size_limit=source.size_limit,
            login=_login(source),
            fault=contradictory(source),
        )

    @property
    def claim(self) -> PvcVolume | None:
        """The claim of the workload that keeps the copy; None without one."""
        if not self.cached or self.size_limit is None:  # a copy without a size is refused
            return None
        # No name of another inline volume has a space in it; a DataSource can be mounted at several paths.
        own = f"s3 {self.use.name}" if self.use.asset is None else f"s3 {self.use.name} {self.use.mount_path}"
        info = ClaimInfo(size=quantity_text(self.size_limit))
        return PvcVolume(self.use, workload_volume(self.use.workload, own), info, owned=True)

    def look_up(self, reader: Reader, namespace: str, user: Requester | None) -> Lookup:
        """Look up the login: not a private one for a copy that others can mount."""
        found = super().look_up(reader, namespace, user)
        if not (self.cached and isinstance(found, Use) and found.secret):
            return found
        text = (
            f"{found.asset.key} is private, and other users of the namespace can mount the claim with the copy. "
            "Remove cache, or use another Credential."
        )
        return stalled(Reason.INVALID_SPEC, text, self.use.field)

    def not_for_inference(self) -> str:
        """Return the noun phrase: replicas would copy the bucket one by one."""
        return "an S3 bucket"


def _login(source: datasource.S3 | storage.S3Volume) -> Login | None:
    if source.credential is not None:
        return Login.of_credential("access-key", source.credential)
    if not isinstance(source, storage.S3Volume) or source.access_key_secret is None:
        return None
    keys = (source.secret_key_of_access_key_id, source.secret_key_of_secret_key)
    return Login.of_secret("access-key", source.access_key_secret, *keys)
