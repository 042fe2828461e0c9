"""Deleting an ArtifactRepository: its artifacts go with it, all or none, and never for another reason."""

from __future__ import annotations

from typing import Any

import pytest
from doors import Deadly, Killed

from outfitter.errors import Conflict
from outfitter.reconcile.act_log import ActLog, Acts
from outfitter.snapshot import Key
from world import TEAM, World, asset, issues

GROUPS = [{"containers": [{"imageUri": "registry.example.com/s:1", "port": 8080}]}]
REPOSITORY = asset("ArtifactRepository", "r", {})


def artifact(name: str, **spec: Any) -> dict[str, Any]:
    """An Artifact of repository r."""
    return asset("Artifact", name, {"containerGroups": GROUPS, "repositoryRef": {"name": "r"}, **spec})


async def settled(*objects: dict[str, Any]) -> World:
    """A world at rest."""
    world = World(*objects)
    await world.settle()
    return world


def names(world: World) -> list[str]:
    """The artifacts that there are."""
    return [item["metadata"]["name"] for item in world.all("Artifact")]


@pytest.mark.parametrize("written_by", ["user", "operator"])
async def test_drafts_go_with_their_repository(written_by: str) -> None:
    given = [REPOSITORY] if written_by == "user" else []
    world = await settled(*given, artifact("a"), artifact("b"), asset("Artifact", "other", {"containerGroups": GROUPS}))
    assert world.status("Artifact", "a")["repositoryUid"] == world.get("ArtifactRepository", "r")["metadata"]["uid"]
    world.cluster.user_delete("ArtifactRepository", TEAM, "r")
    await world.settle()
    assert names(world) == ["other"]
    assert world.find("ArtifactRepository", "r") is None


async def test_a_clone_goes_with_the_repository_of_its_source() -> None:
    world = await settled(REPOSITORY, artifact("a"), asset("Artifact", "next", {"cloneFrom": {"name": "a"}}))
    world.cluster.user_delete("ArtifactRepository", TEAM, "r")
    await world.settle()
    assert names(world) == []
    assert world.all("ControllerRevision") == []


KEEPING = {
    "locked": [artifact("kept", locked=True)],
    "lock-fails": [artifact("kept", locked=True, type="nim")],
    "runs": [artifact("kept", run={})],
    "stopped": [artifact("kept", run={"replicas": 0})],
    "used": [
        artifact("kept"),
        asset("Inference", "i", {"artifact": {"name": "kept"}, "servingPort": {"container": 8080}}),
    ],
}


@pytest.mark.parametrize("first", ["repository", "artifact"])
async def test_one_that_lost_its_last_user_tells_its_repository(first: str) -> None:
    """Whichever is looked at first: the status of the artifact changes only with its own reconciliation."""
    world = await settled(REPOSITORY, *KEEPING["used"])
    world.cluster.user_delete("Inference", TEAM, "i")
    await world.once("Inference", "i")
    if first == "repository":
        await world.once("ArtifactRepository", "r")
        assert world.status("ArtifactRepository", "r")["keptBy"] == ["kept"]
    result = await world.once("Artifact", "kept")
    assert result.also_reconcile == {Key("ArtifactRepository", TEAM, "r")}
    await world.once("ArtifactRepository", "r")
    assert "keptBy" not in world.status("ArtifactRepository", "r")
    assert (await world.once("Artifact", "kept")).also_reconcile == frozenset()


@pytest.mark.parametrize("case", KEEPING)
async def test_one_that_is_locked_or_used_keeps_all(case: str) -> None:
    """The admission policy refuses the deletion. Without it, the repository comes back."""
    world = await settled(REPOSITORY, artifact("draft"), *KEEPING[case])
    world.tick(60)
    await world.settle()
    status = world.status("ArtifactRepository", "r")
    assert status.get("keptBy", []) == ([] if case == "locked" else ["kept"])
    world.cluster.user_delete("ArtifactRepository", TEAM, "r")
    await world.settle()
    assert names(world) == ["draft", "kept"]
    again = world.get("ArtifactRepository", "r")
    assert world.status("Artifact", "draft")["repositoryUid"] == again["metadata"]["uid"]
    assert again["status"]["numArtifacts"] == 2


async def test_what_keeps_a_repository_is_listed_as_long_as_it_does() -> None:
    world = await settled(REPOSITORY, artifact("draft"))

    async def kept(**spec: Any) -> Any:
        world.edit("Artifact", "draft", **spec)
        await world.settle()
        return world.status("ArtifactRepository", "r").get("keptBy")

    assert await kept(run={}) == ["draft"]
    assert await kept(run=None) is None
    world.load([asset("Inference", "i", {"artifact": {"name": "draft"}, "servingPort": {"container": 8080}})])
    await world.settle()
    world.tick(60)
    await world.settle()
    assert await kept() == ["draft"]
    world.cluster.user_delete("Inference", TEAM, "i")
    assert await kept() is None
    assert await kept(locked=True) is None  # a version now, which the repository lists as such
    assert [item["name"] for item in world.status("ArtifactRepository", "r")["versions"]] == ["draft"]


