"""ImageQuery: one question to an image registry, answered by the operator and deleted after some minutes."""

from typing import Annotated, ClassVar

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.refs import RegistryRef
from outfitter.api.rules import Node, Rule, Transition
from outfitter.api.types import ImageRepository, ImageTag, StatusName, Time, list_atomic
from outfitter.api.v1alpha1.asset import Status

SHOWN_NAMES = 500
"""Most names in a status."""
USUAL_NAMES = 100
"""Names in a status, if the spec sets no limit."""

SearchText = Annotated[str, Field(min_length=1, max_length=128)]


def _same(new: Node, old: Node) -> bool:
    return new == old


class ImageQuerySpec(Model):
    """The question: repositories of a registry, tags of a repository, or the digest of a tag."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.digestOf) || has(self.repository)",
            "digestOf is a tag of a repository. Set repository.",
            lambda spec: "digestOf" not in spec or "repository" in spec,
            field="digestOf",
        ),
        Rule(
            "!has(self.digestOf) || (!has(self.search) && !has(self.limit))",
            "search and limit are for lists, and digestOf asks for one tag. Remove them, or remove digestOf.",
            lambda spec: "digestOf" not in spec or not {"search", "limit"} & spec.keys(),
            field="digestOf",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        Transition("self == oldSelf", "The spec of an ImageQuery cannot change. Create a new ImageQuery.", _same),
    )

    registry: RegistryRef
    """Registry to ask: of this namespace, or shared with it. Its login is used, and its `url` and `repositories` limit
    what can be asked for.
    """
    repository: ImageRepository | None = None
    """Repository to list the tags of, in full without the host, such as `team/image`. Default: list the repositories of
    the registry.
    """
    search: SearchText | None = None
    """Only names that contain this text, in upper or lower case. Default: all names."""
    digest_of: ImageTag | None = None
    """Tag of `repository` to find the digest of."""
    limit: Annotated[int, Field(ge=1, le=SHOWN_NAMES)] | None = None
    """Most names in the answer, from 1 to 500. Default: 100."""


class ImageQueryStatus(Status):
    """The answer."""

    repositories: Annotated[tuple[Annotated[str, Field(max_length=255)], ...], list_atomic(SHOWN_NAMES)] = ()
    """Names of repositories in alphabetical order."""
    tags: Annotated[tuple[Annotated[str, Field(max_length=128)], ...], list_atomic(SHOWN_NAMES)] = ()
    """Tags: versions first, the newest at the top, then others in alphabetical order."""
    digest: StatusName | None = None
    """Digest that the tag points to now."""
    image: Annotated[str, Field(max_length=1024)] | None = None
    """The image with this digest, as a workload names it."""
    found: Annotated[int, Field(ge=0)] | None = None
    """Number of names that match, including those beyond the limit."""
    truncated: bool | None = None
    """Whether the registry has more names than Outfitter reads. A name that is missing can exist then."""
    answered_at: Time | None = None
    """When the registry gave this answer. It is final: a new question is a new ImageQuery."""


class ImageQuery(CustomResource):
    """One question to an image registry. The operator answers in the status, and deletes the object after
    `settings.imageQuerySeconds`.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Registry", path=".spec.registry.name"),
        Column(name="Repository", path=".spec.repository"),
        Column(name="Found", path=".status.found", type="integer"),
        Column(name="Digest", path=".status.digest", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.registry.name",
        ".status.syncStatus",
        ".status.createdBy",
        ".status.updatedBy",
    )

    spec: ImageQuerySpec
    """The question. It cannot change."""
    status: ImageQueryStatus = ImageQueryStatus()
    """The answer. Only the operator writes it."""
