"""Container groups of an artifact. Each group is one pod with one or more containers.

One module: these models are the fields of one tree, and their rules refer to each other.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.patterns import HEADER_NAME_PATTERN, HEADER_VALUE_PATTERN, matches
from outfitter.api.refs import CredentialKeyRef
from outfitter.api.rules import Node, Rule
from outfitter.api.types import (
    Image,
    LongText,
    Path,
    PositiveInt32,
    RootLabel,
    Seconds,
    UserPort,
    list_atomic,
    list_map,
    list_set,
    schema_pattern,
)
from outfitter.api.v1alpha1.buildconfig import Entrypoint, ImageBuildConfig
from outfitter.api.v1alpha1.security import Capability
from outfitter.api.v1alpha1.variables import VariableName

DEFAULT_GROUP = "default"
PRIMARY_CONTAINER = "main"
"""Name of a primary container without a name."""
MADE_PREFIX = "container-"
"""Before the position of another container without a name."""


class ArtifactVariable(Model):
    """One environment variable of a container."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(!has(self.source) || self.source == 'string') == has(self.value)",
            "value is required for source string (the default), and no other source allows it. Set or remove value.",
            lambda item: (item.get("source", "string") == "string") == ("value" in item),
            field="value",
        ),
        Rule(
            "(has(self.source) && self.source == 'credential') == has(self.credential)",
            "credential is required for source credential, and no other source allows it. Set or remove credential.",
            lambda item: (item.get("source") == "credential") == ("credential" in item),
            field="credential",
        ),
    )

    name: VariableName
    """Name of the variable."""
    source: Literal["string", "credential", "apiToken"] = "string"
    """Where the value comes from. `string` (default): `value`. `credential`: one key of a Credential. `apiToken`: a
    token made for the workload; not available yet, rejected with reason Unsupported.
    """
    value: LongText | None = None
    """The value itself, for string; may be empty. `$(OTHER)` is replaced by the kubelet."""
    credential: CredentialKeyRef | None = None
    """The key of a Credential to read, for credential."""


PROBE_PORT: Final = 8080
"""Port of a probe of a container without a port."""


class Probe(Model):
    """An HTTP request that checks a container; a status from 200 to 399 is success."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!has(self.httpHeaders) || self.httpHeaders.all(name, name.matches('{HEADER_NAME_PATTERN}'))",
            "A name in httpHeaders is not valid. Use letters, digits and hyphens.",
            lambda probe: all(matches(HEADER_NAME_PATTERN, name) for name in probe.get("httpHeaders", {})),
            field="httpHeaders",
        ),
    )

    path: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^/[^ \x00-\x1f\x7f]*$")]
    """Path to request, such as /health."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port of the request, 1 to 65535. Default: the port of the container, or 8080 if it has none."""
    scheme: Literal["HTTP", "HTTPS"] = "HTTP"
    """HTTP (default) or HTTPS; a certificate is not checked."""
    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.:]*)$")] | None = None
    """Host of the request. Default: the pod."""
    http_headers: Annotated[
        dict[
            Annotated[str, Field(min_length=1, max_length=128)],
            Annotated[str, Field(max_length=1024), schema_pattern(HEADER_VALUE_PATTERN)],
        ],
        Field(max_length=16),
    ] = Field(default_factory=dict)
    """Headers of the request. Default: none."""
    initial_delay_seconds: Seconds = 30
    """Seconds between the start of the container and the first probe. Default: 30."""
    period_seconds: PositiveInt32 = 30
    """Seconds between two requests. Default: 30."""
    timeout_seconds: PositiveInt32 = 30
    """Timeout of a request in seconds. Default: 30."""
    failure_threshold: PositiveInt32 = 3
    """Consecutive failures after which the probe fails. Default: 3; for the startup probe of nim, as many as 20 minutes
    hold.
    """


class ContainerCapabilities(Model):
    """Linux capabilities, without the CAP_ prefix."""

    add: Annotated[tuple[Capability, ...], list_set(38)] = ()
    """Capabilities to add. Elevated: rejected unless an administrator allows elevation in the namespace."""
    drop: Annotated[tuple[Literal[Capability, "ALL"], ...], list_set(39)] = ()
    """Capabilities to drop. All are dropped by default."""


