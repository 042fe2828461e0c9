"""Autoscaling that an HPA could not be made of is refused in words, at the field."""

from __future__ import annotations

from typing import Any

import pytest

from world import World, asset, condition

BASE = {"image": "registry.example.com/s:1", "servingPort": {"container": 8000}, "compute": {"cpuCoreRequest": 1}}
CASES = [
    ({"minReplicas": 1, "maxReplicas": 3}, "spec.autoscaling.metric"),
    ({"minReplicas": 1, "maxReplicas": 3, "metric": "cpu"}, "spec.autoscaling.metricThreshold"),
    ({"minReplicas": 1, "maxReplicas": 3, "metricThreshold": 70}, "spec.autoscaling.metricThreshold"),
]


@pytest.mark.parametrize(("scaling", "field"), CASES)
async def test_incomplete_autoscaling_is_refused(scaling: dict[str, Any], field: str) -> None:
    world = World(asset("Inference", "i", {**BASE, "autoscaling": scaling}))
    await world.settle()
    status = world.status("Inference", "i")
    assert condition(status, "Stalled") is not None
    assert any(issue["message"].startswith(f"{field}: ") for issue in status["issues"])
    assert not world.all("HorizontalPodAutoscaler")
