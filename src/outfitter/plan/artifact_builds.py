"""The builds of an Artifact: those to start, what they say to its lock, and the images in its status."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from outfitter.api.v1alpha1.imagebuild import BuildState, ImageBuild
from outfitter.canonical import stamp
from outfitter.naming import image_build
from outfitter.plan.writes import Create, Delete, WritePhase
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Reason
from outfitter.render.imagebuild import on_demand
from outfitter.resolve.artifact import ResolvedArtifact
from outfitter.resolve.builds import ENDED, BuildSource, newest_build
from outfitter.snapshot import Reader, Resource
from outfitter.status import is_stalled

_KEPT: Final = 10
"""Builds of an Artifact that Outfitter created and that stay after their end. The images stay in any case."""


@dataclass
class ArtifactBuilds:
    """What the builds of an Artifact add to its plan. `waits`: what its lock waits for, "" for nothing.

    `rows`: the containers with a built image, by group; `request`: the buildRequest whose builds exist.
    """

    rows: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    request: int | None = None
    writes: list[Create | Delete] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    waits: str = ""


def artifact_builds(reader: Reader, found: ResolvedArtifact) -> ArtifactBuilds:
    """Return the builds of an Artifact."""
    status = found.resource.body.get("status") or {}
    before = status.get("buildRequest")
    rows = (row for group in status.get("containerGroups") or () for row in group.get("containers") or ())
    if not found.built.sources and not any(rows):
        return ArtifactBuilds(request=before)
    builds = reader.builds(found.resource.live.namespace, found.resource.live.name)
    result = ArtifactBuilds(_rows(found, builds), before)
    if status.get("version") is not None or not reader.settings.builds_images:
        return result  # a version keeps its images
    spec = found.spec.spec
    asked = spec.build_request is not None and spec.build_request != before
    wanted = {
        item.key: image_build(found.resource.live.name, item.key, spec.build_request or 0)
        for item in found.built.sources
    }
    present = {item.live.name: item for item in builds}
    for source in found.built.sources:
        build = present.get(wanted[source.key])
        needed = asked or (spec.locked and source in found.built.missing)
        if needed and not source.buildable:
            text = "The image cannot be built without a source. Set codeRef."
            result.problems.append(stalled(Reason.INVALID_SPEC, text, f"{source.field}.codeRef"))
        elif needed and build is None:
            result.writes.append(Create(stamp(on_demand(found.resource, source, wanted[source.key]))))
            result.waits = result.waits or f"The Artifact waits for ImageBuild {wanted[source.key]}."
        else:
            _judge(result, found, source, build if needed else newest_build(builds, source.key))
    if asked and not result.writes and not result.problems:
        result.request = spec.build_request
    result.writes += _surplus(found, builds, wanted.values())
    return result


def _surplus(found: ResolvedArtifact, builds: Sequence[Resource], wanted: Collection[str]) -> Iterator[Delete]:
    """Yield the deletion of builds that Outfitter created: of old ones, and of those that are not wanted any more.

    `builds`: the newest first.
    """
    made = [item for item in builds if item.live.owner == found.resource.live.uid and not item.live.deleting]
    statuses = {item.live.uid: item.body.get("status") or {} for item in made}
    ended = [item for item in made if "finishedAt" in statuses[item.live.uid]]
    unstarted = [item for item in made if not {"finishedAt", "job"} & statuses[item.live.uid].keys()]
    superseded = [item for item in unstarted if item.live.name not in wanted or not _is_of_a_container(found, item)]
    return (Delete(item.live, phase=WritePhase.CLEANUP) for item in (*ended[_KEPT:], *superseded))


def _is_of_a_container(found: ResolvedArtifact, build: Resource) -> bool:
    """Return whether a build names a container that is built: one with another name has the same source."""
    assert isinstance(build.model, ImageBuild)
    container = build.model.spec.container
    return container is not None and found.built.source((container.group, container.name)) is not None


def _judge(result: ArtifactBuilds, found: ResolvedArtifact, source: BuildSource, build: Resource | None) -> None:
    """Add what a build says: a lock waits for one that runs; one that failed is told."""
    if build is None:
        return
    status = build.body.get("status") or {}
    state = status.get("state", BuildState.PENDING)
    missing = source in found.built.missing
    say = stalled if missing else note
    if state not in ENDED and is_stalled(status):
        text = f"ImageBuild {build.live.name} cannot start. {status.get('message', '')}"
        result.problems.append(say(Reason.BUILD_FAILED, text, source.field))
    elif state not in ENDED:
        why = f" {status['message']}" if status.get("issues") else ""
        result.waits = result.waits or f"The Artifact waits for ImageBuild {build.live.name} ({state}).{why}"
    elif state != BuildState.COMPLETED:
        cause = (status.get("failure") or {}).get("message") or "It was cancelled."
        text = (
            f"ImageBuild {build.live.name} has state {state}: {cause.rstrip('.')}. Correct the cause, and raise "
            "buildRequest to build again."
        )
        result.problems.append(say(Reason.BUILD_FAILED, text, source.field))


def _rows(found: ResolvedArtifact, builds: Sequence[Resource]) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for source in found.built.sources:
        build = newest_build(builds, source.key)
        state = (build.body.get("status") or {}).get("state") if build else None
        used = {"name": build.live.name, "state": state} if build else None
        for group, name in source.places:
            row = {"name": name, "image": found.built.image((group, name)), "source": source.key, "build": used}
            rows.setdefault(group, []).append({key: value for key, value in row.items() if value is not None})
    return rows


def with_rows(facts: Mapping[str, Any], builds: ArtifactBuilds) -> dict[str, Any]:
    """Return facts whose container groups also list the images that were built."""
    if not builds.rows:
        return dict(facts)
    groups = [*_merged(facts.get("containerGroups") or (), builds.rows)]
    return {**facts, "containerGroups": groups}


def _merged(groups: Sequence[Mapping[str, Any]], rows: Mapping[str, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for group in groups:
        yield {**group, **({"containers": rows[group["name"]]} if group["name"] in rows else {})}
    known = {group["name"] for group in groups}
    for name, containers in rows.items():
        if name not in known:
            yield {"name": name, "containers": containers}
