"""Policies in the reconciliation: what starts, what keeps running, what the status says, and the EffectivePolicies."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.snapshot import Key
from world import SYSTEM, TEAM, World, asset, complete, issues, namespace, reason

IMAGE = "registry.example.com/box:1"
RESEARCH = {"outfitter.dev/project": TEAM, "outfitter.dev/department": "research"}


def policy(name: str = "rules", where: str = TEAM, type_: str = "workspace", **spec: Any) -> dict[str, Any]:
    return asset(
        "WorkloadPolicy", name, {"workloadType": type_, **spec}, where, creationTimestamp="2026-01-01T00:00:00Z"
    )


def box(**spec: Any) -> dict[str, Any]:
    return asset("Workspace", "box", {"image": IMAGE, **spec})


def container(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.get("StatefulSet", "box")["spec"]["template"]["spec"]["containers"][0]
    return found


def status(world: World) -> dict[str, Any]:
    return world.status("Workspace", "box")


def rows(world: World) -> list[tuple[str, str]]:
    return [(row["field"], row["rule"]) for row in status(world).get("violations", ())]


async def test_defaults_are_below_everything_else() -> None:
    defaults = {"workingDir": "/policy", "imagePullPolicy": "Always", "compute": {"cpuCoreRequest": 1}}
    labels = {"instances": [{"name": "cost", "value": "research"}]}
    world = World(
        policy(defaults={**defaults, "labels": labels}),
        asset("ComputeResource", "small", {"cpuCoreRequest": 2}),
        box(imagePullPolicy="Never", assets={"compute": {"name": "small"}}),
    )
    await world.settle()
    made = container(world)
    assert (made["workingDir"], made["imagePullPolicy"]) == ("/policy", "Never")
    assert made["resources"]["requests"]["cpu"] == "2"
    assert world.get("StatefulSet", "box")["spec"]["template"]["metadata"]["labels"]["cost"] == "research"
    assert reason(status(world)) == "Running"


async def test_all_violations_at_once() -> None:
    rules = {
        "image": {"options": [{"value": "registry.example.com/allowed:1"}]},
        "compute": {"gpuDevicesRequest": {"max": 2}, "cpuCoreRequest": {"required": True}},
        "labels": {"instances": {"canAdd": False}},
    }
    world = World(policy(rules=rules), box(compute={"gpuDevicesRequest": 4}, labels=[{"name": "a", "value": "b"}]))
    await world.settle()
    assert reason(status(world)) == "PolicyViolation"
    assert rows(world) == [
        ("compute.cpuCoreRequest", "required"),
        ("compute.gpuDevicesRequest", "max"),
        ("image", "options"),
        ("labels.instances[a]", "canAdd"),
    ]
    row = status(world)["violations"][1]
    assert (row["given"], row["allowed"], row["policy"], row["scope"]) == ("4", "2", f"{TEAM}/rules", "project")
    assert world.find("StatefulSet", "box") is None
    world.edit("Workspace", "box", image="registry.example.com/allowed:1", compute={"cpuCoreRequest": 1}, labels=[])
    await world.settle()
    assert reason(status(world)) == "Running"
    assert "violations" not in status(world)


async def test_rules_are_about_assets_too() -> None:
    """Environment, compute, data sources: whatever brings the value."""
    server = {"attributes": {"server": {"options": [{"value": "a"}]}}}
    rules = {"compute": {"gpuDevicesRequest": {"max": 1}}, "storage": {"nfs": server}}
    world = World(
        policy(rules=rules),
        asset("ComputeResource", "big", {"gpuDevicesRequest": 8}),
        asset("DataSource", "data", {"nfs": {"server": "b", "path": "/x", "mountPath": "/x"}}),
        box(assets={"compute": {"name": "big"}, "dataSources": [{"name": "data"}]}),
    )
    await world.settle()
    assert rows(world) == [("compute.gpuDevicesRequest", "max"), ("storage.nfs.attributes.server[data]", "options")]


async def test_a_data_source_and_an_inline_volume_of_one_name_are_two_volumes() -> None:
    own = {"nfs": [{"name": "data", "server": "s", "path": "/b", "mountPath": "/b"}]}
    world = World(
        policy(defaults={"workingDir": "/policy"}),
        asset("DataSource", "data", {"nfs": {"server": "s", "path": "/a", "mountPath": "/a"}}),
        box(assets={"dataSources": [{"name": "data"}]}, storage=own),
    )
    await world.settle()
    assert [item["mountPath"] for item in container(world)["volumeMounts"]] == ["/a", "/b"]


async def test_a_tightened_policy_touches_nothing_that_runs() -> None:
    world = World(policy(rules={"compute": {"gpuDevicesRequest": {"max": 4}}}), box(compute={"gpuDevicesRequest": 4}))
    await world.settle()
    before = world.get("StatefulSet", "box")
    world.edit("WorkloadPolicy", "rules", rules={"compute": {"gpuDevicesRequest": {"max": 1}}})
    await world.settle()
    assert world.get("StatefulSet", "box") == before
    assert [(row["kind"], row["name"], row["reason"]) for row in status(world)["outdated"]] == [
        ("WorkloadPolicy", "rules", "Edited")
    ]
    assert reason(status(world)) == "Running"
    world.annotate("Workspace", "box", restartedAt="1")
    await world.settle()
    assert rows(world) == [("compute.gpuDevicesRequest", "max")]
    assert world.get("StatefulSet", "box")["spec"]["template"] == before["spec"]["template"]


async def test_a_policy_that_comes_later_is_told() -> None:
    world = World(box())
    await world.settle()
    world.load([policy(defaults={"workingDir": "/policy"})])
    await world.settle()
    assert [(row["name"], row["reason"]) for row in status(world)["outdated"]] == [("rules", "Added")]
    assert "workingDir" not in container(world)
    world.edit("Workspace", "box", args="-v")
    await world.settle()
    assert container(world)["workingDir"] == "/policy"
    assert "outdated" not in status(world)


async def test_an_invalid_policy_fails_closed() -> None:
    world = World(policy(rules={"compute": {"cpuCoreRequest": {"min": 4, "max": 2}}}), box())
    await world.settle()
    assert reason(status(world)) == "PolicyInvalid"
    assert world.find("StatefulSet", "box") is None
    found = world.status("WorkloadPolicy", "rules")
    assert [(row["field"], row["reason"]) for row in found["errors"]] == [("compute.cpuCoreRequest", "min-above-max")]
    assert reason(found) == "InvalidSpec"
    world.edit("WorkloadPolicy", "rules", rules={"compute": {"cpuCoreRequest": {"min": 1, "max": 2}}})
    await world.settle()
    assert reason(status(world)) == "Running"


async def test_the_chain_from_wide_to_narrow() -> None:
    world = World(
        namespace(TEAM, RESEARCH),
        policy(
            "tenant",
            SYSTEM,
            scope={"type": "tenant"},
            rules={"security": {"hostNetwork": {"canEdit": False}}},
            defaults={"security": {"hostNetwork": False}},
        ),
        policy("cluster", SYSTEM, defaults={"workingDir": "/cluster", "args": "-c"}),
        policy(
            "research", SYSTEM, scope={"type": "department", "name": "research"}, defaults={"workingDir": "/research"}
        ),
        policy("other", SYSTEM, scope={"type": "department", "name": "other"}, defaults={"args": "-other"}),
        policy("own", defaults={"security": {"hostNetwork": True}, "command": "run"}),
        box(),
    )
    await world.settle()
    made = container(world)
    assert (made["workingDir"], made["args"], made["command"]) == ("/research", ["-c"], ["run"])
    assert reason(status(world)) == "Running"
    own = world.status("WorkloadPolicy", "own")
    assert [(row["field"], row["owner"]) for row in own["conflicts"]] == [("security.hostNetwork", f"{SYSTEM}/tenant")]
    assert reason(own) == "Valid"
    assert issues(own) == ["PolicyConflict"]


async def test_two_policies_of_one_scope_and_type() -> None:
    first = policy("first", defaults={"workingDir": "/first"})
    second = policy("second", defaults={"workingDir": "/second"})
    second["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    world = World(second, first, policy("inferences", type_="inference"), box())
    await world.settle()
    assert container(world)["workingDir"] == "/first"
    assert reason(world.status("WorkloadPolicy", "second")) == "DuplicatePolicy"
    assert {reason(world.status("WorkloadPolicy", name)) for name in ("first", "inferences")} == {"Valid"}


async def test_imposed_data_is_mounted_and_named_and_cannot_be_shadowed() -> None:
    shared = asset(
        "DataSource",
        "data",
        {"nfs": {"server": "shared", "path": "/d", "mountPath": "/d"}, "scope": {"type": "cluster"}},
        SYSTEM,
    )
    shadow = asset("DataSource", "data", {"nfs": {"server": "mine", "path": "/d", "mountPath": "/d"}})
    world = World(
        shared,
        shadow,
        policy("all", SYSTEM, imposedAssets=[{"name": "data"}]),
        box(),
        settings={"nfs_backend": "inline"},
    )
    await world.settle()
    spec = world.get("StatefulSet", "box")["spec"]["template"]["spec"]
    assert [item["nfs"]["server"] for item in spec["volumes"] if "nfs" in item] == ["shared"]
    assert [item["mountPath"] for item in spec["containers"][0]["volumeMounts"]] == ["/d"]
    assert status(world)["imposedDataSources"] == ["data"]


async def test_a_mount_path_of_imposed_data_is_taken() -> None:
    shared = asset("DataSource", "data", {"nfs": {"server": "s", "path": "/d", "mountPath": "/d"}})
    world = World(
        shared,
        policy(imposedAssets=[{"name": "data"}]),
        box(storage={"nfs": [{"name": "n", "server": "x", "path": "/y", "mountPath": "/d"}]}),
    )
    await world.settle()
    assert rows(world) == [("storage.nfs.instances[n]", "mountPath")]


@pytest.mark.parametrize("missing", ["absent", "narrow"])
async def test_imposed_data_that_is_not_there(missing: str) -> None:
    narrow = asset(
        "DataSource",
        "data",
        {"nfs": {"server": "s", "path": "/d", "mountPath": "/d"}, "scope": {"type": "department", "name": "x"}},
        SYSTEM,
    )
    world = World(
        *([narrow] if missing == "narrow" else []), policy("all", SYSTEM, imposedAssets=[{"name": "data"}]), box()
    )
    await world.settle()
    assert reason(status(world)) == "PolicyInvalid"
    assert [row["reason"] for row in world.status("WorkloadPolicy", "all", SYSTEM)["errors"]] == ["asset-missing"]


@pytest.mark.parametrize("rules", [{}, {"instances": {"locked": ["TOKEN"]}}])
@pytest.mark.parametrize("by", ["environment", "template", "workload"])
async def test_a_policy_sets_the_value_that_an_asset_asks_for(by: str, rules: dict[str, Any]) -> None:
    """An instruction without a value is no difference to a locked item, wherever it is declared."""
    asked = {"environmentVariables": [{"name": "TOKEN", "description": "Set a token."}]}
    default = {"environmentVariables": {"instances": [{"name": "TOKEN", "value": "x"}]}}
    world = World(
        policy(defaults=default, rules={"environmentVariables": rules}),
        asset("Environment", "env", {"image": IMAGE, **(asked if by == "environment" else {})}),
        asset("WorkloadTemplate", "base", {"workloadType": "workspace", **(asked if by == "template" else {})}),
        box(template={"name": "base"}, assets={"environment": {"name": "env"}}, **(asked if by == "workload" else {})),
    )
    await world.settle()
    assert rows(world) == []
    assert {"name": "TOKEN", "value": "x"} in container(world)["env"]


async def test_an_excluded_default_item_and_a_locked_one() -> None:
    labels = {"instances": [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}]}
    world = World(
        policy(defaults={"labels": labels}, rules={"labels": {"instances": {"locked": ["b"]}}}),
        box(labels=[{"name": "a", "exclude": True}]),
    )
    await world.settle()
    found = world.get("StatefulSet", "box")["spec"]["template"]["metadata"]["labels"]
    assert "a" not in found
    assert found["b"] == "1"
    world.edit("Workspace", "box", labels=[{"name": "b", "exclude": True}])
    await world.settle()
    assert rows(world) == [("labels.instances[b]", "locked")]


async def test_a_missing_asset_is_the_first_cause() -> None:
    """What it would set may be what the rule demands."""
    world = World(policy(rules={"workingDir": {"required": True}}), box(assets={"environment": {"name": "gone"}}))
    await world.settle()
    assert issues(status(world)) == ["ReferenceNotFound"]


# -- Inferences and artifacts -----------------------------------------------------------------------------------------


def served(**spec: Any) -> list[dict[str, Any]]:
    groups = [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]
    return [
        asset("Artifact", "scorer", {"containerGroups": groups}),
        asset("Inference", "i", {"artifact": {"name": "scorer"}, **spec}),
    ]


async def test_the_containers_of_an_artifact_are_judged() -> None:
    rules = {"image": {"options": [{"value": "other"}]}, "nodeType": {"required": True}}
    world = World(policy(type_="inference", rules=rules), *served())
    await world.settle()
    found = world.status("Inference", "i")
    assert {(row["field"], row["rule"]) for row in found["violations"]} == {
        ("image", "options"),
        ("nodeType", "required"),
    }


async def test_defaults_reach_the_main_container_of_an_artifact() -> None:
    defaults = {"compute": {"cpuCoreRequest": 3}, "nodeType": "a100"}
    world = World(policy(type_="inference", defaults=defaults), *served())
    await world.settle()
    spec = world.get("Deployment", "i")["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"]["requests"]["cpu"] == "3"
    assert reason(world.status("Inference", "i")) == "Running"


async def test_autoscaling_is_judged_and_completed() -> None:
    defaults = {
        "autoscaling": {"minReplicas": 2, "metric": "cpu", "metricThreshold": 60},
        "compute": {"cpuCoreRequest": 1},
    }
    rules = {"autoscaling": {"maxReplicas": {"max": 5}}}
    serving = {"image": IMAGE, "servingPort": {"container": 80}}
    world = World(
        policy(type_="inference", defaults=defaults, rules=rules),
        asset("Inference", "i", {**serving, "autoscaling": {"maxReplicas": 9}}),
    )
    await world.settle()
    assert [row["field"] for row in world.status("Inference", "i")["violations"]] == ["autoscaling.maxReplicas"]
    world.edit("Inference", "i", autoscaling={"maxReplicas": 4})
    await world.settle()
    world.annotate("Inference", "i", restartedAt="1")
    await world.settle()
    spec = world.get("HorizontalPodAutoscaler", "i")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 4)


# -- EffectivePolicies ------------------------------------------------------------------------------------------------


async def test_every_project_gets_what_applies_to_it() -> None:
    world = World(
        namespace(TEAM, RESEARCH),
        namespace("team-b"),
        namespace("no-project", {}),
        policy("all", SYSTEM, defaults={"workingDir": "/all"}),
        policy(
            "research",
            SYSTEM,
            scope={"type": "department", "name": "research"},
            rules={"compute": {"gpuDevicesRequest": {"max": 2}}},
        ),
        policy("own", rules={"image": {"required": True}}),
    )
    await world.settle()
    assert {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in world.all("EffectivePolicy")} == {
        (TEAM, "workspace"), ("team-b", "workspace"),
    }  # fmt: skip
    spec = world.get("EffectivePolicy", "workspace")["spec"]
    assert spec["defaults"] == {"workingDir": "/all"}
    assert spec["rules"] == {"compute": {"gpuDevicesRequest": {"max": 2}}, "image": {"required": True}}
    sources = {(row["field"], row["part"]): row["source"]["policy"] for row in spec["sources"]}
    assert sources == {
        ("workingDir", "default"): f"{SYSTEM}/all",
        ("compute.gpuDevicesRequest", "rule"): f"{SYSTEM}/research",
        ("image", "rule"): f"{TEAM}/own",
    }
    assert world.status("WorkloadPolicy", "all", SYSTEM)["affects"] == {"projects": 2, "workloads": 0}


async def test_an_edit_writes_exactly_what_it_changes() -> None:
    others = [namespace(f"team-{number}") for number in range(5)]
    world = World(
        namespace(TEAM, RESEARCH),
        *others,
        policy("all", SYSTEM, defaults={"workingDir": "/a"}),
        policy("own", defaults={"args": "x"}),
    )
    await world.settle()
    before = len(world.cluster.writes)
    world.edit("WorkloadPolicy", "own", defaults={"args": "y"})
    await world.settle()
    assert [
        (write.verb, write.kind, write.namespace)
        for write in world.cluster.writes[before:]
        if write.kind == "EffectivePolicy"
    ] == [("replace", "EffectivePolicy", TEAM)]
    before = len(world.cluster.writes)
    await world.restart()
    await world.settle()
    assert len(world.cluster.writes) == before


async def test_it_goes_with_the_last_policy_and_follows_the_department() -> None:
    research = policy("research", SYSTEM, scope={"type": "department", "name": "research"}, defaults={"args": "x"})
    world = World(namespace(TEAM, RESEARCH), research)
    await world.settle()
    assert world.find("EffectivePolicy", "workspace") is not None
    world.cluster.user_apply(namespace(TEAM))
    await world.settle()
    assert world.find("EffectivePolicy", "workspace") is None
    world.cluster.user_apply(namespace(TEAM, RESEARCH))
    await world.settle()
    assert world.find("EffectivePolicy", "workspace") is not None
    world.cluster.user_delete("WorkloadPolicy", SYSTEM, "research")
    await world.settle()
    assert world.find("EffectivePolicy", "workspace") is None


async def test_what_somebody_does_to_it_is_repaired() -> None:
    world = World(policy(defaults={"args": "x"}, rules={"image": {"required": True}}))
    await world.settle()
    made = world.get("EffectivePolicy", "workspace")
    want = made["spec"]
    for spec in ({**want, "rules": {}}, {**want, "defaults": {"args": "x", "command": "y"}}):
        world.cluster.user_replace({**world.get("EffectivePolicy", "workspace"), "spec": spec})
        before = len(world.cluster.writes)
        await world.settle()
        assert world.writes(before) == [("replace", "EffectivePolicy", "workspace")]
        assert world.get("EffectivePolicy", "workspace")["spec"] == want
        assert world.get("EffectivePolicy", "workspace")["metadata"]["uid"] == made["metadata"]["uid"]
    world.cluster.user_delete("EffectivePolicy", TEAM, "workspace")
    await world.settle()
    assert world.get("EffectivePolicy", "workspace")["spec"] == want


async def test_an_admission_policy_that_changes_it_each_time_is_left_alone_for_a_while() -> None:
    """No endless loop, and no endless drift: it is written again once the writer is gone."""

    def meddle(body: dict[str, Any]) -> dict[str, Any]:
        if body["kind"] == "EffectivePolicy":
            body["spec"]["defaults"] = {"args": "z", "command": "y"}
        return body

    world = World(policy(defaults={"args": "x"}))
    world.cluster.admission = meddle
    await world.settle()
    written = [write for write in world.cluster.writes if write.kind == "EffectivePolicy"]
    assert len(written) <= 5
    assert world.results[Key("EffectivePolicy", TEAM, "workspace")].requeue_after is not None
    world.cluster.admission = lambda body: body
    world.tick(60)
    await world.settle()
    assert world.get("EffectivePolicy", "workspace")["spec"]["defaults"] == {"args": "x"}


async def test_that_of_another_installation_is_left_alone() -> None:
    """Both have policies for the project: the first one writes, until its namespace is gone."""
    world = World(namespace("other-system", {}), policy(defaults={"args": "x"}))
    theirs = {
        "kind": "EffectivePolicy",
        "metadata": {"name": "workspace", "annotations": {"outfitter.dev/installation": "other-system/outfitter"}},
        "spec": {"workloadType": "workspace"},
    }
    world.load([complete(theirs)])
    await world.settle()
    assert world.get("EffectivePolicy", "workspace")["spec"] == {"workloadType": "workspace"}
    world.cluster.user_delete("Namespace", "", "other-system")
    await world.settle()
    assert world.get("EffectivePolicy", "workspace")["spec"]["defaults"] == {"args": "x"}
