"""In which order writes go out: nothing runs before its pin, nothing waits without need, a failure holds up little."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from doors import Door, Refusing

from outfitter.cluster.protocol import Cluster
from outfitter.errors import Forbidden, LeadershipLost, Unavailable
from world import TEAM, World, asset, reason

Body = dict[str, Any]

IMAGE = "registry.example.com/s:1"
INSIDE = {"name": "lab", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8888}
OUTSIDE = {"name": "node", "toolType": "custom", "connectionType": "NodePort", "containerPort": 9999}


class Held(Door):
    """Keeps one kind from being made until it is let go; `made` is what was made, in order."""

    def __init__(self, cluster: Cluster, kind: str = "") -> None:
        super().__init__(cluster)
        self.kind = kind
        self.waiting, self.go = asyncio.Event(), asyncio.Event()
        self.made: list[tuple[str, str]] = []

    async def create(self, manifest: Mapping[str, Any]) -> Body:
        """See Cluster.create."""
        if manifest["kind"] == self.kind:
            self.waiting.set()
            await self.go.wait()
        return await super().create(manifest)

    def after(self, verb: str, kind: str, name: str) -> None:
        """Note what was made."""
        if verb == "create":
            self.made.append((kind, name))

    @property
    def kinds(self) -> list[str]:
        """Of what was made."""
        return [kind for kind, _ in self.made]


def _artifact(*, locked: bool = False) -> Body:
    groups = [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]
    return asset("Artifact", "a", {"containerGroups": groups, "run": {}, "locked": locked})


async def _held(world: World, door: Held, kind: str, name: str) -> asyncio.Task[Any]:
    """A pass that has come as far as it can while the door is held."""
    world.connect(door)
    passing = asyncio.create_task(world.once(kind, name))
    async with asyncio.timeout(10):
        await door.waiting.wait()
    await _quiet()
    return passing


async def _quiet() -> None:
    """Until no task of the pass can go on by itself: the simulator answers without waiting for anything."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_only_addresses_inside_of_the_cluster_go_before_the_pin() -> None:
    """What starts pods, or opens a way to them from outside, waits for it."""
    workspace = asset("Workspace", "w", {"image": IMAGE, "connections": [INSIDE, OUTSIDE]})
    world = World(workspace, settings={"domain": "apps.example.com"})
    door = Held(world.cluster, "ControllerRevision")
    passing = await _held(world, door, "Workspace", "w")
    assert sorted(door.made) == [("Service", "w")]
    door.go.set()
    await passing
    assert door.kinds[1] == "ControllerRevision"
    assert sorted(door.kinds[2:]) == ["Ingress", "Service", "StatefulSet"]


async def test_nothing_waits_for_an_address() -> None:
    """Pin and pods are made while the server still looks for one; the status waits for all."""
    world = World(_artifact())
    door = Held(world.cluster, "Service")
    passing = await _held(world, door, "Artifact", "a")
    assert door.kinds == ["ControllerRevision", "Deployment"]
    assert not world.get("Artifact", "a").get("status")
    door.go.set()
    await passing
    assert door.kinds[2:] == ["Service", "ArtifactRepository"]
    await world.settle()
    assert reason(world.status("Artifact", "a")) == "Running"


async def test_a_version_does_not_wait_for_its_pods() -> None:
    """Its repository, which gives it a number, is asked for at once; that of a draft when all else is done."""
    world = World(_artifact(locked=True))
    door = Held(world.cluster, "Deployment")
    passing = await _held(world, door, "Artifact", "a")
    assert "ArtifactRepository" in door.kinds
    door.go.set()
    await passing


