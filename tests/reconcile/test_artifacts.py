"""Artifacts from draft to version, their repositories and clones: whatever is asked, killed or edited in between."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
from doors import Deadly, Killed, Refusing

from outfitter.api.v1alpha1.artifactrepository import LISTED_VERSIONS
from outfitter.errors import Conflict
from outfitter.naming import LABEL_ON_DEMAND, clone_snapshot
from outfitter.snapshot import Key
from world import TEAM, World, asset, issues, reason

IMAGE = "registry.example.com/s:1"


def artifact(name: str, **spec: Any) -> dict[str, Any]:
    """An Artifact of one container."""
    image = spec.pop("image", IMAGE)
    groups = [{"containers": [{"imageUri": image, "port": 8080}]}]
    return asset("Artifact", name, {"containerGroups": groups, **spec})


def phase(world: World, name: str) -> tuple[str, int | None]:
    """Phase and version of an Artifact."""
    status = world.status("Artifact", name)
    return status["phase"], status.get("version")


def numbers(world: World, name: str) -> dict[str, int]:
    """Artifact -> number, as the repository says."""
    return {item["name"]: item["version"] for item in world.status("ArtifactRepository", name)["versions"]}


async def test_locking_gives_the_next_number_and_restarts_nothing() -> None:
    world = World(artifact("scorer", run={}))
    await world.settle()
    before = world.get("Deployment", "scorer")
    assert phase(world, "scorer") == ("Draft", None)
    world.edit("Artifact", "scorer", locked=True)
    await world.settle()
    assert phase(world, "scorer") == ("Locked", 1)
    assert world.get("Deployment", "scorer")["metadata"]["generation"] == before["metadata"]["generation"]
    assert world.status("Artifact", "scorer")["runPhase"] == "Running"


async def test_a_draft_is_rolled_by_its_own_edits() -> None:
    world = World(artifact("scorer", run={}))
    await world.settle()
    world.edit(
        "Artifact", "scorer", containerGroups=[{"containers": [{"imageUri": "r.example.com/s:2", "port": 8080}]}]
    )
    await world.settle()
    (container,) = world.get("Deployment", "scorer")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "r.example.com/s:2"


async def test_fifty_at_once_get_fifty_numbers() -> None:
    world = World(*(artifact(f"a{n}", locked=True, repositoryRef={"name": "many"}) for n in range(50)))
    await world.settle()
    assert sorted(numbers(world, "many").values()) == list(range(1, 51))
    assert all(phase(world, name) == ("Locked", number) for name, number in numbers(world, "many").items())
    assert world.status("ArtifactRepository", "many")["lastVersionNumber"] == 50


@pytest.mark.parametrize("answered", [False, True])
async def test_killed_at_every_write_of_a_lock(answered: bool) -> None:
    """However far it came: each artifact ends with one number, and no number is there twice."""
    number = 0
    while True:
        number += 1
        world = World(
            artifact("a", locked=True, repositoryRef={"name": "r"}), artifact("b", repositoryRef={"name": "r"})
        )
        world.connect(Deadly(world.cluster, number, answered=answered))
        try:
            await world.settle()
        except Killed:
            await world.restart()
            world.edit("Artifact", "b", locked=True)
            await world.settle()
            assert sorted(numbers(world, "r").values()) == [1, 2]
            assert {phase(world, name)[1] for name in ("a", "b")} == {1, 2}
        else:
            break
    assert number > 4


async def test_two_operators_cannot_give_one_number_twice() -> None:
    """The one that is behind is told so by the server."""
    world = World(artifact("a", locked=True, repositoryRef={"name": "r"}))
    await world.settle()
    stale = world.caches["ArtifactRepository"].get(TEAM, "r")
    assert stale is not None
    world.cluster.user_apply(artifact("b", locked=True, repositoryRef={"name": "r"}))
    await world.settle()
    with pytest.raises(Conflict):
        await world.cluster.write_status("ArtifactRepository", TEAM, "r", stale.uid, {}, stale.resource_version)
    assert numbers(world, "r") == {"a": 1, "b": 2}


async def test_a_lost_race_is_looked_at_again() -> None:
    world = World(artifact("a", repositoryRef={"name": "r"}))
    await world.settle()
    world.connect(
        Refusing(world.cluster, "status", Conflict("changed", status=409), times=1, kind="ArtifactRepository")
    )
    world.edit("Artifact", "a", locked=True)
    await world.settle()
    assert phase(world, "a") == ("Locked", 1)


async def test_numbers_are_not_reused_after_a_delete() -> None:
    world = World(*(artifact(name, locked=True, repositoryRef={"name": "r"}) for name in ("a", "b")))
    await world.settle()
    assert numbers(world, "r") == {"a": 1, "b": 2}
    world.cluster.user_delete("Artifact", TEAM, "b")
    world.cluster.user_apply(artifact("c", locked=True, repositoryRef={"name": "r"}))
    await world.settle()
    assert numbers(world, "r") == {"a": 1, "c": 3}
    world.cluster.user_apply(artifact("d", locked=True, version=2, repositoryRef={"name": "r"}))
    await world.settle()
    assert phase(world, "d") == ("LockFailed", None)
    assert issues(world.status("Artifact", "d")) == ["VersionTaken"]


async def test_numbers_that_left_the_list_are_not_given_again_either() -> None:
    """The list of deleted versions has an end; what fell out of it stays spent."""
    world = World(artifact("a", locked=True, version=5000, repositoryRef={"name": "r"}))
    await world.settle()
    status = world.status("ArtifactRepository", "r")
    full = {**status, "retiredVersions": list(range(100, 100 + LISTED_VERSIONS))}
    world.cluster.user_status("ArtifactRepository", TEAM, "r", full)
    for name, number in (("b", 99), ("c", 100), ("d", 100 + LISTED_VERSIONS)):
        world.cluster.user_apply(artifact(name, locked=True, version=number, repositoryRef={"name": "r"}))
    await world.settle()
    assert numbers(world, "r") == {"a": 5000, "d": 100 + LISTED_VERSIONS}
    for name in ("b", "c"):
        assert issues(world.status("Artifact", name)) == ["VersionTaken"]


async def test_a_full_repository_is_told_to_whoever_waits() -> None:
    """The artifact says why it gets no number, not only its repository."""
    world = World(artifact("a", locked=True, repositoryRef={"name": "r"}))
    await world.settle()
    first = world.status("ArtifactRepository", "r")["versions"][0]
    full = [first, *({**first, "version": n, "uid": f"u{n}"} for n in range(2, LISTED_VERSIONS + 1))]
    status = world.status("ArtifactRepository", "r")
    world.cluster.user_status("ArtifactRepository", TEAM, "r", {**status, "versions": full})
    world.cluster.user_apply(artifact("b", locked=True, repositoryRef={"name": "r"}))
    await world.once("Artifact", "b")
    assert phase(world, "b") == ("LockFailed", None)
    assert reason(world.status("Artifact", "b")) == "RepositoryFull"
    assert f"ArtifactRepository r holds {LISTED_VERSIONS} versions" in world.status("Artifact", "b")["message"]
    await world.settle()  # the repository finds that there is room: those others do not exist
    assert phase(world, "b") == ("Locked", LISTED_VERSIONS + 1)


async def test_numbers_given_by_gitops_are_honoured_in_any_order() -> None:
    given = {"a": 3, "b": 1, "c": 2}
    world = World(artifact("a", locked=True, version=3, repositoryRef={"name": "r"}))
    await world.settle()
    for name in ("b", "c"):
        world.cluster.user_apply(artifact(name, locked=True, version=given[name], repositoryRef={"name": "r"}))
        await world.settle()
    assert numbers(world, "r") == given


async def test_two_claim_one_version() -> None:
    """The older one gets it; the other is told, and gets another number once it asks for none."""
    world = World(*(artifact(name, locked=True, version=7, repositoryRef={"name": "r"}) for name in ("a", "b")))
    await world.settle()
    assert phase(world, "a") == ("Locked", 7)
    assert phase(world, "b") == ("LockFailed", None)
    assert "Version 7 of ArtifactRepository r belongs to Artifact a" in world.status("Artifact", "b")["message"]
    world.edit("Artifact", "b", version=None)
    await world.settle()
    assert phase(world, "b") == ("Locked", 8)


async def test_a_lost_status_of_the_repository_is_found_again() -> None:
    world = World(*(artifact(name, locked=True, repositoryRef={"name": "r"}) for name in ("a", "b")))
    await world.settle()
    world.cluster.user_status("ArtifactRepository", TEAM, "r", {})
    world.cluster.user_apply(artifact("c", locked=True, repositoryRef={"name": "r"}))
    await world.settle()
    assert numbers(world, "r") == {"a": 1, "b": 2, "c": 3}


async def test_without_an_image_it_cannot_be_locked_but_mended() -> None:
    config = {"imageBuildConfig": {"codeRef": {"git": {"url": "https://git.example.com/a"}}}, "port": 8080}
    world = World(asset("Artifact", "a", {"locked": True, "containerGroups": [{"containers": [config]}]}))
    await world.settle()
    assert phase(world, "a") == ("LockFailed", None)
    assert reason(world.status("Artifact", "a")) == "Unsupported"
    world.edit("Artifact", "a", containerGroups=[{"containers": [{"imageUri": IMAGE, "port": 8080}]}])
    await world.settle()
    assert phase(world, "a") == ("Locked", 1)


async def test_type_must_fit_the_repository() -> None:
    repository = asset("ArtifactRepository", "r", {"type": "nim"})
    world = World(repository, artifact("a", locked=True, repositoryRef={"name": "r"}))
    await world.settle()
    assert phase(world, "a") == ("LockFailed", None)
    assert issues(world.status("Artifact", "a")) == ["TypeMismatch"]
    assert world.status("ArtifactRepository", "r")["versions"] == []


async def test_a_repository_that_was_made_goes_with_its_last_artifact() -> None:
    world = World(artifact("a", repositoryRef={"name": "r"}), artifact("b", repositoryRef={"name": "r"}))
    await world.settle()
    assert LABEL_ON_DEMAND in world.get("ArtifactRepository", "r")["metadata"]["labels"]
    world.cluster.user_delete("Artifact", TEAM, "a")
    await world.settle()
    assert world.find("ArtifactRepository", "r") is not None
    world.cluster.user_delete("Artifact", TEAM, "b")
    await world.settle()
    assert world.find("ArtifactRepository", "r") is None


async def test_a_repository_of_the_user_stays() -> None:
    world = World(asset("ArtifactRepository", "r", {}), artifact("a", repositoryRef={"name": "r"}))
    await world.settle()
    world.cluster.user_delete("Artifact", TEAM, "a")
    world.tick(3600)
    await world.settle()
    assert world.status("ArtifactRepository", "r")["numArtifacts"] == 0


async def test_a_repository_that_is_deleted_by_hand_comes_back_with_its_numbers() -> None:
    world = World(*(artifact(name, locked=True, repositoryRef={"name": "r"}) for name in ("a", "b")))
    await world.settle()
    world.cluster.user_delete("ArtifactRepository", TEAM, "r")
    await world.settle()
    assert numbers(world, "r") == {"a": 1, "b": 2}
    assert world.status("ArtifactRepository", "r")["lastVersionNumber"] == 2


async def test_a_clone_keeps_what_it_took() -> None:
    world = World(artifact("base", locked=True), asset("Artifact", "next", {"cloneFrom": {"name": "base"}, "run": {}}))
    await world.settle()
    assert world.status("Artifact", "next")["repository"] == "base"
    assert world.status("Artifact", "next")["clonedFrom"]["name"] == "base"
    world.cluster.user_delete("Artifact", TEAM, "base")
    world.edit("Artifact", "next", locked=True)
    await world.settle()
    assert phase(world, "next") == ("Locked", 2)
    (container,) = world.get("Deployment", "next")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == IMAGE


@pytest.mark.parametrize("version", [False, True])
async def test_a_forged_snapshot_is_not_believed(version: bool) -> None:
    """Deleted and made again with other content, under its name, labels and owner."""
    clone = asset("Artifact", "next", {"cloneFrom": {"name": "base"}, "locked": version})
    world = World(artifact("base"), clone)
    await world.settle()
    body = world.get("ControllerRevision", clone_snapshot("next"))
    assert len(world.status("Artifact", "next")["clonedFrom"]["digest"]) == 32
    forged = deepcopy(body)
    forged["data"]["spec"]["containerGroups"][0]["containers"][0]["imageUri"] = "registry.example.com/evil:1"
    for field in ("uid", "resourceVersion", "creationTimestamp"):
        del forged["metadata"][field]
    world.cluster.user_delete("ControllerRevision", TEAM, body["metadata"]["name"])
    world.cluster.user_apply(forged)
    world.load([asset("Inference", "i", {"artifact": {"name": "next"}, "servingPort": {"container": 8080}})])
    await world.settle()
    assert reason(world.status("Artifact", "next")) == "SnapshotLost"
    assert world.find("Deployment", "i") is None
    world.cluster.user_delete("ControllerRevision", TEAM, body["metadata"]["name"])
    await world.settle()
    assert world.find("Deployment", "i") is not None
    assert "evil" not in str(world.get("Deployment", "i"))


async def test_a_version_does_not_change_with_what_it_was_cloned_from() -> None:
    """Its snapshot deleted, it takes over again only what it had; what runs keeps to its pin meanwhile."""
    clone = asset("Artifact", "next", {"cloneFrom": {"name": "base"}, "locked": True, "run": {}})
    world = World(artifact("base"), clone)
    await world.settle()
    assert world.status("Artifact", "next")["version"] == 1
    before = world.status("Artifact", "next")["revision"]
    world.cluster.user_delete("ControllerRevision", TEAM, clone_snapshot("next"))
    await world.settle()
    assert world.find("ControllerRevision", clone_snapshot("next")) is not None
    world.edit(
        "Artifact", "base", containerGroups=[{"containers": [{"imageUri": "registry.example.com/s:2", "port": 8080}]}]
    )
    await world.settle()
    world.cluster.user_delete("ControllerRevision", TEAM, clone_snapshot("next"))
    await world.settle()
    status = world.status("Artifact", "next")
    assert issues(status) == ["SnapshotLost"]
    assert (status["version"], status["phase"], status["revision"]) == (1, "Locked", before)
    assert world.find("ControllerRevision", clone_snapshot("next")) is None


async def test_a_clone_waits_for_its_source() -> None:
    world = World(asset("Artifact", "next", {"cloneFrom": {"name": "base"}}))
    await world.settle()
    assert reason(world.status("Artifact", "next")) == "ReferenceNotFound"
    world.cluster.user_apply(artifact("base", image="registry.example.com/s:2"))
    await world.settle()
    assert phase(world, "next") == ("Draft", None)
    assert reason(world.status("Artifact", "next")) == "Draft"


@pytest.mark.parametrize("count", [2, 3, 7])
async def test_clones_of_each_other_end(count: int) -> None:
    """The schema refuses a clone of itself; a longer circle only waits, with one status each."""
    names = "abcdefg"[:count]
    clones = [asset("Artifact", name, {"cloneFrom": {"name": names[number - 1]}}) for number, name in enumerate(names)]
    world = World(*clones, asset("Artifact", "outside", {"cloneFrom": {"name": "a"}}))
    await world.settle()
    for name in (*names, "outside"):
        status = world.status("Artifact", name)
        assert reason(status) == "SourceNotReady"
        assert f"Artifacts {', '.join(names)} clone each other in a circle" in status["message"]
    assert max(Counter(world.writes()).values()) == 1


async def test_a_chain_of_clones_tells_what_is_missing() -> None:
    world = World(*(asset("Artifact", name, {"cloneFrom": {"name": of}}) for name, of in ("ab", "bc", "cd")))
    await world.settle()
    for name in "abc":
        assert "Artifact team-a/d does not exist. Create it" in world.status("Artifact", name)["message"]


async def test_a_locking_artifact_tells_its_repository() -> None:
    """The repository does not look at all artifacts of its namespace: the one concerned wakes it."""
    world = World(artifact("a"), artifact("b"))
    await world.settle()
    world.edit("Artifact", "a", locked=True)
    result = await world.once("Artifact", "a")
    assert result.also_reconcile == {Key("ArtifactRepository", TEAM, "a")}
    repository = await world.once("ArtifactRepository", "a")
    assert not any(dep.kind == "Artifact" and dep.name == "*" for dep in repository.deps)
    again = await world.once("Artifact", "a")
    assert (phase(world, "a"), again.also_reconcile) == (("Locked", 1), frozenset())


async def test_a_repository_made_on_demand_counts_its_artifact_at_once() -> None:
    """Its pass may come before the one that made it has said what it looked at: one status all the same."""
    world = World(artifact("web"))
    result = await world.reconciler.reconcile(Key("Artifact", TEAM, "web"))
    await world.once("ArtifactRepository", "web")
    assert world.status("ArtifactRepository", "web")["usedBy"]["total"] == 1
    world.dependents.record(Key("Artifact", TEAM, "web"), result.deps)
    mark = len(world.cluster.writes)
    await world.settle()
    assert world.writes(mark) == []
