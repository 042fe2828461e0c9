"""Inline volumes of a workload."""

from typing import Annotated, ClassVar, Literal

from outfitter.api.base import Model
from outfitter.api.patterns import HTTP_PATTERN, SSH_PATTERN, over_http, over_ssh
from outfitter.api.refs import CredentialRef, SecretRef
from outfitter.api.rules import Node, Rule, at_least_a_mebibyte, exclusive, unique_names
from outfitter.api.types import AbsolutePath, DataKey, ItemName, Name, Quantity, list_atomic, list_map
from outfitter.api.v1alpha1.volumes import (
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


class VolumeItem(Model):
    """Common fields of inline volumes."""

    PARTIAL: ClassVar[bool] = True

    name: ItemName | None = None
    """Name of this volume for policies. Default: derived from its source."""
    exclude: bool | None = None
    """Drop the volume of this name that would otherwise be inherited. Default: false."""


class NfsVolume(VolumeItem, NfsFields):
    """A directory of an NFS server. Pod Security level restricted does not allow inline NFS volumes."""


class HostPathVolume(VolumeItem, HostPathFields):
    """A directory of the node. Elevated: rejected unless an administrator allows elevation in the namespace."""


class GitSecretRef(SecretRef):
    """A Secret of this namespace that holds the login for a repository."""

    authentication_method: Literal["password", "ssh-key"] | None = None
    """Type of the login: `password` for https, `ssh-key` for ssh. Default: the one that fits the repository."""
    secret_key_of_user: DataKey | None = None
    """Key with the user name. Default: User. Not for ssh."""
    secret_key_of_password: DataKey | None = None
    """Key with the password or token; for ssh, key with the private key. Default: Password, for ssh `ssh`."""


def _fits(volume: Node) -> bool:
    method = volume.get("secretRef", {}).get("authenticationMethod")
    if method is None or "repository" not in volume:
        return True
    return not (over_ssh if method == "password" else over_http)(volume["repository"])


class GitVolume(VolumeItem, GitFields):
    """A Git repository, checked out when a pod starts. Changes in the checkout are lost with the pod."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exclusive(("credential", "secretRef"), "credential and secretRef exclude each other. Remove one of them."),
        *login_rules("credential", "secretRef"),
        Rule(
            "!has(self.repository) || !has(self.secretRef) || !has(self.secretRef.authenticationMethod) || "
            "!self.repository.matches(self.secretRef.authenticationMethod == 'password' ? "
            f"r'{SSH_PATTERN}' : r'{HTTP_PATTERN}')",
            "authenticationMethod does not fit the repository. Set password for https, ssh-key for ssh, or remove it.",
            _fits,
            field="secretRef.authenticationMethod",
            complete=True,
        ),
    )

    credential: CredentialRef | None = None
    """Credential for the login: password for https; genericSecret with keys `ssh`, the private key, and `known_hosts`,
    the host keys, for ssh.
    """
    secret_ref: GitSecretRef | None = None
    """Secret of this namespace to log in with, instead of a Credential."""


class S3Volume(VolumeItem, S3Fields):
    """A bucket of an S3 object store, copied when a pod starts, or mounted where the operator does so. Read-only."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exclusive(
            ("credential", "accessKeySecret"), "credential and accessKeySecret exclude each other. Remove one of them."
        ),
    )
    REFERS: ClassVar[dict[str, str]] = {"access_key_secret": "Secret"}

    credential: CredentialRef | None = None
    """Credential of type accessKey. Default: none, for public buckets."""
    access_key_secret: Name | None = None
    """Secret of this namespace with the access key, instead of a Credential."""
    secret_key_of_access_key_id: DataKey | None = None
    """Key with the id of the access key. Default: AccessKeyId."""
    secret_key_of_secret_key: DataKey | None = None
    """Key with the secret access key. Default: SecretKey."""


class ImageVolume(VolumeItem, ImageFields):
    """The files of an OCI image, mounted read-only. Needs Kubernetes 1.35 or newer."""


