"""The simulated scheduler's arithmetic."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from outfitter_sandbox.simulated_node.scheduling import requests_of, scheduling_obstacle


def container(cpu: str, **more: str) -> dict[str, object]:
    return {"resources": {"requests": {"cpu": cpu}}, **more}


def test_requests_count_containers_sidecars_and_the_largest_init_container() -> None:
    spec = {
        "initContainers": [container("3"), container("250m", restartPolicy="Always")],
        "containers": [container("1"), {"resources": {"limits": {"nvidia.com/gpu": "2"}}}],
    }
    assert requests_of({"spec": spec}) == {"cpu": Decimal(3), "nvidia.com/gpu": Decimal(2), "pods": Decimal(1)}


def test_what_is_short_is_named() -> None:
    pod: dict[str, Any] = {"spec": {"containers": [{"resources": {"requests": {"cpu": "2", "nvidia.com/gpu": "1"}}}]}}
    capacity = {"cpu": "4", "nvidia.com/gpu": "1", "pods": "10"}
    assert scheduling_obstacle(pod, {}, capacity, []) == ""
    assert "1 Insufficient nvidia.com/gpu" in scheduling_obstacle(pod, {}, capacity, [{"nvidia.com/gpu": Decimal(1)}])
    assert "1 Insufficient cpu" in scheduling_obstacle(pod, {}, capacity, [{"cpu": Decimal("2.5")}])
    assert "node affinity/selector" in scheduling_obstacle(
        {"spec": pod["spec"] | {"nodeSelector": {"disk": "ssd"}}}, {"disk": "hdd"}, capacity, []
    )
