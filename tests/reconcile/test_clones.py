"""Clones: description and tags come along, and a snapshot of an older version stays valid."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from outfitter.canonical import content_digest
from outfitter.naming import clone_snapshot
from world import TEAM, World, asset, reason

GROUPS = [{"containers": [{"imageUri": "registry.example.com/s:1", "port": 8080}]}]
TAGS = [{"name": "team", "value": "nlp"}, {"name": "stage", "value": "prod"}]
BASE = asset(
    "Artifact",
    "base",
    {"containerGroups": GROUPS, "description": "Scores texts.", "displayName": "Scorer", "tags": TAGS},
)


def clone(name: str = "next", source: str = "base", **spec: Any) -> dict[str, Any]:
    """A clone of an Artifact."""
    return asset("Artifact", name, {"cloneFrom": {"name": source}, **spec})


def described(world: World, name: str = "next") -> tuple[Any, Any, Any]:
    """What the status reports of an artifact: description, tags, and the tags as one text."""
    status = world.status("Artifact", name)
    copied = status.get("copied", {})
    return copied.get("description"), copied.get("tags"), status.get("tagged")


def copy_of(world: World, name: str = "next") -> dict[str, Any]:
    """The fields in the snapshot of a clone."""
    spec: dict[str, Any] = world.get("ControllerRevision", clone_snapshot(name))["data"]["spec"]
    return spec


async def test_a_clone_has_description_and_tags_of_its_source() -> None:
    world = World(BASE, clone())
    await world.settle()
    assert described(world) == ("Scores texts.", TAGS, "stage=prod,team=nlp")
    # Its name is its own.
    assert "displayName" not in copy_of(world)
    # They are copied once, like the rest.
    world.edit("Artifact", "base", description="Another.", tags=[])
    world.cluster.user_delete("Artifact", TEAM, "base")
    await world.settle()
    assert described(world) == ("Scores texts.", TAGS, "stage=prod,team=nlp")


@pytest.mark.parametrize(
    ("own", "shown"),
    [
        ({"description": "Mine."}, (None, TAGS, "stage=prod,team=nlp")),
        ({"tags": [{"name": "team", "value": "cv"}]}, ("Scores texts.", None, "team=cv")),
        ({"tags": [], "description": ""}, (None, None, None)),
    ],
)
async def test_what_the_clone_sets_wins(own: dict[str, Any], shown: tuple[Any, Any, Any]) -> None:
    world = World(BASE, clone(**own))
    await world.settle()
    assert described(world) == shown


async def test_a_clone_of_a_clone_has_what_that_one_shows() -> None:
    world = World(BASE, clone(description="Second."), clone("third", "next"))
    await world.settle()
    assert described(world, "third") == ("Second.", TAGS, "stage=prod,team=nlp")


async def test_a_source_without_them_adds_nothing() -> None:
    world = World(asset("Artifact", "base", {"containerGroups": GROUPS}), clone())
    await world.settle()
    assert described(world) == (None, None, None)
    assert copy_of(world) == {"containerGroups": GROUPS, "repositoryRef": {"name": "base"}}


async def as_of_an_older_version(version: bool) -> World:
    """A clone that runs, with the snapshot and the status that an operator without these fields left."""
    world = World(BASE, clone(locked=version, run={}))
    await world.settle()
    snapshot = world.get("ControllerRevision", clone_snapshot("next"))
    former = deepcopy(snapshot)
    former["data"]["spec"] = {key: value for key, value in copy_of(world).items() if key not in ("description", "tags")}
    for field in ("uid", "resourceVersion", "creationTimestamp"):
        del former["metadata"][field]
    status = world.status("Artifact", "next")
    for field in ("copied", "tagged"):
        del status[field]
    status["clonedFrom"]["digest"] = content_digest(former["data"]["spec"])
    world.cluster.user_delete("ControllerRevision", TEAM, snapshot["metadata"]["name"])
    world.cluster.user_apply(former, "outfitter")
    world.cluster.user_status("Artifact", TEAM, "next", status)
    return world


@pytest.mark.parametrize("version", [False, True])
async def test_the_snapshot_of_an_older_version_stays_valid(version: bool) -> None:
    world = await as_of_an_older_version(version)
    before = world.get("Deployment", "next")["metadata"]["generation"], world.status("Artifact", "next")["revision"]
    await world.settle()
    assert reason(world.status("Artifact", "next")) != "SnapshotLost"
    assert described(world) == (None, None, None)
    # Deleted, it is taken again with the same content.
    world.cluster.user_delete("ControllerRevision", TEAM, clone_snapshot("next"))
    await world.settle()
    assert set(copy_of(world)) == {"containerGroups", "repositoryRef"}
    assert reason(world.status("Artifact", "next")) != "SnapshotLost"
    after = world.get("Deployment", "next")["metadata"]["generation"], world.status("Artifact", "next")["revision"]
    assert after == before


async def test_a_draft_whose_source_changed_copies_everything_anew() -> None:
    world = await as_of_an_older_version(version=False)
    await world.settle()
    world.edit("Artifact", "base", description="New.")
    world.cluster.user_delete("ControllerRevision", TEAM, clone_snapshot("next"))
    await world.settle()
    assert described(world) == ("New.", TAGS, "stage=prod,team=nlp")
