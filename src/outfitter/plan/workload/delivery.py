"""The Secrets with private Credentials that a workload of their creator gets: children of the workload.

Which ones, its revision says. They follow the rotation of the source in place, and outlive no Credential.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from outfitter.naming import ANNOTATION_SOURCE_VERSION
from outfitter.plan.credential import read_material
from outfitter.plan.diff import prune
from outfitter.plan.replication import keep_copies
from outfitter.plan.workload.observed import ObservedState
from outfitter.plan.workload.revision import Revision, sources_of
from outfitter.plan.writes import Write, WritePhase, in_phase
from outfitter.problems import Problem, waiting
from outfitter.reasons import Reason
from outfitter.render.credential import Material
from outfitter.render.owner import child_meta
from outfitter.render.placement import user_labels
from outfitter.resolve.private import is_private
from outfitter.resolve.references import Source
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scope import covers, scope_problem
from outfitter.snapshot import Reader, Resource


@dataclass(frozen=True)
class Delivery:
    """The writes of the Secrets, and what prevents some."""

    writes: tuple[Write, ...] = ()
    problems: tuple[Problem, ...] = ()


def deliver(
    reader: Reader, request: WorkloadRequest, revision: Revision, observed: ObservedState, *, settled: bool
) -> Delivery:
    """Return the writes of the Secrets that a revision needs.

    `settled`: all pods are of this revision, so that Secrets of older ones are deleted.
    """
    manifests: list[dict[str, Any]] = []
    problems: list[Problem] = []
    kept: list[Mapping[str, Any]] = []
    used = [(source, asset) for source in revision.sources if (asset := _source(reader, request, source)) is not None]
    if reader.references_only:
        return Delivery()
    for source, asset in used:
        material, problem = read_material(reader, asset)
        if material is None or problem is not None:
            kept.append(_place(request, source.secret))
            if reader.get("Secret", request.namespace, source.secret) is None:
                text = f"{asset.key} has no content for this workload. {problem.message if problem else ''}".rstrip()
                problems.append(waiting(Reason.CREDENTIAL_NOT_READY, text))
        else:
            manifests.append(_manifest(reader, request, source, asset, material))
    if not settled:
        kept += _of_older(reader, request, revision, observed)
    writes, blocked = keep_copies(reader, request.resource, manifests)
    gone = prune(reader, request.resource, ("Secret",), [*manifests, *kept])
    return Delivery((*in_phase(WritePhase.EARLY, writes), *gone), (*problems, *blocked))


def _source(reader: Reader, request: WorkloadRequest, source: Source) -> Resource | None:
    """Return the private Credential of a source while it is the one that the revision was made from, and in scope."""
    if not source.secret:
        return None
    asset = reader.resource(source.kind, source.namespace, source.name)
    if asset is None or asset.live.uid != source.uid or not is_private(asset):
        return None
    if scope_problem(asset, reader.settings.system_namespace) is not None:
        return None
    near = source.namespace == request.namespace
    return asset if near or covers(reader, asset, request.namespace) else None


def _of_older(
    reader: Reader, request: WorkloadRequest, revision: Revision, observed: ObservedState
) -> Iterator[Mapping[str, Any]]:
    """Yield the places of the Secrets that pods of older revisions read."""
    for live in observed.revisions:
        sources = sources_of(live) if live.name != revision.name else ()
        yield from (_place(request, source.secret) for source in sources if _source(reader, request, source))


def _place(request: WorkloadRequest, name: str) -> dict[str, Any]:
    return {"kind": "Secret", "metadata": {"namespace": request.namespace, "name": name}}


def _manifest(
    reader: Reader, request: WorkloadRequest, source: Source, asset: Resource, material: Material
) -> dict[str, Any]:
    """Return the Secret, with the labels that the Credential sets for its Secrets."""
    spec: Any = asset.model.spec
    live = reader.get("Secret", asset.live.namespace, spec.secret_ref.name)
    meta = child_meta(request.resource)
    labels = {**user_labels(spec.labels, reader.settings)[0], **meta["labels"]}
    version = {ANNOTATION_SOURCE_VERSION: str(live.resource_version) if live is not None else ""}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {**meta, "name": source.secret, "labels": labels, "annotations": version},
        "type": material.type,
        "data": dict(material.data),
    }
