"""Data volumes and shared claims on a real API server, whose controllers bind claims and protect them while mounted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from outfitter.naming import data_source_claim, shared_volume

from .conftest import Stack
from .harness.client import Object, eventually, message, ready, stalls
from .harness.process import Operator
from .harness.rights import SYSTEM
from .harness.sharing import CLASS, DRIVER, storage
from .harness.space import Space

SETS = {"dataSources": [{"name": "sets"}]}


def origin(stack: Stack, space: Space, mode: str = "ReadWriteMany", driver: str = DRIVER) -> str:
    """A claim of the project with its volume. Returns the name of the volume."""
    name = f"csi-{space.name}"
    storage(stack.api, driver, "data", f"vol-{space.name}", space.name, name, storageClassName="", accessModes=[mode])
    claim(space, name, mode)
    return name


def claim(space: Space, volume: str, mode: str = "ReadWriteMany") -> None:
    spec = {
        "accessModes": [mode],
        "storageClassName": "",
        "volumeName": volume,
        "resources": {"requests": {"storage": "150Gi"}},
    }
    space.native("PersistentVolumeClaim", "data", spec=spec)


def offer(space: Space, *projects: Space, **fields: Any) -> Object:
    """A data volume that other projects may use."""
    scopes = [{"type": "project", "name": each.name} for each in projects]
    volume = {"originPvcName": "data", "mountPath": "/sets", "sharedScopes": scopes, **fields}
    return space.make("DataSource", "sets", {"dataVolume": volume})


def elsewhere(stack: Stack, source: Object, space: Space) -> tuple[str, Object | None]:
    """The claim in another namespace, and its volume."""
    uid = source["metadata"]["uid"]
    volume = stack.api.get("PersistentVolume", "", shared_volume(uid, space.name))
    read_only = "dataVolume" in source["spec"]
    return data_source_claim(source["metadata"]["name"], uid, read_only=read_only), volume


def phase(name: str) -> Callable[[Object], bool]:
    return lambda item: item["status"].get("phase") == name


def removed(stack: Stack, *names: str) -> None:
    for name in names:
        stack.api.delete("PersistentVolume", "", name)
        stack.api.gone("PersistentVolume", "", name)


def test_a_project_shares_its_data_and_takes_it_back(
    stack: Stack, operator: Operator, spaces: Callable[..., Space]
) -> None:
    owner, one, two = spaces(), spaces(), spaces()
    pv = origin(stack, owner)
    source = offer(owner, one)
    one.running("box", assets=SETS)
    owner.running("box", assets=SETS)
    name, volume = elsewhere(stack, source, one)
    assert (one.claims(), owner.claims()) == ([name], ["data"])
    assert volume is not None
    assert volume["spec"]["csi"]["volumeHandle"] == f"vol-{owner.name}"
    assert volume["spec"]["csi"]["readOnly"] is True
    assert one.template()["containers"][0]["volumeMounts"][0]["readOnly"] is True
    seen = owner.wait("DataSource", "sets", lambda item: item["status"]["targets"] == {"desired": 1, "synced": 1})
    assert (seen["status"]["phase"], seen["status"]["volumeName"]) == ("Ready", pv)
    assert seen["status"]["sharedClaimName"] == name
    # Another project gets nothing, not even an object.
    two.make("Workspace", "box", {"image": "i", "assets": SETS})
    assert "does not exist" in message(two.wait("Workspace", "box", lambda item: item["status"].get("message")))
    assert elsewhere(stack, source, two)[1] is None
    # A second pass, and a new process, write nothing.
    operator.quiet()
    since = stack.mark()
    owner.touch("DataSource", "sets", "1")
    operator.stop()
    operator.start()
    operator.quiet()
    ours = {owner.name, one.name, two.name, ""}
    assert [(entry.verb, entry.uri) for entry in stack.writes(since) if entry.namespace in ours] == []
    # Shared no more: the claim is deleted, and the API server keeps it for the pod alone.
    spec = {"originPvcName": "data", "mountPath": "/sets", "sharedScopes": [{"type": "project", "name": two.name}]}
    owner.spec("DataSource", "sets", dataVolume=spec)
    two.ready("Workspace", "box", 60)
    kept = owner.wait("DataSource", "sets", lambda item: "still mount" in str(item["status"].get("issues")), 60)
    assert ready(kept)
    one.wait("PersistentVolumeClaim", name, lambda item: "deletionTimestamp" in item["metadata"], 60)
    one.spec("Workspace", "box", suspend=True)
    one.gone("PersistentVolumeClaim", name, 60)
    stack.api.gone("PersistentVolume", "", shared_volume(source["metadata"]["uid"], one.name), 60)
    one.spec("Workspace", "box", suspend=False)
    said = one.wait("Workspace", "box", lambda item: "does not exist" in message(item), 60)
    assert said["status"]["phase"] in ("Stopped", "Pending", "Creating")
    assert one.get("PersistentVolumeClaim", name) is None
    # The data volume goes: what it made goes with the last pod, and the claim of the user stays.
    two.delete("Workspace", "box")
    owner.delete("Workspace", "box")
    owner.delete("DataSource", "sets")
    two.gone("PersistentVolumeClaim", name, 60)
    stack.api.gone("PersistentVolume", "", shared_volume(source["metadata"]["uid"], two.name), 60)
    assert owner.need("PersistentVolumeClaim", "data")["status"]["phase"] == "Bound"
    owner.delete("PersistentVolumeClaim", "data")
    owner.gone("PersistentVolumeClaim", "data", 60)
    removed(stack, pv)


def test_an_origin_that_is_deleted_and_comes_back_elsewhere(stack: Stack, spaces: Callable[..., Space]) -> None:
    owner, one, two = spaces(), spaces(), spaces()
    pv = origin(stack, owner)
    source = offer(owner, one, two)
    for space in (one, two):
        space.running("box", assets=SETS)
    owner.delete("PersistentVolumeClaim", "data")
    lost = owner.wait("DataSource", "sets", stalls("LostPhase"), 60)
    assert (lost["status"]["phase"], lost["status"]["volumeName"]) == ("NotReady", pv)
    assert ready(one.need("Workspace", "box"))
    # It comes back with other storage: whoever mounts the old one keeps it until the pod is gone.
    two.spec("Workspace", "box", suspend=True)
    two.wait("StatefulSet", "box", lambda item: not item["status"].get("replicas"), 60)
    moved = f"{pv}-moved"
    storage(stack.api, DRIVER, "data", "vol-moved", owner.name, moved, storageClassName="")
    claim(owner, moved)
    owner.wait("DataSource", "sets", phase("Ready"), 60)

    def handle(space: Space) -> str:
        volume = elsewhere(stack, source, space)[1]
        return str(volume["spec"]["csi"]["volumeHandle"]) if volume else ""

    eventually(lambda: handle(two), lambda seen: seen == "vol-moved", 60)
    assert handle(one) == f"vol-{owner.name}"
    assert "former volume" in str(owner.need("DataSource", "sets")["status"]["issues"])
    one.spec("Workspace", "box", suspend=True)
    eventually(lambda: handle(one), lambda seen: seen == "vol-moved", 60)
    for space in (one, two):
        space.spec("Workspace", "box", suspend=False)
        space.ready("Workspace", "box", 60)
        space.delete("Workspace", "box")
    owner.delete("DataSource", "sets")
    for space in (one, two):
        stack.api.gone("PersistentVolume", "", shared_volume(source["metadata"]["uid"], space.name), 60)
    owner.delete("PersistentVolumeClaim", "data")
    owner.gone("PersistentVolumeClaim", "data", 60)
    removed(stack, pv, moved)


def test_a_claim_that_names_the_volume_of_another_project(stack: Stack, spaces: Callable[..., Space]) -> None:
    """The API server keeps it pending; nothing of the volume is told, and nobody mounts it."""
    owner, thief, friend = spaces(), spaces(), spaces()
    pv = origin(stack, owner)
    offer(owner)
    owner.wait("DataSource", "sets", phase("Ready"), 60)
    claim(thief, pv)
    source = offer(thief, friend)
    friend.make("Workspace", "box", {"image": "i", "assets": SETS})
    # The cause that Kubernetes names comes by an Event of the claim, sooner or later.
    said = thief.wait("DataSource", "sets", lambda item: "is not bound" in message(item), 60)
    assert said["status"]["phase"] in ("Creating", "NotReady")
    assert DRIVER not in str(said["status"])
    friend.wait("Workspace", "box", lambda item: "is not bound" in message(item), 60)
    assert elsewhere(stack, source, friend)[1] is None
    # What is shared with a project is not handed on.
    owner.spec("DataSource", "sets", dataVolume={
        "originPvcName": "data", "mountPath": "/sets", "sharedScopes": [{"type": "project", "name": thief.name}]
    })  # fmt: skip
    thief.delete("DataSource", "sets")
    thief.running("mine", assets=SETS)
    name = thief.claims("mine")[0]
    friend.delete("Workspace", "box")
    onwards = {"originPvcName": name, "mountPath": "/sets", "sharedScopes": [{"type": "project", "name": friend.name}]}
    thief.make("DataSource", "loot", {"dataVolume": onwards})
    said = thief.wait("DataSource", "loot", stalls("Unsupported"), 60)
    assert "only its owner can share it" in message(said)
    thief.delete("DataSource", "loot")
    thief.delete("Workspace", "mine")
    thief.gone("PersistentVolumeClaim", name, 60)
    owner.delete("DataSource", "sets")
    owner.delete("PersistentVolumeClaim", "data")
    owner.gone("PersistentVolumeClaim", "data", 60)
    removed(stack, pv)


@pytest.mark.parametrize("driver", ["other.csi.example.com"])
def test_another_driver_is_named(stack: Stack, spaces: Callable[..., Space], driver: str) -> None:
    owner, one = spaces(), spaces()
    pv = origin(stack, owner, driver=driver)
    offer(owner, one)
    one.make("Workspace", "box", {"image": "i", "assets": SETS})
    owner.wait("DataSource", "sets", lambda item: stalls("Unsupported")(item) and driver in message(item), 60)
    one.wait("Workspace", "box", lambda item: driver in message(item), 60)
    owner.running("box", assets=SETS)
    owner.delete("Workspace", "box")
    owner.delete("PersistentVolumeClaim", "data")
    owner.gone("PersistentVolumeClaim", "data", 60)
    removed(stack, pv)


def test_one_claim_for_many_projects(stack: Stack, home: Space, spaces: Callable[..., Space]) -> None:
    """dataSharing: everyone writes into one volume; each namespace has a claim of its own for it."""
    one, two = spaces(), spaces()
    storage(stack.api, DRIVER, "scratch")
    info = {"size": "150Gi", "storageClass": CLASS, "accessModes": {"readWriteMany": True}}
    spec = {"scope": {"type": "cluster"}, "pvc": {"path": "/scratch", "dataSharing": True, "claimInfo": info}}
    source = home.make("DataSource", "scratch", spec)
    try:
        for space in (one, two):
            space.running("box", assets={"dataSources": [{"name": "scratch"}]})
            name, volume = elsewhere(stack, source, space)
            assert space.claims() == [name]
            assert volume is not None
            assert volume["spec"]["accessModes"] == ["ReadWriteMany"]
            assert "readOnly" not in volume["spec"]["csi"]
        seen = home.wait("DataSource", "scratch", lambda item: item["status"]["targets"]["synced"] == 2, 60)
        assert (seen["status"]["claimName"], seen["status"]["phase"]) == ("scratch", "Ready")
        for space in (one, two):
            space.delete("Workspace", "box")
            stack.api.gone("PersistentVolume", "", shared_volume(source["metadata"]["uid"], space.name), 60)
    finally:
        home.delete("DataSource", "scratch")
    home.gone("DataSource", "scratch")
    assert stack.api.need("PersistentVolumeClaim", SYSTEM, "scratch")["status"]["phase"] == "Bound"
    home.delete("PersistentVolumeClaim", "scratch")
    home.gone("PersistentVolumeClaim", "scratch", 60)
