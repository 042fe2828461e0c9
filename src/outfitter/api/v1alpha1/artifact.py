"""Artifact: container groups to serve. A draft, or a locked version; with `run`, also a workload."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.rules import Node, Rule, Transition
from outfitter.api.types import StatusName, list_map
from outfitter.api.v1alpha1.artifactspec import ArtifactSpec, ArtifactType, Tagged, Tags
from outfitter.api.v1alpha1.artifactstatus import ArtifactGroupStatus, ServingStatus
from outfitter.api.v1alpha1.asset import AssetStatus
from outfitter.api.v1alpha1.running import Phase, PodsStatus

DESCRIBING = (
    "repositoryRef",
    "description",
    "displayName",
    "tags",
    "containerGroups",
    "storage",
    "templateId",
    "buildRequest",
)
"""Fields that become immutable with the version number, in addition to those that never change: all but `run`."""


class ArtifactPhase(StrEnum):
    """Phase of an artifact between draft and version."""

    DRAFT = "Draft"
    LOCKING = "Locking"
    LOCKED = "Locked"
    LOCK_FAILED = "LockFailed"
    DELETING = "Deleting"


class ClonedFrom(Model):
    """Source of a clone."""

    name: StatusName
    """Name of the artifact."""
    uid: StatusName | None = None
    """Its uid."""
    generation: int | None = None
    """The `metadata.generation` that was copied."""
    digest: StatusName | None = None
    """Digest of the copied fields. A copy with other content is not used."""


class Copied(Model):
    """What a clone copied from its source, and holds because its spec does not set it."""

    description: Annotated[str, Field(max_length=1024)] | None = None
    """Purpose."""
    tags: Tags = ()
    """Names and values for catalogs."""


class ArtifactStatus(AssetStatus, ServingStatus, PodsStatus):
    """State of the artifact and, with `run`, of its workload."""

    container_groups: Annotated[tuple[ArtifactGroupStatus, ...], list_map("name", 8)] = ()
    """State of each container group."""

    phase: ArtifactPhase | None = None
    """Draft, Locking, Locked or LockFailed; Deleting at the end."""
    run_phase: Phase | None = None
    """Phase of the workload of `run`, for users. Scripts should read the conditions."""
    type: ArtifactType | None = None
    """Type, also if the spec omits it."""
    version: Annotated[int, Field(ge=1)] | None = None
    """Number of the version, once locked. A number is never assigned twice."""
    repository: StatusName | None = None
    """ArtifactRepository that numbers the versions."""
    repository_uid: StatusName | None = None
    """Uid of that ArtifactRepository. If you delete it, the artifact is deleted, unless an artifact of it is locked, in
    use, or runs.
    """
    cloned_from: ClonedFrom | None = None
    """Source of the clone, and its generation."""
    build_request: Annotated[int, Field(ge=1)] | None = None
    """The buildRequest whose builds were started."""
    copied: Copied | None = None
    """What describes a clone and its spec does not set."""
    tagged: Tagged | None = None
    """All tags in one text, by name: `NAME=VALUE,NAME=VALUE`."""


_NUMBERED = "has(oldSelf.status) && has(oldSelf.status.version)"


def _numbered(old: Node) -> bool:
    return "version" in old.get("status", {})


def _kept_once_numbered(field: str) -> Transition:
    new, old = f"self.spec.{field}", f"oldSelf.spec.{field}"

    def check(now: Node, before: Node) -> bool:
        one, other = now.get("spec", {}), before.get("spec", {})
        return not _numbered(before) or ((field in one) == (field in other) and one.get(field) == other.get(field))

    return Transition(
        f"!({_NUMBERED}) || (has({new}) == has({old}) && (!has({new}) || {new} == {old}))",
        f"{field} cannot change, because the Artifact is a locked version. Clone the Artifact with cloneFrom, "
        "and edit the clone.",
        check,
        f"spec.{field}",
    )


class Artifact(CustomResource):
    """Container groups to serve: a draft, or a locked version. With `spec.run`, also a workload."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.spec.cloneFrom) || self.spec.cloneFrom.name != self.metadata.name",
            "An Artifact cannot be cloned from itself. Name another Artifact.",
            lambda body: (
                "cloneFrom" not in body["spec"]
                or body["spec"]["cloneFrom"].get("name") != body.get("metadata", {}).get("name")
            ),
            field="spec.cloneFrom",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        Transition(
            f"!({_NUMBERED}) || (has(self.spec.locked) && self.spec.locked)",
            "A locked version cannot become a draft again. Clone the Artifact with cloneFrom, and edit the clone.",
            lambda new, old: not _numbered(old) or new.get("spec", {}).get("locked") is True,
            "spec.locked",
        ),
        Transition(
            f"!({_NUMBERED}) || !has(self.spec.version) || self.spec.version == oldSelf.status.version",
            "version must stay the number in status.version. Set that number, or remove version.",
            lambda new, old: (
                not _numbered(old) or new.get("spec", {}).get("version", 0) in (0, old["status"]["version"])
            ),
            "spec.version",
        ),
        *(_kept_once_numbered(field) for field in DESCRIBING),
    )
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Phase", path=".status.phase"),
        Column(name="Version", path=".status.version", type="integer"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Type", path=".status.type"),
        Column(name="Repository", path=".status.repository"),
        Column(name="URL", path=".status.url"),
        Column(name="Status", path=".status.syncStatus", wide=True),
        Column(name="Run", path=".status.runPhase", wide=True),
        Column(name="Outdated", path=".status.outdated[0].reason", wide=True),
        Column(name="Tags", path=".status.tagged", wide=True),
        Column(name="Used", path=".status.usedBy.total", type="integer", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".status.type",
        ".status.phase",
        ".status.repository",
        ".status.version",
        ".status.syncStatus",
        ".status.tagged",
        ".status.createdBy",
        ".status.updatedBy",
    )
    SCALE: ClassVar[str | None] = ".spec.run.replicas"

    spec: ArtifactSpec
    """Desired state."""
    status: ArtifactStatus = ArtifactStatus()
    """Observed state. Only the operator writes it."""
