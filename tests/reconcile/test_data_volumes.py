"""Data volumes: a claim of one project, mounted read-only by the projects that it is shared with."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.naming import data_source_claim, owner_labels, shared_volume
from outfitter.operator.orphan_collector import OrphanCollector
from world import OUR_KINDS, SYSTEM, TEAM, World, asset, complete, condition, issues, namespace, reason

DRIVER = "file.csi.example.com"
ALLOWED = {"static_pv_drivers": DRIVER}
OTHER, THIRD = "team-b", "team-c"
EVERYONE = [{"type": "cluster"}]


def storage(name: str = "pv-data", driver: str = DRIVER, handle: str = "vol-7", **spec: Any) -> dict[str, Any]:
    """A PersistentVolume."""
    fields: dict[str, Any] = {"capacity": {"storage": "300Gi"}, "accessModes": ["ReadWriteMany"], **spec}
    fields |= {"csi": {"driver": driver, "volumeHandle": handle}} if driver else {"nfs": {"server": "s", "path": "/"}}
    return complete({"kind": "PersistentVolume", "metadata": {"name": name}, "spec": fields})


def claim(
    name: str = "data", volume: str = "pv-data", where: str = TEAM, mode: str = "ReadWriteMany"
) -> dict[str, Any]:
    """The claim of a user."""
    spec = {"accessModes": [mode], "volumeName": volume, "resources": {"requests": {"storage": "300Gi"}}}
    meta = {"name": name, "namespace": where}
    return complete({"kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec})


def data_volume(scopes: Any = EVERYONE, name: str = "sets", where: str = TEAM, **fields: Any) -> dict[str, Any]:
    """A data volume of team-a."""
    volume = {"originPvcName": "data", "mountPath": "/sets", "sharedScopes": scopes, **fields}
    return asset("DataSource", name, {"dataVolume": volume}, where)


def user(where: str = OTHER, name: str = "box", **spec: Any) -> dict[str, Any]:
    """A Workspace that mounts it."""
    fields = {"image": "registry.example.com/box:1", "assets": {"dataSources": [{"name": "sets"}]}, **spec}
    return asset("Workspace", name, fields, where)


def world(*more: dict[str, Any], settings: dict[str, Any] = ALLOWED, **options: Any) -> World:
    """The claim of team-a with its volume, and what else is given."""
    return World(storage(), claim(), *more, settings=settings, **options)


def place(it: World, where: str, name: str = "sets") -> tuple[str, str]:
    """The claim and the volume of another namespace."""
    uid = it.get("DataSource", name)["metadata"]["uid"]
    return data_source_claim(name, uid, read_only=True), shared_volume(uid, where)


def mounts(it: World, where: str, name: str = "box") -> dict[str, Any]:
    """The claim that the pod of a Workspace mounts, and its mount."""
    pod = it.get("StatefulSet", name, where)["spec"]["template"]["spec"]
    volume = next(item for item in pod["volumes"] if "persistentVolumeClaim" in item)
    mount = next(item for item in pod["containers"][0]["volumeMounts"] if item["name"] == volume["name"])
    return {**volume["persistentVolumeClaim"], "path": mount["mountPath"], "mountReadOnly": mount.get("readOnly")}


def mounting(name: str, where: str, claim_name: str) -> dict[str, Any]:
    """A running pod, with labels as of a workload, which mounts a claim."""
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": claim_name, "readOnly": True}}
    spec = {"containers": [{"name": "main", "image": "i"}], "volumes": [volume]}
    meta = {"name": name, "namespace": where, "labels": owner_labels("Workspace", "any", "any")}
    return complete({"kind": "Pod", "metadata": meta, "spec": spec, "status": {"phase": "Running"}})


def volumes(it: World) -> list[str]:
    return [item["metadata"]["name"] for item in it.all("PersistentVolume")]


async def test_it_is_mounted_read_only_where_it_is_used() -> None:
    it = world(data_volume(), user(), user(TEAM), namespace(THIRD))
    await it.settle()
    name, volume = place(it, OTHER)
    made = it.get("PersistentVolume", volume, "")["spec"]
    assert made["csi"] == {"driver": DRIVER, "volumeHandle": "vol-7", "readOnly": True}
    assert (made["claimRef"]["namespace"], made["claimRef"]["name"]) == (OTHER, name)
    assert (made["persistentVolumeReclaimPolicy"], made["accessModes"]) == ("Retain", ["ReadOnlyMany"])
    assert mounts(it, OTHER) == {"claimName": name, "readOnly": True, "path": "/sets", "mountReadOnly": True}
    assert mounts(it, TEAM) == {"claimName": "data", "readOnly": True, "path": "/sets", "mountReadOnly": True}
    assert volumes(it) == sorted([volume, "pv-data"])
    assert it.find("PersistentVolumeClaim", name, THIRD) is None
    status = it.status("DataSource", "sets")
    assert (status["phase"], status["claimName"], status["volumeName"]) == ("Ready", "data", "pv-data")
    assert (status["sharedClaimName"], status["targets"]) == (name, {"desired": 1, "synced": 1})
    assert issues(status) == []
    mark = len(it.cluster.writes)
    await it.restart()
    await it.settle()
    assert it.writes(mark) == []


async def test_inline_by_its_id() -> None:
    inline = {"storage": {"dataVolume": [{"id": "sets", "mountPath": "/inline"}]}, "assets": {}}
    it = world(data_volume(), user(**inline))
    await it.settle()
    name, _ = place(it, OTHER)
    assert mounts(it, OTHER) == {"claimName": name, "readOnly": True, "path": "/inline", "mountReadOnly": True}
    assert it.status("DataSource", "sets")["usedBy"]["total"] == 1


async def test_of_the_platform_for_a_department() -> None:
    """A data volume of wide scope in the system namespace, which is no project itself."""
    shared = asset(
        "DataSource",
        "sets",
        {
            "scope": {"type": "department", "name": "research"},
            "dataVolume": {"originPvcName": "data", "mountPath": "/s"},
        },
        SYSTEM,
    )
    labels = {"outfitter.dev/project": "", "outfitter.dev/department": "research"}
    it = World(storage(), claim(where=SYSTEM), shared, namespace(OTHER, labels), user(), user(THIRD), settings=ALLOWED)
    await it.settle()
    assert reason(it.status("Workspace", "box", OTHER)) == "Running"
    assert reason(it.status("Workspace", "box", THIRD)) == "ReferenceNotFound"
    assert len(volumes(it)) == 2


@pytest.mark.parametrize(
    ("scope", "labels", "found"),
    [
        ({"type": "cluster"}, {"outfitter.dev/project": ""}, True),
        ({"type": "cluster"}, {}, False),
        ({"type": "department", "name": "ml"}, {"outfitter.dev/project": "", "outfitter.dev/department": "ml"}, True),
        ({"type": "department", "name": "ml"}, {"outfitter.dev/project": "", "outfitter.dev/department": "hr"}, False),
        ({"type": "department", "name": "ml"}, {"outfitter.dev/department": "ml"}, False),
        ({"type": "project", "name": OTHER}, {"outfitter.dev/project": ""}, True),
        ({"type": "project", "name": THIRD}, {"outfitter.dev/project": ""}, False),
        ({"type": "project", "name": OTHER}, {}, False),
    ],
)
async def test_who_may_use_it(scope: dict[str, str], labels: dict[str, str], found: bool) -> None:
    it = world(namespace(OTHER, labels), data_volume([scope]), user())
    await it.settle()
    status = it.status("Workspace", "box", OTHER)
    assert (reason(status) == "Running") is found
    if not found:
        assert reason(status) == "ReferenceNotFound"
        assert volumes(it) == ["pv-data"]
        assert it.status("DataSource", "sets")["usedBy"]["total"] == 0


async def test_an_own_asset_comes_first_then_one_of_the_platform() -> None:
    own = asset("DataSource", "sets", {"pvc": {"path": "/own", "claimInfo": {"size": "1Gi"}}}, OTHER)
    it = world(data_volume(), own, user())
    await it.settle()
    assert mounts(it, OTHER)["claimName"] == "sets"
    assert it.status("DataSource", "sets")["usedBy"]["total"] == 0


async def test_two_projects_with_one_name_are_refused() -> None:
    """Else a project could take over the users of another one."""
    it = world(data_volume(), data_volume(where=THIRD), claim(where=THIRD, volume="pv-c"), storage("pv-c"), user())
    await it.settle()
    status = it.status("Workspace", "box", OTHER)
    assert reason(status) == "ReferenceInvalid"
    assert f"{TEAM}, {THIRD}" in status["message"]
    it.edit("DataSource", "sets", THIRD, dataVolume={"originPvcName": "data", "mountPath": "/sets"})
    await it.settle()
    assert reason(it.status("Workspace", "box", OTHER)) == "Running"


@pytest.mark.parametrize(
    ("settings", "driver", "word"),
    [
        ({}, DRIVER, "staticPvDrivers"),
        ({"static_pv_drivers": "other.example.com"}, DRIVER, f"CSI driver {DRIVER}"),
        (ALLOWED, "", "does not use a CSI driver"),
        ({**ALLOWED, "watch_namespaces": f"{TEAM},{OTHER}"}, DRIVER, "watchNamespaces"),
    ],
)
async def test_what_cannot_be_shared_says_why(settings: dict[str, Any], driver: str, word: str) -> None:
    it = World(storage(driver=driver), claim(), data_volume(), user(), user(TEAM), settings=settings)
    await it.settle()
    status = it.status("DataSource", "sets")
    stalled = condition(status, "Stalled")
    assert stalled is not None
    assert (stalled["reason"], status["phase"]) == ("Unsupported", "NotReady")
    assert word in stalled["message"]
    assert volumes(it) == ["pv-data"]
    assert word in it.status("Workspace", "box", OTHER)["message"]
    assert reason(it.status("Workspace", "box")) == "Running"  # in its own project it needs no second volume


async def test_a_copy_is_not_made() -> None:
    it = world(data_volume(useOriginalVolume=False), user())
    await it.settle()
    assert issues(it.status("DataSource", "sets")) == ["Unsupported"]
    assert reason(it.status("Workspace", "box", OTHER)) == "Unsupported"
    assert volumes(it) == ["pv-data"]


async def test_claim_and_volume_go_with_the_last_user_of_a_namespace() -> None:
    it = world(data_volume(), user(), user(THIRD))
    await it.settle()
    name, volume = place(it, OTHER)
    it.cluster.user_delete("Workspace", OTHER, "box")
    await it.settle()
    assert it.find("PersistentVolumeClaim", name, OTHER) is None
    assert volume not in volumes(it)
    assert place(it, THIRD)[1] in volumes(it)
    assert it.status("DataSource", "sets")["targets"] == {"desired": 1, "synced": 1}


async def test_a_deleted_data_volume_takes_its_volumes_along_and_nothing_else() -> None:
    it = world(data_volume(), user())
    await it.settle()
    name, volume = place(it, OTHER)
    live = it.caches["DataSource"].get(TEAM, "sets")
    assert live is not None

    async def listed(kind: str) -> set[str]:
        return {body["metadata"]["uid"] for body in it.all(kind)}

    collector = OrphanCollector(it.cluster, it.caches, OUR_KINDS, listed)
    it.cluster.user_delete("DataSource", TEAM, "sets")
    collector.owner_deleted(live)
    await collector.collect()
    assert it.find("PersistentVolumeClaim", name, OTHER) is None
    assert volume not in volumes(it)
    assert it.find("PersistentVolumeClaim", "data") is not None
    assert "pv-data" in volumes(it)


async def test_labels_of_the_user_are_on_the_claims() -> None:
    """Where an admission policy may demand them."""
    body = data_volume()
    body["spec"]["labels"] = [{"name": "example.com/cost", "value": "a"}]
    it = world(body, user())
    await it.settle()
    assert it.get("PersistentVolumeClaim", place(it, OTHER)[0], OTHER)["metadata"]["labels"]["example.com/cost"] == "a"
    body["spec"]["dataVolume"].pop("sharedScopes")
    alone = world(body)
    await alone.settle()
    assert issues(alone.status("DataSource", "sets")) == ["NotEnforced"]


async def test_an_inference_does_not_roll_over_a_claim_of_one_node() -> None:
    spec = {"image": "registry.example.com/box:1", "assets": {"dataSources": [{"name": "sets"}]}}
    served = asset("Inference", "chat", {**spec, "servingPort": {"container": 8000}}, TEAM)
    it = World(storage(), claim(mode="ReadWriteOnce"), data_volume([]), served, settings=ALLOWED)
    await it.settle()
    assert it.get("Deployment", "chat")["spec"]["strategy"]["type"] == "Recreate"


async def test_a_finalizer_of_another_tool_shows_the_phase_deleting() -> None:
    it = world(data_volume())
    await it.settle()
    held = it.get("DataSource", "sets")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    it.cluster.user_replace(held)
    it.cluster.user_delete("DataSource", TEAM, "sets")
    await it.settle()
    assert it.status("DataSource", "sets")["phase"] == "Deleting"


async def test_users_of_other_projects_are_only_named() -> None:
    """The project that shares does not learn who works in the others, or how."""
    it = world(data_volume(), user(), user(TEAM))
    await it.settle()
    rows = {row["namespace"]: row for row in it.status("DataSource", "sets")["usedBy"]["workspaces"]}
    assert rows[OTHER] == {"namespace": OTHER, "name": "box"}
    assert rows[TEAM]["phase"] == "Running"
