"""What a tenant may try to mount the data of others, or to break what others mount."""

from __future__ import annotations

from typing import Any

import pytest
from test_data_volumes import (
    ALLOWED,
    DRIVER,
    OTHER,
    THIRD,
    claim,
    data_volume,
    mounting,
    place,
    storage,
    user,
    volumes,
    world,
)

from outfitter.naming import LABEL_OWNER_UID, owner_labels
from world import SYSTEM, TEAM, World, asset, complete, condition, issues, namespace, reason

EVIL = "team-evil"
WITHIN = [{"type": "project", "name": OTHER}]


def evil(**fields: Any) -> dict[str, Any]:
    """A data volume of the attacker, for everyone."""
    return data_volume(where=EVIL, name="loot", **fields)


def thief() -> dict[str, Any]:
    """A Workspace that mounts it elsewhere."""
    return user(THIRD, "thief", assets={"dataSources": [{"name": "loot"}]})


@pytest.mark.parametrize("phase", ["Pending", "Bound"])
async def test_a_claim_that_names_the_volume_of_another_is_not_shared(phase: str) -> None:
    """Users choose volumeName; the API server binds the volume to one claim. Nothing is told about the volume."""
    theirs = claim("loot", where=EVIL)
    it = world(data_volume(), theirs, evil(originPvcName="loot"), thief())
    await it.settle()
    if phase == "Bound":  # as a status that is older than the volume's
        it.controllers.binding = False
        forged = it.get("PersistentVolumeClaim", "loot", EVIL)
        it.cluster.user_replace({**forged, "status": {"phase": "Bound"}})
        await it.settle()
    status = it.status("DataSource", "loot", EVIL)
    assert issues(status) == ["Pending"]
    assert status["phase"] == {"Pending": "Creating", "Bound": "Unknown"}[phase]
    assert DRIVER not in str(status)
    assert volumes(it) == ["pv-data"]
    assert it.find("StatefulSet", "thief", THIRD) is None


async def test_a_volume_that_is_reserved_for_a_claim_of_the_same_name_is_not_shared() -> None:
    """A claim that was deleted and made again is another claim, and has no right to the volume of the first."""
    it = world(data_volume())
    await it.settle()
    volume = it.get("PersistentVolume", "pv-data", "")
    volume["spec"]["claimRef"]["uid"] = "of-the-former-claim"
    it.controllers.binding = False
    it.cluster.user_replace(volume)
    it.cluster.user_apply(namespace(OTHER))
    it.cluster.user_apply(user())
    await it.settle()
    it.tick(11)
    await it.settle()
    assert issues(it.status("DataSource", "sets")) == ["Pending"]
    assert volumes(it) == ["pv-data"]


async def test_what_is_shared_with_a_project_cannot_be_handed_on() -> None:
    """Only the project of the data decides who mounts it, also if the labels of the claim are gone."""
    it = world(data_volume(WITHIN), user())
    await it.settle()
    name, volume = place(it, OTHER)
    body = it.get("PersistentVolumeClaim", name, OTHER)
    body["metadata"].pop("labels")
    it.cluster.user_replace(body)
    onwards = data_volume(where=OTHER, name="loot", originPvcName=name)
    it.cluster.user_apply(onwards)
    it.cluster.user_apply(namespace(THIRD))
    it.cluster.user_apply(thief())
    await it.settle()
    status = it.status("DataSource", "loot", OTHER)
    assert "Unsupported" in issues(status)
    assert "only its owner can share it" in status["message"]
    assert volumes(it) == sorted([volume, "pv-data"])
    assert it.find("StatefulSet", "thief", THIRD) is None


async def test_a_name_that_is_taken_harms_only_the_namespace_that_took_it() -> None:
    it = world(data_volume(), user(THIRD))
    await it.settle()
    name, volume = place(it, OTHER)
    squatter = claim(name, "", OTHER)
    del squatter["spec"]["volumeName"]
    it.cluster.user_apply(namespace(OTHER))
    it.cluster.user_apply(squatter)
    it.cluster.user_apply(user())
    await it.settle()
    assert it.get("PersistentVolumeClaim", name, OTHER)["metadata"].get("labels") is None
    status = it.status("DataSource", "sets")
    assert issues(status) == ["ReplicationError"]
    assert condition(status, "Stalled") is None
    assert status["phase"] == "Ready"
    assert "is not the copy" in it.status("Workspace", "box", OTHER)["message"]
    assert reason(it.status("Workspace", "box", THIRD)) == "Running"
    assert volume not in volumes(it)


