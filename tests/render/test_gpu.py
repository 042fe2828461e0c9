"""GPUs of a pod: bad amounts, what does not go together, and what each backend makes of a request."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from outfitter.api.v1alpha1.compute import ComputeFields
from outfitter.api.validation import strict_errors
from outfitter.render.gpu import BACKENDS, Gpus, GpuUse, render
from outfitter.settings import Settings
from world import asset

HALF = {"gpuDevicesRequest": 1, "gpuRequestType": "portion", "gpuPortionRequest": 0.5}
MEMORY = {"gpuDevicesRequest": 1, "gpuRequestType": "memory", "gpuMemoryRequest": "4Gi"}
MIG = {"gpuDevicesRequest": 1, "gpuRequestType": "migProfile", "migProfile": "1g.5gb"}
WHOLE = {"gpuDevicesRequest": 2}
SLICE = {"extendedResources": [{"resource": "nvidia.com/mig-1g.5gb", "quantity": 1}]}


def gpus(*computes: dict[str, Any], **settings: Any) -> Gpus:
    uses = [
        GpuUse(f"c{number}", ComputeFields.model_validate(compute), "Workspace w")
        for number, compute in enumerate(computes)
    ]
    return render(uses, "w", Settings(**settings))


def reasons(found: Gpus) -> list[str]:
    return [str(problem.reason) for problem in found.problems]


def annotations(found: Gpus) -> dict[str, str]:
    return {key: value for patch in found.patches for key, value in patch.annotations.items()}


@pytest.mark.parametrize(
    ("compute", "what"),
    [
        ({**HALF, "gpuPortionRequest": 1.5}, "must be 1 or less"),
        ({**HALF, "gpuPortionRequest": -0.5}, "must be 0 or more"),
        ({**HALF, "gpuPortionRequest": math.nan}, "must be a number"),
        ({**HALF, "gpuPortionRequest": math.inf}, "must be a number"),
        ({**HALF, "gpuPortionRequest": "0.5"}, "number"),
        ({**HALF, "gpuDevicesRequest": 2}, "one device only"),
        ({**HALF, "gpuDevicesRequest": 0}, "one device only"),
        ({**HALF, "gpuPortionLimit": 0.3}, "less than gpuPortionRequest"),
        ({**HALF, "gpuMemoryRequest": "4Gi"}, "only for gpuRequestType memory"),
        ({**MEMORY, "gpuMemoryRequest": "4GB"}, "quantity"),
        ({**MEMORY, "gpuMemoryRequest": -1}, "must be 0 or more"),
        ({"gpuDevicesRequest": 1, "gpuRequestType": "portion"}, "needs gpuPortionRequest"),
        ({**HALF, "gpuRequestType": "shared"}, "portion"),
        ({"extendedResources": [{"resource": "nvidia.com/gpu", "quantity": 1}]}, "Set gpuDevicesRequest"),
    ],
)
def test_the_schema_refuses(compute: dict[str, Any], what: str) -> None:
    """Before the operator sees it; `outfitter validate` says the same."""
    errors = [str(error) for error in strict_errors(asset("ComputeResource", "c", compute))]
    assert errors
    assert any(what in error for error in errors), errors


def test_no_number_is_read_as_a_part() -> None:
    """A stored object that an older schema took is reported as unreadable, and nothing is rendered from it."""
    with pytest.raises(ValidationError):
        ComputeFields.model_validate({**HALF, "gpuPortionRequest": math.nan})


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("compute", [{**HALF, "gpuPortionRequest": 0}, {**MEMORY, "gpuMemoryRequest": "0"}])
def test_a_part_of_nothing(backend: str, compute: dict[str, Any]) -> None:
    assert reasons(gpus(compute, gpu_backend=backend)) == ["InvalidSpec"]


@pytest.mark.parametrize(
    ("backend", "computes", "expected"),
    [
        ("none", [HALF], ["FractionsUnsupported"]),
        ("none", [MEMORY], ["FractionsUnsupported"]),
        ("none", [WHOLE, MIG], []),
        ("dra", [HALF], ["FractionsUnsupported"]),
        ("dra", [WHOLE, MIG], []),
        ("kai", [HALF], []),
        ("kai", [WHOLE, MIG], []),
        ("kai", [HALF, {}], []),
        ("kai", [{}, MEMORY], []),
        ("kai", [HALF, MEMORY], ["Conflict"]),
        ("kai", [HALF, MEMORY, HALF], ["Conflict", "Conflict"]),
        ("kai", [WHOLE, HALF], ["Conflict"]),
        ("kai", [HALF, MIG], ["Conflict"]),
        ("kai", [HALF, SLICE], ["Conflict"]),
        ("kai", [{**HALF, **SLICE}], ["Conflict"]),
        ("kai", [HALF, {**HALF, "gpuPortionRequest": 1}], ["Conflict"]),
        ("hami", [HALF, MEMORY], []),
        ("hami", [HALF, WHOLE], []),
    ],
)
def test_what_goes_together(backend: str, computes: list[dict[str, Any]], expected: list[str]) -> None:
    assert reasons(gpus(*computes, gpu_backend=backend)) == expected


@pytest.mark.parametrize(
    ("compute", "key", "value"),
    [
        (HALF, "gpu-fraction", "0.5"),
        ({**HALF, "gpuPortionRequest": 0.00001}, "gpu-fraction", "0.00001"),
        ({**HALF, "gpuPortionRequest": 0.999999}, "gpu-fraction", "0.999999"),
        ({**MEMORY, "gpuMemoryRequest": "2000M"}, "gpu-memory", "1908"),
        ({**MEMORY, "gpuMemoryRequest": 1}, "gpu-memory", "1"),
        ({**MEMORY, "gpuMemoryRequest": "1Mi"}, "gpu-memory", "1"),
        ({**MEMORY, "gpuMemoryRequest": "80Gi"}, "gpu-memory", "81920"),
    ],
)
def test_annotations_of_kai(compute: dict[str, Any], key: str, value: str) -> None:
    found = gpus(compute, gpu_backend="kai")
    assert annotations(found) == {key: value}
    assert not any(patch.limits or patch.requests for patch in found.patches)


def test_the_container_of_a_part() -> None:
    assert annotations(gpus({}, HALF, gpu_backend="kai"))["gpu-fraction-container-name"] == "c1"
    assert "gpu-fraction-container-name" not in annotations(gpus(HALF, {}, gpu_backend="kai"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_portion_of_one_is_a_whole_device(backend: str) -> None:
    portion = gpus({**HALF, "gpuPortionRequest": 1}, gpu_backend=backend)
    assert portion == gpus({"gpuDevicesRequest": 1}, gpu_backend=backend)
    assert portion.patches


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_gpu(backend: str) -> None:
    assert gpus({"gpuDevicesRequest": 0}, {}, gpu_backend=backend) == Gpus()


@pytest.mark.parametrize(
    ("backend", "limit", "expected"),
    [("kai", 0.5, ["NotEnforced"]), ("kai", 0.8, ["NotEnforced"]), ("hami", 0.5, []), ("hami", 0.8, ["NotEnforced"])],
)
def test_limits(backend: str, limit: float, expected: list[str]) -> None:
    assert reasons(gpus({**HALF, "gpuPortionLimit": limit}, gpu_backend=backend)) == expected


def test_mig_has_a_setting() -> None:
    for backend in BACKENDS:
        assert reasons(gpus(MIG, gpu_backend=backend, mig_strategy="none")) == ["FractionsUnsupported"]
        assert not gpus(MIG, gpu_backend=backend, mig_strategy="none").patches
