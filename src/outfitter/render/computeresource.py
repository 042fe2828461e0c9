"""ComputeResource and inline compute -> resource requests and shared memory."""

from __future__ import annotations

from typing import Any

from outfitter.api.quantities import cores_text, quantity_text
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Reason
from outfitter.render.pod import PodPatch
from outfitter.settings import Settings

GPU = "nvidia.com/gpu"


def pod_patch(
    compute: Any, source: str, settings: Settings, prefix: str = "spec.compute"
) -> tuple[PodPatch, list[Problem]]:
    """Return requests, limits and /dev/shm of a container; GPU fractions need a scheduler that shares devices."""
    problems = check(compute, prefix)
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for target, cores, memory in (
        (requests, compute.cpu_core_request, compute.cpu_memory_request),
        (limits, compute.cpu_core_limit, compute.cpu_memory_limit),
    ):
        if cores is not None:
            target["cpu"] = cores_text(cores)
        if memory is not None:
            target["memory"] = quantity_text(memory)
    devices = _devices(compute, settings)
    for item in compute.extended_resources:
        if not item.exclude and item.quantity is not None:
            devices[item.resource] = quantity_text(item.quantity)
    requests.update(devices)
    limits.update(devices)
    volumes, mounts = [], []
    if compute.large_shm_request:
        limit = {"sizeLimit": quantity_text(compute.cpu_memory_limit)} if compute.cpu_memory_limit is not None else {}
        volumes = [{"name": "shm", "emptyDir": {"medium": "Memory", **limit}}]
        mounts = [{"name": "shm", "mountPath": "/dev/shm"}]  # noqa: S108 - the mount point of shared memory
    part = PodPatch(source, volumes=volumes, mounts=mounts, requests=requests, limits=limits)
    return part, problems


def _devices(compute: Any, settings: Settings) -> dict[str, str]:
    count = compute.gpu_devices_request or 0
    if compute.gpu_request_type == "migProfile" and compute.mig_profile:
        name = compute.mig_profile.replace("+me", ".me")
        return {GPU if settings.mig_strategy == "single" else f"nvidia.com/mig-{name}": "1"}
    return {GPU: str(count)} if count else {}


def check(compute: Any, prefix: str = "spec.compute") -> list[Problem]:
    """Return what cannot be granted of a compute block; its shape has been checked before."""
    problems = []
    whole_portion = compute.gpu_request_type == "portion" and compute.gpu_portion_request == 1
    if compute.gpu_request_type in ("portion", "memory") and not whole_portion:
        problems.append(
            stalled(
                Reason.FRACTIONS_UNSUPPORTED,
                "A part of a GPU needs a scheduler backend that shares devices, and none is configured. Request whole "
                "devices without gpuRequestType, or a MIG profile.",
                f"{prefix}.gpuRequestType",
            )
        )
    for item in compute.extended_resources:
        if not item.exclude and item.quantity is None:
            where = f"{prefix}.extendedResources[{item.resource}].quantity"
            problems.append(
                stalled(
                    Reason.INVALID_SPEC, f"Extended resource {item.resource} has no quantity. Set the field.", where
                )
            )
    if whole_portion and compute.gpu_portion_limit not in (None, 1):
        problems.append(
            note(
                Reason.NOT_ENFORCED,
                "The GPU limit is not enforced for a whole device. Remove the field.",
                f"{prefix}.gpuPortionLimit",
            )
        )
    return problems
