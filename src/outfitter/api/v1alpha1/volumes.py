"""The nine volume types: fields that DataSources and inline volumes share."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.rules import Rule, positive
from outfitter.api.types import AbsolutePath, FileMode, Name, Path, Quantity, Text, Url, list_map

Branch = Annotated[str, Field(min_length=1, max_length=253)]


class NfsFields(Model):
    """A directory of an NFS server. Pod Security level restricted does not allow inline NFS volumes."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("server", "path", "mount_path")

    server: Text | None = None
    """Host name or address of the server."""
    path: AbsolutePath | None = None
    """Directory that the server exports."""
    mount_path: AbsolutePath | None = None
    """Mount path."""
    read_only: bool = True
    """Mount it read-only. Default: true."""


class HostPathFields(Model):
    """A directory of the node. Elevated: rejected unless an administrator allows elevation in the namespace."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("path", "mount_path")

    path: AbsolutePath | None = None
    """Directory on the node."""
    mount_path: AbsolutePath | None = None
    """Mount path."""
    read_only: bool = True
    """Mount it read-only. Default: true."""
    mount_propagation: Literal["None", "HostToContainer"] | None = None
    """`HostToContainer`: later mounts on the node appear too. Default: None. All host paths of one workload must have
    the same value.
    """


class GitFields(Model):
    """A Git repository, cloned when the pod starts."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("repository", "path")

    repository: Url | None = None
    """URL of the repository: https or ssh."""
    path: AbsolutePath | None = None
    """Mount path of the clone."""
    branch: Branch | None = None
    """Branch to clone. Default: the default branch."""
    revision: Branch | None = None
    """Branch, tag or commit to check out. Default: the head of the branch."""


class S3Fields(Model):
    """A bucket of an S3 object store."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("bucket", "path")

    bucket: Annotated[str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$")] | None = None
    """Name of the bucket."""
    path: AbsolutePath | None = None
    """Mount path of the objects."""
    url: Url | None = None
    """URL of the object store. Default: Amazon S3."""


class AccessModes(Model):
    """Access modes of a claim. Default: readWriteOnce, if no mode is true."""

    read_write_once: bool | None = None
    """One node, reading and writing."""
    read_only_many: bool | None = None
    """Many nodes, reading."""
    read_write_many: bool | None = None
    """Many nodes, reading and writing."""


class AddedAttribute(Model):
    """An annotation for the claim."""

    key: Annotated[str, Field(min_length=1, max_length=63)]
    """Key of the annotation."""
    value: Annotated[str, Field(max_length=1024)] = ""
    """Value of the annotation."""


class ClaimInfo(Model):
    """The new claim."""

    RULES: ClassVar[tuple[Rule, ...]] = (positive("size"),)

    size: Quantity | None = None
    """Capacity, such as 500Gi. Required for a new claim. It can be increased where the storage class allows, and never
    decreased.
    """
    storage_class: Name | None = None
    """Storage class. Default: the cluster's default class."""
    access_modes: AccessModes | None = None
    """Access modes. Default: readWriteOnce."""
    volume_mode: Literal["Filesystem", "Block"] | None = None
    """`Filesystem` (default), or `Block` for a raw device."""
    added_attr_values: Annotated[tuple[AddedAttribute, ...], list_map("key", 16)] = ()
    """Annotations for the claim, for storage drivers."""


class PvcFields(Model):
    """A persistent volume claim: a new one, or one that exists."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("path",)
    REFERS: ClassVar[dict[str, str]] = {"claim_name": "PersistentVolumeClaim"}
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.existingPvc) && self.existingPvc) || (has(self.claimInfo) && has(self.claimInfo.size))",
            "A new claim needs claimInfo.size. Set the size, or set existingPvc: true and claimName to use an "
            "existing claim.",
            lambda pvc: pvc.get("existingPvc") is True or "size" in pvc.get("claimInfo", {}),
            field="claimInfo",
            reason="FieldValueRequired",
            complete=True,
        ),
        Rule(
            "!has(self.existingPvc) || !self.existingPvc || has(self.claimName)",
            "existingPvc needs claimName. Set claimName to the name of the existing claim.",
            lambda pvc: pvc.get("existingPvc") is not True or "claimName" in pvc,
            field="claimName",
            reason="FieldValueRequired",
            complete=True,
        ),
        Rule(
            "!has(self.existingPvc) || !self.existingPvc || !has(self.ephemeral) || !self.ephemeral",
            "An existing claim is never deleted, and ephemeral deletes the claim. Remove ephemeral or existingPvc.",
            lambda pvc: pvc.get("existingPvc") is not True or pvc.get("ephemeral") is not True,
            field="ephemeral",
        ),
    )

    path: AbsolutePath | None = None
    """Mount path; for volumeMode Block, the path of the device."""
    existing_pvc: bool = False
    """Use the claim named by claimName, which must exist. It is never changed or deleted. Default: false."""
    claim_name: Name | None = None
    """Name of the claim. Default for a new one: derived from the name of the object."""
    read_only: bool = False
    """Mount it read-only. Default: false."""
    ephemeral: bool = False
    """Delete the new claim and its data when the workload stops (not when its pod restarts). Default: false."""
    data_sharing: bool = False
    """For a shared asset: one volume for all namespaces instead of one claim in each. Its claim is in the namespace of
    the asset. Default: false.
    """
    claim_info: ClaimInfo | None = None
    """The new claim. With existingPvc it changes nothing, and a value that differs from the claim is reported."""


class ConfigMapVolumeFields(Model):
    """The keys of a ConfigMap as files."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("config_map", "mount_path")
    REFERS: ClassVar[dict[str, str]] = {"config_map": "ConfigMap"}

    config_map: Name | None = None
    """Name of the ConfigMap, which must exist."""
    mount_path: AbsolutePath | None = None
    """Mount path of the files."""
    sub_path: Path | None = None
    """Mount only this key, as a single file at mountPath."""
    default_mode: FileMode | None = None
    """Permissions of the files, octal with a leading zero. Default: "0644"."""


class SecretVolumeFields(Model):
    """The keys of a Secret as files."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("mount_path",)

    mount_path: AbsolutePath | None = None
    """Mount path of the files."""
    default_mode: FileMode | None = None
    """Permissions of the files, octal with a leading zero. Default: "0644"."""
