"""A bucket of an S3 object store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from outfitter.api.v1alpha1 import datasource, storage
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.resolve.private import Requester, Use
from outfitter.resolve.volumes.base import BaseVolume, Lookup, VolumeUse, contradictory
from outfitter.resolve.volumes.login import Login
from outfitter.snapshot import Reader


@dataclass(frozen=True)
class S3Volume(BaseVolume):
    """A bucket of an S3 object store, copied by a container that runs before the others. `url`: "" for Amazon S3."""

    bucket: str
    url: str = ""
    size_limit: str | int | float | None = None
    login: Login | None = None
    fault: tuple[str, str] = ("", "")
    """Field and cause for which the source cannot be used."""

    @staticmethod
    def create(source: datasource.S3 | storage.S3Volume, use: VolumeUse) -> S3Volume:
        """Read the fields of a DataSource or an inline volume."""
        return S3Volume(
            use.at(source.path),
            source.bucket or "",
            source.url or "",
            source.size_limit,
            _login(source),
            contradictory(source),
        )

    def look_up(self, reader: Reader, namespace: str, user: Requester | None) -> Lookup:
        """Look up the login. Buckets without one can be read by everybody."""
        field, cause = self.fault
        if cause:
            return stalled(Reason.INVALID_SPEC, cause, f"{self.use.field}.{field}")
        return self.login.look_up(reader, namespace, self.use, user) if self.login else None

    def with_use(self, use: Use) -> Self:
        """Return the volume with the Secret of a private Credential."""
        return replace(self, login=self.login.with_use(use)) if self.login else self

    def source_problem(self, reader: Reader, namespace: str) -> Problem | None:
        """Return a problem while a namespace has no access to the Credential."""
        field, cause = self.fault
        if cause:
            return stalled(Reason.INVALID_SPEC, cause, f"spec.s3.{field}")
        return self.login.source_problem(reader, namespace, "spec.s3.credential", self.use) if self.login else None

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
