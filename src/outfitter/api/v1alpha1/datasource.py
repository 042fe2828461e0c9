"""DataSource: data that workloads mount. Exactly one of nine volume types."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.refs import CredentialRef
from outfitter.api.rules import Rule, Transition, exclusive, frozen
from outfitter.api.types import AbsolutePath, Label, Name, StatusName, list_atomic
from outfitter.api.v1alpha1.asset import (
    LISTED_USERS,
    AssetSpec,
    ComplianceStatus,
    ScopeRow,
    Targets,
)
from outfitter.api.v1alpha1.labels import Labels
from outfitter.api.v1alpha1.volumes import (
    ClaimInfo,
    ConfigMapVolumeFields,
    GitFields,
    HostPathFields,
    ImageFields,
    NfsFields,
    PvcFields,
    S3Fields,
    SecretVolumeFields,
    login_rules,
)

SOURCE_TYPES = ("nfs", "hostPath", "git", "s3", "image", "pvc", "configMapVolume", "secretVolume", "dataVolume")
NEW_SOURCE = "Create a new DataSource."


class DataPhase(StrEnum):
    """State of a volume that namespaces share."""

    READY = "Ready"
    NOT_READY = "NotReady"
    CREATING = "Creating"
    DELETING = "Deleting"
    UNKNOWN = "Unknown"


class Git(GitFields):
    """A Git repository, checked out when a pod starts. Changes in the checkout are lost with the pod."""

    RULES: ClassVar[tuple[Rule, ...]] = login_rules("credential")

    credential: CredentialRef | None = None
    """Credential for the login: password for https; genericSecret with keys `ssh`, the private key, and `known_hosts`,
    the host keys, for ssh. Default: none, for public repositories.
    """


class S3(S3Fields):
    """A bucket of an S3 object store, copied when a pod starts, or mounted where the operator does so. Read-only."""

    credential: CredentialRef | None = None
    """Credential of type accessKey. Default: none, for public buckets."""


class Claim(ClaimInfo):
    """The new claim."""

    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        frozen("storageClass", NEW_SOURCE),
        frozen("accessModes", NEW_SOURCE),
        frozen("volumeMode", NEW_SOURCE),
        frozen("addedAttrValues", NEW_SOURCE),
    )


class Pvc(PvcFields):
    """A persistent volume claim: a new one, created at once, or one that exists. Only path and a larger size may
    change.
    """

    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        frozen("existingPvc", NEW_SOURCE),
        frozen("claimName", NEW_SOURCE),
        frozen("readOnly", NEW_SOURCE),
        frozen("ephemeral", NEW_SOURCE),
        frozen("dataSharing", NEW_SOURCE),
        Transition(
            "has(self.claimInfo) == has(oldSelf.claimInfo)",
            f"claimInfo cannot be added or removed after creation. {NEW_SOURCE}",
            lambda new, old: ("claimInfo" in new) == ("claimInfo" in old),
            "claimInfo",
        ),
    )

    claim_info: Claim | None = None
    """The new claim. With existingPvc it changes nothing, and a value that differs from the claim is reported."""


class ConfigMapVolume(ConfigMapVolumeFields):
    """The keys of a ConfigMap of this namespace as files; copied to other namespaces in scope. Cannot change."""

    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        Transition("self == oldSelf", f"configMapVolume cannot change. {NEW_SOURCE}", lambda new, old: new == old),
    )


class SecretVolume(SecretVolumeFields):
    """The keys of a Credential's Secret as files. Cannot change."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("credential", "mount_path")
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        Transition("self == oldSelf", f"secretVolume cannot change. {NEW_SOURCE}", lambda new, old: new == old),
    )

    credential: CredentialRef | None = None
    """Credential with the keys."""


class SharedScope(Model):
    """A scope whose projects may use the data volume. To add one needs the verb `share` on that scope."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.type == 'cluster' ? !has(self.name) : has(self.name)",
            "name is required for project and department, and cluster does not allow it. Set or remove name.",
            lambda scope: (scope.get("type") == "cluster") != ("name" in scope),
            field="name",
        ),
    )

    type: Literal["cluster", "department", "project"]
    """Type of the scope."""
    name: Name | None = None
    """Name of the department, or of the Namespace of the project."""


class DataVolume(Model):
    """An existing claim of this namespace, which other projects mount read-only, without a copy of the data."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("mount_path",)
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.shouldDeleteOriginalVolume) || !self.shouldDeleteOriginalVolume",
            "shouldDeleteOriginalVolume: true is not supported. Remove shouldDeleteOriginalVolume.",
            lambda volume: volume.get("shouldDeleteOriginalVolume") is not True,
            field="shouldDeleteOriginalVolume",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        frozen("originPvcName", NEW_SOURCE),
        frozen("useOriginalVolume", NEW_SOURCE),
    )
    REFERS: ClassVar[dict[str, str]] = {"origin_pvc_name": "PersistentVolumeClaim"}

    origin_pvc_name: Label
    """Claim of this namespace that holds the data."""
    mount_path: AbsolutePath | None = None
    """Mount path, read-only."""
    use_original_volume: bool = True
    """Share the volume itself instead of a copy. Default: true. Outfitter makes no copies: false is rejected with
    reason Unsupported.
    """
    should_delete_original_volume: bool = False
    """Delete the original claim after sharing. Only false is supported."""
    shared_scopes: Annotated[tuple[SharedScope, ...], list_atomic(64)] = ()
    """Projects that may use the claim, beside those in `scope`. Default: none."""