async def test_a_volume_that_is_not_ours_is_not_taken() -> None:
    it = world(data_volume(), namespace(OTHER))
    await it.settle()
    _, volume = place(it, OTHER)
    it.cluster.user_apply(storage(volume, handle="of-somebody-else"))
    it.cluster.user_apply(user())
    await it.settle()
    assert it.get("PersistentVolume", volume, "")["spec"]["csi"]["volumeHandle"] == "of-somebody-else"
    assert issues(it.status("DataSource", "sets")) == ["ReplicationError"]
    assert it.find("StatefulSet", "box", OTHER) is None


@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize("named", [True, False])
async def test_labels_make_no_claim_of_a_user_ours(named: bool, within: bool) -> None:
    """A claim with our labels in a namespace that uses nothing: it stays, costs no writes, and nothing is reported."""
    it = world(data_volume(), user(), namespace(EVIL) if within else namespace(EVIL, {}))
    await it.settle()
    owner = it.get("DataSource", "sets")["metadata"]
    theirs = claim(place(it, OTHER)[0] if named else "mine", "", EVIL)
    del theirs["spec"]["volumeName"]
    theirs["metadata"]["labels"] = owner_labels("DataSource", "sets", owner["uid"])
    it.cluster.user_apply(theirs)
    it.cluster.user_apply(mounting("theirs", EVIL, theirs["metadata"]["name"]))
    mark = len(it.cluster.writes)
    await it.once("DataSource", "sets")
    await it.once("DataSource", "sets")
    await it.settle()
    assert it.find("PersistentVolumeClaim", theirs["metadata"]["name"], EVIL) is not None
    assert it.writes(mark) == []
    assert issues(it.status("DataSource", "sets")) == []


async def test_who_may_not_use_it_any_more_cannot_keep_it_by_more_pods() -> None:
    """One pod after the other, which mount the claim before the last one ends."""
    it = world(data_volume(WITHIN), user())
    await it.settle()
    name, volume = place(it, OTHER)
    it.cluster.user_apply(mounting("first", OTHER, name))
    await it.settle()
    it.edit("DataSource", "sets", dataVolume={"originPvcName": "data", "mountPath": "/sets"})
    await it.settle()
    assert "deletionTimestamp" in it.get("PersistentVolumeClaim", name, OTHER)["metadata"]
    assert issues(it.status("DataSource", "sets")) == ["VolumeInUse"]
    it.cluster.user_delete("Pod", OTHER, "first")
    await it.settle()
    assert it.find("PersistentVolumeClaim", name, OTHER) is None
    assert volume not in volumes(it)


async def test_a_project_is_not_reached_by_a_scope_beyond_the_system_namespace() -> None:
    """`scope` of a wider kind counts only there, also beside sharedScopes."""
    body = data_volume()
    body["spec"]["scope"] = {"type": "cluster"}
    it = world(body, user())
    await it.settle()
    assert issues(it.status("DataSource", "sets")) == ["ScopeForbidden"]
    assert reason(it.status("Workspace", "box", OTHER)) == "ReferenceInvalid"
    assert volumes(it) == ["pv-data"]


async def test_labels_on_the_volume_of_the_origin_do_not_make_it_ours() -> None:
    """The volume of the origin is never deleted, whatever its labels say."""
    it = world(data_volume(), user())
    await it.settle()
    owner = it.get("DataSource", "sets")["metadata"]
    body = it.get("PersistentVolume", "pv-data", "")
    body["metadata"]["labels"] = owner_labels("DataSource", "sets", owner["uid"])
    it.cluster.user_apply(complete(body))
    await it.once("DataSource", "sets")
    await it.once("DataSource", "sets")
    assert it.get("PersistentVolume", "pv-data", "")["metadata"]["labels"][LABEL_OWNER_UID] == owner["uid"]


async def test_the_claim_of_the_platform_is_not_shared_by_a_team() -> None:
    """originPvcName never leaves the namespace of the DataSource."""
    it = World(storage(), claim(where=SYSTEM), data_volume(), user(), settings=ALLOWED)
    await it.settle()
    assert issues(it.status("DataSource", "sets")) == ["NotCreated"]
    assert volumes(it) == ["pv-data"]


async def test_a_reference_that_is_no_data_volume_mounts_nothing() -> None:
    nfs = {"server": "nfs.example.com", "path": "/p", "mountPath": "/m"}
    inline = {"storage": {"dataVolume": [{"id": "share", "mountPath": "/d"}]}}
    box = {"image": "registry.example.com/box:1", **inline}
    it = World(asset("DataSource", "share", {"nfs": nfs}), asset("Workspace", "box", box))
    await it.settle()
    status = it.status("Workspace", "box", TEAM)
    assert reason(status) == "ReferenceInvalid"
    assert "is no data volume" in status["message"]
