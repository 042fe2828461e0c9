"""The keys of a Secret as files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from outfitter.api.refs import CredentialRef
from outfitter.api.v1alpha1 import datasource, storage
from outfitter.naming import credential_secret
from outfitter.problems import Problem, waiting
from outfitter.reasons import Reason
from outfitter.resolve.private import Requester, Use
from outfitter.resolve.references import credential_key, secret_problem
from outfitter.resolve.scope import find
from outfitter.resolve.volumes.base import BaseVolume, Lookup, VolumeUse
from outfitter.snapshot import Reader


@dataclass(frozen=True)
class SecretVolume(BaseVolume):
    """The keys of a Secret as files: of the Secret that a Credential publishes, or of one that the workload names."""

    secret: str
    credential: CredentialRef | None
    mode: str | None

    @staticmethod
    def create(source: datasource.SecretVolume | storage.SecretVolume, use: VolumeUse) -> SecretVolume:
        """Read the fields of a DataSource or an inline volume."""
        mounted = use.at(source.mount_path)
        if isinstance(source, storage.SecretVolume):
            return SecretVolume(mounted, source.secret or "", None, source.default_mode)
        secret = credential_secret(source.credential.name) if source.credential else ""
        return SecretVolume(mounted, secret, source.credential, source.default_mode)

    def look_up(self, reader: Reader, namespace: str, user: Requester | None) -> Lookup:
        """Look up the Credential, otherwise the Secret. The check for completeness reports a volume without a name."""
        if self.credential is not None:
            return credential_key(reader, namespace, self.credential, "", f"{self.use.field}.credential", user)
        return secret_problem(reader, namespace, self.secret, "", self.use.field, user) if self.secret else None

    def with_use(self, use: Use) -> Self:
        """Return the volume with the Secret of a private Credential."""
        return replace(self, secret=use.secret) if use.secret else self

    def source_problem(self, reader: Reader, namespace: str) -> Problem | None:
        """Return a problem while a namespace has no access to the Credential."""
        if self.credential is None:
            return None
        found = find(reader, "Credential", namespace, self.credential, "spec.secretVolume.credential")
        return (
            waiting(Reason.NOT_CREATED, found.message, found.field, namespace) if isinstance(found, Problem) else None
        )