class DataSourceSpec(AssetSpec):
    """The volume: exactly one volume type."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exclusive(
            SOURCE_TYPES,
            "A DataSource needs exactly one source. Set one of nfs, hostPath, git, s3, image, pvc, configMapVolume, "
            "secretVolume and dataVolume.",
            exactly=True,
        ),
        Rule(
            "!has(self.labels) || has(self.configMapVolume) || has(self.dataVolume) || (has(self.pvc) && "
            "(!has(self.pvc.existingPvc) || !self.pvc.existingPvc || "
            "(has(self.pvc.dataSharing) && self.pvc.dataSharing)))",
            "Outfitter creates no object for this source, so labels have no effect. Remove labels.",
            lambda spec: (
                "labels" not in spec
                or "configMapVolume" in spec
                or "dataVolume" in spec
                or (
                    "pvc" in spec
                    and (spec["pvc"].get("existingPvc") is not True or spec["pvc"].get("dataSharing") is True)
                )
            ),
            field="labels",
            reason="FieldValueForbidden",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        Transition(
            " && ".join(f"has(self.{name}) == has(oldSelf.{name})" for name in SOURCE_TYPES),
            "The source of a DataSource cannot change to another type. Create a new DataSource.",
            lambda new, old: all((name in new) == (name in old) for name in SOURCE_TYPES),
        ),
    )

    nfs: NfsFields | None = None
    """A directory of an NFS server. Pod Security level restricted does not allow inline NFS volumes."""
    host_path: HostPathFields | None = None
    """A directory of the node. Elevated: rejected unless an administrator allows elevation in the namespace."""
    git: Git | None = None
    """A Git repository, checked out when a pod starts. Changes in the checkout are lost with the pod."""
    s3: S3 | None = None
    """A bucket of an S3 object store, copied when a pod starts. Read-only. Not for inference."""
    image: ImageFields | None = None
    """The files of an OCI image, mounted read-only. Needs Kubernetes 1.35 or newer."""
    pvc: Pvc | None = None
    """A persistent volume claim: a new one, created at once, or one that exists. Only `path` and a larger size may
    change.
    """
    config_map_volume: ConfigMapVolume | None = None
    """The keys of a ConfigMap of this namespace as files; copied to other namespaces in scope. Cannot change."""
    secret_volume: SecretVolume | None = None
    """The keys of a Credential's Secret as files. Cannot change."""
    data_volume: DataVolume | None = None
    """An existing claim of this namespace, which other projects mount read-only, without a copy of the data."""
    labels: Labels = ()
    """Labels for the claims and copies that it creates, as admission policies may demand."""
    reclaim_policy: Literal["Retain", "Delete"] = "Retain"
    """Effect of deleting this object on its data. `Retain` (default) keeps the claims that it created, and a new
    DataSource of the same name uses them again; `Delete` deletes them. Existing claims are never deleted.
    """


class DataSourceStatus(ComplianceStatus):
    """State of the data source."""

    type: Annotated[str, Field(max_length=63)] | None = None
    """Volume type: the name of its field in the spec."""
    targets: Targets | None = None
    """Namespaces that should hold a claim or copy, and those that hold one."""
    imposed: Annotated[tuple[ScopeRow, ...], list_atomic(LISTED_USERS)] = ()
    """Where policies mount it into every workload, at most 50. Updated like usedBy."""
    imposed_total: Annotated[int, Field(ge=0)] | None = None
    """Number of rows, including those that are not listed."""
    claim_name: StatusName | None = None
    """Claim that workloads mount, the same in every namespace in scope; of a volume that namespaces share, the claim
    in the namespace of this object.
    """
    phase: DataPhase | None = None
    """State of a data volume, or of a pvc with dataSharing."""
    volume_name: StatusName | None = None
    """PersistentVolume with the data of a volume that namespaces share. It stays here when the claim is deleted."""
    shared_claim_name: StatusName | None = None
    """Claim with which other namespaces mount the volume that they share."""


class DataSource(CustomResource):
    """Data that workloads mount: exactly one volume type."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Status", path=".status.syncStatus"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Type", path=".status.type"),
        Column(name="Claim", path=".status.claimName"),
        Column(name="Used", path=".status.usedBy.total", type="integer"),
        Column(name="Size", path=".spec.pvc.claimInfo.size", wide=True),
        Column(name="Phase", path=".status.phase", wide=True),
        Column(name="Scope", path=".status.scope", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".status.scope",
        ".status.department",
        ".status.supports.workspace",
        ".status.supports.training",
        ".status.supports.distributed",
        ".status.supports.inference",
        ".status.syncStatus",
        ".status.createdBy",
    )

    spec: DataSourceSpec
    """Desired state."""
    status: DataSourceStatus = DataSourceStatus()
    """Observed state. Only the operator writes it."""
