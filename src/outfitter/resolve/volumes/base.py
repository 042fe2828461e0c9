"""The common part of all volume types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

from outfitter.api.base import Model
from outfitter.api.validation import contradiction
from outfitter.problems import Problem
from outfitter.resolve.private import Requester, Use
from outfitter.snapshot import Reader, Resource


@dataclass(frozen=True)
class VolumeUse:
    """How a workload uses a volume.

    `origin` labels the object that describes the volume, `field` is the field of the workload that requests it.
    `asset` is the DataSource; an inline volume has none. `copied`: the DataSource has copies in other namespaces.
    """

    origin: str
    name: str
    field: str
    workload: str = ""
    mount_path: str = ""
    asset: Resource | None = None
    copied: bool = False

    def at(self, path: str | None) -> VolumeUse:
        """Use the path of the source, unless the workload sets its own."""
        return self if self.mount_path else replace(self, mount_path=path or "")

    def hidden(self, namespace: str) -> frozenset[str]:
        """Return the namespaces whose Credentials the volume does not use.

        A DataSource of another namespace decides where a login is sent, so that it never gets one of the project.
        """
        foreign = self.asset is not None and self.asset.live.namespace != namespace
        return frozenset({namespace} if foreign else ())


Lookup = Problem | Use | None
"""A problem, or the Credential whose content a volume mounts."""


@dataclass(frozen=True)
class BaseVolume(ABC):
    """One volume of a workload: the base of all volume types."""

    use: VolumeUse

    @abstractmethod
    def look_up(self, reader: Reader, namespace: str, user: Requester | None) -> Lookup:
        """Look up the object in the workload's namespace that the volume mounts. `user`: the workload."""

    @abstractmethod
    def source_problem(self, reader: Reader, namespace: str) -> Problem | None:
        """Return why a DataSource of this type cannot be mounted in a namespace of its scope."""

    def with_use(self, use: Use) -> Self:
        """Return the volume with the Secret that the workload gets of a private Credential, if it mounts one."""
        return self

    def not_for_inference(self) -> str:
        """Return a noun phrase for a volume that an inference cannot mount, otherwise an empty string."""
        return ""


def contradictory(source: Model) -> tuple[str, str]:
    """Return the field and the cause for which a source cannot be used; empty texts if it can.

    The API server has the same rules, but not for what it stored before, nor for the defaults of policies.
    """
    found = contradiction(source)
    return (".".join(map(str, found.path)), found.message) if found else ("", "")


@dataclass(frozen=True)
class StandaloneVolume(BaseVolume):
    """A volume that mounts no other object of the cluster."""

    def look_up(self, reader: Reader, namespace: str, user: Requester | None) -> Lookup:
        """Return nothing: there is no object to look up."""
        return None

    def source_problem(self, reader: Reader, namespace: str) -> Problem | None:
        """Return no problem: the volume is the same in every namespace."""
        return None
