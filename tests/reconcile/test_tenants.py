"""A tenant's writes in one namespace leave the status of a shared asset alone; the workloads there report the cause."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.errors import Forbidden
from world import SYSTEM, TEAM, Body, World, asset, complete, condition, namespace, secret

OTHER = "team-b"
IMAGE = "registry.example.com/u:1"
NGC_IMAGE = "nvcr.io/x:1"
WIDE = {"scope": {"type": "cluster"}}
CLAIM_INFO = {"size": "1Gi", "accessModes": {"readWriteMany": True}}


def claim(name: str, where: str) -> Body:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    return complete({"kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": where}, "spec": spec})


def config_map() -> Body:
    return complete({"kind": "ConfigMap", "metadata": {"name": "site", "namespace": SYSTEM}, "data": {"a": "1"}})


def variable() -> Body:
    return {"environmentVariables": [{"name": "K", "credential": {"name": "x", "key": "Password"}}]}


SOURCE = {"assets": {"dataSources": [{"name": "x"}]}}
# Shared asset, objects beside it, its child in each namespace, and the fields of a workload that uses it.
CASES: dict[str, tuple[str, Body, list[Body], tuple[str, str], Body]] = {
    "credential": (
        "Credential", {"type": "password", "secretRef": {"name": "s"}},
        [secret("s", {"User": "u", "Password": "p"}, SYSTEM)], ("Secret", "cred-x"), variable(),
    ),
    "pull secret": (
        "Credential", {"type": "dockerRegistry", "secretRef": {"name": "s"}},
        [secret("s", {"url": "registry.example.com", "user": "u", "password": "p"}, SYSTEM)], ("Secret", "cred-x"), {},
    ),
    "pull secret of a key": (
        "Credential", {"type": "ngcApiKey", "secretRef": {"name": "s"}},
        [secret("s", {"NGC_API_KEY": "k"}, SYSTEM)], ("Secret", "cred-x-pull"), {"image": NGC_IMAGE},
    ),
    "config map": (
        "DataSource", {"configMapVolume": {"configMap": "site", "mountPath": "/s"}}, [config_map()],
        ("ConfigMap", "dsrc-x"), SOURCE,
    ),
    "claim": (
        "DataSource", {"pvc": {"path": "/d", "claimInfo": CLAIM_INFO}}, [], ("PersistentVolumeClaim", "x"), SOURCE,
    ),
    "existing claim": (
        "DataSource", {"pvc": {"path": "/d", "claimName": "theirs", "existingPvc": True}},
        [claim("theirs", TEAM), claim("theirs", OTHER)], ("PersistentVolumeClaim", "theirs"), SOURCE,
    ),
}  # fmt: skip
OWNED = [case for case in CASES if case != "existing claim"]


def given(case: str) -> list[Body]:
    kind, spec, beside, _, _ = CASES[case]
    return [namespace(OTHER), *beside, asset(kind, "x", {**spec, **WIDE}, SYSTEM)]


def workload(case: str, where: str) -> Body:
    return asset("Workspace", "w", {"image": IMAGE, **CASES[case][4]}, where)


def hostile(case: str, labels: dict[str, str] | None = None) -> Body:
    kind, name = CASES[case][3]
    if kind == "PersistentVolumeClaim":
        return {**claim(name, OTHER), "metadata": {"name": name, "namespace": OTHER, "labels": labels or {}}}
    meta = {"name": name, "namespace": OTHER, "labels": labels or {}}
    return complete({"kind": kind, "metadata": meta, "data": {"theirs": "eA=="}})


def statuses(world: World, case: str) -> list[Any]:
    """Every status of the asset so far, as (Ready, Stalled)."""
    written = [w for w in world.cluster.writes if (w.verb, w.kind, w.name) == ("status", CASES[case][0], "x")]
    found = [write.manifest for write in written]
    return [tuple(bool(c and c["status"] == "True") for c in (condition(s, "Ready"), condition(s, "Stalled")))
            for s in found]  # fmt: skip


async def settled(world: World) -> None:
    for _ in range(3):
        await world.settle()
        world.tick(60)
    await world.settle()


@pytest.mark.parametrize("case", OWNED)
async def test_a_name_that_a_tenant_took_first(case: str) -> None:
    world = World(*given(case), hostile(case), workload(case, TEAM), workload(case, OTHER))
    await settled(world)
    status = world.status(CASES[case][0], "x", SYSTEM)
    assert statuses(world, case)[-1] == (True, False)
    assert not any(stalled for _, stalled in statuses(world, case))
    assert [issue["scopeId"] for issue in status["issues"]] == [OTHER]
    assert status["targets"] == {"desired": 2, "synced": 1}
    assert status["message"] == "1 of 2 projects failed. See issues."
    assert world.status("Workspace", "w")["phase"] == "Running"
    told = [issue["message"] for issue in world.status("Workspace", "w", OTHER)["issues"]]
    kind, name = CASES[case][3]
    assert any(f"{kind} {OTHER}/{name} exists" in message for message in told)


@pytest.mark.parametrize("case", OWNED)
@pytest.mark.parametrize("labelled", [False, True])
async def test_a_copy_that_a_tenant_replaced(case: str, labelled: bool) -> None:
    """With our labels or without: nothing but the note changes for the others, also not for a moment."""
    world = World(*given(case), workload(case, TEAM), workload(case, OTHER))
    await settled(world)
    kind, name = CASES[case][3]
    copy = world.get(kind, name, OTHER)
    before = len(statuses(world, case))
    world.cluster.user_delete(kind, OTHER, name)
    world.cluster.user_apply(hostile(case, copy["metadata"]["labels"] if labelled else None))
    await settled(world)
    assert set(statuses(world, case)[before:]) <= {(True, False)}
    assert world.status("Workspace", "w")["phase"] == "Running"


@pytest.mark.parametrize("case", CASES)
async def test_a_copy_that_a_tenant_deletes_behind_a_finalizer(case: str) -> None:
    world = World(*given(case), workload(case, TEAM))
    await settled(world)
    kind, name = CASES[case][3]
    before = len(statuses(world, case))
    held = world.get(kind, name, OTHER)
    held["metadata"]["finalizers"] = ["example.com/mine"]
    world.cluster.user_replace(held)
    world.cluster.user_delete(kind, OTHER, name)
    await settled(world)
    assert set(statuses(world, case)[before:]) <= {(True, False)}


async def test_a_claim_that_a_tenant_deletes() -> None:
    case = "existing claim"
    world = World(*given(case), workload(case, TEAM), workload(case, OTHER))
    await settled(world)
    before = len(statuses(world, case))
    world.cluster.user_delete("PersistentVolumeClaim", OTHER, "theirs")
    await settled(world)
    assert set(statuses(world, case)[before:]) == {(True, False)}
    assert [issue["issue"] for issue in world.status("DataSource", "x", SYSTEM)["issues"]] == ["NotCreated"]


@pytest.mark.parametrize("case", OWNED)
async def test_a_namespace_whose_quota_is_exhausted(case: str) -> None:
    world = World(*given(case)[1:], workload(case, TEAM))
    await settled(world)
    before = len(statuses(world, case))
    world.cluster.user_apply(namespace(OTHER))
    for _ in range(20):
        world.cluster.fail_next("create", CASES[case][3][0], Forbidden("exceeded quota: q", status=403))
    await settled(world)
    assert set(statuses(world, case)[before:]) <= {(True, False)}
