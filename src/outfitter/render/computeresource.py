"""ComputeResource and inline compute -> requests and limits of CPU, memory and other devices, and shared memory."""

from __future__ import annotations

from typing import Any

from outfitter.api.quantities import cores_text, quantity_text
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.render.pod import PodPatch


def pod_patch(compute: Any, source: str, prefix: str = "spec.compute") -> tuple[PodPatch, list[Problem]]:
    """Return requests, limits and /dev/shm of a container. Its GPUs are the business of `gpu`."""
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
    devices: dict[str, str] = {}
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


def check(compute: Any, prefix: str = "spec.compute") -> list[Problem]:
    """Return what is missing in a compute block; its shape has been checked before."""
    problems = []
    for item in compute.extended_resources:
        if not item.exclude and item.quantity is None:
            where = f"{prefix}.extendedResources[{item.resource}].quantity"
            problems.append(
                stalled(
                    Reason.INVALID_SPEC, f"Extended resource {item.resource} has no quantity. Set the field.", where
                )
            )
    return problems
