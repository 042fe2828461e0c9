"""The common part of the volumes that a container fills before the others of the pod start."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.resolve.private import Requester, Use
from outfitter.resolve.volumes.base import BaseVolume, Lookup
from outfitter.resolve.volumes.login import Login
from outfitter.snapshot import Reader


@dataclass(frozen=True)
class FetchedVolume(BaseVolume):
    """A source that a container fetches. Without a login, everybody can read it."""

    type: ClassVar[str]
    """The field of a DataSource that describes it."""
    size_limit: str | int | float | None = field(default=None, kw_only=True)
    login: Login | None = field(default=None, kw_only=True)
    fault: tuple[str, str] = field(default=("", ""), kw_only=True)
    """Field and cause for which the source cannot be used."""

    def look_up(self, reader: Reader, namespace: str, user: Requester | None) -> Lookup:
        """Look up the login."""
        return self._faulty(self.use.field) or (
            self.login.look_up(reader, namespace, self.use, user) if self.login else None
        )

    def with_use(self, use: Use) -> Self:
        """Return the volume with the Secret of a private Credential."""
        return replace(self, login=self.login.with_use(use)) if self.login else self

    def source_problem(self, reader: Reader, namespace: str) -> Problem | None:
        """Return a problem while a namespace has no access to the Credential."""
        path = f"spec.{self.type}"
        return self._faulty(path) or (
            self.login.source_problem(reader, namespace, f"{path}.credential", self.use) if self.login else None
        )

    def _faulty(self, path: str) -> Problem | None:
        name, cause = self.fault
        return stalled(Reason.INVALID_SPEC, cause, f"{path}.{name}") if cause else None
