"""Objects that somebody writes while the policies stamp them, and while they do not."""

from __future__ import annotations

from typing import Any

from outfitter.resolve.identity import BINDING, POLICY
from outfitter.simulator.authors import LONG_AGO, enforce_stamps, stamped
from world import World


def enforce(world: World, since: str = LONG_AGO) -> None:
    """The policy and its binding exist."""
    enforce_stamps(world.cluster, world.settings.identity_policy, since)


def remove(world: World) -> None:
    """Somebody deletes them."""
    for kind in (POLICY, BINDING):
        world.cluster.user_delete(kind, "", world.settings.identity_policy)


def write(world: World, user: str, body: dict[str, Any], **run_as: str) -> None:
    """A user writes an object, and the API server stamps it."""
    unstamped(world, stamped(world.cluster, user, body, run_as))


def stamped(user: str, body: dict[str, Any]) -> dict[str, Any]:
    """A manifest with the stamps that it gets when a user creates it; those that it has stay."""
    meta = body["metadata"]
    stamps = {ANNOTATION_CREATED_BY: user, ANNOTATION_UPDATED_BY: user, ANNOTATION_UPDATED_GENERATION: "1"}
    return {**body, "metadata": {**meta, "annotations": {**stamps, **meta.get("annotations", {})}}}


def unstamped(world: World, body: dict[str, Any]) -> None:
    """An object is written, with what its manifest says and no more."""
    world.cluster.user_apply(body)
