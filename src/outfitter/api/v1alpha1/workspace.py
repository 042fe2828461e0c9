"""Workspace: an interactive workload, made of assets, inline fields or both."""

from typing import ClassVar

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.refs import ComputeRef, EnvironmentRef
from outfitter.api.rules import Rule
from outfitter.api.v1alpha1.asset import Description, DisplayName, Status
from outfitter.api.v1alpha1.connections import ConnectionOverrides
from outfitter.api.v1alpha1.environment import DataSourceRefs
from outfitter.api.v1alpha1.running import RunningStatus
from outfitter.api.v1alpha1.workload import WorkloadFields


class Assets(Model):
    """The assets a workload is made of."""

    environment: EnvironmentRef | None = None
    """Environment: what to run."""
    compute: ComputeRef | None = None
    """ComputeResource: how much of the cluster it gets."""
    data_sources: DataSourceRefs = ()
    """DataSources to mount."""


class WorkspaceSpec(WorkloadFields):
    """What the workspace is made of: assets, inline fields or both. Inline fields win."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.connections) || "
            "self.connections.all(c, !has(c.connectionType) || c.connectionType != 'ServingPort')",
            "connectionType ServingPort is for inference only",
            lambda spec: all(item.get("connectionType") != "ServingPort" for item in spec.get("connections", ())),
            field="connections",
        ),
    )

    description: Description | None = None
    """What this is for, in 1 to 250 characters."""
    display_name: DisplayName | None = None
    """Name for people. Default: the object's name."""
    assets: Assets = Assets()
    """The assets the workspace is made of: an environment, a compute resource, data sources."""
    connections: ConnectionOverrides = ()
    """Settings for connections of the environment, such as a node port, and whole connections of your own."""
    suspend: bool = False
    """Stop the workspace without removing anything but its pod. Default: false."""


class WorkspaceStatus(Status, RunningStatus):
    """State of the workspace."""


class Workspace(CustomResource):
    """An interactive workload, such as a notebook, made of assets, inline fields or both."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Phase", path=".status.phase"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Environment", path=".spec.assets.environment.name"),
        Column(name="Compute", path=".spec.assets.compute.name"),
        Column(name="URL", path=".status.connections[0].url"),
        Column(name="Status", path=".status.syncStatus", wide=True),
        Column(name="Revision", path=".status.revision", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.assets.environment.name",
        ".spec.assets.compute.name",
        ".spec.suspend",
        ".status.phase",
        ".status.syncStatus",
    )

    spec: WorkspaceSpec
    """What the workspace is made of."""
    status: WorkspaceStatus = WorkspaceStatus()
    """What the operator made of it. Written by the operator only."""
