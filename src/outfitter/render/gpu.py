"""GPUs of a pod: what each backend can give, and how a container asks for it. No other module knows the backends.

One module: it is the table of backends, and what reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final, Literal, NamedTuple

import orjson

from outfitter.api.quantities import parse_quantity, quantity_text
from outfitter.api.version import GROUP
from outfitter.naming import device_template, fit
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Reason
from outfitter.render.pod import PodPatch
from outfitter.settings import Settings

GPU: Final = "nvidia.com/gpu"
KAI_FRACTION: Final = "gpu-fraction"
KAI_MEMORY: Final = "gpu-memory"
KAI_CONTAINER: Final = "gpu-fraction-container-name"
PORTION_LIMIT: Final = f"{GROUP}/gpu-portion-limit"
MEMORY_LIMIT: Final = f"{GROUP}/gpu-memory-limit"
_MIG: Final = "nvidia.com/mig-"
_HAMI_PERCENT: Final = "nvidia.com/gpumem-percentage"
_HAMI_MEMORY: Final = "nvidia.com/gpumem"
_MIG_PROFILE: Final = 'device.attributes["gpu.nvidia.com"].profile'
_MEBIBYTE: Final = Decimal(2**20)

Kind = Literal["whole", "portion", "memory", "mig"]


class GpuUse(NamedTuple):
    """A container and its compute block. `source` names the asset in conflicts, `field` is the place of the block."""

    container: str
    compute: Any
    source: str
    field: str = "spec.compute"


class GpuRequest(NamedTuple):
    """What a container asks for. A portion of 1 is a whole device."""

    kind: Kind
    devices: int = 1
    portion: Decimal = Decimal(0)
    mebibytes: int = 0
    profile: str = ""

    @property
    def part(self) -> bool:
        """Whether it is a part of a device that the scheduler shares."""
        return self.kind in ("portion", "memory")


class Asked(NamedTuple):
    """A container that asks for devices. `first`: it is the first one of its pod."""

    use: GpuUse
    request: GpuRequest
    first: bool
    settings: Settings

    @property
    def claim(self) -> str:
        """The name of its device claim in the pod."""
        return "gpu" if self.first else fit(f"gpu-{self.use.container}")


@dataclass(frozen=True)
class Gpus:
    """The patches of the containers of a pod, its problems, and the templates of its device claims by their names."""

    patches: tuple[PodPatch, ...] = ()
    problems: tuple[Problem, ...] = ()
    claims: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class GpuBackend:
    """What a backend can give, and how a container asks for it. `parts`: portions and memory of one device."""

    ask: Callable[[Asked], PodPatch]
    """From a container to its patch."""
    parts: bool = False
    several_parts: bool = False
    """More than one container of a pod can have a part."""
    beside_whole: bool = False
    """A container can have a part while another one has whole devices or MIG slices."""
    enforces_request: bool = False
    """A container cannot use more than it requests."""
    claims: bool = False
    """Devices are claimed with a ResourceClaimTemplate."""


def _resources(use: GpuUse, asked: Mapping[str, str]) -> PodPatch:
    return PodPatch(use.source, requests=dict(asked), limits=dict(asked), of=use.container)


def _extended(asked: Asked) -> PodPatch:
    """Ask the device plugin for whole devices or a MIG slice."""
    if asked.request.kind == "mig":
        name = GPU if asked.settings.mig_strategy == "single" else f"{_MIG}{asked.request.profile}"
        return _resources(asked.use, {name: "1"})
    return _resources(asked.use, {GPU: str(asked.request.devices)})


def _kai(asked: Asked) -> PodPatch:
    """Ask KAI for a part by annotations of the pod. A resource beside them would be a second device."""
    if not asked.request.part:
        return _extended(asked)
    part = (
        {KAI_FRACTION: f"{asked.request.portion:f}"}
        if asked.request.kind == "portion"
        else {KAI_MEMORY: str(asked.request.mebibytes)}
    )
    named = {} if asked.first else {KAI_CONTAINER: asked.use.container}
    return PodPatch(
        asked.use.source, annotations={**part, **named, **_limits(asked.use.compute)}, of=asked.use.container
    )


def _limits(compute: Any) -> dict[str, str]:
    """Return the limits as annotations, which nothing enforces."""
    limits = {}
    if compute.gpu_portion_limit is not None:
        limits[PORTION_LIMIT] = f"{_decimal(compute.gpu_portion_limit):f}"
    if compute.gpu_memory_limit is not None:
        limits[MEMORY_LIMIT] = quantity_text(compute.gpu_memory_limit)
    return limits


def _hami(asked: Asked) -> PodPatch:
    """Ask HAMi for a part by resources beside that of the device."""
    if not asked.request.part:
        return _extended(asked)
    percent = (asked.request.portion * 100).to_integral_value(rounding=ROUND_CEILING)
    part = (
        {_HAMI_PERCENT: str(percent)}
        if asked.request.kind == "portion"
        else {_HAMI_MEMORY: str(asked.request.mebibytes)}
    )
    return _resources(asked.use, {GPU: "1", **part})


def _claimed(asked: Asked) -> PodPatch:
    """Use a device claim of the pod, which `render` adds."""
    return PodPatch(asked.use.source, claims=[{"name": asked.claim}], of=asked.use.container)


BACKENDS: Final[Mapping[str, GpuBackend]] = {
    "none": GpuBackend(_extended),
    "kai": GpuBackend(_kai, parts=True),
    "hami": GpuBackend(_hami, parts=True, several_parts=True, beside_whole=True, enforces_request=True),
    "dra": GpuBackend(_claimed, claims=True),
}
"""By the setting `gpu_backend`."""


def request_of(compute: Any) -> GpuRequest | None:
    """Return the devices that a compute block asks for; None without any."""
    count = compute.gpu_devices_request or 0
    if compute.gpu_request_type == "migProfile" and compute.mig_profile:
        return GpuRequest("mig", profile=compute.mig_profile.replace("+me", ".me"))
    if compute.gpu_request_type == "portion" and compute.gpu_portion_request is not None:
        portion = _decimal(compute.gpu_portion_request)
        return GpuRequest("whole") if portion == 1 else GpuRequest("portion", portion=portion)
    if compute.gpu_request_type == "memory" and compute.gpu_memory_request is not None:
        mebibytes = parse_quantity(compute.gpu_memory_request) / _MEBIBYTE
        return GpuRequest("memory", mebibytes=int(mebibytes.to_integral_value(rounding=ROUND_CEILING)))
    return GpuRequest("whole", count) if count else None


def _decimal(number: float) -> Decimal:
    return Decimal(str(number)).normalize()


def render(uses: Sequence[GpuUse], workload: str, settings: Settings) -> Gpus:
    """Return what the containers of a pod, the first one first, add to it. `workload` names device claims."""
    backend = BACKENDS[settings.gpu_backend]
    asked = [
        Asked(use, request, use is uses[0], settings)
        for use in uses
        if (request := request_of(use.compute)) is not None
    ]
    problems = [problem for use in uses for problem in check(use.compute, settings, use.field)]
    problems += _together(backend, uses, asked)
    granted = [item for item in asked if not any(_refusals(backend, item.request, settings, ""))]
    patches = [backend.ask(item) for item in granted]
    if not backend.claims or not granted:
        return Gpus(tuple(patches), tuple(problems))
    claims = {_template_name(workload, spec): spec for item in granted for spec in [_device_claim(item)]}
    listed = [
        {"name": item.claim, "resourceClaimTemplateName": _template_name(workload, _device_claim(item))}
        for item in granted
    ]
    first = granted[0].use
    patches.append(PodPatch(first.source, pod={"resourceClaims": listed}, of=first.container))
    return Gpus(tuple(patches), tuple(problems), claims)


def _template_name(workload: str, spec: Mapping[str, Any]) -> str:
    return device_template(workload, orjson.dumps(spec, option=orjson.OPT_SORT_KEYS))


def _device_claim(asked: Asked) -> dict[str, Any]:
    """Return the spec of a ResourceClaim, with every field that the API server would add."""
    request, settings = asked.request, asked.settings
    exactly: dict[str, Any] = {"allocationMode": "ExactCount", "count": request.devices}
    if request.kind == "mig":
        profile = request.profile.replace(".me", "+me")
        exactly["deviceClassName"] = settings.mig_device_class
        exactly["selectors"] = [{"cel": {"expression": f'{_MIG_PROFILE} == "{profile}"'}}]
    else:
        exactly["deviceClassName"] = settings.gpu_device_class
    return {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}


def claim_templates(
    claims: Mapping[str, Mapping[str, Any]], meta: Mapping[str, Any], settings: Settings
) -> list[dict[str, Any]]:
    """Return the ResourceClaimTemplates of device claims. `meta`: the metadata of each child.

    None with another backend: those of older revisions stay, and the operator has no rights on them.
    """
    if not BACKENDS[settings.gpu_backend].claims:
        return []
    return [
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaimTemplate",
            "metadata": {**meta, "name": name},
            "spec": {"spec": spec},
        }
        for name, spec in claims.items()
    ]


def uses_devices(template: Mapping[str, Any]) -> bool:
    """Return whether a pod has a GPU or a part of one, so that an old pod must end before a new one starts."""
    resources = [item.get("resources") or {} for item in template["spec"]["containers"]]
    names = {name for each in resources for name in each.get("limits") or {}}
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    return (
        any(name == GPU or name.startswith(_MIG) for name in names)
        or any(each.get("claims") for each in resources)
        or bool({KAI_FRACTION, KAI_MEMORY} & annotations.keys())
    )


def check(compute: Any, settings: Settings, prefix: str = "spec.compute") -> list[Problem]:
    """Return what the backend cannot grant of one compute block; its shape has been checked before."""
    backend, request = BACKENDS[settings.gpu_backend], request_of(compute)
    problems = list(_amounts(compute, prefix))
    if compute.gpu_request_type is not None and request is not None and not problems:
        problems += _refusals(backend, request, settings, prefix)
    return [*problems, *_without_effect(backend, compute, request, prefix)]


def _amounts(compute: Any, prefix: str) -> Iterator[Problem]:
    """Yield parts of a device that are nothing."""
    portion, memory = compute.gpu_portion_request, compute.gpu_memory_request
    if portion is not None and portion <= 0:
        text = "A part of a GPU must be more than 0. Correct the field, or remove gpuRequestType."
        yield stalled(Reason.INVALID_SPEC, text, f"{prefix}.gpuPortionRequest")
    if memory is not None and parse_quantity(memory) <= 0:
        text = "The memory of a GPU must be more than 0. Correct the field, or remove gpuRequestType."
        yield stalled(Reason.INVALID_SPEC, text, f"{prefix}.gpuMemoryRequest")


def _refusals(backend: GpuBackend, request: GpuRequest, settings: Settings, prefix: str) -> Iterator[Problem]:
    """Yield why the backend cannot give what is asked for."""
    text = ""
    if request.part and not backend.parts and backend.claims:
        text = (
            "Device claims give whole GPUs and MIG slices, and no other parts of a GPU. Request whole devices without "
            "gpuRequestType, or a MIG profile."
        )
    elif request.part and not backend.parts:
        text = (
            "A part of a GPU needs a scheduler backend that shares devices, and none is configured. Request whole "
            "devices without gpuRequestType, or a MIG profile."
        )
    elif request.kind == "mig" and settings.mig_strategy == "none":
        text = (
            "This cluster has no MIG slices: the setting migStrategy is none. Request whole devices without "
            "gpuRequestType, or ask an administrator."
        )
    if text:
        yield stalled(Reason.FRACTIONS_UNSUPPORTED, text, f"{prefix}.gpuRequestType")


def _without_effect(backend: GpuBackend, compute: Any, request: GpuRequest | None, prefix: str) -> Iterator[Problem]:
    """Yield the limits that nothing enforces."""
    if request is None:
        return
    if request.kind == "whole" and compute.gpu_portion_limit not in (None, 1):
        text = "The GPU limit is not enforced for a whole device. Remove the field."
        yield note(Reason.NOT_ENFORCED, text, f"{prefix}.gpuPortionLimit")
    if not request.part or not backend.parts:
        return
    portions = (compute.gpu_portion_request, compute.gpu_portion_limit)
    memories = (compute.gpu_memory_request, compute.gpu_memory_limit)
    for name, (asked, limit) in (("gpuPortionLimit", portions), ("gpuMemoryLimit", memories)):
        if limit is None:
            continue
        if not backend.enforces_request:
            text = "The scheduler does not enforce limits of a GPU. The pod has it as an annotation."
            yield note(Reason.NOT_ENFORCED, text, f"{prefix}.{name}")
        elif parse_quantity(limit) != parse_quantity(asked):
            text = "The scheduler enforces the request as the limit. Set both to the same value."
            yield note(Reason.NOT_ENFORCED, text, f"{prefix}.{name}")


def _together(backend: GpuBackend, uses: Sequence[GpuUse], asked: Sequence[Asked]) -> Iterator[Problem]:
    """Yield what the containers of one pod cannot have at the same time."""
    parts = [item.use for item in asked if item.request.part]
    if not parts or not backend.parts:
        return
    whole = {item.use.container for item in asked if not item.request.part}
    whole |= {use.container for use in uses if _asks_for_slice(use.compute)}
    for use in parts[1:] if not backend.several_parts else ():
        text = (
            f"Containers {parts[0].container} and {use.container} of one pod both request a part of a GPU, and the "
            "scheduler gives a pod one part. Remove one request, or request whole devices."
        )
        yield stalled(Reason.CONFLICT, text, f"{use.field}.gpuRequestType")
    if whole and not backend.beside_whole:
        text = (
            f"Container {parts[0].container} requests a part of a GPU, and container {min(whole)} of the same pod "
            "whole devices or MIG slices. The scheduler gives a pod only one kind: change one of them."
        )
        yield stalled(Reason.CONFLICT, text, f"{parts[0].field}.gpuRequestType")


def _asks_for_slice(compute: Any) -> bool:
    """Return whether an extended resource is a slice or replica of a GPU."""
    return any(item.resource.startswith((_MIG, f"{GPU}.")) for item in compute.extended_resources if not item.exclude)
