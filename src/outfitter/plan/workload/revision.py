"""The revision: a ControllerRevision with the inputs of a workload, so that later edits of assets do not change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import orjson

from outfitter import naming
from outfitter.api.v1alpha1 import traits_of
from outfitter.canonical import without_nulls
from outfitter.naming import ANNOTATION_SOURCE_VERSION, credential_secret
from outfitter.plan.workload.inputs import inputs
from outfitter.policy.in_force import selected_policies
from outfitter.problems import Problem
from outfitter.reasons import Level
from outfitter.render.buckets import BucketMount, bucket_mounts
from outfitter.render.claims import claims, short_lived
from outfitter.render.owner import child_meta
from outfitter.render.placement import user_metadata
from outfitter.render.podset import PodSet
from outfitter.render.scheduling import queue_label
from outfitter.render.workload import Rendered
from outfitter.resolve.references import Source
from outfitter.resolve.scheduling import queue_of
from outfitter.resolve.workload import Resolved, Spec
from outfitter.settings import Settings
from outfitter.snapshot import CachedObject, Reader, Resource

HISTORY = 2


@dataclass(frozen=True)
class Revision:
    """One revision of a workload. `inputs` is a digest of the request of the user; the other fields are the result.

    `artifact` says which one it runs, if it is not its own; `short_lived` names the claims that go when it stops.
    """

    name: str
    number: int
    inputs: str
    type: str
    submission: Mapping[str, Any]
    sources: tuple[Source, ...]
    origins: Mapping[str, str]
    notes: tuple[Problem, ...]
    groups: tuple[PodSet, ...]
    claims: tuple[Mapping[str, Any], ...]
    short_lived: tuple[str, ...] = ()
    artifact: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] | None = None
    metadata: Mapping[str, Mapping[str, str]] | None = None
    """Labels and annotations of the user for the children; revisions of 0.1.0 give them to pods only."""
    one_service: bool = False
    """The addresses inside the cluster are ports of one Service; revisions of 0.1.0 have a Service for each."""
    buckets: tuple[BucketMount, ...] = ()
    """The buckets that a CSI driver mounts."""

    @cached_property
    def spec(self) -> Spec:
        """Return the merged submission as a model."""
        return traits_of(self.type).spec.model_validate(self.submission)

    @property
    def restarted_at(self) -> str:
        """Return the restart that it was made for."""
        return str((self.template["metadata"].get("annotations") or {}).get(naming.ANNOTATION_RESTARTED_AT, ""))

    @property
    def template(self) -> Mapping[str, Any]:
        """Return the pod template of the first group."""
        return self.groups[0].template


def same(new: Revision, old: Revision) -> bool:
    """Return whether two revisions have the same content. A version may word notes in another way."""
    first, second = (_content({**_data(each), "notes": (), "artifact": _named(each.artifact)}) for each in (new, old))
    return first == second


def make(resolved: Resolved, rendered: Rendered, number: int, settings: Settings) -> Revision:
    """Return the revision of a rendered workload; its name is a digest of its content."""
    problems = (*resolved.problems, *rendered.problems)
    revision = Revision(
        "",
        number,
        inputs(resolved.request),
        resolved.request.type,
        resolved.merged.fields,
        resolved.sources,
        _origins(resolved, rendered),
        tuple(problem for problem in problems if problem.level is Level.NOTE),
        rendered.groups,
        tuple(claims(resolved, settings)),
        short_lived(resolved),
        _artifact(resolved),
        resolved.facts or None,
        _metadata(resolved, settings),
        one_service=not resolved.request.traits.grouped,
        buckets=bucket_mounts(resolved, settings),
    )
    return replace(revision, name=naming.revision(resolved.request.name, _content(_data(revision))))


def with_groups(revision: Revision, groups: tuple[PodSet, ...]) -> Revision:
    """Return a new revision with other pods, and the name of its content."""
    workload = revision.name.rpartition("-")[0]
    changed = replace(revision, groups=groups)
    return replace(changed, name=naming.revision(workload, _content(_data(changed))))


def _metadata(resolved: Resolved, settings: Settings) -> dict[str, dict[str, str]] | None:
    labels, annotations, _ = user_metadata(resolved.spec, settings)
    given = {"labels": labels, "annotations": annotations}
    return {name: values for name, values in given.items() if values} or None


def _content(data: Mapping[str, Any]) -> bytes:
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


def _origins(resolved: Resolved, rendered: Rendered) -> dict[str, str]:
    """Return the origin of each value of the workload, its first container and its assembled pod."""
    first = resolved.groups[0].containers[0].origins
    pod = {f"pod.{path}": source for path, source in rendered.origins.items()}
    return {**resolved.merged.origins, **first, **pod}


def _artifact(resolved: Resolved) -> dict[str, Any] | None:
    chosen = resolved.artifact
    if chosen is None or resolved.request.own_definition:
        return None
    live = chosen.definition.resource.live
    return {
        "name": live.name,
        "uid": live.uid,
        "repository": chosen.definition.repository,
        "generation": live.generation,
        "locked": chosen.definition.locked,
        **({"version": chosen.version, "digest": chosen.definition.digest} if chosen.version else {}),
    }


def _named(artifact: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return which artifact runs, without the digest of its content, which revisions of 0.1.0 do not have."""
    if artifact is None:
        return None
    return {key: value for key, value in artifact.items() if key not in ("version", "digest")}


