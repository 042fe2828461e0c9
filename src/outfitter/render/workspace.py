"""A pinned workspace -> StatefulSet, Services and Ingresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from outfitter.naming import ANNOTATION_STOPPED_REVISION, selector_labels
from outfitter.render import connection
from outfitter.render.connection import Endpoints
from outfitter.render.owner import child_meta
from outfitter.render.workload import GroupPods
from outfitter.resolve.request import WorkloadRequest
from outfitter.settings import Settings


def children(
    request: WorkloadRequest, groups: Sequence[GroupPods], revision: str, exposure: Endpoints, settings: Settings
) -> list[dict[str, Any]]:
    """Everything of a pinned workspace but the pin and its claims."""
    live = request.resource.live
    meta, selector = child_meta(request.resource), selector_labels(live.kind, live.name)
    annotations = {ANNOTATION_STOPPED_REVISION: revision} if request.stopped else {}
    stateful_set = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {**meta, "name": live.name, "annotations": annotations},
        "spec": {
            "serviceName": live.name,
            "replicas": 0 if request.stopped else 1,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": selector},
            "template": groups[0].template,
        },
    }
    headless = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**meta, "name": live.name},
        "spec": {"clusterIP": "None", "selector": selector, "publishNotReadyAddresses": True},
    }
    return [stateful_set, headless, *connection.manifests(exposure.inside, live.name, meta, selector, settings)]
