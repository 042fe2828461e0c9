"""pvc with dataSharing at wide scope: one claim in the system namespace, mounted by every project that uses it."""

from __future__ import annotations

from typing import Any

import pytest
from test_data_volumes import ALLOWED, DRIVER, OTHER, THIRD, claim, mounts, storage, user

from outfitter.naming import data_source_claim, shared_volume
from world import SYSTEM, World, asset, issues, namespace, reason

RWX = {"size": "300Gi", "accessModes": {"readWriteMany": True}}


def shared(**pvc: Any) -> dict[str, Any]:
    """One volume for every project."""
    given = {"path": "/sets", "dataSharing": True, "claimInfo": RWX, **pvc}
    fields = {name: value for name, value in given.items() if value is not None}
    return asset("DataSource", "sets", {"scope": {"type": "cluster"}, "pvc": fields}, SYSTEM)


def provisioned(it: World) -> None:
    """The claim gets a volume, as a driver would make it."""
    body = it.get("PersistentVolumeClaim", "sets", SYSTEM)
    body["spec"]["volumeName"] = "pv-data"
    it.cluster.user_replace(body)
    it.cluster.user_apply(storage())


async def sharing(*more: dict[str, Any], **pvc: Any) -> World:
    it = World(shared(**pvc), user(), user(THIRD), *more, settings=ALLOWED)
    await it.settle()
    provisioned(it)
    await it.settle()
    return it


def names(it: World, where: str, *, read_only: bool = False) -> tuple[str, str]:
    uid = it.get("DataSource", "sets", SYSTEM)["metadata"]["uid"]
    return data_source_claim("sets", uid, read_only=read_only), shared_volume(uid, where)


async def test_one_claim_is_created_and_every_user_writes_into_it() -> None:
    it = await sharing(namespace("team-d"))
    name, volume = names(it, OTHER)
    made = it.get("PersistentVolume", volume, "")["spec"]
    assert made["csi"] == {"driver": DRIVER, "volumeHandle": "vol-7"}
    assert made["accessModes"] == ["ReadWriteMany"]
    assert mounts(it, OTHER) == {"claimName": name, "path": "/sets", "mountReadOnly": None}
    claims = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in it.all("PersistentVolumeClaim")]
    assert claims == [(SYSTEM, "sets"), (OTHER, name), (THIRD, name)]
    status = it.status("DataSource", "sets", SYSTEM)
    assert (status["phase"], status["claimName"], status["sharedClaimName"]) == ("Ready", "sets", name)
    assert (status["volumeName"], status["targets"]) == ("pv-data", {"desired": 2, "synced": 2})
    assert issues(status) == []
    mark = len(it.cluster.writes)
    await it.restart()
    await it.settle()
    assert it.writes(mark) == []


async def test_read_only_if_the_source_says_so() -> None:
    it = await sharing(readOnly=True)
    name, volume = names(it, OTHER, read_only=True)
    assert it.get("PersistentVolume", volume, "")["spec"]["csi"]["readOnly"] is True
    assert mounts(it, OTHER) == {"claimName": name, "readOnly": True, "path": "/sets", "mountReadOnly": True}


async def test_of_an_existing_claim() -> None:
    source = shared(existingPvc=True, claimName="weights", claimInfo=None)
    it = World(storage(), claim("weights", where=SYSTEM), source, user(), settings=ALLOWED)
    await it.settle()
    name, _ = names(it, OTHER)
    assert mounts(it, OTHER)["claimName"] == name
    assert it.get("PersistentVolumeClaim", "weights", SYSTEM)["metadata"].get("labels") is None


async def test_a_claim_for_one_node_cannot_be_written_by_several_projects() -> None:
    it = World(shared(claimInfo={"size": "300Gi"}), user(), settings=ALLOWED)
    await it.settle()
    assert it.all("PersistentVolumeClaim") == []
    status = it.status("DataSource", "sets", SYSTEM)
    assert issues(status) == ["InvalidSpec"]
    assert "readWriteMany" in status["message"]
    assert "readWriteMany" in it.status("Workspace", "box", OTHER)["message"]


@pytest.mark.parametrize(
    ("pvc", "settings", "issue"),
    [
        ({"ephemeral": True}, ALLOWED, "InvalidSpec"),
        ({}, {}, "Unsupported"),
        ({}, {"watch_namespaces": f"{SYSTEM},{OTHER}"}, "Unsupported"),
    ],
)
async def test_what_cannot_be_shared_says_why(pvc: dict[str, Any], settings: dict[str, Any], issue: str) -> None:
    it = World(shared(**pvc), namespace(OTHER), settings=settings)
    await it.settle()
    assert issues(it.status("DataSource", "sets", SYSTEM)) == [issue]


async def test_an_existing_claim_for_one_node_cannot_be_written_by_several_projects() -> None:
    source = shared(existingPvc=True, claimName="weights", claimInfo=None)
    there = claim("weights", where=SYSTEM, mode="ReadWriteOnce")
    it = World(storage(), there, source, user(), settings=ALLOWED)
    await it.settle()
    assert issues(it.status("DataSource", "sets", SYSTEM)) == ["InvalidSpec"]
    assert [item["metadata"]["name"] for item in it.all("PersistentVolume")] == ["pv-data"]


async def test_a_workload_in_the_system_namespace_mounts_the_claim_itself() -> None:
    it = await sharing(user(SYSTEM))
    assert mounts(it, SYSTEM)["claimName"] == "sets"
    assert reason(it.status("Workspace", "box", SYSTEM)) == "Running"
