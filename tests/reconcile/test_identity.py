"""Who wrote an object: what the status repeats, and which stamps are not believed."""

from __future__ import annotations

from typing import Any

import pytest
from stamps import enforce, remove, unstamped, write

from outfitter.naming import ANNOTATION_CREATED_BY, ANNOTATION_UPDATED_BY, ANNOTATION_UPDATED_GENERATION
from outfitter.resolve.identity import SHOWN
from outfitter.simulator.authors import LONG_AGO
from world import World, asset

FORGED = {
    ANNOTATION_CREATED_BY: "evil@example.com",
    ANNOTATION_UPDATED_BY: "evil@example.com",
    ANNOTATION_UPDATED_GENERATION: "1",
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
    unstamped(world, compute(1, annotations=FORGED))
    await world.settle()
    assert authors(world) == ("", "")
    assert world.status("ComputeResource", "small")["updatedAt"]


async def test_an_object_from_before_the_policy_has_no_known_author(world: World) -> None:
    """Its stamps may be forged. The next change of its spec is stamped, its creator stays unknown."""
    unstamped(world, compute(1, annotations=FORGED))
    await world.settle()
    enforce(world, "2999-01-01T00:00:00Z")
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
    forged = {**FORGED, ANNOTATION_UPDATED_GENERATION: "2"}
    unstamped(world, compute(2, annotations=forged))
    await world.settle()
    assert authors(world) == ("ann@example.com", "")
    enforce(world, "2999-01-01T00:00:00Z")
    await world.settle()
    assert authors(world) == ("ann@example.com", "")
    write(world, "bob", compute(3))
    await world.settle()
    assert authors(world) == ("ann@example.com", "bob")


async def test_forged_while_neither_policy_nor_operator_was_there(world: World) -> None:
    """The operator sees only the end of it: both stamps fit, and neither is believed."""
    unstamped(world, compute(1))
    await world.settle()
    unstamped(world, compute(2, annotations={**FORGED, ANNOTATION_UPDATED_GENERATION: "2"}))
    enforce(world, "2999-01-01T00:00:00Z")
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
        "ComputeResource team-a/small: generation 1 by ann@example.com",
        "ComputeResource team-a/small: generation 2",
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
    enforce(world, LONG_AGO)
    write(world, "ann@example.com", compute(1))
    await world.settle()
    write(world, "bob", asset("ComputeResource", "small", {"cpuCoreRequest": "many"}, "team-a"))
    await world.settle()
    assert authors(world) == ("ann@example.com", "bob")
