"""The volume types: fields that DataSources and inline volumes share."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.patterns import (
    BUCKET_PATTERN,
    CLEAR_TEXT_PATTERN,
    REPOSITORY_PATTERN,
    SSH_PATTERN,
    STORE_PATTERN,
    matches,
    over_ssh,
)
from outfitter.api.rules import Rule, at_least_a_mebibyte, inner_path, positive, url_rules
from outfitter.api.types import AbsolutePath, FileMode, GitRevision, Image, Name, Path, Quantity, Text, Url, list_map

Branch = Annotated[str, Field(min_length=1, max_length=253)]


def login_rules(*logins: str) -> tuple[Rule, ...]:
    """Return the rules about repository and login. `logins`: the fields that name one."""
    given = " || ".join(f"has(self.{name})" for name in logins)

    return (
        Rule(
            f"!has(self.repository) || !self.repository.matches(r'{CLEAR_TEXT_PATTERN}') || !({given})",
            "http would send the login in clear text. Use https or ssh, or remove the login.",
            lambda node: (
                not matches(CLEAR_TEXT_PATTERN, node.get("repository", "")) or not any(name in node for name in logins)
            ),
            field="repository",
        ),
        Rule(
            f"!has(self.repository) || !self.repository.matches(r'{SSH_PATTERN}') || {given}",
            "A repository over ssh needs a private key. Set credential to one of type genericSecret with key ssh, or "
            "use https.",
            lambda node: not over_ssh(node.get("repository", "")) or any(name in node for name in logins),
            field="credential",
            reason="FieldValueRequired",
            complete=True,
        ),
    )


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
    """A Git repository, checked out when a pod starts. Changes in the checkout are lost with the pod."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("repository", "path")
    RULES: ClassVar[tuple[Rule, ...]] = (
        *url_rules("repository", REPOSITORY_PATTERN, "Remove them; only ssh has a user in front of the host."),
        at_least_a_mebibyte("sizeLimit"),
    )

    repository: Url | None = None
    """URL of the repository: `https://HOST/PATH`, `ssh://USER@HOST/PATH` or `USER@HOST:PATH`, without a password.
    `http://` only for a repository without login.
    """
    path: AbsolutePath | None = None
    """Mount path of the checkout."""
    branch: GitRevision | None = None
    """Branch to check out. Default: the default branch of the repository."""
    revision: GitRevision | None = None
    """Branch, tag or commit to check out, instead of the head of `branch`. A full hash is found the fastest."""
    submodules: bool = False
    """Check out the submodules too. They can use the login for the host of the repository only. Default: false."""
    size_limit: Quantity | None = None
    """Largest size of history and files together, such as 2Gi, at least 1Mi. Default: a setting of the operator, 10Gi.
    """


class S3Fields(Model):
    """A bucket of an S3 object store, copied when a pod starts, or mounted where the operator does so. Read-only."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("bucket", "path")
    RULES: ClassVar[tuple[Rule, ...]] = (
        *url_rules("url", STORE_PATTERN, "Remove them."),
        at_least_a_mebibyte("sizeLimit"),
        Rule(
            "!has(self.cache) || self.cache != 'claim' || has(self.sizeLimit)",
            "A copy in a claim needs a size. Set sizeLimit, or remove cache.",
            lambda node: node.get("cache") != "claim" or "sizeLimit" in node,
            field="sizeLimit",
            reason="FieldValueRequired",
            complete=True,
        ),
    )

    bucket: Annotated[str, Field(min_length=3, max_length=63, pattern=BUCKET_PATTERN)] | None = None
    """Name of the bucket."""
    path: AbsolutePath | None = None
    """Mount path of the objects."""
    url: Url | None = None
    """URL of the object store. Default: Amazon S3."""
    size_limit: Quantity | None = None
    """Largest size of all objects together, such as 50Gi, at least 1Mi. Default: a setting of the operator, 10Gi. No
    limit for a bucket that is mounted.
    """
    cache: Literal["none", "claim"] | None = None
    """`claim`: the copy stays in a PersistentVolumeClaim of the workload, of the size `sizeLimit`, and a pod that
    starts copies only what changed. For workloads with one pod. Default: none, each pod copies everything. No effect
    on a bucket that is mounted.
    """


class ImageFields(Model):
    """The files of an OCI image, mounted read-only. Needs Kubernetes 1.35 or newer."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("reference", "mount_path")
    RULES: ClassVar[tuple[Rule, ...]] = (inner_path("subPath"),)

    reference: Image | None = None
    """Image with the files, such as `registry.example.com/models/bert:3`. The pod's pull secrets are used."""
    pull_policy: Literal["Always", "Never", "IfNotPresent"] | None = None
    """When to pull it. Default: Always for the tag latest, otherwise IfNotPresent."""
    sub_path: Path | None = None
    """Mount only this folder of the image: a relative path."""
    mount_path: AbsolutePath | None = None
    """Mount path."""


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
    RULES: ClassVar[tuple[Rule, ...]] = (inner_path("subPath"),)

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
