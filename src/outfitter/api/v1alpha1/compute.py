"""CPU, memory, GPUs and other devices of one pod."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.quantities import is_whole, parse_quantity, quantity_cel
from outfitter.api.rules import Node, Rule, at_least_a_mebibyte
from outfitter.api.types import Int32, Number, Portion, Quantity, list_map


class ExtendedResource(Model):
    """A quantity of a resource that a device plugin advertises."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("quantity",)
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.resource != 'nvidia.com/gpu'",
            "NVIDIA GPUs cannot be requested as an extended resource. Set gpuDevicesRequest.",
            lambda item: item.get("resource") != "nvidia.com/gpu",
            field="resource",
        ),
        Rule(
            f"!has(self.quantity) || {quantity_cel('self.quantity')}.isInteger()",
            "quantity must be a whole number, because devices cannot be shared. Correct quantity.",
            lambda item: "quantity" not in item or is_whole(item["quantity"]),
            field="quantity",
        ),
    )

    resource: Annotated[
        str,
        Field(
            min_length=3,
            max_length=317,
            pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        ),
    ]
    """Full name of the resource with its domain, such as `rdma.example.com/hca`."""
    quantity: Quantity | None = None
    """A whole number; it is both request and limit."""
    exclude: bool | None = None
    """Drop the resource of this name that would otherwise be inherited. Default: false."""


class InlineExtendedResource(ExtendedResource):
    """A quantity of a resource that a device plugin advertises."""

    PARTIAL: ClassVar[bool] = True


def _at_least(request: str, limit: str, *, quantity: bool = False) -> Rule:
    low, high = f"self.{request}", f"self.{limit}"
    compare = (
        f"{quantity_cel(high)}.compareTo({quantity_cel(low)}) >= 0" if quantity else f"double({high}) >= double({low})"
    )

    def check(node: Node) -> bool:
        if request not in node or limit not in node:
            return True
        return parse_quantity(node[limit]) >= parse_quantity(node[request])

    return Rule(
        f"!has({low}) || !has({high}) || {compare}",
        f"{limit} is less than {request}. Raise {limit}, or lower {request}.",
        check,
        field=limit,
    )


def _one_device(node: Node) -> bool:
    return "gpuRequestType" not in node or node.get("gpuDevicesRequest", 1) == 1


def _required_iff(kind: str, request: str, limit: str) -> tuple[Rule, ...]:
    chosen = f"has(self.gpuRequestType) && self.gpuRequestType == '{kind}'"
    return (
        Rule(
            f"!({chosen}) || has(self.{request})",
            f"gpuRequestType {kind} needs {request}. Set {request}.",
            lambda node: node.get("gpuRequestType") != kind or request in node,
            field=request,
            reason="FieldValueRequired",
            complete=True,
        ),
        Rule(
            f"({chosen}) || (!has(self.{request}) && !has(self.{limit}))",
            f"{request} and {limit} are valid only for gpuRequestType {kind}. Remove them, or change gpuRequestType.",
            lambda node: node.get("gpuRequestType") == kind or (request not in node and limit not in node),
            field="gpuRequestType",
            complete=True,
        ),
    )


class ComputeFields(Model):
    """CPU, memory, GPUs and other devices of one pod."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        _at_least("cpuCoreRequest", "cpuCoreLimit"),
        _at_least("cpuMemoryRequest", "cpuMemoryLimit", quantity=True),
        at_least_a_mebibyte("cpuMemoryLimit"),
        _at_least("gpuPortionRequest", "gpuPortionLimit"),
        _at_least("gpuMemoryRequest", "gpuMemoryLimit", quantity=True),
        Rule(
            "!has(self.gpuRequestType) || !has(self.gpuDevicesRequest) || self.gpuDevicesRequest == 1",
            "A part of a GPU is possible for one device only. Set gpuDevicesRequest to 1, or remove gpuRequestType.",
            _one_device,
            field="gpuDevicesRequest",
        ),
        Rule(
            "!has(self.gpuRequestType) || has(self.gpuDevicesRequest)",
            "gpuRequestType needs gpuDevicesRequest. Set gpuDevicesRequest to 1.",
            lambda node: "gpuRequestType" not in node or "gpuDevicesRequest" in node,
            field="gpuDevicesRequest",
            reason="FieldValueRequired",
            complete=True,
        ),
        *_required_iff("portion", "gpuPortionRequest", "gpuPortionLimit"),
        *_required_iff("memory", "gpuMemoryRequest", "gpuMemoryLimit"),
        Rule(
            "(has(self.gpuRequestType) && self.gpuRequestType == 'migProfile') == has(self.migProfile)",
            "gpuRequestType migProfile and the field migProfile need each other. Set both, or neither.",
            lambda node: (node.get("gpuRequestType") == "migProfile") == ("migProfile" in node),
            field="migProfile",
            complete=True,
        ),
    )

    cpu_core_request: Number | None = None
    """CPU cores to reserve, such as 0.5 or 4. Default: none."""
    cpu_core_limit: Number | None = None
    """Limit of CPU cores. Default: no limit."""
    cpu_memory_request: Quantity | None = None
    """Memory to reserve, such as 512Mi or 20G. Default: none."""
    cpu_memory_limit: Quantity | None = None
    """Limit of memory, at least 1Mi; a process that exceeds it is killed. Default: no limit."""
    gpu_devices_request: Annotated[Int32, Field(le=1024)] | None = None
    """Whole GPUs per pod. Default: 0. With gpuRequestType it must be 1."""
    gpu_request_type: Literal["portion", "memory", "migProfile"] | None = None
    """Request a part of one GPU instead of whole ones: by `portion`, by `memory`, or by `migProfile` (deprecated).
    A portion or memory needs a scheduler that shares GPUs (the setting `gpuBackend` of the operator); without one, the
    workload is rejected with reason FractionsUnsupported.
    """
    gpu_portion_request: Portion | None = None
    """Part of the GPU to reserve: more than 0, and 1 for the whole device. Required with gpuRequestType portion."""
    gpu_portion_limit: Portion | None = None
    """Limit of the part of the GPU, 0 to 1. KAI does not enforce it, and HAMi enforces the request instead."""
    gpu_memory_request: Quantity | None = None
    """GPU memory to reserve, such as 8Gi. Required with gpuRequestType memory."""
    gpu_memory_limit: Quantity | None = None
    """Limit of GPU memory. KAI does not enforce it, and HAMi enforces the request instead."""
    mig_profile: Annotated[str, Field(max_length=32, pattern=r"^[1-7]g[.][0-9]+gb([+]me)?$")] | None = None
    """Slice of a multi-instance GPU, such as 1g.5gb. Deprecated. It needs nodes with
    this slice; the setting `migStrategy` of the operator names its resource.
    """
    extended_resources: Annotated[tuple[ExtendedResource, ...], list_map("resource", 32)] = ()
    """Other devices, by their resource names."""
    large_shm_request: bool | None = None
    """Size /dev/shm like the memory limit instead of 64 MiB, for data loaders. It counts as memory. Default: false."""


class InlineCompute(ComputeFields):
    """CPU, memory, GPUs and other devices of one pod; each field overrides that of the compute resource."""

    PARTIAL: ClassVar[bool] = True

    extended_resources: Annotated[tuple[InlineExtendedResource, ...], list_map("resource", 32)] = ()
    """Other devices, by their resource names."""
