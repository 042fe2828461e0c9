"""Status fields that field selectors of the catalogue use: they hold what the spec leaves to its default."""

from __future__ import annotations

from typing import Any

import pytest

from world import SYSTEM, TEAM, World, asset, namespace, secret

RESEARCH = {"outfitter.dev/project": TEAM, "outfitter.dev/department": "research"}
SPECS: dict[str, dict[str, Any]] = {
    "Environment": {"image": "registry.example.com/box:1"},
    "ComputeResource": {"cpuCoreRequest": 1},
    "DataSource": {"nfs": {"server": "s", "path": "/d", "mountPath": "/d"}},
    "Credential": {"type": "genericSecret", "secretRef": {"name": "login"}},
    "WorkloadTemplate": {"workloadType": "workspace", "image": "registry.example.com/box:1"},
}
DEPARTMENT = {"type": "department", "name": "sales"}


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize(
    ("where", "scope", "want"),
    [
        (TEAM, None, ("project", "research")),
        (TEAM, {"type": "project"}, ("project", "research")),
        (TEAM, {"type": "cluster"}, (None, None)),  # forbidden there
        (TEAM, DEPARTMENT, (None, None)),
        (SYSTEM, None, ("cluster", None)),
        (SYSTEM, {"type": "project"}, ("project", None)),
        (SYSTEM, {"type": "tenant"}, ("tenant", None)),
        (SYSTEM, DEPARTMENT, ("department", "sales")),
    ],
)
async def test_scope_and_department(kind: str, where: str, scope: Any, want: tuple[str | None, str | None]) -> None:
    spec = {**SPECS[kind], **({"scope": scope} if scope else {})}
    world = World(namespace(TEAM, RESEARCH), secret("login", {"a": "b"}, where), asset(kind, "a", spec, where))
    await world.settle()
    status = world.status(kind, "a", where)
    assert (status.get("scope"), status.get("department")) == want


async def test_the_department_follows_the_namespace() -> None:
    world = World(namespace(TEAM, RESEARCH), asset("ComputeResource", "a", {}))
    await world.settle()
    world.cluster.user_apply(namespace(TEAM, {**RESEARCH, "outfitter.dev/department": "sales"}))
    await world.settle()
    assert world.status("ComputeResource", "a")["department"] == "sales"


@pytest.mark.parametrize("kind", [kind for kind in SPECS if kind != "WorkloadTemplate"])
async def test_supported_types(kind: str) -> None:
    some = {**SPECS[kind], "supportedTypes": ["training", "inference"]}
    world = World(secret("login", {"a": "b"}), asset(kind, "all", SPECS[kind]), asset(kind, "some", some))
    await world.settle()
    everything = dict.fromkeys(("workspace", "training", "distributed", "inference"), True)
    assert world.status(kind, "all")["supports"] == everything
    assert world.status(kind, "some")["supports"] == {**everything, "workspace": False, "distributed": False}


async def test_a_template_is_for_one_type() -> None:
    world = World(asset("WorkloadTemplate", "a", SPECS["WorkloadTemplate"]))
    await world.settle()
    supports = world.status("WorkloadTemplate", "a")["supports"]
    assert [name for name, supported in supports.items() if supported] == ["workspace"]
