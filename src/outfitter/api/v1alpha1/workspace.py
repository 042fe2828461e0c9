"""Workspace: an interactive workload, made from assets, inline fields or both."""

from typing import Annotated, ClassVar

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.refs import ComputeRef, EnvironmentRef, TemplateRef
from outfitter.api.rules import Rule
from outfitter.api.types import PositiveInt32
from outfitter.api.v1alpha1.asset import Description, DisplayName, Status
from outfitter.api.v1alpha1.connections import ConnectionOverrides
from outfitter.api.v1alpha1.environment import DataSourceRefs
from outfitter.api.v1alpha1.running import EndingStatus, RunningStatus
from outfitter.api.v1alpha1.workload import WorkloadFields


class Assets(Model):
    """Assets of a workload."""

    environment: EnvironmentRef | None = None
    """Environment."""
    compute: ComputeRef | None = None
    """ComputeResource."""
    data_sources: DataSourceRefs = ()
    """DataSources to mount."""


def without_serving_port() -> Rule:
    """Return the rule that only an Inference serves requests."""
    return Rule(
        "!has(self.connections) || "
        "self.connections.all(c, !has(c.connectionType) || c.connectionType != 'ServingPort')",
        "connectionType ServingPort is valid only for an Inference. Use another connectionType.",
        lambda spec: all(item.get("connectionType") != "ServingPort" for item in spec.get("connections", ())),
        field="connections",
    )


class WorkspaceSpec(WorkloadFields):
    """Assets, inline fields or both. Inline fields override assets."""

    RULES: ClassVar[tuple[Rule, ...]] = (without_serving_port(),)

    description: Description | None = None
    """Purpose, in 1 to 250 characters."""
    display_name: DisplayName | None = None
    """Display name. Default: the name of the object."""
    template: TemplateRef | None = None
    """WorkloadTemplate to start from. Inline fields override its fields, and `assets` override its assets."""
    assets: Assets = Assets()
    """Assets: an environment, a compute resource, data sources."""
    connections: ConnectionOverrides = ()
    """Settings for connections of the environment, such as a node port, and additional connections."""
    suspend: bool = False
    """Stop the workspace: delete only its pod. Default: false."""
    max_runtime_seconds: PositiveInt32 | None = None
    """Seconds after which the workspace is stopped, from the start of its pod. Default: no limit. It keeps its volumes
    and addresses, and a change of the annotation `outfitter.dev/restartedAt` starts it again for as long.
    """
    idle_timeout_seconds: Annotated[int, Field(ge=60, le=2**31 - 1)] | None = None
    """Seconds without use after which the workspace is stopped, at least 60. Default: no limit. An open connection to
    a port of the workspace is use. For the toolType jupyter-notebook, kernels and requests count instead, if Jupyter
    answers without a token. The workspace needs a connection, port or URL. It keeps its volumes and addresses, and a
    change of the annotation `outfitter.dev/restartedAt` starts it again.
    """


class WorkspaceStatus(Status, EndingStatus, RunningStatus):
    """State of the workspace."""


class Workspace(CustomResource):
    """An interactive workload, such as a notebook, made from assets, inline fields or both."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Phase", path=".status.phase"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Environment", path=".spec.assets.environment.name"),
        Column(name="Compute", path=".spec.assets.compute.name"),
        Column(name="URL", path=".status.connections[0].url"),
        Column(name="Status", path=".status.syncStatus", wide=True),
        Column(name="Revision", path=".status.revision", wide=True),
        Column(name="Outdated", path=".status.outdated[0].reason", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.template.name",
        ".spec.assets.environment.name",
        ".spec.assets.compute.name",
        ".spec.suspend",
        ".status.phase",
        ".status.syncStatus",
        ".status.createdBy",
        ".status.updatedBy",
    )

    spec: WorkspaceSpec
    """Desired state."""
    status: WorkspaceStatus = WorkspaceStatus()
    """Observed state. Only the operator writes it."""