class SeccompProfile(Model):
    """Seccomp profile of a container."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.type == 'Localhost') == has(self.localhostProfile)",
            "localhostProfile is required for type Localhost, and no other type allows it. Set or remove "
            "localhostProfile.",
            lambda profile: (profile.get("type") == "Localhost") == ("localhostProfile" in profile),
            field="localhostProfile",
        ),
    )

    type: Literal["RuntimeDefault", "Unconfined", "Localhost"]
    """`RuntimeDefault`: the profile of the container runtime. `Localhost`: a file on the node. `Unconfined` is
    elevated.
    """
    localhost_profile: Path | None = None
    """File of the profile, relative to the kubelet's folder of profiles, for Localhost."""


class ContainerSecurityContext(Model):
    """User and privileges of a container. By default it meets Pod Security level restricted. It never runs as root."""

    run_as_user: Annotated[int, Field(ge=1, le=2147483647)] | None = None
    """User id of the process, for an image that runs as root or names its user without a number. The container also
    gets a writable home directory, which HOME names. Default: that of the image.
    """
    run_as_group: Annotated[int, Field(ge=1, le=2147483647)] | None = None
    """Primary group id of the process. The volumes of the pod belong to this group; that of the primary container
    counts. Default: that of the image.
    """
    allow_privilege_escalation: bool | None = None
    """Let a process gain more privileges than its parent. Default: false. Elevated."""
    read_only_root_filesystem: bool | None = None
    """Make the root file system of the container read-only. /tmp and the home directory stay writable, and are deleted
    with the pod. Default: false.
    """
    capabilities: ContainerCapabilities = ContainerCapabilities()
    """Linux capabilities. Default: all are dropped, none is added."""
    seccomp_profile: SeccompProfile | None = None
    """Seccomp profile. Default: RuntimeDefault."""


