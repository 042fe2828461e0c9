"""A size that was typed wrong can be taken back; nothing that holds data shrinks or goes."""

from __future__ import annotations

from typing import Any

import pytest

from world import World, asset, condition, issues

GROWING = {"phase": "Bound", "capacity": {"storage": "10Gi"}}


def source(size: str) -> dict[str, Any]:
    return asset("DataSource", "d", {"pvc": {"path": "/data", "claimInfo": {"size": size}}})


def claim(world: World) -> dict[str, Any]:
    return world.all("PersistentVolumeClaim")[0]


def size(world: World) -> str:
    return str(claim(world)["spec"]["resources"]["requests"]["storage"])


async def bound(wanted: str) -> World:
    world = World(source(wanted), pods=True)
    await world.settle()
    return world


async def edit(world: World, wanted: str) -> None:
    world.edit("DataSource", "d", pvc={"path": "/data", "claimInfo": {"size": wanted}})
    await world.settle()


async def test_a_claim_keeps_its_size_and_says_so() -> None:
    world = await bound("10Gi")
    uid = claim(world)["metadata"]["uid"]
    await edit(world, "5Gi")
    assert (size(world), claim(world)["metadata"]["uid"]) == ("10Gi", uid)
    status = world.status("DataSource", "d")
    assert issues(status) == ["SizeKept"]
    assert condition(status, "Ready") == {**(condition(status, "Ready") or {}), "status": "True"}
    await edit(world, "10Gi")
    assert issues(world.status("DataSource", "d")) == []


async def test_a_growth_that_did_not_happen_is_taken_back() -> None:
    """The class cannot provide 1000Gi: the claim still has 10Gi."""
    world = await bound("10Gi")
    world.controllers.binding = False
    await edit(world, "1000Gi")
    body = claim(world)
    world.cluster.user_status("PersistentVolumeClaim", body["metadata"]["namespace"], body["metadata"]["name"], GROWING)
    await edit(world, "20Gi")
    assert size(world) == "20Gi"
    assert claim(world)["metadata"]["uid"] == body["metadata"]["uid"]


async def test_a_growth_by_somebody_else_is_kept() -> None:
    """Although it has not happened yet."""
    world = await bound("10Gi")
    world.controllers.binding = False
    body = claim(world)
    spec = {**body["spec"], "resources": {"requests": {"storage": "1000Gi"}}}
    world.cluster.user_replace({**body, "spec": spec, "status": GROWING})
    await edit(world, "20Gi")
    assert size(world) == "1000Gi"


@pytest.mark.parametrize("wanted", ["1Gi", "50Gi"])
async def test_a_claim_that_was_never_bound_is_created_with_the_new_size(wanted: str) -> None:
    world = World(source("10Gi"), binding=False)
    await world.settle()
    body = claim(world)
    pending = {"phase": "Pending"}
    world.cluster.user_status("PersistentVolumeClaim", body["metadata"]["namespace"], body["metadata"]["name"], pending)
    await edit(world, wanted)
    assert size(world) == wanted
    assert claim(world)["metadata"]["uid"] != body["metadata"]["uid"]
