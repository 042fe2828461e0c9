"""What an Artifact makes besides what runs: its repository where there is none, and the snapshot of a clone."""

from __future__ import annotations

from typing import Any

from outfitter.api.base import API_VERSION
from outfitter.naming import LABEL_ON_DEMAND, clone_snapshot
from outfitter.render.owner import child_meta
from outfitter.resolve.artifact import ResolvedArtifact


def repository(found: ResolvedArtifact) -> dict[str, Any]:
    """The ArtifactRepository that an artifact needs; nobody owns it, it goes with its last artifact."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ArtifactRepository",
        "metadata": {
            "name": found.repository,
            "namespace": found.resource.live.namespace,
            "labels": {LABEL_ON_DEMAND: "true"},
        },
        "spec": {"type": found.type},
    }


def snapshot(found: ResolvedArtifact) -> dict[str, Any]:
    """What a clone took over, kept: later edits of its source are not followed."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {**child_meta(found.resource), "name": clone_snapshot(found.resource.live.name)},
        "data": dict(found.taken or {}),
        "revision": 1,
    }