class Container(Model):
    """One container of an artifact."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.imageUri) || has(self.imageBuildConfig)",
            "A container needs imageUri (an existing image) or imageBuildConfig (an image to build). Set one of them.",
            lambda item: "imageUri" in item or "imageBuildConfig" in item,
            field="imageUri",
            reason="FieldValueRequired",
        ),
        Rule(
            "!has(self.imageUri) || !has(self.imageBuildConfig) || !self.imageUri.contains('@')",
            "A build makes a new digest. Set imageUri to a repository, with or without a tag.",
            lambda item: "imageBuildConfig" not in item or "@" not in item.get("imageUri", ""),
            field="imageUri",
        ),
    )

    name: RootLabel | None = None
    """Name of the container, unique in its group; sizing refers to it. Default: main for the primary container, else
    container- and its position in the list, counted from 1.
    """
    description: Annotated[str, Field(max_length=1024)] = ""
    """Purpose."""
    image_uri: Image | None = None
    """Container image. With imageBuildConfig, the repository that the build pushes to, with a tag or without. Required
    without imageBuildConfig.
    """
    entrypoint: Entrypoint = ()
    """Program and arguments, one item each; no shell runs. Default: that of the image."""
    primary: bool | None = None
    """This container receives the requests; a group has exactly one. Default: true for the only container of a group,
    else false.
    """
    port: UserPort | None = None
    """Port that it listens on, 1024 to 65535. Required for the primary container, rejected for others."""
    environment_vars: Annotated[tuple[ArtifactVariable, ...], list_map("name", 200)] = ()
    """Environment variables. For nim, the volume of the model is mounted where NIM_CACHE_PATH points."""
    startup_probe: Probe | None = None
    """The other probes start after this one succeeds; for nim the default allows 20 minutes."""
    readiness_probe: Probe | None = None
    """Requests are sent to the container only while this one succeeds."""
    liveness_probe: Probe | None = None
    """The container is restarted when this one fails."""
    security_context: ContainerSecurityContext = ContainerSecurityContext()
    """Privileges of the container."""
    image_build_config: ImageBuildConfig | None = None
    """How to build the image from source. A build starts when buildRequest changes, or the artifact is locked. Needs an
    operator with a build backend.
    """


def primaries(containers: Sequence[Node]) -> list[int]:
    """Return the positions of the primary containers of a group: exactly one in a valid group."""
    only = len(containers) == 1
    return [place for place, item in enumerate(containers) if item.get("primary", only)]


def container_names(containers: Sequence[Node]) -> list[str]:
    """Return the name of each container of a group, written or generated."""
    first = primaries(containers)
    made = (PRIMARY_CONTAINER if place in first else f"{MADE_PREFIX}{place + 1}" for place in range(len(containers)))
    return [item.get("name", name) for item, name in zip(containers, made, strict=True)]


def _primaries(group: Node) -> list[int]:
    return primaries(group.get("containers", ()))


def _made_names_are_free(group: Node) -> bool:
    containers = group.get("containers", ())
    made = {name for item, name in zip(containers, container_names(containers), strict=True) if "name" not in item}
    return not any(item.get("name") in made for item in containers)


def _named_once(group: Node) -> bool:
    names = [item["name"] for item in group.get("containers", ()) if "name" in item]
    return len(set(names)) == len(names)


_PRIMARY = "(has(c.primary) ? c.primary : size(self.containers) == 1)"
_PLACE = f"int(d.name.substring({len(MADE_PREFIX)}))"
_AT_PLACE = f"self.containers[{_PLACE} - 1]"


class ContainerGroup(Model):
    """Containers that run together in one pod. Each group has its own replicas."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"self.containers.filter(c, {_PRIMARY}).size() == 1",
            "A container group needs exactly one primary container. Set primary: true in one container, and "
            "remove it from the others.",
            lambda group: len(_primaries(group)) == 1,
            field="containers",
        ),
        Rule(
            f"self.containers.all(c, !{_PRIMARY} || has(c.port))",
            "The primary container has no port. Set the port at which it answers requests, from 1024 to 65535.",
            lambda group: all("port" in group["containers"][place] for place in _primaries(group)),
            field="containers",
            reason="FieldValueRequired",
        ),
        Rule(
            f"self.containers.all(c, {_PRIMARY} || !has(c.port))",
            "Only the primary container has a port. Remove port from the other containers.",
            lambda group: all(
                "port" not in item or place in _primaries(group)
                for place, item in enumerate(group.get("containers", ()))
            ),
            field="containers",
            reason="FieldValueForbidden",
        ),
        Rule(
            "self.containers.all(c, !has(c.name) || self.containers.exists_one(d, has(d.name) && d.name == c.name))",
            "Two containers of a group have the same name. Rename one of them.",
            _named_once,
            field="containers",
        ),
        Rule(
            f"self.containers.all(d, !has(d.name) || (d.name == '{PRIMARY_CONTAINER}' ? "
            f"self.containers.all(c, has(c.name) || !{_PRIMARY}) : !d.name.matches('^{MADE_PREFIX}[1-9][0-9]?$') || "
            f"{_PLACE} > size(self.containers) || has({_AT_PLACE}.name) || "
            f"(has({_AT_PLACE}.primary) && {_AT_PLACE}.primary)))",
            "A container has the name that another one without a name gets: main for the primary one, else container- "
            "and its position. Name that container too, or rename this one.",
            _made_names_are_free,
            field="containers",
        ),
    )

    name: RootLabel = DEFAULT_GROUP
    """Name of the group, unique in the artifact; sizing refers to it. A renamed group keeps its pods' label and its
    Deployment. Default: default.
    """
    containers: Annotated[tuple[Container, ...], list_atomic(16)]
    """The containers of the pod, one of them primary."""

    @property
    def primary(self) -> int:
        """Position of the primary container."""
        return primaries(self.to_dict()["containers"])[0]

    @property
    def container_names(self) -> tuple[str, ...]:
        """Name of each container, written or generated."""
        return tuple(container_names(self.to_dict()["containers"]))


ContainerGroups = Annotated[tuple[ContainerGroup, ...], list_atomic(8)]
