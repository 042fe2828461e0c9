"""What the policies of deploy/identity.yaml do: who wrote an object, stamped by the simulated API server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outfitter.naming import (
    ANNOTATION_CREATED_BY,
    ANNOTATION_RUN_AS,
    ANNOTATION_UPDATED_BY,
    ANNOTATION_UPDATED_GENERATION,
)
from outfitter.resolve.identity import BINDING, POLICY
from outfitter.simulator.cluster import SimulatedCluster

LONG_AGO: Final = "2020-01-01T00:00:00Z"


def enforce_stamps(cluster: SimulatedCluster, name: str, since: str = LONG_AGO) -> None:
    """Create the policy and its binding. `since`: when, RFC 3339."""
    for kind in (POLICY, BINDING):
        body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}}
        stored = cluster.user_apply(body)
        cluster.user_replace({**stored, "metadata": {**stored["metadata"], "creationTimestamp": since}})


def stamped(cluster: SimulatedCluster, user: str, body: Mapping[str, Any], run_as: Mapping[str, str]) -> dict[str, Any]:
    """Return an object as it is stored when a user writes its spec. `run_as`: uid, gid and groups of the login."""
    meta = body["metadata"]
    old = cluster.find(body["kind"], meta["namespace"], meta["name"])
    before = (old["metadata"].get("annotations") or {}) if old else {}
    stamps = {
        ANNOTATION_CREATED_BY: before.get(ANNOTATION_CREATED_BY, "") if old else user,
        ANNOTATION_UPDATED_BY: user,
        ANNOTATION_UPDATED_GENERATION: str(old["metadata"]["generation"] + 1 if old else 1),
        **{ANNOTATION_RUN_AS[name]: value for name, value in run_as.items()},
    }
    return {**body, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), **stamps}}}
