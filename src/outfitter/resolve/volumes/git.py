"""A Git repository."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from outfitter.api.types import over_http
from outfitter.api.v1alpha1 import datasource, storage
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.resolve.private import Requester, Use
from outfitter.resolve.volumes.base import BaseVolume, Lookup, VolumeUse, contradictory
from outfitter.resolve.volumes.login import Login, Method
from outfitter.snapshot import Reader


@dataclass(frozen=True)
class GitVolume(BaseVolume):
    """A Git repository, checked out by a container that runs before the others."""

    repository: str
    branch: str = ""
    revision: str = ""
    submodules: bool = False
    size_limit: str | int | float | None = None
    login: Login | None = None
    fault: tuple[str, str] = ("", "")
    """Field and cause for which the source cannot be used."""

    @staticmethod
    def create(source: datasource.Git | storage.GitVolume, use: VolumeUse) -> GitVolume:
        """Read the fields of a DataSource or an inline volume."""
        return GitVolume(
            use.at(source.path),
            source.repository or "",
            source.branch or "",
            source.revision or "",
            source.submodules,
            source.size_limit,
            _login(source),
            contradictory(source),
        )

    def look_up(self, reader: Reader, namespace: str, user: Requester | None) -> Lookup:
        """Look up the login. Repositories without one can be read by everybody."""
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
            return stalled(Reason.INVALID_SPEC, cause, f"spec.git.{field}")
        return self.login.source_problem(reader, namespace, "spec.git.credential", self.use) if self.login else None


def _login(source: datasource.Git | storage.GitVolume) -> Login | None:
    method: Method = "password" if over_http(source.repository or "") else "ssh-key"
    if source.credential is not None:
        return Login.of_credential(method, source.credential)
    own = source.secret_ref if isinstance(source, storage.GitVolume) else None
    if own is None:
        return None
    keys = (own.secret_key_of_user, own.secret_key_of_password)
    return Login.of_secret(method, own.name, *(keys if method == "password" else keys[1:]))
