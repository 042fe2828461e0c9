"""Objects of an Artifact that do not run: its repository and the snapshot of a clone."""

from __future__ import annotations

from typing import Any

from outfitter.api.version import API_VERSION
from outfitter.canonical import without_nulls
from outfitter.naming import LABEL_ON_DEMAND, clone_snapshot
from outfitter.render.owner import child_meta
from outfitter.resolve.artifact import ResolvedArtifact


def repository(found: ResolvedArtifact) -> dict[str, Any]:
    """Return the ArtifactRepository of an artifact. It has no owner and is deleted after its last artifact."""
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
    """Return the snapshot of the source of a clone: later edits of the source have no effect."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {**child_meta(found.resource), "name": clone_snapshot(found.resource.live.name)},
        "data": without_nulls(dict(found.taken or {})),
        "revision": 1,
    }
