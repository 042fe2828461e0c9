"""ComputeResource: CPU, memory and GPUs for a workload."""

from typing import ClassVar

from outfitter.api.base import Column, CustomResource
from outfitter.api.v1alpha1.asset import AssetSpec, ComplianceStatus
from outfitter.api.v1alpha1.compute import ComputeFields


class ComputeResourceSpec(ComputeFields, AssetSpec):
    """CPU, memory and GPUs for one pod."""


class ComputeResourceStatus(ComplianceStatus):
    """State of the definition."""


class ComputeResource(CustomResource):
    """CPU, memory, GPUs and other devices for one pod. A definition: Outfitter creates no object for it."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Status", path=".status.syncStatus"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="CPU", path=".spec.cpuCoreRequest"),
        Column(name="Memory", path=".spec.cpuMemoryRequest"),
        Column(name="GPUs", path=".spec.gpuDevicesRequest", type="integer"),
        Column(name="Used", path=".status.usedBy.total", type="integer", wide=True),
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

    spec: ComputeResourceSpec
    """Desired state."""
    status: ComputeResourceStatus = ComputeResourceStatus()
    """Observed state. Only the operator writes it."""
