"""plan() of an Artifact: draft or version, its repository, what it was cloned from; with run, also what runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from outfitter.api.v1alpha1.artifact import Artifact
from outfitter.api.v1alpha1.artifactrepository import LISTED_VERSIONS, ArtifactRepository
from outfitter.naming import clone_snapshot
from outfitter.plan.diff import Create, Op, Plan, diff, surplus
from outfitter.plan.used_by import used_by
from outfitter.plan.workload.plan import KINDS, combined, plan_workload
from outfitter.problems import Level, Problem, stalled, waiting
from outfitter.render import artifact as render
from outfitter.resolve.artifact import (
    Definition,
    definition,
    full_problem,
    lock_problems,
    number_of,
    spent,
    type_problem,
    versions,
)
from outfitter.resolve.request import subject_of
from outfitter.snapshot import Asset, Key, View
from outfitter.status import Draft, known


@dataclass
class _Life:
    """Where an artifact stands between draft and version."""

    phase: str
    version: int | None = None
    problems: list[Problem] = field(default_factory=list)
    asks: bool = False  # its repository has a number to give, or to note


def plan_artifact(view: View, asset: Asset) -> Plan:
    """One pass over an Artifact."""
    assert isinstance(asset.model, Artifact)
    facts: dict[str, Any] = {"usedBy": used_by(view.users)}
    found = definition(view, asset)
    if isinstance(found, Problem):
        facts = {"phase": "Draft", **known(asset.body), **facts}  # what runs keeps to its pin, a version stays one
        return Plan(Draft(False, found.reason, "", (found,), facts, (0, 1)))
    repository = view.asset("ArtifactRepository", asset.live.namespace, found.repository)
    life = _life(view, found, repository)
    facts |= {
        "phase": life.phase,
        "type": found.type,
        "version": life.version,
        "repository": found.repository,
        "clonedFrom": dict(found.taken["clonedFrom"]) if found.taken else None,
    }
    asks = life.asks or _joins(view, found, repository)
    told = frozenset({Key("ArtifactRepository", asset.live.namespace, found.repository)}) if asks else frozenset()
    plan = _running(view, asset, found, facts, life)
    steps, missing = _snapshot(view, found) + plan.steps, _missing(found, repository)
    # A version waits for its number; of a draft, what runs comes first.
    hurry, leisure = (missing, ()) if life.asks else ((), missing)
    # A repository that is made here says nothing yet; a snapshot is what the next look starts from.
    return replace(
        plan,
        steps=steps,
        beside=(*plan.beside, *hurry),
        last=(*plan.last, *leisure),
        tells=told,
        look_again=plan.look_again or found.fresh,
    )


def _joins(view: View, found: Definition, repository: Asset | None) -> bool:
    """Whether a shared repository learns only now that it has this artifact: a clone tells by its status."""
    if repository is None or not view.settings.shared_roles:
        return False
    assert isinstance(repository.model, ArtifactRepository)
    known = (found.asset.body.get("status") or {}).get("repository")
    return bool(repository.model.spec.shared_roles) and known != found.repository


def _snapshot(view: View, found: Definition) -> tuple[tuple[Op, ...], ...]:
    """What has to be there before anything else: the snapshot of what was cloned."""
    ops = diff(view, found.asset, [render.snapshot(found)]).ops if found.taken is not None else []
    return (tuple(ops),) if ops else ()


def _missing(found: Definition, repository: Asset | None) -> tuple[Op, ...]:
    """What makes the repository where there is none."""
    return () if repository is not None else (Create(render.repository(found)),)


def _running(view: View, asset: Asset, found: Definition, facts: dict[str, Any], life: _Life) -> Plan:
    subject = subject_of(asset)
    if subject is not None and not found.fresh:
        return combined(plan_workload(view, subject), facts, life.problems)
    ended = tuple(surplus(view, asset, (*KINDS, "ControllerRevision"), _kept(found))) if subject is None else ()
    serious = any(problem.level > Level.NOTE for problem in life.problems)
    ready = not serious and life.phase != "Locking"
    text = "waiting for its number" if life.phase == "Locking" else ""
    draft = Draft(ready, life.phase, text, tuple(life.problems), facts, (0 if serious else 1, 1))
    return Plan(draft, (ended,) if ended else ())


def _kept(found: Definition) -> list[dict[str, Any]]:
    place = {"namespace": found.asset.live.namespace, "name": clone_snapshot(found.asset.live.name)}
    return [{"kind": "ControllerRevision", "metadata": place}] if found.taken is not None else []


def _life(view: View, found: Definition, repository: Asset | None) -> _Life:
    live = found.asset.live
    spec = found.spec.spec
    had = (found.asset.body.get("status") or {}).get("version")
    number = number_of(repository, live.uid)
    if not spec.locked:
        # Unlocked again before it showed its number: the repository keeps the number for it.
        life = _Life("Draft", problems=[], asks=number is not None and _noted(repository, live.uid, locked=True))
        mismatch = type_problem(found, repository)
        life.problems += [mismatch] if mismatch else []
        return life
    if number is not None or had is not None:
        return _Life("Locked", number or had, asks=number is None or not _noted(repository, live.uid, locked=True))
    problems = list(lock_problems(found))
    mismatch = type_problem(found, repository)
    problems += [mismatch] if mismatch else []
    taken = _taken(repository, spec.version)
    problems += [taken] if taken else []
    if len(versions(repository)) >= LISTED_VERSIONS:
        problems.append(full_problem(found.repository))
    if problems:
        return _Life("LockFailed", problems=problems)
    return _Life("Locking", asks=True)


def _noted(repository: Asset | None, uid: str, *, locked: bool) -> bool:
    return any(item["uid"] == uid and bool(item.get("locked")) is locked for item in versions(repository))


def _taken(repository: Asset | None, version: int | None) -> Problem | None:
    """Why a number that was asked for cannot be had."""
    if version is None or repository is None:
        return None
    status = repository.body.get("status") or {}
    name = repository.live.name
    owner = next((item["name"] for item in versions(repository) if item["version"] == version), None)
    if owner is not None:
        text = f"version {version} of ArtifactRepository {name} is Artifact {owner}: choose another number, or none"
        return stalled("VersionTaken", text, "spec.version")
    if spent(status.get("retiredVersions") or (), version):
        text = (
            f"version {version} of ArtifactRepository {name} was an artifact that is deleted, and no number is given "
            f"twice: choose one above {status.get('lastVersionNumber', 0)}, or none"
        )
        return stalled("VersionTaken", text, "spec.version")
    if repository.live.deleting:
        return waiting("RepositoryDeleting", f"ArtifactRepository {name} is being deleted", "spec.repositoryRef")
    return None
