"""ArtifactRepository: counts the versions of an artifact, and says who may use them."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.rules import Node, Rule, Transition
from outfitter.api.types import StatusName, Subject, list_atomic, list_map, list_set
from outfitter.api.v1alpha1.artifactspec import ArtifactType, Tags
from outfitter.api.v1alpha1.asset import AssetStatus, DisplayName

LISTED_VERSIONS = 2048
"""How many versions a repository can hold at the same time."""
Role = Literal[
    "OWNER", "ADMIN", "READ_WRITE", "EDITOR", "DATA_SCIENTIST", "USER", "CONSUMER", "READ_ONLY", "OBSERVER", "NO_ROLE"
]


_ACCOUNT = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


class RoleSubject(Model):
    """A person, a group or a service account."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"self.kind != 'ServiceAccount' || self.name.matches('{_ACCOUNT}')",
            "a ServiceAccount has the name of an object: small letters, digits, - and .",
            lambda subject: (
                subject.get("kind") != "ServiceAccount" or re.fullmatch(_ACCOUNT, str(subject.get("name"))) is not None
            ),
            field="name",
        ),
    )

    kind: Literal["User", "Group", "ServiceAccount"]
    """What it is."""
    name: Subject
    """Its name, as the API server knows it; of a service account, in this namespace. One of another namespace is the
    User `system:serviceaccount:NAMESPACE:NAME`.
    """


class SharedRole(Model):
    """What one subject may do with the artifacts of the repository."""

    subject: RoleSubject
    """Who."""
    role: Role
    """`OWNER`, `ADMIN`: everything, and share the repository with others. `READ_WRITE`, `EDITOR`, `DATA_SCIENTIST`:
    read and change, and delete drafts. `USER`, `CONSUMER`, `READ_ONLY`: read. `OBSERVER`: read, without watching.
    `NO_ROLE`: nothing, as if it were not listed. To create artifacts is in none of them.
    """


def _named(spec: Node) -> list[tuple[object, object]]:
    subjects = [entry.get("subject", {}) for entry in spec.get("sharedRoles", ())]
    return [(subject.get("kind"), subject.get("name")) for subject in subjects]


def _type(spec: Node) -> object:
    return spec.get("type", "service")


class ArtifactRepositorySpec(Model):
    """Which artifacts it counts, and who may use them."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.sharedRoles) || size(self.sharedRoles) == 0 || "
            "self.sharedRoles.exists(entry, entry.role == 'OWNER')",
            "sharedRoles needs at least one OWNER",
            lambda spec: (
                not spec.get("sharedRoles") or any(entry.get("role") == "OWNER" for entry in spec["sharedRoles"])
            ),
            field="sharedRoles",
        ),
        Rule(
            "!has(self.sharedRoles) || self.sharedRoles.all(a, self.sharedRoles.exists_one(b, "
            "a.subject.kind == b.subject.kind && a.subject.name == b.subject.name))",
            "sharedRoles must name each subject once",
            lambda spec: len(set(_named(spec))) == len(_named(spec)),
            field="sharedRoles",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        Transition(
            "(has(self.type) ? self.type : 'service') == (has(oldSelf.type) ? oldSelf.type : 'service')",
            "type cannot change after creation: make a new ArtifactRepository",
            lambda new, old: _type(new) == _type(old),
            "type",
        ),
    )

    type: ArtifactType = "service"
    """Type of the artifacts in it: `service` (default) or `nim`. Artifacts of another type are refused. Cannot change.
    """
    description: Annotated[str, Field(max_length=1024)] = ""
    """What it is for."""
    display_name: Annotated[DisplayName, Field(max_length=5000)] | None = None
    """Name for people. Default: the object's name."""
    tags: Tags = ()
    """Names and values to find it by."""
    shared_roles: Annotated[tuple[SharedRole, ...], list_atomic(100)] = ()
    """Who may do what with its artifacts, one by one by their names, and with the repository itself. Only where an
    admin has turned on the operator's setting sharedRoles; elsewhere the repository says Unsupported.
    """


class Version(Model):
    """A version of the repository."""

    version: Annotated[int, Field(ge=1)]
    """Its number."""
    name: StatusName
    """Artifact that it is."""
    uid: StatusName
    """Uid of that artifact."""
    locked: bool = False
    """The artifact shows the number and is frozen. Until then it is being locked."""


class ArtifactRepositoryStatus(AssetStatus):
    """The versions there are."""

    type: ArtifactType | None = None
    """Type of the artifacts in it."""
    last_version_number: Annotated[int, Field(ge=0)] | None = None
    """The highest number that was ever given. It never falls, so that no number is given twice."""
    num_artifacts: Annotated[int, Field(ge=0)] | None = None
    """Artifacts in it, drafts included."""
    versions: Annotated[tuple[Version, ...], list_map("version", LISTED_VERSIONS)] = ()
    """Every version that exists, by number."""
    retired_versions: Annotated[tuple[Annotated[int, Field(ge=1)], ...], list_set(LISTED_VERSIONS)] = ()
    """Numbers of versions whose artifact was deleted. They are not given again."""


class ArtifactRepository(CustomResource):
    """The versions of an artifact, and who may use them. Made by the operator for an artifact that names none."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Status", path=".status.syncStatus"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Type", path=".status.type"),
        Column(name="Artifacts", path=".status.numArtifacts", type="integer"),
        Column(name="Last", path=".status.lastVersionNumber", type="integer"),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (".spec.type", ".status.syncStatus")

    spec: ArtifactRepositorySpec
    """Which artifacts it counts."""
    status: ArtifactRepositoryStatus = ArtifactRepositoryStatus()
    """What the operator made of it. Written by the operator only."""
