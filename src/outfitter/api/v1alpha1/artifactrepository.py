"""ArtifactRepository: versions of an artifact, and access to them."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.rules import Node, Rule, Transition
from outfitter.api.types import StatusName, Subject, list_atomic, list_map, list_set
from outfitter.api.v1alpha1.artifactspec import ArtifactType, Tagged, Tags
from outfitter.api.v1alpha1.asset import AssetStatus, DisplayName

LISTED_VERSIONS = 2048
"""Most versions of one repository."""
Role = Literal[
    "OWNER", "ADMIN", "READ_WRITE", "EDITOR", "DATA_SCIENTIST", "USER", "CONSUMER", "READ_ONLY", "OBSERVER", "NO_ROLE"
]


_ACCOUNT = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


class RoleSubject(Model):
    """A user, a group or a service account."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"self.kind != 'ServiceAccount' || self.name.matches('{_ACCOUNT}')",
            "The name of a ServiceAccount has only lower case letters, digits, hyphens and dots. Correct the name.",
            lambda subject: (
                subject.get("kind") != "ServiceAccount" or re.fullmatch(_ACCOUNT, str(subject.get("name"))) is not None
            ),
            field="name",
        ),
    )

    kind: Literal["User", "Group", "ServiceAccount"]
    """Kind of the subject."""
    name: Subject
    """Its name on the API server; of a service account, in this namespace. A service account of another namespace is
    the User `system:serviceaccount:NAMESPACE:NAME`.
    """


class SharedRole(Model):
    """Access of one subject to the artifacts of the repository."""

    subject: RoleSubject
    """Subject."""
    role: Role
    """`OWNER`, `ADMIN`: everything, and share the repository with others. `READ_WRITE`, `EDITOR`, `DATA_SCIENTIST`:
    read and change, and delete drafts. `USER`, `CONSUMER`, `READ_ONLY`: read. `OBSERVER`: read, without watching.
    `NO_ROLE`: no access, as if it were not listed. No role allows creating artifacts.
    """


def _named(spec: Node) -> list[tuple[object, object]]:
    subjects = [entry.get("subject", {}) for entry in spec.get("sharedRoles", ())]
    return [(subject.get("kind"), subject.get("name")) for subject in subjects]


def _type(spec: Node) -> object:
    return spec.get("type", "service")


class ArtifactRepositorySpec(Model):
    """Type of its artifacts, and access to them."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.sharedRoles) || size(self.sharedRoles) == 0 || "
            "self.sharedRoles.exists(entry, entry.role == 'OWNER')",
            "sharedRoles has no OWNER. Add at least one.",
            lambda spec: (
                not spec.get("sharedRoles") or any(entry.get("role") == "OWNER" for entry in spec["sharedRoles"])
            ),
            field="sharedRoles",
        ),
        Rule(
            "!has(self.sharedRoles) || self.sharedRoles.all(a, self.sharedRoles.exists_one(b, "
            "a.subject.kind == b.subject.kind && a.subject.name == b.subject.name))",
            "sharedRoles names a subject twice. Keep one entry for each subject.",
            lambda spec: len(set(_named(spec))) == len(_named(spec)),
            field="sharedRoles",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        Transition(
            "(has(self.type) ? self.type : 'service') == (has(oldSelf.type) ? oldSelf.type : 'service')",
            "type cannot change after creation. Create a new ArtifactRepository.",
            lambda new, old: _type(new) == _type(old),
            "type",
        ),
    )

    type: ArtifactType = "service"
    """Type of the artifacts in it: `service` (default) or `nim`. Artifacts of another type are rejected. Cannot change.
    """
    description: Annotated[str, Field(max_length=1024)] = ""
    """Purpose."""
    display_name: Annotated[DisplayName, Field(max_length=5000)] | None = None
    """Display name. Default: the name of the object."""
    tags: Tags = ()
    """Names and values for catalogs. Each tag that can be a label is label `tags.outfitter.dev/NAME` of the Roles and
    RoleBindings of `sharedRoles`. To select repositories with `kubectl get --selector`, set `metadata.labels`.
    """
    shared_roles: Annotated[tuple[SharedRole, ...], list_atomic(100)] = ()
    """Access to each of its artifacts by name, and to the repository. Needs the setting sharedRoles of the operator;
    without it, the repository has an issue with reason Unsupported.
    """


class Version(Model):
    """A version of the repository."""

    version: Annotated[int, Field(ge=1)]
    """Its number."""
    name: StatusName
    """Artifact of this version."""
    uid: StatusName
    """Uid of that artifact."""
    locked: bool = False
    """The artifact has the number in its status and is immutable. Until then it is being locked."""


class ArtifactRepositoryStatus(AssetStatus):
    """State of the repository."""

    type: ArtifactType | None = None
    """Type of the artifacts in it."""
    last_version_number: Annotated[int, Field(ge=0)] | None = None
    """The highest number that was ever assigned. It never decreases, so that no number is assigned twice."""
    num_artifacts: Annotated[int, Field(ge=0)] | None = None
    """Artifacts in it, drafts included."""
    versions: Annotated[tuple[Version, ...], list_map("version", LISTED_VERSIONS)] = ()
    """All versions, by number."""
    kept_by: Annotated[tuple[StatusName, ...], list_set(10)] = ()
    """Artifacts without a number that keep the repository from being deleted, beside its versions: they are in use,
    run, or are being locked.
    """
    tagged: Tagged | None = None
    """All tags in one text, by name: `NAME=VALUE,NAME=VALUE`."""
    retired_versions: Annotated[tuple[Annotated[int, Field(ge=1)], ...], list_set(LISTED_VERSIONS)] = ()
    """Numbers of versions whose artifact was deleted. They are not assigned again."""


class ArtifactRepository(CustomResource):
    """Versions of an artifact, and access to them. Outfitter creates one for an artifact without repositoryRef."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Status", path=".status.syncStatus"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Type", path=".status.type"),
        Column(name="Artifacts", path=".status.numArtifacts", type="integer"),
        Column(name="Last", path=".status.lastVersionNumber", type="integer"),
        Column(name="Tags", path=".status.tagged", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.type",
        ".status.type",
        ".status.syncStatus",
        ".status.tagged",
        ".status.createdBy",
        ".status.updatedBy",
    )

    spec: ArtifactRepositorySpec
    """Desired state."""
    status: ArtifactRepositoryStatus = ArtifactRepositoryStatus()
    """Observed state. Only the operator writes it."""
