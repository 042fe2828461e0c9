"""How a container of an Artifact gets its image from source: the source, the Dockerfile, and the login to push."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.patterns import CLEAR_TEXT_PATTERN, REPOSITORY_PATTERN, TEXT_PATTERN, matches
from outfitter.api.refs import CredentialRef, EnvironmentRef
from outfitter.api.rules import Rule, exclusive, inner_path, url_rules
from outfitter.api.types import Image, Name, Path, list_atomic, schema_pattern
from outfitter.api.v1alpha1.volumes import Branch

SOURCES = ("git", "oci", "pvc", "configMap")
SourceUrl = Annotated[str, Field(min_length=1, max_length=512)]
"""Shorter than other URLs: the API server bounds the cost of the rules of all containers together."""
Entrypoint = Annotated[
    tuple[Annotated[str, Field(max_length=4096), schema_pattern(TEXT_PATTERN)], ...], list_atomic(64)
]


class GitSource(Model):
    """Source in a Git repository."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *url_rules("url", REPOSITORY_PATTERN, "Remove them; only ssh has a user in front of the host."),
        Rule(
            f"!has(self.credential) || !self.url.matches(r'{CLEAR_TEXT_PATTERN}')",
            "http would send the login in clear text. Use https, or remove credential.",
            lambda source: "credential" not in source or not matches(CLEAR_TEXT_PATTERN, source.get("url", "")),
            field="url",
        ),
    )

    url: SourceUrl
    """URL of the repository: https or ssh."""
    revision: Branch | None = None
    """Branch, tag or commit. Default: the head of the default branch. Each build has the commit in its status."""
    credential: CredentialRef | None = None
    """Credential for the login: password for https, genericSecret with key `ssh` for ssh. Default: none, for public
    repositories.
    """


class OciSource(Model):
    """Source in an OCI artifact of a registry."""

    ref: Image
    """Its name with tag or digest, such as `registry.example.com/code/scorer:3`. Mounted as a volume, which needs
    Kubernetes 1.35. The pull secrets of the namespace are used.
    """


class PvcSource(Model):
    """Source in a persistent volume claim of this namespace."""

    REFERS: ClassVar[dict[str, str]] = {"claim_name": "PersistentVolumeClaim"}
    RULES: ClassVar[tuple[Rule, ...]] = (inner_path("subPath"),)

    claim_name: Name
    """Name of the claim, which must exist."""
    sub_path: Path | None = None
    """Directory in the volume. Default: its root."""


class ConfigMapSource(Model):
    """Source in a ConfigMap of this namespace, one file per key."""

    REFERS: ClassVar[dict[str, str]] = {"name": "ConfigMap"}

    name: Name
    """Name of the ConfigMap, which must exist."""


class CodeRef(Model):
    """The source: exactly one of git, oci, pvc and configMap."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exclusive(
            SOURCES, "The source code needs exactly one of git, oci, pvc and configMap. Set one of them.", exactly=True
        ),
    )

    git: GitSource | None = None
    """A Git repository."""
    oci: OciSource | None = None
    """An OCI artifact of a registry."""
    pvc: PvcSource | None = None
    """A persistent volume claim of this namespace."""
    config_map: ConfigMapSource | None = None
    """A ConfigMap of this namespace."""


class Dockerfile(Model):
    """The Dockerfile: one that comes with the source, or one made from an Environment."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.path) || !has(self.type) || self.type == 'provided'",
            "path is valid only for type provided. Remove path, or change type.",
            lambda file: "path" not in file or file.get("type", "provided") == "provided",
            field="path",
        ),
        Rule(
            "!has(self.path) || !self.path.startsWith('/') && !self.path.split('/').exists(part, part == '..')",
            "path leaves the source. Set a relative path without `..`.",
            lambda file: not file.get("path", "").startswith("/") and ".." not in file.get("path", "").split("/"),
            field="path",
        ),
        Rule(
            "(has(self.type) && self.type == 'generated') == has(self.environment)",
            "environment is required for type generated, and no other type allows it. Set or remove environment.",
            lambda file: (file.get("type") == "generated") == ("environment" in file),
            field="environment",
        ),
        Rule(
            "(has(self.type) && self.type == 'generated') == (has(self.entrypoint) && size(self.entrypoint) > 0)",
            "entrypoint is required for type generated, and no other type allows it. Set or remove entrypoint.",
            lambda file: (file.get("type") == "generated") == bool(file.get("entrypoint")),
            field="entrypoint",
        ),
    )

    type: Literal["provided", "generated"] = "provided"
    """`provided` (default): the source has a Dockerfile. `generated`: the image of an Environment, with the source
    copied in.
    """
    path: Path | None = None
    """Dockerfile in the source, for provided. Default: ./Dockerfile"""
    environment: EnvironmentRef | None = None
    """Environment with the base image, for generated."""
    entrypoint: Entrypoint = ()
    """Program and arguments of the image, one item each, for generated."""


class ImageBuildConfig(Model):
    """How to build an image from source."""

    code_ref: CodeRef | None = None
    """The source. You can add it later, but not after the artifact is locked."""
    dockerfile: Dockerfile = Dockerfile()
    """The Dockerfile. Default: ./Dockerfile of the source."""
    credential: CredentialRef | None = None
    """Credential of type dockerRegistry for the registry that gets the image, and for those of base images. It is not
    private. Default: none.
    """
