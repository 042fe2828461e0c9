"""A Git repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from outfitter.api.patterns import over_http
from outfitter.api.v1alpha1 import datasource, storage
from outfitter.resolve.volumes.base import VolumeUse, contradictory
from outfitter.resolve.volumes.fetched import FetchedVolume
from outfitter.resolve.volumes.login import Login, Method


@dataclass(frozen=True)
class GitVolume(FetchedVolume):
    """A Git repository, which a container checks out."""

    type: ClassVar = "git"
    repository: str
    branch: str = ""
    revision: str = ""
    submodules: bool = False

    @staticmethod
    def create(source: datasource.Git | storage.GitVolume, use: VolumeUse) -> GitVolume:
        """Read the fields of a DataSource or an inline volume."""
        return GitVolume(
            use.at(source.path),
            source.repository or "",
            source.branch or "",
            source.revision or "",
            source.submodules,
            size_limit=source.size_limit,
            login=_login(source),
            fault=contradictory(source),
        )


def _login(source: datasource.Git | storage.GitVolume) -> Login | None:
    method: Method = "password" if over_http(source.repository or "") else "ssh-key"
    if source.credential is not None:
        return Login.of_credential(method, source.credential)
    own = source.secret_ref if isinstance(source, storage.GitVolume) else None
    if own is None:
        return None
    keys = (own.secret_key_of_user, own.secret_key_of_password)
    return Login.of_secret(method, own.name, *(keys if method == "password" else keys[1:]))
