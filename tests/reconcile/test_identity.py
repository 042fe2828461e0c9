"""Who wrote an object: what the status repeats, and which stamps are not believed."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.cluster.lookup import CacheLookup
from outfitter.naming import (
    ANNOTATION_CREATED_BY,
    ANNOTATION_CREATED_UNDER,
    ANNOTATION_RUN_AS,
    ANNOTATION_UPDATED_BY,
    ANNOTATION_UPDATED_UNDER,
)
from outfitter.resolve.identity import BINDING, POLICY, SHOWN, author, identity_facts, needs_identity, owner
from outfitter.snapshot import CachedObject, Reader
from stamps import enforce, remove, unstamped, write
from world import World, asset

EVIL = "evil@example.com"


def forged(generation: int = 1, binding: str = "binding-1") -> dict[str, str]:
    """Stamps that somebody wrote himself, with the uid of a binding that he has seen."""
    return {
        ANNOTATION_CREATED_BY: EVIL,
        ANNOTATION_CREATED_UNDER: binding,
        ANNOTATION_UPDATED_BY: EVIL,
        ANNOTATION_UPDATED_UNDER: f"{binding}/{generation}",
        ANNOTATION_RUN_AS["uid"]: "5",
    }


def compute(cores: int, **meta: Any) -> dict[str, Any]:
    return asset("ComputeResource", "small", {"cpuCoreRequest": cores}, "team-a", **meta)


def authors(world: World) -> tuple[str, str]:
    """createdBy and updatedBy."""
    status = world.status("ComputeResource", "small")
    return status.get("createdBy", ""), status.get("updatedBy", "")


@pytest.fixture
def world() -> World:
    return World()


async def test_the_status_repeats_the_stamps(world: World) -> None:
    """The creator stays; whoever changes the spec is the last author. At rest nothing is written."""
    enforce(world)
    write(world, "ann@example.com", compute(1))
    await world.settle()
    assert authors(world) == ("ann@example.com", "ann@example.com")
    first = world.status("ComputeResource", "small")["updatedAt"]
    world.tick(5)
    await world.settle()
    assert world.status("ComputeResource", "small")["updatedAt"] == first
    write(world, "bob", compute(2))
    await world.settle()
    assert authors(world) == ("ann@example.com", "bob")
    assert world.status("ComputeResource", "small")["updatedAt"] != first
    writes = len(world.cluster.writes)
    await world.restart()
    await world.settle()
    assert len(world.cluster.writes) == writes


async def test_without_the_policy_stamps_are_not_believed(world: World) -> None:
    """Anybody could have written them. When it changed is known all the same."""
    unstamped(world, compute(1, annotations=forged()))
    await world.settle()
    assert authors(world) == ("", "")
    assert world.status("ComputeResource", "small")["updatedAt"]


async def test_an_object_from_before_the_policy_has_no_known_author(world: World) -> None:
    """Its stamps may be forged. The next change of its spec is stamped, its creator stays unknown."""
    unstamped(world, compute(1, annotations=forged()))
    await world.settle()
    enforce(world, "binding-2")
    await world.settle()
    assert authors(world) == ("", "")
    write(world, "ann@example.com", compute(2))
    await world.settle()
    assert authors(world) == ("", "ann@example.com")


async def test_the_policy_is_removed_and_put_back(world: World) -> None:
    """What was written meanwhile has no author; what was known before stays known."""
    enforce(world)
    write(world, "ann@example.com", compute(1))
    await world.settle()
    remove(world)
    await world.settle()
    assert authors(world) == ("ann@example.com", "ann@example.com")
    unstamped(world, compute(2, annotations=forged(2)))
    await world.settle()
    assert authors(world) == ("ann@example.com", "")
    enforce(world, "binding-2")
    await world.settle()
    assert authors(world) == ("ann@example.com", "")
    write(world, "bob", compute(3))
    await world.settle()
    assert authors(world) == ("ann@example.com", "bob")


def alter(world: World, kind: str, annotations: dict[str, str]) -> None:
    """Somebody changes annotations only."""
    name = "small" if kind == "ComputeResource" else "server"
    body = world.get(kind, name, "team-a")
    body["metadata"]["annotations"] = {**body["metadata"].get("annotations", {}), **annotations}
    world.cluster.user_replace(body)


SERVER = {"image": "registry.example.com/server:1", "servingPort": {"container": 8080}}


def known(world: World, kind: str, name: str) -> tuple[str, str]:
    """Author and owner, as fields that need them take them."""
    live = CachedObject.of(world.get(kind, name, "team-a"))
    reader = Reader(CacheLookup(world.caches), world.settings)
    return author(reader, live).name, owner(reader, live)


@pytest.mark.parametrize("generation", [1, 2, 3])
async def test_stamps_planted_before_the_policy_stay_unknown(world: World, generation: int) -> None:
    """Also if the generation that they name comes by a write through scale."""
    unstamped(world, asset("Inference", "server", SERVER, "team-a", annotations=forged(generation)))
    await world.settle()
    enforce(world, "binding-2")
    await world.settle()
    for replicas in (2, 3):
        world.cluster.user_apply(asset("Inference", "server", {"replicas": replicas}, "team-a"), "scaler")
        await world.settle()
        status = world.status("Inference", "server")
        assert (status.get("createdBy"), status.get("updatedBy")) == (None, None)
        assert known(world, "Inference", "server") == ("", "")


@pytest.mark.parametrize("restarted", [True, False])
@pytest.mark.parametrize("seen", [True, False])
async def test_annotations_that_change_while_the_policy_is_away(world: World, seen: bool, restarted: bool) -> None:
    """`seen`: the operator runs meanwhile. What it believed before stays in the status, and no more is believed."""
    enforce(world)
    write(world, "ann@example.com", compute(1))
    await world.settle()
    remove(world)
    alter(world, "ComputeResource", forged(1, "binding-2"))
    if seen:
        await world.settle()
    enforce(world, "binding-3")
    if restarted:
        await world.restart()
    await world.settle()
    assert authors(world) == ("ann@example.com", "ann@example.com")
    assert known(world, "ComputeResource", "small") == ("", "")


@pytest.mark.parametrize("seen", [True, False])
async def test_a_spec_that_changes_while_the_policy_is_away(world: World, seen: bool) -> None:
    """The stamps of the user before are still there: they are about another spec."""
    enforce(world)
    write(world, "ann@example.com", compute(1))
    await world.settle()
    remove(world)
    world.cluster.user_apply(compute(2), "other")
    if seen:
        await world.settle()
    enforce(world, "binding-2")
    await world.settle()
    assert authors(world) == ("ann@example.com", "")
    assert known(world, "ComputeResource", "small") == ("", "ann@example.com")


async def test_a_new_binding_keeps_what_was_known(world: World) -> None:
    """A reinstallation takes no author away, and writes nothing."""
    enforce(world)
    write(world, "ann@example.com", asset("Inference", "server", SERVER, "team-a"))
    await world.settle()
    writes = len(world.cluster.writes)
    remove(world)
    await world.settle()
    enforce(world, "binding-2")
    await world.settle()
    assert len(world.cluster.writes) == writes
    assert known(world, "Inference", "server") == ("ann@example.com", "ann@example.com")


async def test_the_author_of_a_scaled_workload_stays(world: World) -> None:
    """It is the scale alone whose author is not known."""
    enforce(world)
    write(world, "ann@example.com", asset("Inference", "server", SERVER, "team-a"))
    await world.settle()
    for replicas in (2, 3):
        world.cluster.user_apply(asset("Inference", "server", {"replicas": replicas}, "team-a"), "scaler")
        await world.settle()
        assert known(world, "Inference", "server") == ("ann@example.com", "ann@example.com")
        assert "updatedBy" not in world.status("Inference", "server")


@pytest.mark.parametrize("what", ["edited", "older than its policy"])
async def test_a_binding_that_cannot_be_trusted(world: World, what: str) -> None:
    """Its uid is known from other objects, and it did not select all of them the whole time."""
    enforce(world)
    name = world.settings.identity_policy
    if what == "edited":
        body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": BINDING, "metadata": {"name": name}}
        world.cluster.user_apply({**body, "spec": {"matchResources": {}}}, "admin")
    else:
        body = world.get(POLICY, name, "")
        body["metadata"]["creationTimestamp"] = "2999-01-01T00:00:00Z"
        world.cluster.user_replace(body)
    write(world, "ann@example.com", compute(1))
    await world.settle()
    assert authors(world) == ("", "")
    problem = needs_identity(Reader(CacheLookup(world.caches), world.settings), "f")
    assert problem is not None
    assert f"delete {BINDING} {name} and create it again" in problem.message


async def test_the_time_of_a_change_is_never_in_the_future(world: World) -> None:
    """Users can write managedFields."""
    enforce(world)
    write(world, "ann@example.com", compute(1))
    await world.settle()
    write(world, "ann@example.com", compute(2))
    body = world.get("ComputeResource", "small", "team-a")
    fields = [{"manager": "m", "operation": "Update", "time": "2099-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}}]
    live = CachedObject.of({**body, "metadata": {**body["metadata"], "managedFields": fields}})
    reader = Reader(CacheLookup(world.caches), world.settings, now=world.time())
    assert identity_facts(reader, live, live.body)["updatedAt"] == "2026-01-01T00:00:00Z"


async def test_forged_while_neither_policy_nor_operator_was_there(world: World) -> None:
    """The operator sees only the end of it: both stamps fit, and neither is believed."""
    unstamped(world, compute(1))
    await world.settle()
    unstamped(world, compute(2, annotations=forged(2)))
    enforce(world, "binding-2")
    await world.settle()
    assert authors(world) == ("", "")


async def test_a_write_through_scale_has_no_known_author(world: World) -> None:
    """The API server cannot stamp it: neither the user who scaled nor the one before is named."""
    enforce(world)
    spec = {"image": "registry.example.com/server:1", "servingPort": {"containerPort": 8080}}
    write(world, "ann@example.com", asset("Inference", "server", spec, "team-a"))
    await world.settle()
    world.cluster.user_apply(asset("Inference", "server", {"replicas": 2}, "team-a"), "scaler")
    await world.settle()
    status = world.status("Inference", "server")
    assert (status["createdBy"], status.get("updatedBy")) == ("ann@example.com", None)


@pytest.mark.parametrize(
    ("user", "seen"),
    [
        ("josé@例え.jp", "josé@例え.jp"),
        ("a\tb\x1b[2J\u202ec", "a b [2J c"),
        ("system:serviceaccount:argocd:argocd", "system:serviceaccount:argocd:argocd"),
    ],
)
async def test_odd_user_names(world: World, user: str, seen: str) -> None:
    """Control characters and marks of writing direction do not reach a status."""
    enforce(world)
    write(world, user, compute(1))
    await world.settle()
    assert authors(world) == (seen, seen)


async def test_long_user_names_stay_different(world: World) -> None:
    """A status has room for less than the API server accepts."""
    enforce(world)
    seen = set()
    for last in "ab":
        write(world, "x" * 1000 + last, compute(ord(last)))
        await world.settle()
        seen.add(authors(world)[1])
    assert len(seen) == 2
    assert {len(name) for name in seen} == {SHOWN}


async def test_an_asset_says_who_made_its_users(world: World) -> None:
    """One user of several, who can be asked before the asset is changed."""
    enforce(world)
    write(world, "admin", compute(1))
    spec = {"image": "registry.example.com/box:1", "assets": {"compute": {"name": "small"}}}
    write(world, "ann@example.com", asset("Workspace", "lab", spec, "team-a"))
    await world.settle()
    world.tick(20)
    await world.settle()
    (row,) = world.status("ComputeResource", "small")["usedBy"]["workspaces"]
    assert row["createdBy"] == "ann@example.com"


async def test_the_log_names_who_wrote_a_generation(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """One line for each."""
    enforce(world)
    caplog.set_level("INFO", "outfitter.reconcile")
    write(world, "ann@example.com", compute(1))
    await world.settle()
    unstamped(world, compute(2))
    await world.settle()
    lines = [record.getMessage() for record in caplog.records if "generation" in record.getMessage()]
    assert lines == [
        "ComputeResource team-a/small: new object by ann@example.com, generation 1",
        "ComputeResource team-a/small: changed spec, generation 2: spec.cpuCoreRequest",
    ]


async def test_an_event_names_who_changed_the_spec(world: World) -> None:
    """A change that stalls an object."""
    enforce(world)
    write(world, "ann@example.com", asset("Workspace", "lab", {"compute": {"gpuPortionRequest": 0.5}}, "team-a"))
    await world.settle()
    messages = [event["message"] for event in world.cluster.events]
    assert messages
    assert all(text.endswith(" Last change of the spec by ann@example.com.") for text in messages)


async def test_a_stored_object_that_the_models_refuse(world: World) -> None:
    """It names who made it so, not its author before."""
    enforce(world)
    write(world, "ann@example.com", compute(1))
    await world.settle()
    write(world, "bob", asset("ComputeResource", "small", {"cpuCoreRequest": "many"}, "team-a"))
    await world.settle()
    assert authors(world) == ("ann@example.com", "bob")
