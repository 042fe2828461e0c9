"""ComputeResources: what a pod gets from CPU to MIG, and what could never be granted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from outfitter.errors import Invalid

from .conftest import Stack
from .harness.client import message, stalls
from .harness.rights import SYSTEM
from .harness.space import Space

GPU = "nvidia.com/gpu"


@pytest.mark.parametrize(
    ("spec", "requests", "limits"),
    [
        pytest.param(
            {"cpuCoreRequest": 0.5, "cpuCoreLimit": 2, "cpuMemoryRequest": "1Gi", "cpuMemoryLimit": "2G"},
            {"cpu": "500m", "memory": "1Gi"},
            {"cpu": "2", "memory": "2G"},
            id="cpu",
        ),
        pytest.param({"gpuDevicesRequest": 2}, {GPU: "2"}, {GPU: "2"}, id="gpu"),
        pytest.param(
            {"gpuDevicesRequest": 1, "gpuRequestType": "migProfile", "migProfile": "1g.5gb"},
            {"nvidia.com/mig-1g.5gb": "1"},
            {"nvidia.com/mig-1g.5gb": "1"},
            id="mig",
        ),
        pytest.param(
            {"gpuDevicesRequest": 1, "gpuRequestType": "portion", "gpuPortionRequest": 1},
            {GPU: "1"},
            {GPU: "1"},
            id="a-whole-portion",
        ),
    ],
)
def test_what_a_pod_gets(space: Space, spec: Any, requests: Any, limits: Any) -> None:
    space.make("ComputeResource", "shape", spec)
    assert space.ready("ComputeResource", "shape")["status"]["syncStatus"] == "No issues found"
    space.running("box", assets={"compute": {"name": "shape"}})
    assert space.template()["containers"][0]["resources"] == {"requests": requests, "limits": limits}
    running = [{"namespace": space.name, "name": "box", "phase": "Running"}]
    item = space.wait("ComputeResource", "shape", lambda item: item["status"]["usedBy"].get("workspaces") == running)
    (used,) = item["status"]["usage"]["lastUsed"]
    assert (used["namespace"], used["workloadType"]) == (space.name, "workspace")
    space.delete("Workspace", "box")
    item = space.wait("ComputeResource", "shape", lambda item: item["status"]["usedBy"]["total"] == 0)
    assert item["status"]["usage"]["lastUsed"] == [used]


def test_extended_resources_and_shared_memory(space: Space) -> None:
    extended = [{"resource": "rdma.example.com/hca", "quantity": 2}]
    spec = {"extendedResources": extended, "largeShmRequest": True, "cpuMemoryLimit": "4Gi"}
    space.make("ComputeResource", "shape", spec)
    space.ready("ComputeResource", "shape")
    space.make("Workspace", "box", {"image": "i", "assets": {"compute": {"name": "shape"}}})
    space.wait("StatefulSet", "box", bool)
    template = space.template()
    assert template["containers"][0]["resources"]["limits"] == {"memory": "4Gi", "rdma.example.com/hca": "2"}
    assert template["volumes"] == [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}}]
    # The node has none of it: the scheduler's own words reach the status.
    said = space.wait("Workspace", "box", lambda item: "Insufficient rdma.example.com/hca" in message(item))
    assert "cannot be scheduled" in message(said)


def test_inline_compute_overrides_the_asset(space: Space) -> None:
    space.make("ComputeResource", "shape", {"cpuCoreRequest": 1, "cpuMemoryRequest": "1Gi"})
    space.running("box", assets={"compute": {"name": "shape"}}, compute={"cpuCoreRequest": 2})
    assert space.template()["containers"][0]["resources"]["requests"] == {"cpu": "2", "memory": "1Gi"}


def test_parts_of_a_gpu_need_a_backend(space: Space) -> None:
    spec = {"gpuDevicesRequest": 1, "gpuRequestType": "portion", "gpuPortionRequest": 0.5}
    space.make("ComputeResource", "half", spec)
    said = space.wait("ComputeResource", "half", stalls("FractionsUnsupported"))
    assert "whole devices" in message(said)
    space.make("Workspace", "box", {"image": "i", "assets": {"compute": {"name": "half"}}})
    space.wait("Workspace", "box", stalls("FractionsUnsupported"))
    assert space.get("StatefulSet", "box") is None
    # Repaired in the asset, the workload that waited for it starts.
    space.spec("ComputeResource", "half", gpuRequestType=None, gpuPortionRequest=None)
    space.ready("ComputeResource", "half")
    space.ready("Workspace", "box")


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({"cpuCoreRequest": 2, "cpuCoreLimit": 1}, "cpuCoreLimit is less than"),
        ({"cpuMemoryRequest": "2Gi", "cpuMemoryLimit": "1Gi"}, "cpuMemoryLimit is less than"),
        ({"gpuDevicesRequest": 2, "gpuRequestType": "portion", "gpuPortionRequest": 0.5}, "one device only"),
        ({"gpuDevicesRequest": 1, "gpuRequestType": "portion"}, "needs gpuPortionRequest"),
        ({"extendedResources": [{"resource": "nvidia.com/gpu", "quantity": 1}]}, "gpuDevicesRequest"),
        ({"cpuMemoryRequest": "1GB"}, "cpuMemoryRequest"),
    ],
)
def test_what_the_schema_refuses(space: Space, spec: Any, what: str) -> None:
    with pytest.raises(Invalid, match=what):
        space.make("ComputeResource", "bad", spec)


def test_shared_from_the_system_namespace_to_projects_only(stack: Stack, spaces: Callable[..., Space]) -> None:
    home, project, other = Space(stack.api, SYSTEM), spaces(), spaces(project=False)
    home.make("ComputeResource", "shared-shape", {"cpuCoreRequest": 1})
    try:
        project.running("box", assets={"compute": {"name": "shared-shape"}})
        other.make("Workspace", "box", {"image": "i", "assets": {"compute": {"name": "shared-shape"}}})
        said = other.wait("Workspace", "box", lambda item: "outfitter.dev/project" in message(item))
        assert "cannot use shared ComputeResource" in message(said)
        other.label(project=other.name)
        other.ready("Workspace", "box")
        # A local asset of the same name shadows the shared one, unless the reference pins the level.
        other.make("ComputeResource", "shared-shape", {"cpuCoreRequest": 3})
        other.running("own", assets={"compute": {"name": "shared-shape"}})
        other.running("pinned", assets={"compute": {"name": "shared-shape", "scope": "cluster"}})
        got = {
            name: other.template(name)["containers"][0]["resources"]["requests"]["cpu"] for name in ("own", "pinned")
        }
        assert got == {"own": "3", "pinned": "1"}
    finally:
        home.delete("ComputeResource", "shared-shape")
