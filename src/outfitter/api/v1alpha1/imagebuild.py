"""ImageBuild: one build of the image of an Artifact, from its source to the digest in the registry."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.patterns import MESSAGE_LIMIT
from outfitter.api.refs import ArtifactNameRef
from outfitter.api.rules import Node, Transition, frozen
from outfitter.api.types import Message, RootLabel, StatusName, Time
from outfitter.api.v1alpha1.asset import Status
from outfitter.api.v1alpha1.containers import DEFAULT_GROUP


class BuildState(StrEnum):
    """How far a build is."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    BUILT = "BUILT"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


class BuiltContainer(Model):
    """A container of the Artifact."""

    group: RootLabel = DEFAULT_GROUP
    """Name of its group. Default: default."""
    name: RootLabel
    """Its name, written or generated."""


def _artifact(spec: Node) -> object:
    return spec.get("artifact")


class ImageBuildSpec(Model):
    """What to build."""

    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        Transition(
            "self.artifact == oldSelf.artifact",
            "artifact cannot change after creation. Create a new ImageBuild.",
            lambda new, old: _artifact(new) == _artifact(old),
            "artifact",
        ),
        frozen("container", "Create a new ImageBuild."),
        Transition(
            "!(has(oldSelf.cancel) && oldSelf.cancel) || (has(self.cancel) && self.cancel)",
            "A build that was cancelled does not go on. Create a new ImageBuild.",
            lambda new, old: old.get("cancel") is not True or new.get("cancel") is True,
            "cancel",
        ),
    )

    description: Annotated[str, Field(max_length=1024)] = ""
    """Purpose."""
    artifact: ArtifactNameRef
    """Artifact with imageBuildConfig: of type service, and not a locked version yet."""
    container: BuiltContainer | None = None
    """Container whose source is built; those with the same source get the same image. Default: the only source of the
    Artifact.
    """
    cancel: bool = False
    """Stop the build. A build that has ended stays what it is. Default: false."""


class BuildFailure(Model):
    """Why a build ended without an image."""

    reason: StatusName
    """Reason, as in issues."""
    message: Message
    """What happened, and what to do."""


class ImageBuildStatus(Status):
    """State of the build."""

    state: BuildState | None = None
    """`PENDING`: it waits, for instance for a node. `IN_PROGRESS`: the source is fetched, or the image is built.
    `BUILT`: the image is pushed, and its Job ends. `COMPLETED`: the Artifact can use the image. `FAILED`, `CANCELLED`.
    `UNKNOWN`: its Job is gone without a result. The last four are final.
    """
    source: StatusName | None = None
    """Digest of source, Dockerfile and destination: the image is for containers with the same ones."""
    revision: StatusName | None = None
    """Commit that was built, of a Git source."""
    image: Annotated[str, Field(max_length=1024)] | None = None
    """The image with its digest."""
    job: StatusName | None = None
    """Job that builds it."""
    started_at: Time | None = None
    """When the Job started."""
    finished_at: Time | None = None
    """When the build ended."""
    log_tail: Annotated[str, Field(max_length=MESSAGE_LIMIT)] | None = None
    """The end of the log. While the pod exists, `outfitter build logs NAME` shows the whole log."""
    failure: BuildFailure | None = None
    """Why it ended without an image."""


class ImageBuild(CustomResource):
    """One build of the image of an Artifact. Outfitter creates one when `buildRequest` of the Artifact changes, and
    when an Artifact without an image is locked. Deletion ends a build that runs; its Artifact keeps the image.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="State", path=".status.state"),
        Column(name="Artifact", path=".spec.artifact.name"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Revision", path=".status.revision"),
        Column(name="Image", path=".status.image", wide=True),
        Column(name="Job", path=".status.job", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.artifact.name",
        ".status.state",
        ".status.syncStatus",
        ".status.createdBy",
        ".status.updatedBy",
    )

    spec: ImageBuildSpec
    """What to build."""
    status: ImageBuildStatus = ImageBuildStatus()
    """State of the build. Only the operator writes it."""
