"""Equal pods behind one address: a Deployment, Service, autoscaler and disruption budget per container group."""

from __future__ import annotations

import re
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
from outfitter.naming import ANNOTATION_SCALED, group_labels, group_workload
from outfitter.observe import observe_pods
from outfitter.problems import Problem
from outfitter.render import connection, scaling, serving
from outfitter.render.owner import child_meta
from outfitter.render.podset import PodSet
from outfitter.snapshot import CachedObject

_NEWEST: Final = re.compile(r'[Rr]eplica ?[Ss]et "([^"]+)"')


class DeploymentBackend:
    """Runs a workload that answers requests. The first group is the main one, which has the workload's address."""

    controllers: tuple[str, ...] = ("Deployment",)
    children: tuple[str, ...] = ("Deployment", "Service", "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget")

    def render(self, run: Run) -> list[dict[str, Any]]:
        """Return the objects of every container group, and the addresses of the first."""
        live = run.request.resource.live
        meta = child_meta(run.request.resource)
        result: list[dict[str, Any]] = []
        for number, group in enumerate(run.pods):
            result += _group(run, group, meta, first=number == 0)
        host = serving.public_host(run.request, run.spec, run.settings)
        if host and run.pods[0].port is not None:
            result.append(serving.ingress(live.name, run.pods[0], host, meta, run.spec, run.settings))
        return result

    def limits(self, run: Run) -> Iterator[Problem]:
        """Yield what scaling and serving ask for and cannot have."""
        field = "spec.run" if run.request.own_definition else "spec"
        for group in run.pods:
            yield from scaling.limits(run.request, group, field)
        yield from scaling.ignored_replicas(run.request, run.pods, field)
        yield from serving.limits(run.request, run.pods, run.exposure, run.spec, run.settings)

    def observe(self, controllers: Sequence[CachedObject], pods: Iterable[CachedObject]) -> ControllerState:
        """Return the state of all Deployments. Their pods belong to ReplicaSets, which are not watched."""
        return ControllerState(
            combined([observe(live) for live in controllers]),
            observe_pods(pods, _replica_sets(controllers)),
            total(controllers, "replicas"),
            total(controllers, "readyReplicas"),
            processed(controllers),
        )

    def progress(self, controllers: Sequence[CachedObject]) -> None:
        """Return None: its pods are kept running."""


def _replica_sets(controllers: Iterable[CachedObject]) -> frozenset[str]:
    """Return the names of the newest ReplicaSets, which only a message of each Deployment has."""
    conditions = (item for live in controllers for item in (live.body.get("status") or {}).get("conditions") or ())
    found = (_NEWEST.search(item.get("message", "")) for item in conditions if item["type"] == "Progressing")
    return frozenset(match[1] for match in found if match)


def _group(run: Run, group: PodSet, meta: Mapping[str, Any], *, first: bool) -> Iterator[dict[str, Any]]:
    """Yield the objects of one group. Its address follows its name; what selects or scales its pods has the key."""
    live, request = run.request.resource.live, run.request
    name = group_workload(live.name, group.key, first=first)
    selector = group_labels(live.kind, live.name, group.key)
    inside = run.exposure.inside if first else ()
    autoscaling = scaling.effective(request, group.name)
    yield _deployment(run, group, name, selector, meta, scaled=autoscaling is not None)
    address = group_workload(live.name, group.name, first=first)
    port = serving.service_port(group, run.spec)
    yield from connection.manifests(inside, address, meta, selector, run.settings, port)
    if request.stopped:
        return
    if autoscaling is not None:
        yield scaling.autoscaler(name, meta, autoscaling)
    if autoscaling is not None or scaling.replicas(request, group.name) > 1:
        yield {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {**meta, "name": name},
            "spec": {
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",  # pods that never become ready must not block a drain
                "selector": {"matchLabels": dict(selector)},
            },
        }


def _deployment(
    run: Run, group: PodSet, name: str, selector: Mapping[str, str], meta: Mapping[str, Any], *, scaled: bool
) -> dict[str, Any]:
    """Return the Deployment of a group; an autoscaler owns `replicas`, so the field is absent then."""
    scaled = scaled and not run.request.stopped
    annotations = annotated(run, {ANNOTATION_SCALED: "true"} if scaled else {})
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**controller_meta(meta, group), "name": name, "annotations": annotations},
        "spec": {
            "replicas": None if scaled else scaling.replicas(run.request, group.name),
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": group.deadline,
            "strategy": {"type": "Recreate"} if group.recreate else rolling,
            "selector": {"matchLabels": dict(selector)},
            "template": group.template,
        },
    }


BACKEND: Final[Backend] = DeploymentBackend()
