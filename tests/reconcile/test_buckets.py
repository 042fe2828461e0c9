"""s3Backend csi: buckets that a driver mounts, only those that the administrator listed, and without any login."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.operator.orphan_collector import OrphanCollector
from outfitter.settings import Settings
from world import OUR_KINDS, TEAM, Body, World, asset, complete, condition, issues, namespace, reason, secret

DRIVER = "s3.csi.aws.com"
STORE = "https://minio.example.com"
SETTINGS = {"s3_backend": "csi", "s3_driver": DRIVER, "s3_buckets": f"sets, public-*, {STORE}/lake-*"}
OTHER = "team-b"


def workspace(*sources: dict[str, Any], name: str = "w", where: str = TEAM, **spec: Any) -> Body:
    """A Workspace with inline buckets; `/data` is the path of the first one."""
    given = sources or ({"bucket": "sets"},)
    s3 = [{"path": f"/data{number or ''}", **source} for number, source in enumerate(given)]
    return asset("Workspace", name, {"image": "registry.example.com/u:1", "storage": {"s3": s3}, **spec}, where)


async def settled(*objects: Body, settings: dict[str, Any] | None = None, **options: Any) -> World:
    world = World(*objects, settings=SETTINGS if settings is None else settings, **options)
    await world.settle()
    return world


def pod(world: World, name: str = "w", where: str = TEAM) -> Body:
    found: Body = world.get("StatefulSet", name, where)["spec"]["template"]["spec"]
    return found


def claims(world: World, name: str = "w", where: str = TEAM) -> list[str]:
    """The claims that the pods mount."""
    volumes = [item["persistentVolumeClaim"] for item in pod(world, name, where)["volumes"]
               if "persistentVolumeClaim" in item]  # fmt: skip
    assert all(item["readOnly"] for item in volumes)
    return [item["claimName"] for item in volumes]


def volume_of(world: World, claim: str, where: str = TEAM) -> Body:
    return world.get("PersistentVolume", world.get("PersistentVolumeClaim", claim, where)["spec"]["volumeName"], "")


async def collected(world: World, kind: str, name: str) -> None:
    """Delete an object, and collect what it leaves without an ownerReference."""
    live = world.caches[kind].get(TEAM, name)
    assert live is not None

    async def listed(kind: str) -> set[str]:
        return {body["metadata"]["uid"] for body in world.all(kind)}

    collector = OrphanCollector(world.cluster, world.caches, OUR_KINDS, listed)
    world.cluster.user_delete(kind, TEAM, name)
    collector.owner_deleted(live)
    await collector.collect()
    await world.settle()


async def test_a_listed_bucket_is_mounted_and_not_copied() -> None:
    world = await settled(workspace(security={"runAsUid": 1000, "runAsGid": 2000}))
    assert "initContainers" not in pod(world)
    (name,) = claims(world)
    assert name.startswith("outfitter-ro-w-")
    mounts = [item for item in pod(world)["containers"][0]["volumeMounts"] if item["mountPath"] == "/data"]
    assert [item["readOnly"] for item in mounts] == [True]
    spec = volume_of(world, name)["spec"]
    assert spec["csi"]["driver"] == DRIVER
    assert (spec["csi"]["volumeAttributes"], spec["csi"]["readOnly"]) == ({"bucketName": "sets"}, True)
    assert spec["mountOptions"] == ["read-only", "allow-other", "uid=1000", "gid=2000"]
    assert (spec["accessModes"], spec["persistentVolumeReclaimPolicy"]) == (["ReadOnlyMany"], "Retain")
    assert (spec["claimRef"]["namespace"], spec["claimRef"]["name"]) == (TEAM, name)
    assert reason(world.status("Workspace", "w")) == "Running"
    order = [(verb, kind) for verb, kind, _ in world.writes()]
    assert order.index(("create", "PersistentVolume")) < order.index(("create", "PersistentVolumeClaim"))
    mark = len(world.cluster.writes)
    await world.restart()
    await world.settle()
    assert world.writes(mark) == []


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ({"bucket": "sets", "url": "https://s3.eu-west-1.amazonaws.com"}, ["region eu-west-1"]),
        ({"bucket": "sets", "url": "https://s3.amazonaws.com/"}, []),
        ({"bucket": "public-a.b", "sizeLimit": "1Gi"}, []),
        ({"bucket": "lake-1", "url": STORE}, [f"endpoint-url {STORE}", "force-path-style"]),
        ({"bucket": "lake-1", "url": f"{STORE}/"}, [f"endpoint-url {STORE}", "force-path-style"]),
    ],
)
async def test_the_url_becomes_options_of_the_driver(source: dict[str, Any], options: list[str]) -> None:
    world = await settled(workspace(source))
    (name,) = claims(world)
    assert volume_of(world, name)["spec"]["mountOptions"] == ["read-only", "allow-other", *options]


@pytest.mark.parametrize(
    "source",
    [
        {"bucket": "secrets"},
        {"bucket": "sets2"},
        {"bucket": "other-public-sets"},
        {"bucket": "lake-1"},
        {"bucket": "sets", "url": STORE},
        {"bucket": "sets", "url": "https://evil.example.com"},
        {"bucket": "lake-1", "url": f"{STORE}/lake-1"},
        {"bucket": "lake-1", "url": f"{STORE}.evil.example.com"},
        {"bucket": "lake-1", "url": "http://minio.example.com"},
        {"bucket": "sets", "url": "https://s3.eu-west-1.amazonaws.com.evil.example.com"},
        {"bucket": "sets", "url": "https://s3.evil.example.com/.amazonaws.com"},
        {"bucket": "sets", "url": "http://s3.amazonaws.com"},
    ],
)
async def test_any_other_bucket_is_copied_without_the_identity_of_the_driver(source: dict[str, Any]) -> None:
    world = await settled(workspace(source))
    assert [item["name"].startswith("outfitter-data-") for item in pod(world)["initContainers"]] == [True]
    assert claims(world) == []
    assert world.all("PersistentVolume") == []


async def test_a_bucket_with_a_login_is_copied() -> None:
    login = {"bucket": "sets", "credential": {"name": "keys"}}
    objects = (
        secret("keys", {"AccessKeyId": "i", "SecretKey": "k"}),
        asset("Credential", "keys", {"type": "accessKey", "secretRef": {"name": "keys"}}),
    )
    world = await settled(*objects, workspace(login, {"bucket": "sets"}))
    assert len(pod(world)["initContainers"]) == 1
    assert len(claims(world)) == 1


@pytest.mark.parametrize("settings", [{}, {**SETTINGS, "s3_buckets": ""}, {**SETTINGS, "s3_backend": "init"}])
async def test_nothing_is_mounted_unless_an_administrator_asks_for_it(settings: dict[str, Any]) -> None:
    world = await settled(workspace(), settings=settings)
    assert len(pod(world)["initContainers"]) == 1
    assert world.all("PersistentVolume") == []


async def test_workloads_and_namespaces_have_volumes_of_their_own() -> None:
    shared = asset("DataSource", "sets", {"s3": {"bucket": "sets", "path": "/data"}})
    user = asset("Workspace", "v", {"image": "registry.example.com/u:1", "assets": {"dataSources": [{"name": "sets"}]}})
    world = await settled(namespace(OTHER), shared, user, workspace(), workspace(where=OTHER))
    names = [*claims(world), *claims(world, "v"), *claims(world, where=OTHER)]
    places = [TEAM, TEAM, OTHER]
    volumes = [volume_of(world, name, where) for name, where in zip(names, places, strict=True)]
    assert len({item["spec"]["csi"]["volumeHandle"] for item in volumes}) == len(world.all("PersistentVolume")) == 3
    mark = len(world.cluster.writes)
    await collected(world, "Workspace", "w")
    assert [item["spec"]["claimRef"]["namespace"] for item in world.all("PersistentVolume")] == [TEAM, OTHER]
    assert ("delete", "PersistentVolume", volumes[0]["metadata"]["name"]) in world.writes(mark)


async def test_two_paths_of_one_bucket_have_one_volume() -> None:
    world = await settled(workspace({"bucket": "sets"}, {"bucket": "sets", "path": "/more"}))
    assert len(set(claims(world))) == 1
    assert len(world.all("PersistentVolume")) == 1
    assert reason(world.status("Workspace", "w")) == "Running"


async def test_another_user_of_the_pod_has_other_volumes() -> None:
    world = await settled(workspace(security={"runAsUid": 1000}))
    (old,) = claims(world)
    world.edit("Workspace", "w", security={"runAsUid": 1001})
    await world.settle()
    (new,) = claims(world)
    assert new != old
    assert world.find("PersistentVolumeClaim", old) is None
    assert [item["spec"]["claimRef"]["name"] for item in world.all("PersistentVolume")] == [new]


async def test_the_volume_stays_while_stopped_and_goes_with_the_source() -> None:
    world = await settled(workspace())
    (name,) = claims(world)
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    assert world.find("PersistentVolumeClaim", name) is not None
    world.edit("Workspace", "w", suspend=False, storage=None)
    await world.settle()
    assert world.find("PersistentVolumeClaim", name) is None
    assert world.all("PersistentVolume") == []


async def test_a_training_that_ended_long_ago_has_none() -> None:
    spec = {
        "image": "registry.example.com/u:1",
        "command": "true",
        "storage": {"s3": [{"bucket": "sets", "path": "/data"}]},
        "autoDeletionTimeAfterCompletionSeconds": 60,
    }
    world = await settled(asset("Training", "t", spec))
    assert len(world.all("PersistentVolume")) == 1
    job = world.get("Job", "t")
    time = "2026-01-01T00:00:00Z"
    ended = [{"type": kind, "status": "True"} for kind in ("SuccessCriteriaMet", "Complete")]
    world.cluster.user_replace(
        {**job, "status": {"succeeded": 1, "startTime": time, "completionTime": time, "conditions": ended}}
    )
    await world.settle()
    world.tick(120)
    await world.once("Training", "t")
    await world.settle()
    assert world.all("PersistentVolume") == []
    assert world.all("PersistentVolumeClaim") == []


async def test_a_claim_that_a_user_deletes_comes_back_with_a_new_volume() -> None:
    world = await settled(workspace())
    (name,) = claims(world)
    old = volume_of(world, name)["metadata"]["uid"]
    world.cluster.user_delete("PersistentVolumeClaim", TEAM, name)
    await world.settle()
    volume = volume_of(world, name)
    assert volume["metadata"]["uid"] != old
    assert volume["spec"]["claimRef"]["uid"] == world.get("PersistentVolumeClaim", name)["metadata"]["uid"]
    assert reason(world.status("Workspace", "w")) == "Running"


async def test_a_volume_that_an_administrator_deletes_comes_back() -> None:
    world = await settled(workspace())
    (name,) = claims(world)
    volume = volume_of(world, name)
    held = world.get("PersistentVolumeClaim", name)
    world.cluster.user_delete("PersistentVolume", "", volume["metadata"]["name"])
    world.cluster.user_replace({**held, "status": {"phase": "Lost"}})
    await world.settle()
    assert volume_of(world, name)["metadata"]["uid"] != volume["metadata"]["uid"]
    assert world.get("PersistentVolumeClaim", name)["metadata"]["uid"] != held["metadata"]["uid"]
    assert reason(world.status("Workspace", "w")) == "Running"


async def test_a_volume_that_is_being_deleted_is_replaced_when_no_pod_mounts_it() -> None:
    """A volume that an administrator deletes exists until its claim is gone."""
    world = await settled(workspace(), pod_objects=True)
    (name,) = claims(world)
    volume = volume_of(world, name)["metadata"]
    world.cluster.user_delete("PersistentVolume", "", volume["name"])
    await world.settle()
    world.tick(60)  # a workload that was ready stays so for a while
    await world.settle()
    status = world.status("Workspace", "w")
    assert "Replacing" in issues(status)
    assert "pods still mount it. Suspend the workload" in str(status["issues"])
    assert "deletionTimestamp" not in world.get("PersistentVolumeClaim", name)["metadata"]
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    world.edit("Workspace", "w", suspend=None)
    await world.settle()
    assert volume_of(world, name)["metadata"]["uid"] != volume["uid"]
    assert reason(world.status("Workspace", "w")) == "Running"
    assert issues(world.status("Workspace", "w")) == []


async def test_objects_of_others_are_never_taken_over() -> None:
    world = await settled(workspace())
    (name,) = claims(world)
    volume = volume_of(world, name)
    world = World(settings=SETTINGS)
    theirs = complete(
        {**volume, "metadata": {"name": volume["metadata"]["name"]}, "spec": {"capacity": {"storage": "1Gi"}}}
    )
    world.cluster.user_apply(theirs)
    body = complete({"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": {
        "accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}}})  # fmt: skip
    world.cluster.user_apply(body)
    world.cluster.user_apply(workspace())
    await world.settle()
    status = world.status("Workspace", "w")
    assert issues(status)[0] == "NameTaken"
    assert world.find("StatefulSet", "w") is None
    assert "labels" not in world.get("PersistentVolumeClaim", name)["metadata"]
    assert len(world.all("PersistentVolume")) == 1


async def test_a_bucket_that_is_permitted_no_more_stays_mounted_and_is_not_mounted_again() -> None:
    world = await settled(workspace())
    (name,) = claims(world)
    kept = volume_of(world, name)["metadata"]["uid"]
    mark = len(world.cluster.writes)
    world.settings = Settings(**{**SETTINGS, "s3_buckets": "public-*"})
    await world.restart()
    await world.settle()
    assert world.writes(mark) == []
    assert volume_of(world, name)["metadata"]["uid"] == kept
    world.cluster.user_delete("PersistentVolumeClaim", TEAM, name)
    await world.settle()
    assert world.find("PersistentVolumeClaim", name) is None
    assert world.all("PersistentVolume") == []
    status = world.status("Workspace", "w")
    stalled = condition(status, "Stalled")
    assert stalled is not None
    assert "no longer permits to mount bucket sets" in stalled["message"]
    world.annotate("Workspace", "w", restartedAt="1")
    await world.settle()
    assert len(pod(world)["initContainers"]) == 1
    assert condition(world.status("Workspace", "w"), "Stalled") is None
