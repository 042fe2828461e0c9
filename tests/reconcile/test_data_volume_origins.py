"""The claim of a data volume waits, is for one node, goes, moves and grows; and projects leave the scope."""

from __future__ import annotations

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

from world import TEAM, World, complete, condition, issues, namespace, reason


async def test_an_origin_that_waits_for_its_first_pod() -> None:
    late = {"kind": "StorageClass", "metadata": {"name": "late"}, "volumeBindingMode": "WaitForFirstConsumer"}
    origin = claim()
    origin["spec"] |= {"storageClassName": "late"}
    del origin["spec"]["volumeName"]
    it = World(complete(late), storage(), origin, data_volume(), user(), settings=ALLOWED, binding=False)
    await it.settle()
    status = it.status("DataSource", "sets")
    assert status["phase"] == "Creating"
    assert "Start a workload in that namespace" in status["message"]
    assert condition(status, "Stalled") is None
    assert volumes(it) == ["pv-data"]
    assert "is not bound yet" in it.status("Workspace", "box", OTHER)["message"]
    bound = it.get("PersistentVolumeClaim", "data")
    bound["spec"]["volumeName"] = "pv-data"
    it.cluster.user_replace(bound)
    it.controllers.binding = True
    await it.settle()
    assert it.status("DataSource", "sets")["phase"] == "Ready"
    assert reason(it.status("Workspace", "box", OTHER)) == "Running"


async def test_an_origin_for_one_node_is_a_note() -> None:
    it = World(storage(), claim(mode="ReadWriteOnce"), data_volume(), user(), settings=ALLOWED)
    await it.settle()
    assert issues(it.status("DataSource", "sets")) == ["SingleNode"]
    assert it.status("DataSource", "sets")["phase"] == "Ready"
    assert reason(it.status("Workspace", "box", OTHER)) == "Running"


async def test_an_origin_that_never_was() -> None:
    it = World(data_volume(), user(), settings=ALLOWED)
    await it.settle()
    assert issues(it.status("DataSource", "sets")) == ["NotCreated"]
    assert "Create it" in it.status("Workspace", "box", OTHER)["message"]


async def test_a_deleted_origin_is_lost_and_its_users_keep_what_they_have() -> None:
    it = world(data_volume(), user())
    await it.settle()
    name, volume = place(it, OTHER)
    it.cluster.user_delete("PersistentVolumeClaim", TEAM, "data")
    it.cluster.user_apply(user(name="late"))
    await it.settle()
    status = it.status("DataSource", "sets")
    assert issues(status) == ["LostPhase"]
    assert (status["phase"], status["volumeName"]) == ("NotReady", "pv-data")
    assert condition(status, "Stalled") is not None
    assert it.find("PersistentVolumeClaim", name, OTHER) is not None
    assert volume in volumes(it)
    assert reason(it.status("Workspace", "box", OTHER)) == "Running"
    assert "Create the claim again" in it.status("Workspace", "late", OTHER)["message"]
    free = it.get("PersistentVolume", "pv-data", "")
    del free["spec"]["claimRef"]
    it.cluster.user_replace(free)
    it.cluster.user_apply(claim())
    await it.settle()
    assert it.status("DataSource", "sets")["phase"] == "Ready"
    assert reason(it.status("Workspace", "late", OTHER)) == "Running"


async def test_an_origin_that_moves_or_grows_is_followed_where_no_pod_runs() -> None:
    it = world(data_volume(), user(), user(THIRD), pod_objects=True)
    await it.settle()
    (_, running), (_, idle) = place(it, OTHER), place(it, THIRD)
    it.edit("Workspace", "box", THIRD, suspend=True)
    await it.settle()
    grown = it.get("PersistentVolume", "pv-data", "")
    grown["spec"] |= {"capacity": {"storage": "500Gi"}, "csi": {"driver": DRIVER, "volumeHandle": "vol-8"}}
    it.cluster.user_replace(grown)
    await it.settle()
    assert it.get("PersistentVolume", running, "")["spec"]["csi"]["volumeHandle"] == "vol-7"
    moved = it.get("PersistentVolume", idle, "")["spec"]
    assert (moved["csi"]["volumeHandle"], moved["capacity"]["storage"]) == ("vol-8", "500Gi")
    status = it.status("DataSource", "sets")
    assert issues(status) == ["VolumeInUse"]
    assert (status["issues"][0]["scopeId"], status["targets"]) == (OTHER, {"desired": 2, "synced": 1})
    assert reason(it.status("Workspace", "box", OTHER)) == "Running"
    it.edit("Workspace", "box", OTHER, suspend=True)
    await it.settle()
    assert it.get("PersistentVolume", running, "")["spec"]["csi"]["volumeHandle"] == "vol-8"
    assert issues(it.status("DataSource", "sets")) == []


