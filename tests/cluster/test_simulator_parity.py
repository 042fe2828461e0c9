"""The simulated and a real API server pass the same tests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from outfitter.errors import AlreadyExists, ApiError, Conflict, NotFound
from outfitter.naming import LABEL_OWNER_UID
from outfitter.simulator.cluster import SimulatedCluster

Simulation = tuple[Any, str]


def config(namespace: str, name: str = "x", data: dict[str, str] | None = None, **meta: Any) -> dict[str, Any]:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace, **meta}}
    return body if data is None else {**body, "data": data}


def environment(namespace: str, image: str = "busybox", **meta: Any) -> dict[str, Any]:
    return {
        "apiVersion": "outfitter.dev/v1alpha1",
        "kind": "Environment",
        "metadata": {"name": "e", "namespace": namespace, **meta},
        "spec": {"image": image},
    }


async def user_creates(cluster: Any, manifest: dict[str, Any]) -> dict[str, Any]:
    if isinstance(cluster, SimulatedCluster):
        return cluster.user_apply(manifest)
    return await cluster.create(manifest)  # type: ignore[no-any-return]


def statefulset(namespace: str, env: list[dict[str, str]], labels: dict[str, str] | None = None) -> dict[str, Any]:
    pod = {"containers": [{"name": "main", "image": "busybox", "env": env}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "s", "namespace": namespace, **({"labels": labels} if labels else {})},
        "spec": {
            "replicas": 0,
            "serviceName": "s",
            "selector": {"matchLabels": {"app": "s"}},
            "template": {"metadata": {"labels": {"app": "s"}}, "spec": pod},
        },
    }


async def test_create_get_and_the_name_that_is_taken(cluster: Simulation) -> None:
    api, namespace = cluster
    assert await api.get("ConfigMap", namespace, "x") is None
    made = await api.create(config(namespace, data={"k": "v"}))
    assert made["metadata"]["uid"]
    assert int(made["metadata"]["resourceVersion"]) > 0
    assert (await api.get("ConfigMap", namespace, "x"))["data"] == {"k": "v"}
    with pytest.raises(AlreadyExists):
        await api.create(config(namespace))


async def test_apply_removes_what_we_no_longer_send_also_after_a_post(cluster: Simulation) -> None:
    api, namespace = cluster
    uid = (await api.create(config(namespace, data={"a": "1", "b": "2"}, labels={"l": "1", "m": "2"})))["metadata"][
        "uid"
    ]
    changed = await api.apply(config(namespace, data={"a": "1"}, labels={"l": "1"}), uid)
    assert changed["data"] == {"a": "1"}
    assert changed["metadata"]["labels"] == {"l": "1"}
    changed = await api.apply(config(namespace, data={"c": "3"}, labels={"l": "1"}), uid)
    assert changed["data"] == {"c": "3"}


async def test_apply_of_the_same_changes_no_version(cluster: Simulation) -> None:
    api, namespace = cluster
    made = await api.create(config(namespace, data={"a": "1"}))
    first = await api.apply(config(namespace, data={"a": "1"}), made["metadata"]["uid"])
    second = await api.apply(config(namespace, data={"a": "1"}), made["metadata"]["uid"])
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


async def test_entries_of_lists_merge_by_key(cluster: Simulation) -> None:
    api, namespace = cluster
    one, two, three = ({"name": name, "value": name} for name in ("ONE", "TWO", "THREE"))
    uid = (await api.create(statefulset(namespace, [one, two])))["metadata"]["uid"]
    changed = await api.apply(statefulset(namespace, [one, three]), uid)
    assert changed["spec"]["template"]["spec"]["containers"][0]["env"] == [one, three]
    assert changed["metadata"]["generation"] == 2
    changed = await api.apply(statefulset(namespace, [one, three], {"team": "a"}), uid)
    assert changed["metadata"]["generation"] == 2, "labels are no new generation"


async def test_apply_to_another_object_is_a_conflict_and_to_none_is_not_found(cluster: Simulation) -> None:
    api, namespace = cluster
    with pytest.raises(NotFound):
        await api.apply(config(namespace), "some-uid")
    await api.create(config(namespace, data={"a": "1"}))
    with pytest.raises(Conflict):
        await api.apply(config(namespace, data={"a": "2"}), "some-uid")
    assert (await api.get("ConfigMap", namespace, "x"))["data"] == {"a": "1"}


def effective(namespace: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "outfitter.dev/v1alpha1",
        "kind": "EffectivePolicy",
        "metadata": {"name": "workspace", "namespace": namespace, "labels": {"l": "1"}, "annotations": {"a": "1"}},
        "spec": {"workloadType": "workspace", **spec},
    }


async def test_replace_leaves_nothing_of_others_in_the_spec(cluster: Simulation) -> None:
    api, namespace = cluster
    with pytest.raises(NotFound):
        await api.replace(effective(namespace), "some-uid")
    made = await user_creates(api, effective(namespace, defaults={"args": "x"}, rules={"image": {"required": True}}))
    with pytest.raises(Conflict):
        await api.replace(effective(namespace), "some-uid")
    changed = await api.replace(effective(namespace, defaults={"command": "y"}), made["metadata"]["uid"])
    assert changed["spec"] == {"workloadType": "workspace", "defaults": {"command": "y"}}
    assert changed["metadata"]["generation"] == 2
    again = await api.replace(effective(namespace, defaults={"command": "y"}), made["metadata"]["uid"])
    assert again["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]


async def test_delete_means_that_uid(cluster: Simulation) -> None:
    api, namespace = cluster
    await api.delete("ConfigMap", namespace, "x", "some-uid")
    uid = (await api.create(config(namespace)))["metadata"]["uid"]
    await api.delete("ConfigMap", namespace, "x", "some-uid")
    assert await api.get("ConfigMap", namespace, "x") is not None
    await api.delete("ConfigMap", namespace, "x", uid)
    assert await api.get("ConfigMap", namespace, "x") is None


async def test_status_is_apart_from_spec(cluster: Simulation) -> None:
    api, namespace = cluster
    made = await user_creates(api, environment(namespace))
    uid = made["metadata"]["uid"]
    assert made["metadata"]["generation"] == 1
    first = {"syncStatus": "Creating", "message": "soon"}
    stored = await api.write_status("Environment", namespace, "e", uid, first)
    assert stored["status"] == first
    assert stored["metadata"]["generation"] == 1
    assert stored["spec"]["image"] == "busybox"
    again = await api.write_status("Environment", namespace, "e", uid, first)
    assert again["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]
    replaced = await api.write_status("Environment", namespace, "e", uid, {"syncStatus": "Failed"})
    assert replaced["status"] == {"syncStatus": "Failed"}, "replaced, not merged"


async def test_status_of_another_object_is_a_conflict(cluster: Simulation) -> None:
    api, namespace = cluster
    with pytest.raises(NotFound):
        await api.write_status("Environment", namespace, "e", "some-uid", {})
    await user_creates(api, environment(namespace))
    with pytest.raises(Conflict):
        await api.write_status("Environment", namespace, "e", "some-uid", {"syncStatus": "Failed"})


async def test_list_by_label_and_namespace(cluster: Simulation) -> None:
    api, namespace = cluster
    for name, labels in (("x", {"a": "1"}), ("y", {"a": "2"}), ("z", {"b": "1"})):
        await api.create(config(namespace, name, labels=labels))

    async def names(selector: str) -> list[str]:
        found = await api.list("ConfigMap", namespace, label_selector=selector)
        assert all(item["kind"] == "ConfigMap" for item in found)
        return sorted(item["metadata"]["name"] for item in found if item["metadata"]["name"] in "xyz")

    assert await names("") == ["x", "y", "z"]
    assert await names("a") == ["x", "y"]
    assert await names("a=1") == ["x"]
    assert await names("a!=1,a") == ["y"]
    assert await names("!a") == ["z"]


async def test_the_owner_s_deletion_takes_its_children_along(cluster: Simulation) -> None:
    api, namespace = cluster
    owner = await api.create(config(namespace, "owner"))
    uid = owner["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "controller": True}
    await api.create(config(namespace, "child", ownerReferences=[reference]))
    await api.create(config(namespace, "free", labels={LABEL_OWNER_UID: uid}))
    await api.delete("ConfigMap", namespace, "owner", uid)
    async with asyncio.timeout(30):
        while await api.get("ConfigMap", namespace, "child") is not None:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)
    assert await api.get("ConfigMap", namespace, "free") is not None


async def test_orphan_leaves_the_children(cluster: Simulation) -> None:
    api, namespace = cluster
    uid = (await api.create(config(namespace, "owner")))["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "controller": True}
    await api.create(config(namespace, "child", ownerReferences=[reference]))
    await api.delete("ConfigMap", namespace, "owner", uid, orphan=True)
    async with asyncio.timeout(30):
        while await api.get("ConfigMap", namespace, "owner") is not None:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)
    child = await api.get("ConfigMap", namespace, "child")
    assert "ownerReferences" not in child["metadata"]


async def test_finalizers_hold_an_object(cluster: Simulation) -> None:
    api, namespace = cluster
    made = await api.create(config(namespace, finalizers=["outfitter.dev/test"]))
    uid = made["metadata"]["uid"]
    await api.delete("ConfigMap", namespace, "x", uid)
    assert "deletionTimestamp" in (await api.get("ConfigMap", namespace, "x"))["metadata"]
    await api.apply(config(namespace), uid)
    assert await api.get("ConfigMap", namespace, "x") is None


async def test_secrets_take_plain_text(cluster: Simulation) -> None:
    api, namespace = cluster
    manifest = {**config(namespace), "kind": "Secret", "stringData": {"k": "hunter2"}}
    made = await api.create(manifest)
    assert made["data"] == {"k": "aHVudGVyMg=="}
    assert "stringData" not in made
    assert made["type"] == "Opaque"


async def test_a_namespaced_object_needs_a_namespace(cluster: Simulation) -> None:
    api, _ = cluster
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    with pytest.raises(ApiError):
        await api.create(manifest)


async def test_nothing_written_is_shared_with_the_caller(cluster: Simulation) -> None:
    api, namespace = cluster
    manifest = config(namespace, data={"a": "1"})
    made = await api.create(manifest)
    manifest["data"]["a"] = "changed"
    made["data"]["a"] = "changed"
    assert (await api.get("ConfigMap", namespace, "x"))["data"] == {"a": "1"}