def _data(revision: Revision) -> dict[str, Any]:
    stored = {
        "inputs": revision.inputs,
        "type": revision.type,
        "submission": revision.submission,
        "sources": [_stored(source) for source in revision.sources],
        "origins": revision.origins,
        "notes": [
            {"reason": str(item.reason), "message": item.message, "field": item.field} for item in revision.notes
        ],
        "groups": [group.stored() for group in revision.groups],
        "claims": list(revision.claims),
        "shortLived": list(revision.short_lived),
        "artifact": revision.artifact,
        "facts": revision.facts,
        "metadata": revision.metadata,
        "oneService": revision.one_service or None,
        "buckets": [mount.stored() for mount in revision.buckets] or None,
    }
    return {key: without_nulls(value) for key, value in stored.items() if value is not None}


def _stored(source: Source) -> dict[str, Any]:
    """Return a source as a revision holds it; those of earlier versions have no field `secret`."""
    return {key: value for key, value in vars(source).items() if key != "secret" or value}


def manifest(revision: Revision, resource: Resource) -> dict[str, Any]:
    """Return the ControllerRevision of a revision."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {**child_meta(resource), "name": revision.name},
        "data": _data(revision),
        "revision": revision.number,
    }


def trusted(live: CachedObject, workload: str, published: str) -> bool:
    """Return whether a ControllerRevision is ours: the status of the workload names it, and its name fits its content.

    Users can write ControllerRevisions in a namespace, but only the operator writes the status.
    """
    if live.name != published:
        return False
    content = _content(live.body.get("data") or {})
    return live.name in (naming.revision(workload, content), naming.former_revision(workload, content))


def read(live: CachedObject) -> Revision:
    """Read a revision; unknown fields of another version of Outfitter are ignored."""
    body = live.body
    data = body["data"]
    return Revision(
        live.name,
        int(body["revision"]),
        data.get("inputs", ""),
        data.get("type", "workspace"),
        data.get("submission", {}),
        sources_of(live),
        data.get("origins", {}),
        tuple(Problem(item["reason"], item["message"], Level.NOTE, item["field"]) for item in data.get("notes", ())),
        tuple(PodSet.read(group) for group in data["groups"]),
        tuple(data.get("claims", ())),
        tuple(data.get("shortLived") or ()),
        data.get("artifact"),
        data.get("facts"),
        data.get("metadata"),
        bool(data.get("oneService")),
        tuple(BucketMount.read(mount) for mount in data.get("buckets") or ()),
    )


def sources_of(live: CachedObject) -> tuple[Source, ...]:
    """Return the assets that a ControllerRevision was made from."""
    known = Source.__dataclass_fields__
    data = live.body.get("data") or {}
    return tuple(
        Source(**{key: value for key, value in item.items() if key in known}) for item in data.get("sources", ())
    )


def outdated(reader: Reader, revision: Revision, namespace: str) -> list[dict[str, Any]]:
    """Return the assets that are newer than the revision. Reading them makes the workload their user."""
    found: list[dict[str, Any]] = []
    for source in revision.sources:
        entry = {"kind": source.kind, "namespace": source.namespace, "name": source.name}
        live = reader.get(source.kind, source.namespace, source.name)
        if live is None:
            found.append({**entry, "usedGeneration": source.generation, "reason": "Deleted"})
        elif live.uid != source.uid:
            found.append({**entry, "usedGeneration": source.generation, "reason": "Replaced"})
        elif live.generation != source.generation:
            numbers = {"usedGeneration": source.generation, "generation": live.generation}
            found.append({**entry, **numbers, "reason": "Edited"})
        elif source.version and source.version != _content_version(reader, namespace, source):
            found.append({**entry, "reason": "Rotated"})
    return [*found, *_other_queue(reader, revision, namespace), *_new_policies(reader, revision, namespace)]


def _other_queue(reader: Reader, revision: Revision, namespace: str) -> Iterator[dict[str, Any]]:
    """Yield the Namespace if its workloads have another queue now than when the revision was made."""
    queue = queue_label(revision.groups)
    if queue and queue_of(reader, namespace, revision.submission.get("queue") or "") not in ("", queue):
        yield {"kind": "Namespace", "namespace": "", "name": namespace, "reason": "Edited"}


def _new_policies(reader: Reader, revision: Revision, namespace: str) -> Iterator[dict[str, Any]]:
    """Yield the policies of the project that were not there when the revision was made."""
    used = {source.uid for source in revision.sources}
    for policy in selected_policies(reader, namespace, revision.type).policies:
        live = policy.live
        if live.uid not in used:
            entry = {"kind": live.kind, "namespace": live.namespace, "name": live.name}
            yield {**entry, "generation": live.generation, "reason": "Added"}


def _content_version(reader: Reader, namespace: str, source: Source) -> str:
    """Return the version of the content of a Credential; that of the revision where its own Secret is not there yet."""
    secret = reader.get("Secret", namespace, source.secret or credential_secret(source.name))
    if secret is None and source.secret:
        return source.version
    annotations: Mapping[str, str] = (secret.body["metadata"].get("annotations") or {}) if secret else {}
    return annotations.get(ANNOTATION_SOURCE_VERSION, "")
