"""The plan of an Artifact: its phase, version, repository and clone; with `run`, also its workload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from outfitter.api.patterns import tag_can_move
from outfitter.api.v1alpha1.artifact import Artifact
from outfitter.api.v1alpha1.artifactrepository import LISTED_VERSIONS, ArtifactRepository
from outfitter.backends import child_kinds
from outfitter.naming import clone_snapshot
from outfitter.plan.artifact_builds import ArtifactBuilds, artifact_builds, with_rows
from outfitter.plan.cascade import counted_in, deletion, emptied, is_news
from outfitter.plan.diff import diff, prune
from outfitter.plan.used_by import used_by
from outfitter.plan.workload.plan import combined, plan_workload
from outfitter.plan.writes import Create, Plan, Write, WritePhase, in_phase
from outfitter.policy.capabilities import ARTIFACT, BUILT_IMAGE, unsupported
from outfitter.problems import Problem, note, serious, stalled, waiting
from outfitter.reasons import Reason
from outfitter.render import artifact as render
from outfitter.render.tags import tag_labels, tagged, without_label
from outfitter.resolve.artifact import (
    ResolvedArtifact,
    definition,
    full_problem,
    lock_problems,
    number_of,
    spent,
    type_problem,
    versions,
)
from outfitter.resolve.clone import shown_copy, tags
from outfitter.resolve.request import request_for
from outfitter.snapshot import Key, Reader, Resource
from outfitter.status import StatusInput, known

_COUNTING = 2.0  # seconds until a repository counts its first artifact
_REASONS = {"Draft": Reason.DRAFT, "Locked": Reason.LOCKED, "Locking": Reason.LOCKING}


@dataclass
class _LockState:
    """The state of an artifact between draft and version."""

    phase: str
    version: int | None = None
    problems: list[Problem] = field(default_factory=list)
    asks: bool = False  # its repository must assign or record a number
    waits: str = "The Artifact waits for its version number."


def plan_artifact(reader: Reader, resource: Resource) -> Plan:
    """Plan an Artifact."""
    assert isinstance(resource.model, Artifact)
    facts: dict[str, Any] = {"usedBy": used_by(reader, reader.users)}
    found = definition(reader, resource)
    if isinstance(found, Problem):
        facts = {
            "phase": "Draft",
            **known(resource.body),
            **facts,
        }  # its workload keeps its revision, and a version stays one
        return Plan(StatusInput(False, found.reason, "", (found,), facts, (0, 1)))
    repository = reader.resource("ArtifactRepository", resource.live.namespace, found.repository)
    if (gone := deletion(reader, found, repository)) is not None:
        return gone
    builds = artifact_builds(reader, found)
    lock = _lock_state(reader, found, repository, builds)
    facts |= {
        "phase": lock.phase,
        "type": found.type,
        "version": lock.version,
        "repository": found.repository,
        "repositoryUid": counted_in(repository),
        "clonedFrom": found.cloned_from,
        "buildRequest": builds.request,
        "tagged": tagged(tags(resource, found.taken)),
        "copied": shown_copy(resource, found.taken),
    }
    asks = lock.asks or _joins(reader, found, repository) or is_news(reader, resource, repository)
    told = frozenset({Key("ArtifactRepository", resource.live.namespace, found.repository)}) if asks else frozenset()
    plan = _running(reader, resource, found, facts, lock)
    told_too = (*plan.status.problems, *_moving_tags(found))
    plan = replace(plan, status=replace(plan.status, facts=with_rows(plan.status.facts, builds), problems=told_too))
    # A version waits for its number; for a draft, the workload comes first.
    repository_phase = WritePhase.EARLY if lock.asks else WritePhase.LATE
    missing = in_phase(repository_phase, _missing(found, repository))
    writes = (*_snapshot(reader, found), *plan.writes, *(() if found.fresh else builds.writes), *missing)
    # A new repository has no status yet, and the artifact remembers its uid. The next reconciliation of a clone starts
    # from the new snapshot, and one that asks for builds from these.
    started = any(isinstance(write, Create) for write in builds.writes)
    again = plan.replan_after_write or found.fresh or repository is None or started
    requeue = _COUNTING if emptied(repository) else plan.requeue
    return replace(plan, writes=writes, also_reconcile=told, replan_after_write=again, requeue=requeue)


def _moving_tags(found: ResolvedArtifact) -> Iterator[Problem]:
    """Yield a note for each image of a version that its registry can change."""
    for group in found.groups if found.locked else ():
        for item, name in zip(group.containers, group.container_names, strict=True):
            if item.image_uri and not item.image_build_config and tag_can_move(item.image_uri):
                text = (
                    f"The registry can change image {item.image_uri}, so the version can run other content later. "
                    "Lock an Artifact with a version tag or a digest."
                )
                field = f"spec.containerGroups[{group.name}].containers[{name}].imageUri"
                yield note(Reason.MOVING_TAG, text, field)


def _joins(reader: Reader, found: ResolvedArtifact, repository: Resource | None) -> bool:
    """Return whether a shared repository does not know this artifact yet: a clone names it in its status only."""
    if repository is None or not reader.settings.shared_roles:
        return False
    assert isinstance(repository.model, ArtifactRepository)
    known = (found.resource.body.get("status") or {}).get("repository")
    return bool(repository.model.spec.shared_roles) and known != found.repository


def _snapshot(reader: Reader, found: ResolvedArtifact) -> tuple[Write, ...]:
    """The snapshot of the source of a clone, which has to exist before anything else."""
    writes = diff(reader, found.resource, [render.snapshot(found)]).writes if found.taken is not None else []
    return in_phase(WritePhase.DEPENDENCY, writes)


def _missing(found: ResolvedArtifact, repository: Resource | None) -> tuple[Write, ...]:
    """Return the write that creates a missing repository."""
    return () if repository is not None else (Create(render.repository(found)),)


def _running(
    reader: Reader, resource: Resource, found: ResolvedArtifact, facts: dict[str, Any], lock: _LockState
) -> Plan:
    request = request_for(resource)
    if request is not None and not found.fresh:
        own = tags(resource, found.taken)
        request = replace(request, labels=tag_labels(own))
        return combined(plan_workload(reader, request), facts, [*lock.problems, *without_label(own)])
    ended = (
        tuple(prune(reader, resource, (*child_kinds(), "ControllerRevision", "Secret"), _kept(found)))
        if request is None
        else ()
    )
    bad = serious(lock.problems)
    ready = not bad and lock.phase != "Locking"
    text = lock.waits if lock.phase == "Locking" else ""
    reason = _REASONS.get(lock.phase) or lock.problems[0].reason
    draft = StatusInput(ready, reason, text, tuple(lock.problems), facts, (0 if bad else 1, 1))
    return Plan(draft, ended)


def _kept(found: ResolvedArtifact) -> list[dict[str, Any]]:
    place = {"namespace": found.resource.live.namespace, "name": clone_snapshot(found.resource.live.name)}
    return [{"kind": "ControllerRevision", "metadata": place}] if found.taken is not None else []


def _lock_state(
    reader: Reader, found: ResolvedArtifact, repository: Resource | None, builds: ArtifactBuilds
) -> _LockState:
    live = found.resource.live
    spec = found.spec.spec
    had = (found.resource.body.get("status") or {}).get("version")
    number = number_of(repository, live.uid)
    if not spec.locked:
        # Unlocked before its status showed the number: the repository keeps the number for it.
        lock = _LockState("Draft", problems=[], asks=number is not None and _noted(repository, live.uid, locked=True))
        mismatch = type_problem(found, repository)
        lock.problems += [mismatch] if mismatch else []
        lock.problems += builds.problems
        if request_for(found.resource) is None:  # else the workload reports them
            lock.problems += unsupported(found.spec_fields, ARTIFACT, reader.settings)
        return lock
    if number is not None or had is not None:
        return _LockState("Locked", number or had, asks=number is None or not _noted(repository, live.uid, locked=True))
    problems = [*lock_problems(found), *unsupported(found.spec_fields, BUILT_IMAGE, reader.settings)]
    mismatch = type_problem(found, repository)
    problems += [mismatch] if mismatch else []
    taken = _taken(repository, spec.version)
    problems += [taken] if taken else []
    if len(versions(repository)) >= LISTED_VERSIONS:
        problems.append(full_problem(found.repository))
    problems += builds.problems
    if serious(problems):
        return _LockState("LockFailed", problems=problems)
    if found.built.missing:
        return _LockState("Locking", problems=problems, waits=builds.waits)
    return _LockState("Locking", problems=problems, asks=True)


def _noted(repository: Resource | None, uid: str, *, locked: bool) -> bool:
    return any(item["uid"] == uid and bool(item.get("locked")) is locked for item in versions(repository))


def _taken(repository: Resource | None, version: int | None) -> Problem | None:
    """Return why the requested number is not available."""
    if version is None or repository is None:
        return None
    status = repository.body.get("status") or {}
    name = repository.live.name
    owner = next((item["name"] for item in versions(repository) if item["version"] == version), None)
    if owner is not None:
        text = (
            f"Version {version} of ArtifactRepository {name} belongs to Artifact {owner}. Choose another number, "
            "or remove the field."
        )
        return stalled(Reason.VERSION_TAKEN, text, "spec.version")
    if spent(status.get("retiredVersions") or (), version):
        text = (
            f"Version {version} of ArtifactRepository {name} belonged to a deleted Artifact and cannot be reused. "
            f"Choose a number above {status.get('lastVersionNumber', 0)}, or remove the field."
        )
        return stalled(Reason.VERSION_TAKEN, text, "spec.version")
    if repository.live.deleting:
        return waiting(
            Reason.REPOSITORY_DELETING,
            f"ArtifactRepository {name} is being deleted. Check its finalizers, or use another repository.",
            "spec.repositoryRef",
        )
    return None
