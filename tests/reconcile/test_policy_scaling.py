"""Autoscaling makes no revision: an edit of it is judged all the same, and what was accepted stays in effect."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.api.v1alpha1.serving import Autoscaling
from outfitter.render.scaling import autoscaler, autoscaling_of
from world import TEAM, World, asset, condition, issues, reason

SERVING = {
    "image": "registry.example.com/scorer:1",
    "servingPort": {"container": 80},
    "compute": {"cpuCoreRequest": 1},
}
SCALE = {"minReplicas": 1, "maxReplicas": 4, "metric": "cpu", "metricThreshold": 60}
RULES = {"autoscaling": {"maxReplicas": {"max": 5}, "metric": {"options": [{"value": "cpu"}]}}}
BEFORE: dict[str, dict[str, Any]] = {"scaled": SCALE, "fixed": {}}


def policy(**spec: Any) -> dict[str, Any]:
    born = {"creationTimestamp": "2026-01-01T00:00:00Z"}
    return asset("WorkloadPolicy", "rules", {"workloadType": "inference", **spec}, TEAM, **born)


def served(**spec: Any) -> dict[str, Any]:
    return asset("Inference", "i", {**SERVING, **{key: value for key, value in spec.items() if value}})


def scaler(world: World) -> dict[str, Any] | None:
    found = world.find("HorizontalPodAutoscaler", "i")
    return found["spec"] if found else None


def status(world: World) -> dict[str, Any]:
    return world.status("Inference", "i")


def rows(world: World) -> list[tuple[str, str]]:
    return [(row["field"], row["rule"]) for row in status(world).get("violations", ())]


async def quiet(world: World) -> None:
    """Nothing is written by one more look, nor by a new process."""
    before = len(world.cluster.writes)
    await world.settle()
    await world.restart()
    await world.settle()
    assert world.writes(before) == []


@pytest.mark.parametrize("before", BEFORE)
async def test_an_edit_of_autoscaling_is_judged(before: str) -> None:
    """Refused again and again, also by a new process; the running scale stays; a lawful value takes effect."""
    world = World(policy(rules=RULES), served(autoscaling=BEFORE[before]))
    await world.settle()
    running, revision = scaler(world), status(world)["revision"]
    for wrong, field in ((9, "maxReplicas"), (8, "maxReplicas")):
        world.edit("Inference", "i", autoscaling={**SCALE, "maxReplicas": wrong})
        await world.settle()
        assert rows(world) == [(f"autoscaling.{field}", "max")]
        assert reason(status(world)) == "PolicyViolation"
        assert scaler(world) == running
        await quiet(world)
        assert scaler(world) == running
    world.edit("Inference", "i", autoscaling={**SCALE, "maxReplicas": 5})
    await world.settle()
    assert rows(world) == []
    assert reason(status(world)) == "Running"
    found = scaler(world)
    assert found is not None
    assert found["maxReplicas"] == 5
    assert status(world)["revision"] == revision
    assert status(world)["scaling"]["autoscaling"]["maxReplicas"] == 5
    await quiet(world)


async def test_taking_away_what_is_required_is_judged() -> None:
    rules = {"autoscaling": {"maxReplicas": {"required": True}}}
    world = World(policy(rules=rules), served(autoscaling=SCALE))
    await world.settle()
    running = scaler(world)
    world.edit("Inference", "i", autoscaling=None)
    await world.settle()
    assert rows(world) == [("autoscaling.maxReplicas", "required")]
    assert scaler(world) == running


async def test_an_invalid_policy_keeps_the_scale() -> None:
    world = World(served(autoscaling=SCALE))
    await world.settle()
    running = scaler(world)
    world.load([policy(rules={"autoscaling": {"maxReplicas": {"min": 4, "max": 2}}})])
    world.edit("Inference", "i", autoscaling={**SCALE, "maxReplicas": 9})
    await world.settle()
    world.tick(20)
    await world.settle()
    assert issues(status(world))[0] == "PolicyInvalid"
    assert scaler(world) == running
    world.edit("WorkloadPolicy", "rules", rules=RULES)
    await world.settle()
    assert rows(world) == [("autoscaling.maxReplicas", "max")]
    assert scaler(world) == running


async def test_a_tightened_policy_leaves_an_accepted_scale_alone() -> None:
    """Also one that was edited before there was any rule, and repairs of the autoscaler."""
    world = World(served(autoscaling=SCALE))
    await world.settle()
    world.edit("Inference", "i", autoscaling={**SCALE, "maxReplicas": 9})
    await world.settle()
    world.load([policy(rules=RULES)])
    await world.settle()
    assert reason(status(world)) == "Running"
    assert rows(world) == []
    world.cluster.user_delete("HorizontalPodAutoscaler", TEAM, "i")
    await world.settle()
    found = scaler(world)
    assert found is not None
    assert found["maxReplicas"] == 9
    world.annotate("Inference", "i", restartedAt="1")
    await world.settle()
    assert rows(world) == [("autoscaling.maxReplicas", "max")]
    assert scaler(world) == found


async def test_together_with_another_edit_that_is_refused() -> None:
    """Whatever keeps the new revision back: the scale is judged by itself."""
    world = World(policy(rules=RULES), served(autoscaling=SCALE))
    await world.settle()
    running = scaler(world)
    gone = {"environment": {"name": "gone"}}
    world.edit("Inference", "i", assets=gone, autoscaling={**SCALE, "maxReplicas": 9})
    await world.settle()
    assert ("autoscaling.maxReplicas", "max") in rows(world)
    assert scaler(world) == running
    world.edit("Inference", "i", assets=gone, autoscaling={**SCALE, "maxReplicas": 3})
    await world.settle()
    found = scaler(world)
    assert found is not None
    assert found["maxReplicas"] == 3


async def test_defaults_of_a_policy_are_not_judged_as_an_edit() -> None:
    """Their source is the policy, and it changed since; the user only changes what is theirs."""
    defaults = {"autoscaling": {"metric": "cpu", "metricThreshold": 60}}
    fixed = {"autoscaling": {"metricThreshold": {"canEdit": False}}}
    world = World(policy(defaults=defaults, rules=fixed), served(autoscaling={"minReplicas": 1, "maxReplicas": 4}))
    await world.settle()
    world.edit("WorkloadPolicy", "rules", defaults={"autoscaling": {"metric": "cpu", "metricThreshold": 70}})
    world.edit("Inference", "i", autoscaling={"minReplicas": 1, "maxReplicas": 3})
    await world.settle()
    assert rows(world) == []
    found = scaler(world)
    assert found is not None
    assert (found["maxReplicas"], found["metrics"][0]["resource"]["target"]["averageUtilization"]) == (3, 60)


async def test_a_stopped_workload_is_judged_when_it_starts() -> None:
    world = World(policy(rules=RULES), served(autoscaling=SCALE))
    await world.settle()
    world.edit("Inference", "i", suspend=True)
    await world.settle()
    world.edit("Inference", "i", autoscaling={**SCALE, "maxReplicas": 9})
    await world.settle()
    assert reason(status(world)) == "Stopped"
    world.edit("Inference", "i", suspend=False)
    await world.settle()
    assert rows(world) == [("autoscaling.maxReplicas", "max")]
    assert scaler(world) is None
    world.edit("Inference", "i", autoscaling={**SCALE, "maxReplicas": 2})
    await world.settle()
    assert reason(status(world)) == "Running"


def grouped(scale: dict[str, Any]) -> list[dict[str, Any]]:
    container = {"name": "web", "primary": True, "imageUri": "registry.example.com/s:1", "port": 8080}
    groups = [{"name": "web", "containers": [container]}]
    return [
        asset("Artifact", "scorer", {"containerGroups": groups}),
        asset(
            "Inference",
            "i",
            {
                "artifact": {"name": "scorer"},
                "compute": {"cpuCoreRequest": 1},
                "containerGroups": [{"name": "web", "autoscaling": scale}],
            },
        ),
    ]


async def test_the_scale_of_a_container_group_is_judged() -> None:
    """Both when a revision is made and when it is edited."""
    world = World(policy(rules=RULES), *grouped({**SCALE, "maxReplicas": 9}))
    await world.settle()
    assert rows(world) == [("containerGroups[web].autoscaling.maxReplicas", "max")]
    assert world.find("Deployment", "i") is None
    world.edit("Inference", "i", containerGroups=[{"name": "web", "autoscaling": SCALE}])
    await world.settle()
    assert reason(status(world)) == "Running"
    running = scaler(world)
    world.edit("Inference", "i", containerGroups=[{"name": "web", "autoscaling": {**SCALE, "maxReplicas": 9}}])
    await world.settle()
    assert rows(world) == [("containerGroups[web].autoscaling.maxReplicas", "max")]
    assert scaler(world) == running
    assert running is not None
    await quiet(world)


async def test_a_status_of_an_earlier_version_counts_as_accepted() -> None:
    """It records no scale: an upgrade writes nothing, and the next edit is judged."""
    world = World(served(autoscaling=SCALE))
    await world.settle()
    old = {key: value for key, value in status(world).items() if key != "scaling"}
    world.cluster.user_status("Inference", TEAM, "i", old)
    world.load([policy(rules={"autoscaling": {"maxReplicas": {"max": 2}}})])
    await world.settle()
    assert condition(status(world), "Stalled") is None
    assert "scaling" not in status(world)
    found = scaler(world)
    assert found is not None
    assert found["maxReplicas"] == 4
    world.edit("Inference", "i", autoscaling={**SCALE, "maxReplicas": 3})
    await world.settle()
    assert rows(world) == [("autoscaling.maxReplicas", "max")]
    assert scaler(world) == found
    await quiet(world)


@pytest.mark.parametrize("metric", ["cpu", "queue_length"])
@pytest.mark.parametrize("delay", [{}, {"scaleDownDelaySeconds": 30}])
def test_an_autoscaler_is_read_back(metric: str, delay: dict[str, int]) -> None:
    given = {"minReplicas": 2, "maxReplicas": 4, "metric": metric, "metricThreshold": 1000, **delay}
    made = autoscaler("i", {}, Autoscaling.model_validate(given))
    assert autoscaling_of(made) == given
