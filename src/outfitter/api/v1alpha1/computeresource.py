"""ComputeResource: how much CPU, memory and GPU a workload gets."""

from typing import ClassVar

from outfitter.api.base import Column, CustomResource
from outfitter.api.v1alpha1.asset import AssetSpec, AssetStatus
from outfitter.api.v1alpha1.compute import ComputeFields


class ComputeResourceSpec(ComputeFields, AssetSpec):
    """How much CPU, memory and GPU a pod gets."""


class ComputeResourceStatus(AssetStatus):
    """State of the definition."""


class ComputeResource(CustomResource):
    """How much CPU, memory, GPU and other devices one pod gets. A definition: it makes nothing by itself."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Status", path=".status.syncStatus"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="CPU", path=".spec.cpuCoreRequest"),
        Column(name="Memory", path=".spec.cpuMemoryRequest"),
        Column(name="GPUs", path=".spec.gpuDevicesRequest", type="integer"),
        Column(name="Used", path=".status.usedBy.total", type="integer", wide=True),
        Column(name="Scope", path=".spec.scope.type", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.gpuDevicesRequest",
        ".spec.gpuRequestType",
        ".spec.scope.type",
        ".status.syncStatus",
    )

    spec: ComputeResourceSpec
    """How much a pod gets."""
    status: ComputeResourceStatus = ComputeResourceStatus()
    """What the operator made of it. Written by the operator only."""
