"""Acts as data: what a write, or the change of a status, means. The log and the Events put them into words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.actions import Action
from outfitter.api.version import GROUP
from outfitter.canonical import Step, differences, path_text
from outfitter.errors import ApiError
from outfitter.managed_fields import managers
from outfitter.naming import ANNOTATION_DIGEST
from outfitter.plan.refusers import refuser
from outfitter.plan.writes import Delete, Write, WritePhase
from outfitter.problems import Problem
from outfitter.reasons import Level, Reason, reason_named
from outfitter.snapshot import CachedObject

Path = tuple[Step, ...]
Place = tuple[str, str, str]

INPUT_CHANGED: Final = "InputChanged"
SPEC_CHANGED: Final = "SpecChanged"
RESTARTED: Final = "Restarted"
DELETED: Final = "Deleted"
REPLACED: Final = "Replaced"
UNWANTED: Final = "Unwanted"

_CONTENT: Final = ("Secret", "ConfigMap")
_DIGEST: Final = ("metadata", "annotations", ANNOTATION_DIGEST)


@dataclass(frozen=True, slots=True)
class Act:
    """One act. `fields` are paths, never values; `manager` is who changed or refused something."""

    action: Action
    child: Place | None = None
    fields: tuple[str, ...] = ()
    manager: str = ""
    reason: str = ""
    message: str = ""
    seconds: float | None = None


def place_of(manifest: Mapping[str, Any]) -> Place:
    """Return kind, namespace and name of a manifest."""
    meta = manifest["metadata"]
    return manifest["kind"], meta.get("namespace", ""), meta["name"]


def drifted(manifest: Mapping[str, Any], live: CachedObject) -> bool:
    """Return whether a child differs from its manifest although the manifest is the one that was written last.

    The digest of the content of a Secret or ConfigMap is not stored, so of these the answer is "possibly".
    """
    annotations = live.body["metadata"].get("annotations") or {}
    wanted = (manifest["metadata"].get("annotations") or {}).get(ANNOTATION_DIGEST)
    return annotations.get(ANNOTATION_DIGEST, wanted) == wanted


def repair(manifest: Mapping[str, Any], stored: Mapping[str, Any]) -> Act:
    """Return the act of an apply over a drifted child. `stored`: as it was before, with its managedFields."""
    place, paths = place_of(manifest), _paths(manifest, stored)
    others = managers(stored, paths)
    if place[0] in _CONTENT and not others and all(_present(stored, path) for path in paths):
        return update(place, _texts(paths))  # the content is still ours: the source changed
    return Act(Action.REPAIR, place, _texts(paths), ", ".join(others))


def update(place: Place, fields: tuple[str, ...]) -> Act:
    """Return the act of an apply of a new manifest."""
    return Act(Action.UPDATE, place, fields)


def changed_fields(manifest: Mapping[str, Any], live: CachedObject) -> tuple[str, ...]:
    """Return the fields of a cached child that differ from its new manifest; none where fields are only removed.

    Of a Secret only metadata is cached.
    """
    paths = _paths(manifest, live.body)
    if live.kind in _CONTENT:
        content = {path[0] for path in paths if path[:1] != ("metadata",)}
        paths = [path for path in paths if path[:1] == ("metadata",)]
        paths += [(name,) for name in sorted(map(str, content & {"data", "binaryData"}))]
    return () if paths == [_DIGEST] else _texts(paths)


def changed_spec(old: CachedObject, new: CachedObject) -> frozenset[str]:
    """Return the fields in which the specs of two versions of a custom resource differ, also those that are gone.

    "spec" if they are nested too deeply to compare.
    """
    specs = [live.body.get("spec") or {} for live in (old, new)]
    try:
        paths = {path for spec, other in (specs, specs[::-1]) for path in differences(spec, other)}
    except RecursionError:
        return frozenset({"spec"})
    return frozenset(_texts(sorted((("spec", *path) for path in paths), key=str)))


def deletion(write: Delete) -> Act:
    """Return the act of a deletion."""
    reason = UNWANTED if write.phase is WritePhase.CLEANUP else REPLACED
    return Act(Action.DELETE, _target(write), reason=reason)


def refusal(write: Write, error: ApiError, problem: Problem) -> Act:
    """Return the act of a write that the API server rejected."""
    return Act(
        Action.REFUSE, _target(write), manager=refuser(error), reason=str(problem.reason), message=problem.message
    )


def name_taken(write: Write, problem: Problem) -> Act:
    """Return the act of a write that did not happen, because an unmanaged object has the name."""
    return Act(Action.NAME_TAKEN, _target(write), reason=str(problem.reason), message=problem.message)


def _target(write: Write) -> Place:
    if isinstance(write, Delete):
        return write.live.kind, write.live.namespace, write.live.name
    return place_of(write.manifest)


def taken_names(problems: Iterable[Problem]) -> Iterator[Act]:
    """Yield an act for each name that an unmanaged object holds."""
    for problem in problems:
        if problem.reason in (Reason.NAME_TAKEN, Reason.REPLICATION_ERROR):
            yield Act(Action.NAME_TAKEN, reason=str(problem.reason), message=problem.message)


def shown_by(live: CachedObject, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[Act]:
    """Yield the acts that the change of a status means. Each status is written once, so each act is told once."""
    phase, before = status.get("phase"), previous.get("phase")
    if live.kind == "Artifact" and phase == "Locked" != before:
        yield Act(Action.LOCK, message=f"version {status['version']}" if status.get("version") else "")
    if live.kind == "NimCache" and phase == "Ready" != before:
        yield Act(Action.DOWNLOAD)
    violations = list(_violations(previous, status))
    yield from violations
    yield from (act for act in _trouble(previous, status) if not violations or act.reason != Reason.POLICY_VIOLATION)


def _violations(previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[Act]:
    known = [_rule(row) for row in previous.get("violations") or ()]
    for row in status.get("violations") or ():
        if _rule(row) not in known:
            field, _, policy = _rule(row)
            message = str(row.get("message", ""))
            yield Act(Action.VIOLATE, None, (field,), policy, str(Reason.POLICY_VIOLATION), message)


def _trouble(previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[Act]:
    """Yield the act that an object cannot continue, or waits for something, if that is new."""
    ready, was = _ready(status), _ready(previous)
    reason = str(ready.get("reason", ""))
    if ready.get("status") == "True" or (reason, ready.get("status")) == (was.get("reason"), was.get("status")):
        return
    row = reason_named(reason)
    stalls = any(item["type"] == "Stalled" and item["status"] == "True" for item in status.get("conditions") or ())
    if stalls or (row is not None and row.level is Level.WAITING):
        action = Action.STALL if stalls else Action.WAIT
        yield Act(action, reason=reason, message=str(ready.get("message", "")))


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((item for item in status.get("conditions") or () if item["type"] == "Ready"), {})


def _rule(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(row.get("field", "")), str(row.get("rule", "")), str(row.get("policy", ""))


def _paths(manifest: Mapping[str, Any], live: Mapping[str, Any]) -> list[Path]:
    """Return the paths that differ; annotations for the operator itself only if nothing else does."""
    paths = list(differences(manifest, live))
    return [path for path in paths if not _is_own_record(path)] or paths


def _is_own_record(path: Path) -> bool:
    return path[:2] == _DIGEST[:2] and len(path) == len(_DIGEST) and str(path[2]).startswith(f"{GROUP}/")


def _texts(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(sorted(map(path_text, paths)))


def _present(body: Mapping[str, Any], path: Path) -> bool:
    """Return whether a field of a Secret or ConfigMap exists: its paths have no merge keys."""
    node: Any = body
    for step in path:
        if not isinstance(node, Mapping) or step not in node:
            return False
        node = node[step]
    return True