class PvcVolume(VolumeItem, PvcFields):
    """A persistent volume claim: a new one, or one that exists."""


class ConfigMapVolume(VolumeItem, ConfigMapVolumeFields):
    """The keys of a ConfigMap of this namespace as files."""


class SecretVolume(VolumeItem, SecretVolumeFields):
    """The keys of a Secret of this namespace as files."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("secret", "mount_path")
    REFERS: ClassVar[dict[str, str]] = {"secret": "Secret"}

    secret: Name | None = None
    """Name of the Secret."""


class DataVolume(Model):
    """A data volume of this namespace, or one that is shared with it."""

    PARTIAL: ClassVar[bool] = True
    MANDATORY: ClassVar[tuple[str, ...]] = ("mount_path",)
    REFERS: ClassVar[dict[str, str]] = {"id": "DataSource"}

    id: Name
    """Name of the DataSource with a dataVolume."""
    mount_path: AbsolutePath | None = None
    """Mount path, read-only."""
    exclude: bool | None = None
    """Drop the data volume of this name that would otherwise be inherited. Default: false."""


class EmptyDirVolume(VolumeItem):
    """An empty directory that lives as long as the pod."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("path",)
    RULES: ClassVar[tuple[Rule, ...]] = (at_least_a_mebibyte("sizeLimit"),)

    path: AbsolutePath | None = None
    """Mount path."""
    medium: Literal["Memory"] | None = None
    """`Memory` stores it in memory, where it counts towards the memory limit. Default: the disk of the node."""
    size_limit: Quantity | None = None
    """Largest size, such as 10Gi, at least 1Mi. Default: no limit."""


_NAMED = ("hostPath", "nfs", "git", "s3", "image", "pvc", "configMapVolume", "secretVolume", "emptyDirVolume")
_EXCLUDED = "(has(v.exclude) && v.exclude)"
_SHARED = "(has(v.mountPropagation) && v.mountPropagation == 'HostToContainer')"


def _one_propagation(storage: Node) -> bool:
    volumes = (volume for volume in storage.get("hostPath", ()) if not volume.get("exclude"))
    return len({volume.get("mountPropagation", "None") for volume in volumes}) <= 1


class Storage(Model):
    """Inline volumes, by type."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *map(unique_names, _NAMED),
        Rule(
            f"!has(self.hostPath) || self.hostPath.all(v, {_EXCLUDED} || {_SHARED}) || "
            f"self.hostPath.all(v, {_EXCLUDED} || !{_SHARED})",
            "The hostPath volumes have different values of mountPropagation. Set one value for all.",
            _one_propagation,
            field="hostPath",
        ),
    )

    host_path: Annotated[tuple[HostPathVolume, ...], list_atomic(32)] = ()
    """Directories of the node."""
    nfs: Annotated[tuple[NfsVolume, ...], list_atomic(32)] = ()
    """Directories of NFS servers."""
    git: Annotated[tuple[GitVolume, ...], list_atomic(32)] = ()
    """Git repositories."""
    s3: Annotated[tuple[S3Volume, ...], list_atomic(32)] = ()
    """Buckets of S3 object stores."""
    image: Annotated[tuple[ImageVolume, ...], list_atomic(32)] = ()
    """OCI images as files."""
    pvc: Annotated[tuple[PvcVolume, ...], list_atomic(32)] = ()
    """Persistent volume claims."""
    config_map_volume: Annotated[tuple[ConfigMapVolume, ...], list_atomic(32)] = ()
    """ConfigMaps as files."""
    secret_volume: Annotated[tuple[SecretVolume, ...], list_atomic(32)] = ()
    """Secrets as files."""
    data_volume: Annotated[tuple[DataVolume, ...], list_map("id", 32)] = ()
    """Data volumes."""
    empty_dir_volume: Annotated[tuple[EmptyDirVolume, ...], list_atomic(32)] = ()
    """Empty directories."""
