"""Objects that somebody writes while the policies stamp them, and while they do not."""

from __future__ import annotations

from typing import Any

from outfitter.resolve.identity import BINDING, POLICY
from outfitter.simulator import authors
from world import World


def enforce(world: World, uid: str = authors.BINDING_UID) -> None:
    """The policy and its binding exist. `uid`: that of the binding, another one each time that it is created."""
    authors.enforce_stamps(world.cluster, world.settings.identity_policy, uid)


def remove(world: World) -> None:
    """Somebody deletes them."""
    for kind in (POLICY, BINDING):
        world.cluster.user_delete(kind, "", world.settings.identity_policy)


def write(world: World, user: str, body: dict[str, Any], **run_as: str) -> None:
    """A user writes the spec of an object, and the API server stamps it."""
    meta = body["metadata"]
    binding = world.cluster.find(BINDING, "", world.settings.identity_policy)
    assert binding is not None, "the policy is not there"
    old = world.cluster.find(body["kind"], meta["namespace"], meta["name"])
    unstamped(world, authors.stamped(user, body, run_as, old, binding["metadata"]["uid"]))


def created_by(user: str, body: dict[str, Any]) -> dict[str, Any]:
    """A manifest with the stamps that it gets when a user creates it; those that it has stay."""
    given = body["metadata"].get("annotations", {})
    full = authors.stamped(user, body, {})
    return {**full, "metadata": {**full["metadata"], "annotations": {**full["metadata"]["annotations"], **given}}}


def unstamped(world: World, body: dict[str, Any]) -> None:
    """An object is written, with what its manifest says and no more."""
    world.cluster.user_apply(body)
