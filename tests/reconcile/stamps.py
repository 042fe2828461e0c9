"""What the MutatingAdmissionPolicy of the chart does, for the simulator."""

from __future__ import annotations

from typing import Any

from outfitter.naming import (
    ANNOTATION_CREATED_BY,
    ANNOTATION_RUN_AS,
    ANNOTATION_UPDATED_BY,
    ANNOTATION_UPDATED_GENERATION,
)
from world import World

POLICY = "outfitter-identity"
LONG_AGO = "2020-01-01T00:00:00Z"


def enforce(world: World, since: str = LONG_AGO) -> None:
    """The policy and its binding exist."""
    for kind in ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"):
        body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": POLICY}}
        stored = world.cluster.user_apply(body)
        stored["metadata"]["creationTimestamp"] = since
        world.cluster.user_replace(stored)


def remove(world: World) -> None:
    """Somebody deletes them."""
    for kind in ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"):
        world.cluster.user_delete(kind, "", POLICY)


def write(world: World, user: str, body: dict[str, Any], **run_as: str) -> None:
    """A user writes an object, and the API server stamps it."""
    meta = body["metadata"]
    old = world.cluster.find(body["kind"], meta["namespace"], meta["name"])
    stamps = {
        ANNOTATION_CREATED_BY: user
        if old is None
        else old["metadata"].get("annotations", {}).get(ANNOTATION_CREATED_BY, ""),
        ANNOTATION_UPDATED_BY: user,
        ANNOTATION_UPDATED_GENERATION: str(1 if old is None else old["metadata"]["generation"] + 1),
        **{ANNOTATION_RUN_AS[name]: value for name, value in run_as.items()},
    }
    unstamped(world, {**body, "metadata": {**meta, "annotations": {**meta.get("annotations", {}), **stamps}}})


def unstamped(world: World, body: dict[str, Any]) -> None:
    """An object is written, with what its manifest says and no more."""
    world.cluster.user_apply(body)
