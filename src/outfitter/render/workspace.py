"""A pinned workspace -> StatefulSet, Services and Ingresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from outfitter.naming import STOPPED_REVISION, selector_labels
from outfitter.render import connection
from outfitter.render.connection import Endpoints
from outfitter.render.owner import child_meta
from outfitter.render.workload import GroupPods
from outfitter.resolve.request import Subject
from outfitter.settings import Settings


def children(
    subject: Subject, groups: Sequence[GroupPods], revision: str, ways: Endpoints, settings: Settings
) -> list[dict[str, Any]]:
    """Everything of a pinned workspace but the pin and its claims."""
    live = subject.asset.live
    meta, selector = child_meta(subject.asset), selector_labels(live.kind, live.name)
    annotations = {STOPPED_REVISION: revision} if subject.stopped else {}
    stateful_set = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {**meta, "name": live.name, "annotations": annotations},
        "spec": {
            "serviceName": live.name,
            "replicas": 0 if subject.stopped else 1,
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
    return [stateful_set, headless, *connection.manifests(ways.inside, live.name, meta, selector, settings)]