@pytest.mark.parametrize("how", ["unshared", "label", "scope"])
async def test_a_project_that_leaves_the_scope_keeps_it_only_in_the_pods_that_run(how: str) -> None:
    """Its claim is deleted at once. The API server keeps it for these pods, and gives it to no other one."""
    it = world(data_volume([{"type": "project", "name": OTHER}]), user(), pod_objects=True)
    await it.settle()
    name, volume = place(it, OTHER)
    if how == "label":
        it.cluster.user_apply(namespace(OTHER, {}))
    else:
        scopes = [] if how == "unshared" else [{"type": "project", "name": THIRD}]
        it.edit(
            "DataSource", "sets", dataVolume={"originPvcName": "data", "mountPath": "/sets", "sharedScopes": scopes}
        )
    await it.settle()
    assert "deletionTimestamp" in it.get("PersistentVolumeClaim", name, OTHER)["metadata"]
    assert volume in volumes(it)
    assert issues(it.status("DataSource", "sets")) == ["VolumeInUse"]
    assert it.status("DataSource", "sets")["targets"] == {"desired": 0, "synced": 0}
    mark = len(it.cluster.writes)
    await it.once("DataSource", "sets")
    assert it.writes(mark) == []
    it.edit("Workspace", "box", OTHER, suspend=True)
    await it.settle()
    assert it.find("PersistentVolumeClaim", name, OTHER) is None
    assert volumes(it) == ["pv-data"]
    assert issues(it.status("DataSource", "sets")) == []
    it.edit("Workspace", "box", OTHER, suspend=None)
    await it.settle()
    assert reason(it.status("Workspace", "box", OTHER)) == "ReferenceNotFound"
    assert volumes(it) == ["pv-data"]


async def test_a_project_without_workloads_that_stays_in_the_scope_keeps_it_while_a_pod_runs() -> None:
    """Such a pod may mount it, and could not restart without its claim."""
    it = world(data_volume(), user(), pod_objects=True)
    await it.settle()
    name, volume = place(it, OTHER)
    it.cluster.user_apply(mounting("own", OTHER, name))
    it.cluster.user_delete("Workspace", OTHER, "box")
    await it.settle()
    assert "deletionTimestamp" not in it.get("PersistentVolumeClaim", name, OTHER)["metadata"]
    assert issues(it.status("DataSource", "sets")) == ["VolumeInUse"]
    it.cluster.user_delete("Pod", OTHER, "own")
    await it.settle()
    assert it.find("PersistentVolumeClaim", name, OTHER) is None
    assert volume not in volumes(it)


async def test_a_project_that_comes_back_gets_it_again_when_its_pods_have_ended() -> None:
    it = world(data_volume(), user(), pod_objects=True)
    await it.settle()
    name, _ = place(it, OTHER)
    former = it.get("PersistentVolumeClaim", name, OTHER)["metadata"]["uid"]
    it.cluster.user_apply(namespace(OTHER, {}))
    await it.settle()
    it.cluster.user_apply(namespace(OTHER))
    await it.settle()
    assert sorted(issues(it.status("DataSource", "sets"))) == ["Replacing", "VolumeInUse"]
    it.edit("Workspace", "box", OTHER, suspend=True)
    await it.settle()
    it.edit("Workspace", "box", OTHER, suspend=None)
    await it.settle()
    assert it.get("PersistentVolumeClaim", name, OTHER)["metadata"]["uid"] != former
    assert issues(it.status("DataSource", "sets")) == []
    assert reason(it.status("Workspace", "box", OTHER)) == "Running"


@pytest.mark.parametrize("handle", ["vol-7", "vol-6"])
async def test_a_volume_that_somebody_deletes_is_replaced_where_no_pod_runs(handle: str) -> None:
    """It exists until its claim is gone. An operator that ended before it deleted the claim leaves the same."""
    it = world(data_volume(), user(), pod_objects=True)
    await it.settle()
    name, volume = place(it, OTHER)
    former = it.get("PersistentVolume", volume, "")
    former["spec"]["csi"]["volumeHandle"] = handle
    it.cluster.user_replace(former)
    it.cluster.user_delete("PersistentVolume", "", volume)
    await it.settle()
    status = it.status("DataSource", "sets")
    assert issues(status) == ["VolumeInUse"]
    assert "is being deleted" in status["issues"][0]["message"]
    assert "deletionTimestamp" not in it.get("PersistentVolumeClaim", name, OTHER)["metadata"]
    it.edit("Workspace", "box", OTHER, suspend=True)
    await it.settle()
    replaced = it.get("PersistentVolume", volume, "")
    assert replaced["metadata"]["uid"] != former["metadata"]["uid"]
    assert replaced["spec"]["csi"]["volumeHandle"] == "vol-7"
    assert issues(it.status("DataSource", "sets")) == []
    it.edit("Workspace", "box", OTHER, suspend=None)
    await it.settle()
    assert reason(it.status("Workspace", "box", OTHER)) == "Running"


@pytest.mark.parametrize("labelled", [True, False])
async def test_a_claim_is_deleted_before_its_volume(labelled: bool) -> None:
    """Also one whose labels a user removed."""
    it = world(data_volume(), user())
    await it.settle()
    name, volume = place(it, OTHER)
    held = it.get("PersistentVolumeClaim", name, OTHER)
    if not labelled:
        held["metadata"].pop("labels")
        it.cluster.user_replace(held)
    mark = len(it.cluster.writes)
    it.edit("DataSource", "sets", dataVolume={"originPvcName": "data", "mountPath": "/sets"})
    await it.settle()
    deleted = [write for write in it.writes(mark) if write[0] == "delete"]
    assert deleted == [("delete", "PersistentVolumeClaim", name), ("delete", "PersistentVolume", volume)]
    assert volumes(it) == ["pv-data"]
