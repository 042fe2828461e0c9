"""What resolving a workload needs of the policies of its project, which are evaluated a layer above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from outfitter.resolve.merge import Merged
from outfitter.resolve.references import Found
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.volumes import Volume
from outfitter.snapshot import Resource


class Policies(Protocol):
    """The policies of the project for one type of workload."""

    @property
    def imposed(self) -> Sequence[Resource]:
        """DataSources to mount into the workload, known once the policies were applied."""

    def of(self, section: str) -> Policies:
        """Return the policies of a section of a distributed workload."""

    def apply(self, request: WorkloadRequest, merged: Merged, attached: Sequence[Volume], found: Found) -> Merged:
        """Return the submission with the defaults of the policies; what they refuse is added to `found`.

        `attached`: the volumes of its DataSources, which the rules of `storage` are about too.
        """

    def allows(self, field: str, value: str) -> bool:
        """Return whether the policies allow a built-in default of a field that is not set."""

    def container(self, merged: Merged, found: Found, field: str, *, main: bool) -> Merged:
        """Return the submission of one container of an artifact with the defaults of the policies.

        `field`: its place in the artifact. `main`: it is the one that the fields of the workload are about.
        """

    def pod(self, containers: Sequence[Mapping[str, Any]], found: Found, field: str) -> None:
        """Judge what the containers of one pod of an artifact ask for together; `containers`: their compute."""
