"""sharing: staticPV: one volume, mounted read-only in every namespace that uses it, and gone from it afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.naming import nim_cache, shared_claim, shared_volume
from outfitter.operator.orphan_collector import OrphanCollector
from world import OUR_KINDS, SYSTEM, TEAM, World, asset, complete, condition, issues, namespace, reason

IMAGE = "nvcr.io/nim/meta/llama:1"
DRIVER = "file.csi.example.com"
ALLOWED = {"static_pv_drivers": DRIVER}
CLAIM = shared_claim("llama")
OTHER = "team-b"


def source(driver: str = DRIVER, handle: str = "vol-7", name: str = "pvc-1") -> dict[str, Any]:
    """The volume that the admin's claim is bound to."""
    spec: dict[str, Any] = {"capacity": {"storage": "300Gi"}, "accessModes": ["ReadWriteMany"]}
    spec |= {"csi": {"driver": driver, "volumeHandle": handle}} if driver else {"nfs": {"server": "s", "path": "/"}}
    return complete({"kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})


def weights() -> dict[str, Any]:
    """The admin's claim, filled already."""
    spec = {"accessModes": ["ReadWriteMany"], "volumeName": "pvc-1", "resources": {"requests": {"storage": "300Gi"}}}
    return complete(
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "weights", "namespace": SYSTEM}, "spec": spec}
    )


def shared(**spec: Any) -> dict[str, Any]:
    """The admin's cache."""
    given = {"image": IMAGE, "claimName": "weights", "scope": {"type": "cluster"}, "sharing": "staticPV", **spec}
    return asset("NimCache", "llama", given, SYSTEM)


def nim(name: str, where: str = TEAM) -> dict[str, Any]:
    """An Artifact that runs from it."""
    groups = [{"containers": [{"imageUri": IMAGE, "port": 8000}]}]
    spec = {"type": "nim", "containerGroups": groups, "storage": {"mode": "nimCache"}, "run": {}}
    return asset("Artifact", name, spec, where)


def world(*more: dict[str, Any], settings: dict[str, Any] = ALLOWED, driver: str = DRIVER) -> World:
    """An admin's cache and what else is given."""
    return World(source(driver), weights(), shared(), *more, settings=settings)


def volume_name(it: World, where: str = TEAM) -> str:
    """The volume of one namespace."""
    return shared_volume(it.get("NimCache", "llama", SYSTEM)["metadata"]["uid"], where)


async def test_each_namespace_that_uses_it_mounts_the_same_storage_read_only() -> None:
    it = world(nim("one"), nim("two"), nim("three", OTHER), namespace("team-c"))
    await it.settle()
    for where in (TEAM, OTHER):
        volume = it.get("PersistentVolume", volume_name(it, where), "")["spec"]
        assert volume["csi"] == {"driver": DRIVER, "volumeHandle": "vol-7", "readOnly": True}
        assert (volume["claimRef"]["namespace"], volume["claimRef"]["name"]) == (where, CLAIM)
        assert (volume["persistentVolumeReclaimPolicy"], volume["storageClassName"]) == ("Retain", "")
        claim = it.get("PersistentVolumeClaim", CLAIM, where)["spec"]
        assert (claim["volumeName"], claim["storageClassName"]) == (volume_name(it, where), "")
    assert len(it.all("PersistentVolume")) == 3
    assert it.all("Job") == []
    status = it.status("NimCache", "llama", SYSTEM)
    assert (status["phase"], status["targets"]) == ("Ready", {"desired": 2, "synced": 2})
    used = it.status("Artifact", "one")
    assert used["runPhase"] == "Running"
    assert used["nimCache"] == {"name": "llama", "namespace": SYSTEM, "claimName": CLAIM, "phase": "Ready"}
    pod = it.get("Deployment", "one")["spec"]["template"]["spec"]
    assert {"claimName": CLAIM, "readOnly": True} in [item.get("persistentVolumeClaim") for item in pod["volumes"]]
    assert it.find("NimCache", nim_cache(IMAGE)) is None
    mark = len(it.cluster.writes)
    await it.restart()
    await it.settle()
    assert it.writes(mark) == []


async def test_claim_and_volume_go_with_the_last_user_of_a_namespace() -> None:
    it = world(nim("one"), nim("two"), nim("three", OTHER))
    await it.settle()
    it.cluster.user_delete("Artifact", TEAM, "one")
    await it.settle()
    assert it.find("PersistentVolumeClaim", CLAIM) is not None
    it.cluster.user_delete("Artifact", TEAM, "two")
    await it.settle()
    assert it.find("PersistentVolumeClaim", CLAIM) is None
    assert it.find("PersistentVolume", volume_name(it), "") is None
    assert it.find("PersistentVolume", volume_name(it, OTHER), "") is not None
    assert it.find("PersistentVolume", "pvc-1", "") is not None
    assert it.status("NimCache", "llama", SYSTEM)["targets"] == {"desired": 1, "synced": 1}


