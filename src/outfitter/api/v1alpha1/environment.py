"""Environment: image, command, variables, security, probes and connections; with `run`, also a workspace."""

from typing import Annotated, ClassVar

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.refs import ComputeRef, DataSourceRef
from outfitter.api.rules import Rule, Transition, not_only_scaled
from outfitter.api.shape import STORED_DEFAULT
from outfitter.api.types import AbsolutePath, Image, Shell, list_map
from outfitter.api.v1alpha1.asset import SCOPE_KEPT, AssetSpec, ComplianceStatus
from outfitter.api.v1alpha1.connections import ConnectionOverrides, Connections, at_most_one_serving_port
from outfitter.api.v1alpha1.labels import Annotations, Labels
from outfitter.api.v1alpha1.probes import Probes
from outfitter.api.v1alpha1.running import RunningStatus
from outfitter.api.v1alpha1.security import EnvironmentSecurity
from outfitter.api.v1alpha1.variables import EnvironmentVariables, WorkloadEnvironmentVariables
from outfitter.api.v1alpha1.workload import ImagePullPolicy

DataSourceRefs = Annotated[tuple[DataSourceRef, ...], list_map("name", 32)]


class Run(Model):
    """Run this definition as a workspace of the same name, in the same namespace."""

    compute: ComputeRef | None = None
    """ComputeResource to run with. Default: none, no requests and no limits."""
    data_sources: DataSourceRefs = ()
    """DataSources to mount."""
    replicas: Annotated[int, Field(ge=0, le=1, json_schema_extra={STORED_DEFAULT: 1})] = 1
    """1 runs, 0 stops. Default: 1."""
    suspend: Annotated[bool, Field(json_schema_extra={STORED_DEFAULT: False})] = False
    """Stop it: delete only its pod. Default: false."""
    environment_variables: WorkloadEnvironmentVariables = ()
    """Values for variables without a value in the definition, and overrides of others."""
    connections: ConnectionOverrides = ()
    """Node ports and URLs for connections that need them."""
    labels: Labels = ()
    """Labels for the pods and all other objects of the workload, as admission policies may demand."""
    annotations: Annotations = ()
    """Annotations for the pods and all other objects of the workload. Services and Ingresses get only names without a
    prefix, because other programs take orders from the rest.
    """


class EnvironmentSpec(AssetSpec):
    """Desired state."""

    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (SCOPE_KEPT, not_only_scaled("Environment"))
    RULES: ClassVar[tuple[Rule, ...]] = (
        at_most_one_serving_port(),
        Rule(
            "!has(self.tty) || !self.tty || (has(self.stdin) && self.stdin)",
            "tty needs stdin. Set stdin to true, or remove tty.",
            lambda spec: spec.get("tty") is not True or spec.get("stdin") is True,
            field="tty",
        ),
        Rule(
            "!has(self.run) || has(self.image)",
            "run needs image. Set image, or remove run.",
            lambda spec: "run" not in spec or "image" in spec,
            field="image",
            reason="FieldValueRequired",
        ),
        Rule(
            "!has(self.run) || !has(self.scope) || self.scope.type == 'project'",
            "A shared Environment cannot run. Create a Workspace that uses the Environment.",
            lambda spec: "run" not in spec or spec.get("scope", {}).get("type", "project") == "project",
            field="run",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.run) || !has(self.supportedTypes) || 'workspace' in self.supportedTypes",
            "run creates a workspace, and supportedTypes does not contain workspace. Add workspace, or remove run.",
            lambda spec: "run" not in spec or "supportedTypes" not in spec or "workspace" in spec["supportedTypes"],
            field="supportedTypes",
        ),
        Rule(
            "!has(self.run) || !has(self.connections) || "
            "self.connections.all(c, !has(c.connectionType) || c.connectionType != 'ServingPort')",
            "connectionType ServingPort is valid only for an Inference, and run creates a workspace. Use another "
            "connectionType.",
            lambda spec: (
                "run" not in spec
                or all(item.get("connectionType") != "ServingPort" for item in spec.get("connections", ()))
            ),
            field="connections",
        ),
    )

    image: Image | None = None
    """Container image. Default: that of the workload."""
    image_pull_policy: ImagePullPolicy | None = None
    """When to pull the image. Default: Always for the tag latest or none, else IfNotPresent."""
    command: Shell | None = None
    """Program to run, as one line: split into words as a POSIX shell does, without running a shell. Default: that of
    the image.
    """
    args: Shell | None = None
    """Arguments of the program, as one line: split like `command`. `$(NAME)` is replaced by the kubelet."""
    working_dir: AbsolutePath | None = None
    """Directory in which the program starts. Default: that of the image."""
    create_home_dir: bool | None = None
    """Create a writable home directory at the value of HOME, which must be a plain absolute path. Deleted with the
    pod. Default: true if HOME is such a path or not set, and runAsUid is set or the root file system is read-only; else
    false.
    """
    tty: bool | None = None
    """Give the program a terminal. Default: false. Needs stdin. Not for inference."""
    stdin: bool | None = None
    """Keep standard input open. Default: false. Not for inference."""
    environment_variables: EnvironmentVariables = ()
    """Environment variables. For one without a source, each workload must set the value."""
    security: EnvironmentSecurity = EnvironmentSecurity()
    """User and privileges of the container."""
    probes: Probes = Probes()
    """Probes of the container."""
    connections: Connections = ()
    """Tools inside the workload and access to them."""
    run: Run | None = None
    """Also run it as a workspace. Default: the Environment is only a definition."""


class EnvironmentStatus(ComplianceStatus, RunningStatus):
    """State of the definition and, with `run`, of its workload."""


class Environment(CustomResource):
    """Image, command, variables, security, probes and connections. With `spec.run`, also a workspace."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Status", path=".status.syncStatus"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Phase", path=".status.phase"),
        Column(name="Image", path=".spec.image"),
        Column(name="Used", path=".status.usedBy.total", type="integer"),
        Column(name="Scope", path=".status.scope", wide=True),
        Column(name="URL", path=".status.connections[0].url", wide=True),
        Column(name="Outdated", path=".status.outdated[0].reason", wide=True),
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
    SCALE: ClassVar[str | None] = ".spec.run.replicas"

    spec: EnvironmentSpec
    """Desired state."""
    status: EnvironmentStatus = EnvironmentStatus()
    """Observed state. Only the operator writes it."""
