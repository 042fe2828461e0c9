"""Two installations over the same namespaces: one manages an object, the other leaves it alone and reports it once."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from outfitter.errors import ApiError
from outfitter.reconcile.reconciler import Reconciler
from outfitter.settings import Settings
from outfitter.simulator.connection import Connection
from outfitter.snapshot import Key
from world import SYSTEM, Body, World, asset, namespace, secret

IMAGE = "registry.example.com/ml/scorer:1"
OTHER = "other-system"
WORKSPACE = {
    "image": IMAGE,
    "connections": [{"name": "web", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8080}],
}
OBJECTS: dict[str, tuple[Body, ...]] = {
    "Inference": (asset("Inference", "twice", {"image": IMAGE, "servingPort": {"container": 8080}}),),
    "Workspace": (asset("Workspace", "w", WORKSPACE),),
    "Environment": (asset("Environment", "e", {"image": IMAGE, "run": {"compute": {"name": "small"}}}),),
    "DataSource": (asset("DataSource", "d", {"pvc": {"claimInfo": {"size": "1Gi"}, "path": "/data"}}),),
    "Credential": (
        secret("source", {"username": "u", "password": "p"}),
        asset("Credential", "c", {"type": "password", "secretRef": {"name": "source"}}),
    ),
    "NimCache": (asset("NimCache", "n", {"image": "nvcr.io/nim/meta/llama:1"}),),
    "nothing valid": (asset("Workspace", "w", {"image": IMAGE, "assets": {"environment": {"name": "missing"}}}),),
}


class Slow(Connection):
    """Lets the other installation run before each request."""

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def later(*args: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            return await found(*args, **options)

        return later


def reconciler(world: World, **settings: Any) -> Reconciler:
    """Another installation over the same cluster."""
    users, registries = world.dependents.users, world.registries
    return Reconciler(Slow(world.cluster), world.caches, Settings(**settings), users, world.time, registries)


def rivals(world: World, other: str) -> list[Reconciler]:
    place = {"system_namespace": OTHER} if other == "namespace" else {"lease_name": "second"}
    return [
        reconciler(world, domain="one.example.com"),
        reconciler(world, domain="two.example.com", ingress_class="other", **place),
    ]


async def look(who: Reconciler, key: Key) -> None:
    with suppress(ApiError):  # retried
        await who.reconcile(key)


async def minute(world: World, both: list[Reconciler]) -> None:
    """One minute of both installations, at the same time."""
    for _ in range(30):
        keys = world.keys()
        await asyncio.gather(*(look(who, key) for key in keys for who in both))
        world.controllers.run()
        world.tick(2)


def reports(world: World) -> list[Body]:
    return [event for event in world.cluster.events if event["reason"] == "OtherInstallation"]


@pytest.mark.parametrize("other", ["namespace", "lease"])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("name", OBJECTS)
async def test_one_installation_manages_an_object(
    name: str, order: int, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    world = World(*OBJECTS[name], namespace(OTHER, {}), settings={"domain": "one.example.com"})
    both = rivals(world, other)[::order]
    await minute(world, both)
    written = Counter((write.kind, write.name) for write in world.cluster.writes if write.verb != "status")
    assert max(written.values(), default=0) <= 5
    mark = len(world.cluster.writes)
    await minute(world, both)
    assert world.writes(mark) == []
    objects = [live for live in world.resources() if live.kind == OBJECTS[name][-1]["kind"]]
    managers = {live.body["status"]["installation"] for live in objects}
    assert len(managers) == 1
    assert len(reports(world)) == len(world.resources())
    assert all(managers.pop() in event["message"] for event in reports(world))
    assert len([entry for entry in caplog.records if "leaves the object alone" in entry.message]) == 1


async def test_the_manager_goes_on() -> None:
    """It follows edits and repairs drift; the other one does neither."""
    world = World(*OBJECTS["Inference"], namespace(OTHER, {}))
    first, second = rivals(world, "namespace")
    key = Key("Inference", "team-a", "twice")
    for who in (first, second):
        await look(who, key)
    world.edit("Inference", "twice", image=IMAGE + "1")
    mark = len(world.cluster.writes)
    await look(second, key)
    assert world.writes(mark) == []
    await minute(world, [first, second])
    assert world.status("Inference", "twice")["installation"] == f"{SYSTEM}/outfitter"
    (deployment,) = world.all("Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE + "1"


@pytest.mark.parametrize("how", ["setting", "namespace"])
async def test_an_installation_that_is_gone_is_replaced(how: str) -> None:
    world = World(*OBJECTS["Workspace"], namespace(OTHER, {}))
    key = Key("Workspace", "team-a", "w")
    await look(reconciler(world, system_namespace=OTHER, domain="two.example.com"), key)
    before = reconciler(world, domain="one.example.com")
    await look(before, key)
    assert world.status("Workspace", "w")["installation"] == f"{OTHER}/outfitter"
    if how == "setting":
        before = reconciler(world, domain="one.example.com", replaced_installations=f"{OTHER}/outfitter")
    else:
        world.cluster.user_delete("Namespace", "", OTHER)
    await look(before, key)
    assert world.status("Workspace", "w")["installation"] == f"{SYSTEM}/outfitter"


async def test_an_asset_in_an_own_namespace_is_not_left_to_others() -> None:
    world = World(asset("Environment", "e", {"image": IMAGE}, SYSTEM), namespace(OTHER, {}))
    first, second = rivals(world, "namespace")
    key = Key("Environment", SYSTEM, "e")
    for who in (second, first, second):
        await look(who, key)
    assert world.status("Environment", "e", SYSTEM)["installation"] == f"{SYSTEM}/outfitter"


async def test_an_object_of_an_earlier_version_is_marked_at_its_next_edit() -> None:
    world = World(*OBJECTS["Workspace"])
    await world.settle()
    body = world.get("Workspace", "w")
    del body["status"]["installation"]
    world.cluster.user_replace(body)
    await world.restart()
    mark = len(world.cluster.writes)
    await world.settle()
    assert world.writes(mark) == []
    world.edit("Workspace", "w", image=IMAGE + "1")
    await world.settle()
    assert world.status("Workspace", "w")["installation"] == f"{SYSTEM}/outfitter"
