"""A bucket of an S3 object store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from outfitter.api.v1alpha1 import datasource, storage
from outfitter.resolve.volumes.base import VolumeUse, contradictory
from outfitter.resolve.volumes.fetched import FetchedVolume
from outfitter.resolve.volumes.login import Login


@dataclass(frozen=True)
class S3Volume(FetchedVolume):
    """A bucket of an S3 object store, which a container copies. `url`: "" for Amazon S3."""

    type: ClassVar = "s3"
    bucket: str
    url: str = ""

    @staticmethod
    def create(source: datasource.S3 | storage.S3Volume, use: VolumeUse) -> S3Volume:
        """Read the fields of a DataSource or an inline volume."""
        return S3Volume(
            use.at(source.path),
            source.bucket or "",
            source.url or "",
            size_limit=source.size_limit,
            login=_login(source),
            fault=contradictory(source),
        )

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
