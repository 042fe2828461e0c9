"""Compliance of assets and templates with the policies of their projects: which rows, in which words, at what cost."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.api.v1alpha1.asset import LISTED_USERS
from outfitter.policy.compliance import judged
from world import SYSTEM, TEAM, World, asset, namespace

IMAGE = "registry.example.com/box:1"
TYPES = ("workspace", "training", "distributed", "inference")
NFS = {"server": "s", "path": "/d", "mountPath": "/d"}


def policy(name: str = "rules", where: str = TEAM, type_: str = "workspace", **spec: Any) -> dict[str, Any]:
    return asset(
        "WorkloadPolicy", name, {"workloadType": type_, **spec}, where, creationTimestamp="2026-01-01T00:00:00Z"
    )


def of_department(name: str, department: str, **spec: Any) -> dict[str, Any]:
    return policy(name, SYSTEM, scope={"type": "department", "name": department}, **spec)


def project(name: str, department: str = "") -> dict[str, Any]:
    labels = {"outfitter.dev/project": name}
    return namespace(name, {**labels, "outfitter.dev/department": department} if department else labels)


def big(where: str = TEAM, **spec: Any) -> dict[str, Any]:
    return asset("ComputeResource", "big", {"gpuDevicesRequest": 4, "supportedTypes": ["workspace"], **spec}, where)


AT_MOST_TWO = {"compute": {"gpuDevicesRequest": {"max": 2}}}


def rows(world: World, kind: str, name: str, where: str = TEAM) -> list[tuple[str, ...]]:
    """Scope, name, type, replica, then `field rule` of each reason."""
    status = world.status(kind, name, where)
    found = status.get("compliance", ())
    assert status.get("complianceTotal", 0) >= len(found)
    return [
        (
            " ".join(filter(None, (row["scope"], row.get("name"), row["workloadType"], row.get("replicaType")))),
            *(f"{item['field']} {item.get('rule', '')}".strip() for item in row["reasons"]),
        )
        for row in found
    ]


# -- what does not comply ---------------------------------------------------------------------------------------------


async def test_the_row_of_a_compute_resource() -> None:
    world = World(policy(rules=AT_MOST_TWO), big())
    await world.settle()
    assert world.status("ComputeResource", "big")["compliance"] == [
        {
            "scope": "project",
            "name": TEAM,
            "workloadType": "workspace",
            "reasons": [
                {
                    "field": "compute.gpuDevicesRequest",
                    "rule": "max",
                    "policy": f"{TEAM}/rules",
                    "message": f"4 is more than 2, the most that WorkloadPolicy {TEAM}/rules (project {TEAM}) allows. "
                    "Lower it.",
                }
            ],
        }
    ]
    assert world.status("ComputeResource", "big")["complianceTotal"] == 1


BASE: dict[str, Any] = {"image": IMAGE}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    # kind, spec of the asset, spec of the policy, the reasons
    "required is no fault of a part": (
        asset("Environment", "a", BASE),
        {"rules": {"workingDir": {"required": True}, "nodeType": {"required": True}}},
        "",
    ),
    "a required field of an item": (
        asset("ComputeResource", "a", {"extendedResources": [{"resource": "x.com/a"}]}),
        {"rules": {"compute": {"extendedResources": {"attributes": {"quantity": {"required": True}}}}}},
        "",
    ),
    "canEdit without a value": (
        asset("Environment", "a", BASE),
        {"defaults": {"imagePullPolicy": "Always"}, "rules": {"imagePullPolicy": {"canEdit": False}}},
        "",
    ),
    "canEdit with another value": (
        asset("Environment", "a", {**BASE, "imagePullPolicy": "IfNotPresent"}),
        {"defaults": {"imagePullPolicy": "Always"}, "rules": {"imagePullPolicy": {"canEdit": False}}},
        "imagePullPolicy canEdit",
    ),
    "options": (
        asset("Environment", "a", BASE),
        {"rules": {"image": {"options": [{"value": "other"}]}}},
        "image options",
    ),
    "a locked variable": (
        asset("Environment", "a", {**BASE, "environmentVariables": [{"name": "A", "value": "mine"}]}),
        {
            "defaults": {"environmentVariables": {"instances": [{"name": "A", "value": "1"}]}},
            "rules": {"environmentVariables": {"instances": {"locked": ["A"]}}},
        },
        "environmentVariables.instances[A] locked",
    ),
    "canAdd of a data source": (
        asset("DataSource", "a", {"hostPath": {"path": "/x", "mountPath": "/x"}}),
        {"rules": {"storage": {"hostPath": {"instances": {"canAdd": False}}}}},
        "storage.hostPath.instances[a] canAdd",
    ),
    "an attribute of a data source": (
        asset("DataSource", "a", {"nfs": NFS}),
        {"rules": {"storage": {"nfs": {"attributes": {"server": {"options": [{"value": "t"}]}}}}}},
        "storage.nfs.attributes.server[a] options",
    ),
    "a template": (
        asset("WorkloadTemplate", "a", {"workloadType": "workspace", "image": IMAGE, "nodeType": "b"}),
        {"rules": {"nodeType": {"options": [{"value": "a"}]}, "category": {"required": True}}},
        "nodeType options",
    ),
    "a computed default that the asset causes": (
        asset("ComputeResource", "a", {"cpuCoreRequest": 3}),
        {"rules": {"compute": {"cpuCoreLimit": {"max": 4, "defaultFrom": {"field": "cpuCoreRequest", "factor": 2}}}}},
        "compute.cpuCoreLimit max",
    ),
    "an invalid policy": (
        asset("ComputeResource", "a", {"cpuCoreRequest": 3}),
        {"rules": {"compute": {"cpuCoreRequest": {"min": 4, "max": 2}}}},
        "",
    ),
    "a default that breaks a rule": (
        asset("ComputeResource", "a", {"cpuCoreRequest": 3}),
        {"defaults": {"nodeType": "a"}, "rules": {"nodeType": {"options": [{"value": "b"}]}}},
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_an_asset_is_judged_as_a_part_of_a_submission(case: str) -> None:
    judged_asset, rules, want = CASES[case]
    world = World(policy(**rules), judged_asset)
    await world.settle()
    found = [row for row in rows(world, judged_asset["kind"], "a") if row[0] == f"project {TEAM} workspace"]
    assert found == ([(f"project {TEAM} workspace", want)] if want else [])


async def test_a_valid_policy_counts_beside_an_invalid_one() -> None:
    wrong = {"compute": {"cpuCoreRequest": {"min": 4, "max": 2}}}
    world = World(policy("all", SYSTEM, rules=AT_MOST_TWO), policy(rules=wrong), big(cpuCoreRequest=1))
    await world.settle()
    assert rows(world, "ComputeResource", "big") == [(f"project {TEAM} workspace", "compute.gpuDevicesRequest max")]


@pytest.mark.parametrize("supported", [None, ["training"], ["workspace", "inference"]])
async def test_only_types_that_the_asset_supports_count(supported: list[str] | None) -> None:
    policies = [policy(f"p-{type_}", type_=type_, rules=AT_MOST_TWO) for type_ in TYPES if type_ != "distributed"]
    given = asset(
        "ComputeResource", "big", {"gpuDevicesRequest": 4, **({"supportedTypes": supported} if supported else {})}
    )
    world = World(*policies, given)
    await world.settle()
    want = [type_ for type_ in TYPES if type_ in (supported or TYPES) and type_ != "distributed"]
    assert [row[0] for row in rows(world, "ComputeResource", "big")] == [f"project {TEAM} {type_}" for type_ in want]


async def test_a_distributed_workload_has_a_worker_and_a_master() -> None:
    rules = {"master": {"compute": {"gpuDevicesRequest": {"max": 0}}}, "worker": AT_MOST_TWO}
    world = World(
        policy(type_="distributed", rules=rules),
        big(supportedTypes=["distributed"]),
        asset("ComputeResource", "two", {"gpuDevicesRequest": 2, "supportedTypes": ["distributed"]}),
    )
    await world.settle()
    field = "compute.gpuDevicesRequest max"
    place = f"project {TEAM} distributed"
    assert rows(world, "ComputeResource", "big") == [(f"{place} worker", field), (f"{place} master", field)]
    assert rows(world, "ComputeResource", "two") == [(f"{place} master", field)]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (asset("DataSource", "a", {"s3": {"bucket": "data", "path": "/b"}}), "storage.s3"),
        (
            asset("DataSource", "a", {"pvc": {"path": "/b", "ephemeral": True, "claimInfo": {"size": "1Gi"}}}),
            "storage.pvc.attributes.ephemeral[a]",
        ),
        (asset("Environment", "a", {"image": IMAGE, "stdin": True, "tty": False}), "stdin"),
        (asset("Environment", "a", {"image": IMAGE, "security": {"hostIpc": True}}), "security.hostIpc"),
    ],
)
async def test_what_a_type_of_workload_cannot_have_needs_no_policy(given: dict[str, Any], field: str) -> None:
    world = World(
        given,
        {
            **given,
            "metadata": {"name": "b", "namespace": TEAM},
            "spec": {**given["spec"], "supportedTypes": ["workspace"]},
        },
    )
    await world.settle()
    assert rows(world, given["kind"], "a") == [(f"project {TEAM} inference", field)]
    assert rows(world, given["kind"], "b") == []


async def test_a_template_is_judged_with_its_assets() -> None:
    template = {"workloadType": "workspace", "image": IMAGE, "assets": {"compute": {"name": "big"}}}
    world = World(policy(rules=AT_MOST_TWO), asset("WorkloadTemplate", "t", template))
    await world.settle()
    assert rows(world, "WorkloadTemplate", "t") == []  # the missing asset may set anything
    world.load([big()])
    await world.settle()
    assert rows(world, "WorkloadTemplate", "t") == [(f"project {TEAM} workspace", "compute.gpuDevicesRequest max")]
    status = world.status("WorkloadTemplate", "t")
    assert status["complianceIssues"] == status["compliance"][0]["reasons"]


# -- which rows -------------------------------------------------------------------------------------------------------


async def test_units_whose_projects_agree_are_one_row() -> None:
    rules, field = AT_MOST_TWO, "compute.gpuDevicesRequest max"
    world = World(
        namespace(TEAM, {}),
        *(project(f"r{number}", "research") for number in range(3)),
        *(project(f"o{number}", "operations") for number in range(2)),
        project("alone"),
        of_department("research", "research", rules=rules),
        policy("own", "o1", rules=rules),
        policy("own", "alone", rules=rules),
        big(SYSTEM),
    )
    await world.settle()
    want = [
        ("project alone workspace", field),
        ("project o1 workspace", field),
        ("department research workspace", field),
    ]
    assert rows(world, "ComputeResource", "big", SYSTEM) == want
    world.load([policy("all", SYSTEM, rules=rules)])  # the widest rule counts, for all of them alike
    await world.settle()
    assert rows(world, "ComputeResource", "big", SYSTEM) == [("cluster workspace", field)]


async def test_an_asset_of_a_department() -> None:
    field = "compute.gpuDevicesRequest max"
    scope = {"type": "department", "name": "research"}
    world = World(
        project("a", "research"),
        project("b", "research"),
        of_department("rules", "research", rules=AT_MOST_TWO),
        big(SYSTEM, scope=scope),
    )
    await world.settle()
    assert rows(world, "ComputeResource", "big", SYSTEM) == [("department research workspace", field)]
    world.load([policy("own", "a", rules={"compute": {"gpuDevicesRequest": {"min": 1}}, "image": {"required": True}})])
    world.cluster.user_delete("WorkloadPolicy", SYSTEM, "rules")
    world.load([policy("own", "b", rules=AT_MOST_TWO)])
    await world.settle()
    assert rows(world, "ComputeResource", "big", SYSTEM) == [("project b workspace", field)]


async def test_it_follows_policy_asset_department_and_namespace() -> None:
    field = "compute.gpuDevicesRequest max"
    world = World(
        project("a", "research"), project("b"), of_department("rules", "research", rules=AT_MOST_TWO), big(SYSTEM)
    )
    world.cluster.user_delete("Namespace", "", TEAM)

    async def found() -> list[tuple[str, ...]]:
        await world.settle()
        return rows(world, "ComputeResource", "big", SYSTEM)

    research = [("department research workspace", field)]
    assert await found() == research
    world.edit("WorkloadPolicy", "rules", SYSTEM, rules={"compute": {"gpuDevicesRequest": {"max": 8}}})
    assert await found() == []
    world.edit("ComputeResource", "big", SYSTEM, gpuDevicesRequest=9)
    assert await found() == research
    world.cluster.user_apply(project("a"))
    assert await found() == []
    world.cluster.user_apply(project("b", "research"))
    assert await found() == research
    world.cluster.user_delete("WorkloadPolicy", SYSTEM, "rules")
    assert await found() == []


async def test_the_policies_of_a_project_that_the_scope_does_not_include_do_not_count() -> None:
    scope = {"type": "department", "name": "research"}
    world = World(project("a", "research"), policy(rules=AT_MOST_TWO), big(SYSTEM, scope=scope), big("a"))
    await world.settle()
    assert rows(world, "ComputeResource", "big", SYSTEM) == rows(world, "ComputeResource", "big", "a") == []


async def test_rows_are_capped_and_counted() -> None:
    spaces = [f"p{number:03}" for number in range(LISTED_USERS + 10)]
    world = World(
        namespace(TEAM, {}),
        *map(project, spaces),
        *(policy(where=space, rules=AT_MOST_TWO) for space in spaces),
        big(SYSTEM),
    )
    await world.settle()
    status = world.status("ComputeResource", "big", SYSTEM)
    assert (len(status["compliance"]), status["complianceTotal"]) == (LISTED_USERS, len(spaces))


# -- imposed ----------------------------------------------------------------------------------------------------------


async def test_where_a_data_source_is_imposed() -> None:
    shared = asset("DataSource", "data", {"nfs": NFS}, SYSTEM)
    shadow = asset("DataSource", "data", {"nfs": {**NFS, "server": "mine"}})
    world = World(
        project("a", "research"),
        project("b"),
        of_department("rules", "research", imposedAssets=[{"name": "data"}]),
        policy("all", SYSTEM, "distributed", imposedAssets={"master": [{"name": "data"}]}),
        shared,
        shadow,
    )
    await world.settle()
    status = world.status("DataSource", "data", SYSTEM)
    assert status["imposed"] == [
        {"scope": "department", "name": "research", "workloadType": "workspace"},
        {"scope": "cluster", "workloadType": "distributed", "replicaType": "master"},
    ]
    assert status["imposedTotal"] == 2
    assert "compliance" not in status
    assert "imposed" not in world.status("DataSource", "data")


# -- cost -------------------------------------------------------------------------------------------------------------


async def test_evaluations_are_per_chain_and_writes_are_none_at_rest() -> None:
    """A thousand projects with three distinct chains: three evaluations for each type, whatever else changes."""
    departments = ("", "research", "operations")
    spaces = [project(f"p{number:04}", departments[number % 3]) for number in range(1000)]
    world = World(
        namespace(TEAM, {}),
        *spaces,
        *(of_department(f"r-{type_}", "research", rules=AT_MOST_TWO) | {} for type_ in ("workspace",)),
        of_department("o-workspace", "operations", rules=AT_MOST_TWO),
        policy("all", SYSTEM, rules={"image": {"required": True}}),
        big(SYSTEM, supportedTypes=["workspace", "training"]),
    )
    judged.cache_clear()
    await world.once("ComputeResource", "big", SYSTEM)
    assert judged.cache_info().misses == 3 + 1  # workspace, and training, for which there is no policy
    assert rows(world, "ComputeResource", "big", SYSTEM) == [
        ("department operations workspace", "compute.gpuDevicesRequest max"),
        ("department research workspace", "compute.gpuDevicesRequest max"),
    ]
    before = len(world.cluster.writes)
    await world.once("ComputeResource", "big", SYSTEM)
    assert judged.cache_info().misses == 3 + 1
    await world.restart()
    await world.once("ComputeResource", "big", SYSTEM)
    assert world.writes(before) == []
