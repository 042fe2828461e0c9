"""What a Registry asks of the image registry behind it, and the answer. The answer comes from outside the cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from outfitter.api.registry_hosts import RegistryHost
from outfitter.reasons import Reason
from outfitter.snapshot.objects import Key


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """User and password. Never logged."""

    user: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NameQuery:
    """One question about images. Without `repository`: repositories. With `tag`: its digest, otherwise the tags.

    `search`: in lower case, a part of the names. `limit`: most names of the answer.
    """

    repository: str = ""
    search: str = ""
    tag: str = ""
    limit: int = 0


@dataclass(frozen=True, slots=True)
class NameResult:
    """The answer to a NameQuery. `found`: how many names match. `exists`: whether the registry has what was named.

    `truncated`: the registry has more names than the client reads.
    """

    names: tuple[str, ...] = ()
    found: int = 0
    truncated: bool = False
    digest: str = ""
    exists: bool = True


@dataclass(frozen=True, slots=True)
class RegistryQuestion:
    """One registry to look at. `path`: only the repositories below it. `repositories`: those to look for by name.

    `query`: what an ImageQuery asks; None to list the repositories for the status of a Registry.
    """

    host: str  # with the port, if it is not the usual one
    options: RegistryHost
    path: str = ""
    repositories: tuple[str, ...] = ()
    login: RegistryLogin | None = None
    query: NameQuery | None = None


@dataclass(frozen=True, slots=True)
class RegistryDefect:
    """Why a registry could not be looked at. `text` names the host and holds nothing that the registry sent."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class RegistryAnswer:
    """The state of a registry at `asked_at`. It counts until `good_until`."""

    asked_at: datetime
    good_until: datetime
    dialect: str = ""
    listed: bool = False  # whether the registry gave a list of its repositories
    repositories: tuple[str, ...] = ()
    truncated: bool = False
    absent: tuple[str, ...] = ()  # repositories of the question that the registry does not have
    defect: RegistryDefect | None = None
    result: NameResult | None = None  # of a question with a query


@dataclass(frozen=True, slots=True)
class ImageQuestion:
    """Which image a tag is now, asked for a workload whose pods run it. `registry`: the Registry whose login is used.

    `running`: the digest that the pods run. `shown`: the digest that the status reports as newer; "" for none.
    """

    registry: Key
    repository: str
    tag: str
    running: str
    shown: str = ""


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """The digest of a tag, and what became of the digests that pods run.

    `same`: those of images that the tag lists, one for each platform. `replaced`: those that the tag had before.
    """

    digest: str
    same: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()

    def newer(self, running: str) -> str | None:
        """Return the digest of the tag if the pods run another image, "" if they run it, None if that is not known."""
        if running == self.digest or running in self.same:
            return ""
        return self.digest if running in self.replaced else None
