"""One pod with a stable name: a StatefulSet, and the Services of its connections and ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from outfitter.backends.base import (
    Backend,
    ControllerState,
    Run,
    annotated,
    combined,
    controller_meta,
    processed,
    total,
)
from outfitter.children import observe
from outfitter.naming import selector_labels
from outfitter.observe import observe_pods
from outfitter.problems import Problem
from outfitter.render import connection
from outfitter.render.activity import is_watched
from outfitter.render.owner import child_meta
from outfitter.snapshot import CachedObject


class StatefulSetBackend:
    """Runs a workload as one pod that keeps its name."""

    controllers: tuple[str, ...] = ("StatefulSet",)
    children: tuple[str, ...] = ("StatefulSet", "Service", "Ingress")

    def render(self, run: Run) -> list[dict[str, Any]]:
        """Return the StatefulSet and its Services."""
        live = run.request.resource.live
        meta, selector = child_meta(run.request.resource), selector_labels(live.kind, live.name)
        stateful_set = {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {**controller_meta(meta, run.pods[0]), "name": live.name, "annotations": annotated(run, {})},
            "spec": {
                "serviceName": live.name,
                "replicas": 0 if run.request.stopped else 1,
                "revisionHistoryLimit": 2,
                "selector": {"matchLabels": selector},
                "template": run.pods[0].template,
            },
        }
        addresses = connection.manifests(run.exposure.inside, live.name, meta, selector, run.settings)
        if is_watched(run.pods[0].template):
            addresses = [_also_unready(item) for item in addresses]
        if not any(item.shared for item in run.exposure.inside):
            addresses.append(_headless(live.name, meta, selector))
        return [stateful_set, *addresses]

    def limits(self, run: Run) -> Iterator[Problem]:
        """Yield nothing: a StatefulSet has no limits beyond those of its pod."""
        yield from ()

    def observe(self, controllers: Sequence[CachedObject], pods: Iterable[CachedObject]) -> ControllerState:
        """Return the state of the StatefulSet; a pod of an old revision that is not ready blocks its rollout."""
        uids = {live.uid for live in controllers}
        own = [pod for pod in pods if pod.controller in uids or not uids]
        return ControllerState(
            combined([observe(live) for live in controllers]),
            observe_pods(own, [revision] if (revision := _update_revision(controllers)) else ()),
            total(controllers, "replicas"),
            total(controllers, "readyReplicas"),
            processed(controllers),
        )

    def progress(self, controllers: Sequence[CachedObject]) -> None:
        """Return None: its pods are kept running."""


def _also_unready(address: dict[str, Any]) -> dict[str, Any]:
    """Return a Service that leads to the pod also while it is not ready: its watcher may be what is not."""
    if address["kind"] != "Service":
        return address
    return {**address, "spec": {**address["spec"], "publishNotReadyAddresses": True}}


def _headless(name: str, meta: Mapping[str, Any], selector: Mapping[str, str]) -> dict[str, Any]:
    """Return the Service that governs a StatefulSet where it has no port: the name of the pod, without an address."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**meta, "name": name},
        "spec": {"clusterIP": "None", "selector": dict(selector), "publishNotReadyAddresses": True},
    }


def _update_revision(controllers: Sequence[CachedObject]) -> str:
    """Return the revision that pods should have, once the controller has seen the newest template; else ""."""
    for live in controllers:
        status = live.body.get("status") or {}
        if status.get("observedGeneration", 0) >= live.generation:
            return str(status.get("updateRevision", ""))
    return ""


BACKEND: Final[Backend] = StatefulSetBackend()
