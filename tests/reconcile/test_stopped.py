"""A workload that is stopped says what starts it again."""

from __future__ import annotations

from typing import Any

import pytest

from world import World, asset, condition

IMAGE = "registry.example.com/u:1"
SERVED = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("Workspace", {"image": IMAGE, "suspend": True}, "Set suspend to false"),
    ("Environment", {"image": IMAGE, "run": {"suspend": True}}, "Set suspend to false"),
    ("Environment", {"image": IMAGE, "run": {"replicas": 0}}, "Set replicas to 1 or more"),
    ("Artifact", {**SERVED, "run": {"replicas": 0}}, "Set replicas to 1 or more"),
    ("Inference", {"image": IMAGE, "servingPort": {"container": 80}, "replicas": 0}, "Set replicas to 1 or more"),
    ("Inference", {"image": IMAGE, "servingPort": {"container": 80}, "suspend": True}, "Set suspend to false"),
]


@pytest.mark.parametrize(("kind", "spec", "text"), CASES)
async def test_the_message_names_the_field_that_stopped_it(kind: str, spec: dict[str, Any], text: str) -> None:
    world = World(asset(kind, "x", spec))
    await world.settle()
    ready = condition(world.status(kind, "x"), "Ready")
    assert ready is not None
    assert ready["reason"] == "Stopped"
    assert text in ready["message"]
