"""A resolved workspace -> pod template; a pinned one -> StatefulSet, Services, Ingresses and claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outfitter.api.base import API_VERSION
from outfitter.api.v1alpha1.workspace import WorkspaceSpec
from outfitter.naming import RESTARTED_AT, STOPPED_REVISION, owner_labels, selector_labels
from outfitter.problems import Problem
from outfitter.render import computeresource, connection, datasource, environment, placement
from outfitter.render.connection import Endpoints
from outfitter.render.pod import Contribution, assemble
from outfitter.resolve.references import label
from outfitter.resolve.volumes import VolumeUse
from outfitter.resolve.workload import Resolved, Subject
from outfitter.settings import Settings
from outfitter.snapshot import Asset


@dataclass(frozen=True)
class Rendered:
    """The pod template of a workspace, where its parts come from, and what is wrong with it."""

    template: dict[str, Any]
    origins: Mapping[str, str]
    problems: tuple[Problem, ...]


def owner_reference(asset: Asset) -> dict[str, Any]:
    """The controller ownerReference to one of our objects; blockOwnerDeletion would need one more right."""
    live = asset.live
    return {"apiVersion": API_VERSION, "kind": live.kind, "name": live.name, "uid": live.uid, "controller": True}


def child_meta(asset: Asset) -> dict[str, Any]:
    """Metadata that every child in the owner's namespace starts from."""
    live = asset.live
    return {
        "namespace": live.namespace,
        "labels": owner_labels(live.kind, live.name, live.uid),
        "ownerReferences": [owner_reference(asset)],
    }


def pod_template(resolved: Resolved, settings: Settings) -> Rendered:
    """What one pod of the workspace is made of: environment, compute, volumes, placement, in this order."""
    subject, spec = resolved.subject, resolved.spec
    live = subject.asset.live
    selector = selector_labels(live.kind, live.name)
    who = label(subject.asset)
    origin = resolved.merged.origins
    problems = []
    ways = connection.endpoints(spec, live.name, live.namespace, settings)
    parts: list[Contribution] = []
    for part, found in (
        environment.contribution(spec, origin.get("image", who), settings),
        computeresource.contribution(spec.compute, _compute_origin(origin, who), settings),
        placement.contribution(spec, who, selector, settings),
    ):
        parts.append(part)
        problems += found
    for use in resolved.volumes:
        volume, found = datasource.contribution(use, settings)
        parts += [volume] if volume else []
        problems += found
    fixed = Contribution(
        who,
        ports=connection.container_ports(ways.inside),
        pull_secrets=resolved.pull_secrets,
        labels=owner_labels(live.kind, live.name, live.uid),
        annotations={RESTARTED_AT: subject.restarted_at} if subject.restarted_at else {},
    )
    assembled = assemble([*parts, fixed])
    return Rendered(assembled.template, assembled.origins, (*problems, *assembled.problems, *ways.problems))


def _compute_origin(origin: Mapping[str, str], default: str) -> str:
    return next((source for path, source in origin.items() if path.startswith("compute.")), default)


def children(
    subject: Subject,
    spec: WorkspaceSpec,
    template: Mapping[str, Any],
    revision: str,
    ways: Endpoints,
    settings: Settings,
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
            "template": template,
        },
    }
    headless = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**meta, "name": live.name},
        "spec": {"clusterIP": "None", "selector": selector, "publishNotReadyAddresses": True},
    }
    return [stateful_set, headless, *connection.manifests(ways.inside, live.name, meta, selector, settings)]


def claims(subject: Subject, volumes: tuple[VolumeUse, ...]) -> list[dict[str, Any]]:
    """The claims that the workspace itself makes: inline ones, and ephemeral ones of data sources.

    An ephemeral claim is owned by its workspace; the others hold user data and are not.
    """
    live = subject.asset.live
    result = []
    for use in volumes:
        if use.member != "pvc" or use.leaf.existing_pvc or use.leaf.claim_info is None:
            continue
        if use.asset is not None and not use.leaf.ephemeral:
            continue  # the DataSource makes it
        labels = owner_labels(live.kind, live.name, live.uid)
        claim = datasource.persistent_volume_claim(
            use.leaf, use.claim, live.namespace, labels, retain=not use.leaf.ephemeral
        )
        if use.leaf.ephemeral:
            claim["metadata"]["ownerReferences"] = [owner_reference(subject.asset)]
        result.append(claim)
    return result
