"""A write of the scale subresource cannot be refused: where nothing follows it, the status says so."""

from __future__ import annotations

from typing import Any

import pytest

from world import Body, World, asset, issues, reason

IMAGE = "registry.example.com/s:1"
SCALED = {"minReplicas": 1, "maxReplicas": 4, "metric": "requests", "metricThreshold": 10}
SERVED = {"containerGroups": [{"name": name, "containers": [{"imageUri": IMAGE, "port": 8080}]} for name in "ab"]}
OWN = [{"name": "a", "replicas": 2}, {"name": "b", "replicas": 3}]
ONE = [{"name": "a", "replicas": 2}]
MIXED = [{"name": "a", "autoscaling": SCALED}, {"name": "b", "replicas": 3}]
EQUAL = [{"name": "a", "replicas": 3}, {"name": "b", "replicas": 3}]

# Fields that say how many pods run, the number that is asked for, and a part of the note; "" for none.
CASES: dict[str, tuple[Body, int, str]] = {
    "autoscaling": ({"autoscaling": SCALED}, 3, "minReplicas and maxReplicas"),
    "autoscaling-to-zero": ({"autoscaling": SCALED}, 0, "set suspend to true"),
    "autoscaling-default": ({"autoscaling": SCALED}, 1, ""),
    "groups": ({"containerGroups": OWN}, 5, "Change containerGroups"),
    "groups-to-zero": ({"containerGroups": OWN}, 0, "Change containerGroups"),
    "groups-that-agree": ({"containerGroups": EQUAL}, 3, ""),
    "one-group": ({"containerGroups": ONE}, 5, ""),
    "groups-of-both": ({"containerGroups": MIXED}, 5, "minReplicas and maxReplicas"),
    "suspended": ({"autoscaling": SCALED, "suspend": True}, 3, ""),
    "plain": ({}, 3, ""),
}


def objects(kind: str, fields: Body) -> list[Body]:
    if kind == "Artifact":
        return [asset("Artifact", "w", {**SERVED, "run": fields})]
    return [asset("Artifact", "served", SERVED), asset("Inference", "w", {"artifact": {"name": "served"}, **fields})]


def notes(world: World, kind: str, field: str) -> list[str]:
    found = world.status(kind, "w").get("issues", ())
    return [item["message"] for item in found if item["message"].startswith(f"{field}: ")]


@pytest.mark.parametrize("kind", ["Inference", "Artifact"])
@pytest.mark.parametrize(("fields", "number", "text"), CASES.values(), ids=CASES)
async def test_a_number_that_nothing_follows_is_noted(kind: str, fields: Body, number: int, text: str) -> None:
    world = World(*objects(kind, fields))
    await world.settle()
    before = {item["metadata"]["name"]: item["spec"].get("replicas") for item in world.all("Deployment")}
    scale(world, kind, number)
    await world.settle()
    found = notes(world, kind, "spec.run.replicas" if kind == "Artifact" else "spec.replicas")
    assert len(found) == bool(text)
    assert all(text in item and "has no effect" in item for item in found)
    after = {item["metadata"]["name"]: item["spec"].get("replicas") for item in world.all("Deployment")}
    if text:
        assert after == before
        assert reason(world.status(kind, "w")) == "Running"
        scale(world, kind, 1)
        await world.settle()
        assert "NotEnforced" not in issues(world.status(kind, "w"))


def scale(world: World, kind: str, number: int) -> None:
    """Set the number of pods, as `kubectl scale` does."""
    fields: dict[str, Any] = {"replicas": number}
    if kind == "Artifact":
        fields = {"run": {**world.get(kind, "w")["spec"]["run"], "replicas": number}}
    world.edit(kind, "w", **fields)


LOAD = 30  # in the units of an external metric, 10 of them for one pod of each group


def autoscaled(world: World, kind: str, target: str) -> int:
    """The number that a HorizontalPodAutoscaler with an external metric asks for, as its controller computes it."""
    status = world.status(kind, "w")
    spec = world.get(kind, "w")["spec"]
    asked = (spec["run"] if kind == "Artifact" else spec)["replicas"]
    if target == "AverageValue":
        near = abs(LOAD / (10 * status["replicas"]) - 1) <= 0.1
        return int(status["replicas"]) if near else -(-LOAD // 10)
    ratio = LOAD / asked / 10  # the metric falls with the pods, such as a latency
    labels = dict(pair.split("=") for pair in status["selector"].split(","))
    selected = [
        item for item in world.all("Deployment") if labels.items() <= item["spec"]["selector"]["matchLabels"].items()
    ]
    pods = sum(item["status"]["readyReplicas"] for item in selected)
    return asked if abs(ratio - 1) <= 0.1 else -int(-pods * ratio // 1)


@pytest.mark.parametrize("kind", ["Inference", "Artifact"])
@pytest.mark.parametrize("target", ["AverageValue", "Value"])
@pytest.mark.parametrize("own", [[], [{"name": "a", "replicas": 2}], [{"name": "b", "replicas": 5}]])
@pytest.mark.parametrize("first", [1, 2, 6])
async def test_an_autoscaler_over_several_groups_comes_to_rest(
    kind: str, target: str, own: list[Body], first: int
) -> None:
    """Every group that follows `replicas` gets the pods that the load needs, not a multiple of them."""
    world = World(*objects(kind, {"replicas": first, "containerGroups": own} if own else {"replicas": first}))
    await world.settle()
    asked = []
    for _ in range(6):
        asked.append(autoscaled(world, kind, target))
        scale(world, kind, asked[-1])
        await world.settle()
    assert asked[-3:] == [3, 3, 3]
    fixed = {item["name"]: item["replicas"] for item in own}
    pods = {item["name"]: item["replicas"] for item in world.status(kind, "w")["containerGroups"]}
    assert pods == {"a": 3, "b": 3, **fixed}


async def test_replicas_counts_all_pods_where_no_group_follows_it() -> None:
    world = World(*objects("Inference", {"containerGroups": OWN}))
    await world.settle()
    assert world.status("Inference", "w")["replicas"] == 5