async def test_a_repository_that_exists_again_keeps_its_artifacts() -> None:
    world = await settled(REPOSITORY, artifact("a"))
    former = world.status("Artifact", "a")["repositoryUid"]
    world.cluster.user_delete("ArtifactRepository", TEAM, "r")
    world.cluster.user_apply(REPOSITORY)
    await world.settle()
    assert names(world) == ["a"]
    assert world.status("Artifact", "a")["repositoryUid"] not in (None, former)


async def test_one_that_left_does_not_go() -> None:
    world = await settled(REPOSITORY, artifact("a"), artifact("b"))
    world.edit("Artifact", "a", repositoryRef={"name": "elsewhere"})
    world.cluster.user_delete("ArtifactRepository", TEAM, "r")
    await world.settle()
    assert names(world) == ["a"]
    assert world.find("ArtifactRepository", "elsewhere") is not None


async def test_one_that_never_knew_the_repository_gets_a_new_one() -> None:
    """As after a restore from a backup, which has no status."""
    world = await settled(REPOSITORY, artifact("a"))
    status = {key: value for key, value in world.status("Artifact", "a").items() if key != "repositoryUid"}
    world.cluster.user_delete("ArtifactRepository", TEAM, "r")
    world.cluster.user_status("Artifact", TEAM, "a", status)
    await world.settle()
    assert names(world) == ["a"]
    assert world.find("ArtifactRepository", "r") is not None


async def test_the_removal_of_an_empty_repository_takes_no_new_artifact_along() -> None:
    """The operator removes a repository on demand: an artifact that arrives meanwhile is not part of it."""
    world = await settled(artifact("a"))
    world.cluster.user_delete("Artifact", TEAM, "a")
    await world.once("ArtifactRepository", "r")
    assert world.status("ArtifactRepository", "r")["numArtifacts"] == 0
    world.load([artifact("b")])
    await world.once("Artifact", "b")
    assert "repositoryUid" not in world.status("Artifact", "b")
    # The deletion was on its way already.
    await world.cluster.delete("ArtifactRepository", TEAM, "r", world.get("ArtifactRepository", "r")["metadata"]["uid"])
    await world.settle()
    assert names(world) == ["b"]
    repository = world.get("ArtifactRepository", "r")
    assert world.status("Artifact", "b")["repositoryUid"] == repository["metadata"]["uid"]


async def test_an_artifact_that_comes_to_an_emptied_repository_is_counted() -> None:
    world = await settled(artifact("a"))
    world.cluster.user_delete("Artifact", TEAM, "a")
    await world.once("ArtifactRepository", "r")
    world.load([artifact("b")])
    await world.settle()
    world.tick(5)
    await world.settle()
    repository = world.get("ArtifactRepository", "r")
    assert repository["status"]["numArtifacts"] == 1
    assert world.status("Artifact", "b")["repositoryUid"] == repository["metadata"]["uid"]


async def test_one_that_was_edited_meanwhile_is_looked_at_again() -> None:
    world = await settled(REPOSITORY, artifact("a"))
    world.cluster.user_delete("ArtifactRepository", TEAM, "r")
    planned = world.plan("Artifact", "a")
    world.edit("Artifact", "a", locked=True)
    with pytest.raises(Conflict):
        await world.reconciler._executor.execute(planned, Acts(ActLog(), Key("Artifact", TEAM, "a")))
    await world.settle()
    assert world.status("Artifact", "a")["phase"] == "Locked"


async def test_a_repository_that_the_caches_do_not_show_yet_is_found() -> None:
    world = await settled(REPOSITORY, artifact("a"))
    world.cluster.user_delete("ArtifactRepository", TEAM, "r")
    planned = world.plan("Artifact", "a")
    world.cluster.user_apply(REPOSITORY)
    with pytest.raises(Conflict, match="exists again"):
        await world.reconciler._executor.execute(planned, Acts(ActLog(), Key("Artifact", TEAM, "a")))
    assert names(world) == ["a"]


@pytest.mark.parametrize("answered", [False, True])
async def test_killed_at_every_deletion(answered: bool) -> None:
    for number in (1, 2, 3):
        world = await settled(REPOSITORY, *(artifact(name) for name in "abc"))
        world.connect(Deadly(world.cluster, number, answered=answered))
        world.cluster.user_delete("ArtifactRepository", TEAM, "r")
        with pytest.raises(Killed):
            await world.settle()
        await world.restart()
        await world.settle()
        assert names(world) == []
        assert world.find("ArtifactRepository", "r") is None


async def test_a_definition_at_rest_costs_nothing_more() -> None:
    """The uid comes with the first status, and each object gets one."""
    world = await settled(artifact("a"))
    statuses = [(verb, kind) for verb, kind, _ in world.writes() if verb == "status"]
    assert sorted(statuses) == [("status", "Artifact"), ("status", "ArtifactRepository")]
    assert issues(world.status("Artifact", "a")) == []
