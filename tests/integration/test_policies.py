"""Policies on a real server: a refused notebook, corrected, running; a tightened policy; the EffectivePolicies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .conftest import Stack
from .harness.client import condition, eventually, message
from .harness.rights import SYSTEM
from .harness.space import Space

IMAGE = "registry.example.com/box:1"


@pytest.fixture
def wide(stack: Stack) -> Iterator[Callable[..., None]]:
    """Makes policies in the system namespace, for a department of the test; deletes them afterwards."""
    system, made = Space(stack.api, SYSTEM), list[str]()

    def make(name: str, department: str, **spec: object) -> None:
        scope = {"type": "department", "name": department}
        system.make("WorkloadPolicy", name, {"workloadType": "workspace", "scope": scope, **spec})
        made.append(name)

    yield make
    for name in made:
        system.delete("WorkloadPolicy", name)
        system.gone("WorkloadPolicy", name)


def test_refused_corrected_running_and_untouched_by_a_tighter_policy(
    stack: Stack, spaces: Callable[..., Space], wide: Callable[..., None]
) -> None:
    labels = {"instances": [{"name": "cost", "value": "research"}]}
    wide(
        "research-notebooks",
        "policy-one",
        defaults={"labels": labels},
        rules={"compute": {"gpuDevicesRequest": {"max": 2}}, "labels": {"instances": {"locked": ["cost"]}}},
    )
    space = spaces(department="policy-one")
    space.make("WorkloadPolicy", "own", {"workloadType": "workspace", "rules": {"category": {"required": True}}})
    applied = space.wait("EffectivePolicy", "workspace", lambda item: "category" in item["spec"].get("rules", {}))
    assert applied["spec"]["rules"]["compute"] == {"gpuDevicesRequest": {"max": 2}}
    taken = {"name": "cost", "value": "mine"}
    space.make("Workspace", "box", {"image": IMAGE, "compute": {"gpuDevicesRequest": 4}, "labels": [taken]})
    item = space.wait("Workspace", "box", lambda item: condition(item, "Stalled").get("reason") == "PolicyViolation")
    found = {(row["field"], row["rule"], row["policy"]) for row in item["status"]["violations"]}
    assert found == {
        ("category", "required", f"{space.name}/own"),
        ("compute.gpuDevicesRequest", "max", f"{SYSTEM}/research-notebooks"),
        ("labels.instances[cost]", "locked", f"{SYSTEM}/research-notebooks"),
    }
    assert space.get("StatefulSet", "box") is None
    space.spec("Workspace", "box", compute={"gpuDevicesRequest": 2}, category="trial", labels=None)
    item = space.ready("Workspace", "box")
    assert "violations" not in item["status"]
    pod = space.need("StatefulSet", "box")["spec"]["template"]
    assert pod["metadata"]["labels"]["cost"] == "research"
    system = Space(stack.api, SYSTEM)
    system.spec("WorkloadPolicy", "research-notebooks", rules={"compute": {"gpuDevicesRequest": {"max": 1}}})
    item = space.wait("Workspace", "box", lambda item: item["status"].get("outdated"))
    assert [(row["name"], row["reason"]) for row in item["status"]["outdated"]] == [("research-notebooks", "Edited")]
    assert space.need("StatefulSet", "box")["spec"]["template"] == pod
    space.wait(
        "EffectivePolicy", "workspace", lambda item: item["spec"]["rules"]["compute"]["gpuDevicesRequest"]["max"] == 1
    )


def test_an_effective_policy_follows_its_policies_and_is_repaired(stack: Stack, space: Space) -> None:
    space.make("WorkloadPolicy", "own", {"workloadType": "inference", "defaults": {"nodeType": "a100"}})
    item = space.wait("EffectivePolicy", "inference", bool)
    space.delete("EffectivePolicy", "inference")
    again = space.wait(
        "EffectivePolicy", "inference", lambda found: found["metadata"]["uid"] != item["metadata"]["uid"]
    )
    assert again["spec"] == item["spec"]
    space.spec("EffectivePolicy", "inference", rules={"image": {"required": True}})
    space.wait("EffectivePolicy", "inference", lambda found: found["spec"] == item["spec"])
    space.delete("WorkloadPolicy", "own")
    space.gone("EffectivePolicy", "inference")
    stack.operator.quiet()
    since = stack.mark()
    stack.operator.quiet()
    assert [entry.uri for entry in stack.writes(since) if entry.namespace == space.name] == []


def test_an_invalid_policy_stops_new_starts_only(space: Space) -> None:
    space.running("before", image=IMAGE)
    rules = {"compute": {"cpuCoreRequest": {"min": 4, "max": 2}}}
    space.make("WorkloadPolicy", "own", {"workloadType": "workspace", "rules": rules})
    said = space.wait("WorkloadPolicy", "own", lambda item: (item.get("status") or {}).get("errors"))
    assert said["status"]["errors"][0]["reason"] == "min-above-max"
    space.make("Workspace", "after", {"image": IMAGE})
    item = space.wait("Workspace", "after", lambda item: condition(item, "Ready").get("reason") == "PolicyInvalid")
    assert f"{space.name}/own" in message(item)
    space.ready("Workspace", "before")
    space.spec("WorkloadPolicy", "own", rules={"compute": {"cpuCoreRequest": {"min": 1, "max": 2}}})
    space.ready("Workspace", "after")


def test_an_unknown_field_of_an_imposed_asset_is_reported(space: Space) -> None:
    """Like an unknown field of defaults and rules: it is kept, so that the status can name it."""
    spec = {"workloadType": "workspace", "imposedAssets": [{"name": "data", "mountPath": "/d"}]}
    space.make("WorkloadPolicy", "own", spec)
    said = space.wait("WorkloadPolicy", "own", lambda item: (item.get("status") or {}).get("errors"))
    found = {(row["field"], row["reason"]) for row in said["status"]["errors"]}
    assert found == {("imposedAssets[data].mountPath", "unknown"), ("imposedAssets[data]", "asset-missing")}


def test_an_edit_of_autoscaling_is_judged(space: Space) -> None:
    """It makes no revision, and no admission policy is installed here: the running scale stays."""
    rules = {"autoscaling": {"maxReplicas": {"max": 5}}}
    space.make("WorkloadPolicy", "own", {"workloadType": "inference", "rules": rules})
    space.wait("EffectivePolicy", "inference", bool)
    scale = {"minReplicas": 1, "maxReplicas": 4, "metric": "cpu", "metricThreshold": 60}
    spec = {"image": IMAGE, "servingPort": {"container": 8080}, "compute": {"cpuCoreRequest": 0.1}}
    space.make("Inference", "scorer", {**spec, "autoscaling": scale})
    space.ready("Inference", "scorer")
    before = space.need("HorizontalPodAutoscaler", "scorer")
    space.spec("Inference", "scorer", autoscaling={"maxReplicas": 9})
    item = space.wait("Inference", "scorer", lambda item: item["status"].get("violations"))
    assert [(row["field"], row["rule"]) for row in item["status"]["violations"]] == [("autoscaling.maxReplicas", "max")]
    assert space.need("HorizontalPodAutoscaler", "scorer")["spec"] == before["spec"]
    space.spec("Inference", "scorer", autoscaling={"maxReplicas": 5})
    space.wait("HorizontalPodAutoscaler", "scorer", lambda item: item["spec"]["maxReplicas"] == 5)
    item = space.ready("Inference", "scorer")
    assert "violations" not in item["status"]


def test_a_hundred_edits_write_what_they_change(stack: Stack, space: Space) -> None:
    """The EffectivePolicy ends with the last edit, and is not written more often than the policy."""
    space.make("WorkloadPolicy", "own", {"workloadType": "workspace", "defaults": {"workingDir": "/0"}})
    space.wait("EffectivePolicy", "workspace", bool)
    since = stack.mark()
    for number in range(1, 101):
        space.spec("WorkloadPolicy", "own", defaults={"workingDir": f"/{number}"})
    space.wait("EffectivePolicy", "workspace", lambda item: item["spec"]["defaults"]["workingDir"] == "/100", 60)
    stack.operator.quiet()
    writes = [entry for entry in stack.writes(since) if entry.namespace == space.name]
    assert sum(entry.resource == "effectivepolicies" for entry in writes) <= 100
    eventually(lambda: space.need("WorkloadPolicy", "own")["status"]["observedGeneration"], lambda seen: seen == 101)
