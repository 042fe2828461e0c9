"""What the policies of deploy/identity.yaml do: who wrote an object, stamped by the simulated API server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from outfitter.naming import (
    ANNOTATION_AUTHORED_BY,
    ANNOTATION_AUTHORED_UNDER,
    ANNOTATION_CREATED_BY,
    ANNOTATION_CREATED_UNDER,
    ANNOTATION_RUN_AS,
    ANNOTATION_UPDATED_BY,
    ANNOTATION_UPDATED_UNDER,
)
from outfitter.plan.workload.inputs import made_from
from outfitter.resolve.identity import BINDING, POLICY
from outfitter.simulator.cluster import SimulatedCluster

BINDING_UID: Final = "binding-1"


def enforce_stamps(cluster: SimulatedCluster, name: str, uid: str = BINDING_UID) -> None:
    """Create the policy and its binding. `uid`: that of the binding."""
    for kind in (POLICY, BINDING):
        body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}}
        stored = cluster.user_apply(body)
        if kind == BINDING:
            cluster.user_replace({**stored, "metadata": {**stored["metadata"], "uid": uid}})


def stamped(
    user: str,
    body: Mapping[str, Any],
    run_as: Mapping[str, str],
    old: Mapping[str, Any] | None = None,
    binding: str = BINDING_UID,
) -> dict[str, Any]:
    """Return an object as it is stored when a user writes its spec.

    `run_as`: uid, gid and groups of the login. `old`: the object before. `binding`: uid of the binding.
    """
    meta = body["metadata"]
    created = {ANNOTATION_CREATED_BY: user, ANNOTATION_CREATED_UNDER: binding}
    updated = {
        ANNOTATION_UPDATED_BY: user,
        ANNOTATION_UPDATED_UNDER: f"{binding}/{old['metadata']['generation'] + 1 if old else 1}",
    }
    authored = {
        ANNOTATION_AUTHORED_BY: user,
        ANNOTATION_AUTHORED_UNDER: binding,
        **{ANNOTATION_RUN_AS[name]: value for name, value in run_as.items()},
    }
    if old is not None:
        before = old["metadata"].get("annotations") or {}
        created = _stored(before, created)
        if body["spec"] == old["spec"]:
            updated = _stored(before, updated)
        if made_from(body["spec"]) == made_from(old["spec"]):
            authored = _stored(before, (ANNOTATION_AUTHORED_BY, ANNOTATION_AUTHORED_UNDER, *ANNOTATION_RUN_AS.values()))
    stamps = {**created, **updated, **authored}
    return {**body, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), **stamps}}}


def _stored(before: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {name: before[name] for name in names if name in before}