@pytest.mark.parametrize("kind", ["Service", "ControllerRevision", "Deployment", "ArtifactRepository"])
async def test_what_is_under_way_is_finished_before_a_pass_fails(kind: str) -> None:
    """An answer that does not come ends the pass, and only then: no write goes on behind the next pass's back."""
    world = World(_artifact())
    door = Refusing(world.cluster, "create", Unavailable("no answer"), times=1, kind=kind)
    world.connect(door)
    with pytest.raises(Unavailable):
        await world.once("Artifact", "a")
    before = len(world.cluster.writes)
    await _quiet()
    assert len(world.cluster.writes) == before
    made = {write.kind for write in world.cluster.writes if write.verb == "create"}
    expected = {
        "Service": {"ControllerRevision", "Deployment", "ArtifactRepository"},
        "ControllerRevision": {"Service", "ArtifactRepository"},
        "Deployment": {"Service", "ControllerRevision", "ArtifactRepository"},
        "ArtifactRepository": {"Service", "ControllerRevision", "Deployment"},
    }
    assert expected[kind] == made - {"Artifact"}
    await world.settle()
    assert reason(world.status("Artifact", "a")) == "Running"


async def test_without_the_lease_nothing_more_is_asked_for() -> None:
    """A closed gate ends a pass at once."""
    world = World(_artifact())
    lost: Any = LeadershipLost("gone")
    door = Refusing(world.cluster, "create", lost, times=1, kind="ControllerRevision")
    world.connect(door)
    with pytest.raises(LeadershipLost):
        await world.once("Artifact", "a")
    assert not world.all("ArtifactRepository")


async def test_of_what_runs_addresses_wait_too() -> None:
    """A new address would show the pods of the pin before on a port that it does not have."""
    world = World(asset("Workspace", "w", {"image": IMAGE}))
    await world.settle()
    world.edit("Workspace", "w", ports=[{"name": "more", "container": 9999}])
    world.connect(Refusing(world.cluster, "create", Forbidden("no", status=403), kind="ControllerRevision"))
    await world.settle()
    assert [body["metadata"]["name"] for body in world.all("Service")] == ["w"]


async def test_a_refused_pin_is_not_what_runs() -> None:
    """The status keeps to the pin that is there, so that what runs can still be stopped."""
    world = World(asset("Workspace", "w", {"image": IMAGE}))
    await world.settle()
    before = world.status("Workspace", "w")["revision"]
    world.edit("Workspace", "w", image="registry.example.com/s:2")
    world.connect(Refusing(world.cluster, "create", Forbidden("no", status=403), kind="ControllerRevision"))
    await world.settle()
    status = world.status("Workspace", "w")
    assert (status["revision"], reason(status)) == (before, "Forbidden")
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    assert world.get("StatefulSet", "w")["spec"]["replicas"] == 0
    assert reason(world.status("Workspace", "w")) == "Stopped"


async def test_what_never_ran_keeps_no_address() -> None:
    """Made while its pin was refused, it goes where the workload is stopped or cannot be pinned any more."""
    world = World(asset("Workspace", "w", {"image": IMAGE}))
    world.connect(Refusing(world.cluster, "create", Forbidden("no", status=403), kind="ControllerRevision"))
    await world.settle()
    assert [body["metadata"]["name"] for body in world.all("Service")] == ["w"]
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    assert not world.all("Service")
    assert reason(world.status("Workspace", "w")) == "Stopped"


async def test_what_a_failed_pass_made_is_remembered() -> None:
    """Its object may be gone when its children are: then the next pass asks before it makes them again."""
    world = World(asset("Workspace", "w", {"image": IMAGE}))
    door = Refusing(world.cluster, "create", Unavailable("no answer"), kind="ControllerRevision")
    world.connect(door)
    with pytest.raises(Unavailable):
        await world.once("Workspace", "w")
    # Both are deleted, and only of the Service the operator has heard.
    live = world.caches["Workspace"].get(TEAM, "w")
    assert live is not None
    for kind in ("Service", "Workspace"):
        world.cluster.user_delete(kind, TEAM, "w")
    world.caches["Workspace"].put(live)
    door.times = 0
    assert (await world.once("Workspace", "w")).outcome == "Gone"
    assert not world.all("Service")