async def test_a_namespace_that_is_out_of_scope_gets_nothing() -> None:
    it = world(nim("one"), namespace(TEAM, {}))
    await it.settle()
    assert [item["metadata"]["name"] for item in it.all("PersistentVolume")] == ["pvc-1"]
    assert it.status("Artifact", "one")["nimCache"]["name"] == nim_cache(IMAGE)


@pytest.mark.parametrize(
    ("settings", "driver", "word"),
    [
        ({}, DRIVER, "staticPvDrivers"),
        ({"static_pv_drivers": "other.example.com"}, DRIVER, f"CSI driver {DRIVER}"),
        (ALLOWED, "", "does not use a CSI driver"),
        ({**ALLOWED, "watch_namespaces": TEAM}, DRIVER, "watchNamespaces"),
    ],
)
async def test_what_cannot_be_shared_says_why(settings: dict[str, Any], driver: str, word: str) -> None:
    it = world(nim("one"), settings=settings, driver=driver)
    await it.settle()
    status = it.status("NimCache", "llama", SYSTEM)
    stalled = condition(status, "Stalled")
    assert stalled is not None
    assert stalled["reason"] == "Unsupported"
    assert word in stalled["message"]
    assert [item["metadata"]["name"] for item in it.all("PersistentVolume")] == ["pvc-1"]
    assert reason(it.status("Artifact", "one")) == "CacheNotReady"
    assert word in it.status("Artifact", "one")["message"]


async def test_sharing_in_a_teams_own_namespace_is_refused() -> None:
    it = World(asset("NimCache", "mine", {"image": IMAGE, "sharing": "staticPV"}), settings=ALLOWED)
    await it.settle()
    assert issues(it.status("NimCache", "mine")) == ["InvalidSpec"]


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "PersistentVolume"])
async def test_strangers_are_never_adopted(kind: str) -> None:
    it = world(nim("three", OTHER))
    await it.settle()
    name = CLAIM if kind == "PersistentVolumeClaim" else volume_name(it)
    where = TEAM if kind == "PersistentVolumeClaim" else ""
    theirs = source(name=name) if kind == "PersistentVolume" else {**weights(), "metadata": {"name": name}}
    if where:
        theirs["metadata"]["namespace"] = where
    it.cluster.user_apply(theirs)
    it.cluster.user_apply(nim("one"))
    await it.settle()
    assert it.get(kind, name, where)["metadata"].get("labels") is None
    assert issues(it.status("NimCache", "llama", SYSTEM)) == ["ReplicationError"]
    assert it.status("NimCache", "llama", SYSTEM)["targets"] == {"desired": 2, "synced": 1}
    word = "is not the copy" if where else "Outfitter does not manage it"
    assert word in it.status("Artifact", "one")["message"]
    assert condition(it.status("NimCache", "llama", SYSTEM), "Stalled") is None
    assert it.status("Artifact", "three", OTHER)["runPhase"] == "Running"


async def test_a_released_volume_is_made_anew_for_the_new_claim() -> None:
    it = world(nim("one"))
    await it.settle()
    volume = it.get("PersistentVolume", volume_name(it), "")
    old = volume["metadata"]["uid"]
    volume["spec"]["claimRef"]["uid"] = it.get("PersistentVolumeClaim", CLAIM)["metadata"]["uid"]
    it.cluster.user_apply(volume)
    it.cluster.user_delete("PersistentVolumeClaim", TEAM, CLAIM)
    await it.settle()
    assert it.get("PersistentVolume", volume_name(it), "")["metadata"]["uid"] != old
    assert it.status("NimCache", "llama", SYSTEM)["targets"] == {"desired": 1, "synced": 1}


async def test_another_source_volume_means_other_volumes() -> None:
    it = world(nim("one"))
    await it.settle()
    it.cluster.user_delete("PersistentVolume", "", "pvc-1")
    it.cluster.user_apply(source(handle="vol-8"))
    await it.settle()
    assert it.get("PersistentVolume", volume_name(it), "")["spec"]["csi"]["volumeHandle"] == "vol-8"


async def test_a_deleted_cache_takes_its_volumes_along() -> None:
    it = world(nim("one"))
    await it.settle()
    gone = volume_name(it)
    live = it.caches["NimCache"].get(SYSTEM, "llama")
    assert live is not None

    async def listed(kind: str) -> set[str]:
        return {body["metadata"]["uid"] for body in it.all(kind)}

    collector = OrphanCollector(it.cluster, it.caches, OUR_KINDS, listed)
    it.cluster.user_delete("NimCache", SYSTEM, "llama")
    collector.owner_deleted(live)
    await collector.collect()
    assert it.find("PersistentVolume", gone, "") is None
    assert it.find("PersistentVolumeClaim", CLAIM) is None
    assert it.find("PersistentVolume", "pvc-1", "") is not None
    assert it.find("PersistentVolumeClaim", "weights", SYSTEM) is not None
