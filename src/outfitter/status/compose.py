"""Problems and observations -> the status of an object: the only writer of conditions, syncStatus and issues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic.alias_generators import to_camel

from outfitter.api.patterns import MESSAGE_LIMIT, URL_LIMIT
from outfitter.api.states import READY, RECONCILING, STALLED, SyncStatus
from outfitter.api.types import list_bound
from outfitter.api.v1alpha1 import KINDS
from outfitter.problems import Problem, blocks, printable, seen_from, stalled
from outfitter.reasons import Level, Reason


@dataclass(frozen=True)
class OtherCondition:
    """A condition of a kind beside Ready, Reconciling and Stalled: a fact that is no problem."""

    type: str
    reason: Reason
    message: str
    holds: bool


@dataclass(frozen=True)
class StatusInput:
    """The result of a reconciliation, from which a status is composed.

    `ready`: whether the current children are ready. `reason` and `message` explain the Ready condition where no problem
    does. `facts`: status fields of the kind. `targets`: (synced, desired) namespaces, for the choice between Failed and
    Issues found.
    """

    ready: bool
    reason: Reason
    message: str = ""
    problems: tuple[Problem, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[int, int] = (0, 1)
    others: tuple[OtherCondition, ...] = ()


def timestamp(now: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def compose(draft: StatusInput, body: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The whole status of the object `body`. A condition that does not change keeps its time."""
    meta, previous = body["metadata"], body.get("status") or {}
    generation, home = int(meta.get("generation") or 0), meta.get("namespace", "")
    draft = replace(draft, problems=tuple(seen_from(home, draft.problems)))
    conditions = _conditions(draft, generation, previous.get("conditions") or (), timestamp(now))
    # A problem of the spec comes before its consequences, and one of the object itself before those elsewhere.
    ordered = sorted(draft.problems, key=lambda problem: (-problem.level, problem.namespace not in ("", home)))
    sync = _sync(draft, meta, previous)
    status: dict[str, Any] = {
        **{key: _bounded(key, value) for key, value in draft.facts.items() if value is not None},
        "observedGeneration": generation,
        "syncStatus": sync.value,
        "conditions": conditions,
    }
    issues = [problem for problem in ordered if problem.level is not Level.UNDER_WAY]
    if issues:
        status["issues"] = _bounded("issues", [_issue(problem, home) for problem in issues])
    message = _message(draft, ordered)
    if message:
        status["message"] = message
    return status


def unfinished(draft: StatusInput, problems: Sequence[Problem], home: str) -> StatusInput:
    """The input after some writes failed: their namespaces are not synced. `home`: the namespace of the object."""
    facts, targets = draft.facts, draft.targets
    if "targets" in facts:
        targets = (max(targets[0] - len({problem.namespace for problem in problems}), 0), targets[1])
        facts = {**facts, "targets": {**facts["targets"], "synced": targets[0]}}
    ready = draft.ready and not blocks(home, problems)
    return replace(draft, ready=ready, problems=(*draft.problems, *problems), facts=facts, targets=targets)


@cache
def _list_bounds() -> Mapping[str, tuple[int, tuple[str, ...]]]:
    """List field of a status -> most items and merge keys. The server rejects a whole status for one longer list."""
    models = (type(kind.model.model_fields["status"].default) for kind in KINDS)
    fields = (pair for model in models for pair in model.model_fields.items())
    return {to_camel(name): bound for name, field in fields if (bound := list_bound(field))}


def _bounded(key: str, value: Any) -> Any:
    if key not in _list_bounds():
        return value
    limit, merge_keys = _list_bounds()[key]
    if merge_keys:
        value = list({tuple(item.get(name) for name in merge_keys): item for item in reversed(value)}.values())[::-1]
        value = [{**item, "url": item["url"][:URL_LIMIT]} if item.get("url") else item for item in value]
    return value[:limit]


_AUTHORS = frozenset({"createdBy", "updatedBy", "updatedAt", "stamps", "author"})
_COMPOSED = frozenset({"conditions", "observedGeneration", "syncStatus", "issues", "message"})


def known(body: Mapping[str, Any]) -> dict[str, Any]:
    """The facts in an object's status. Its revision and version must survive every failure."""
    return {key: value for key, value in (body.get("status") or {}).items() if key not in _COMPOSED}


def least(status: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The minimum of a status that the server rejected: conditions and syncStatus, with the stored facts."""
    composed = {key: status[key] for key in ("observedGeneration", "syncStatus", "conditions") if key in status}
    return {**known(body), **composed}


def deleting(body: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The status of an object that a finalizer of another tool holds: its facts stay."""
    facts = known(body)
    if "phase" in facts:
        facts["phase"] = "Deleting"
    return compose(StatusInput(False, Reason.DELETING, "The object is being deleted.", (), facts), body, now)


def unreadable(
    body: Mapping[str, Any], errors: Iterable[tuple[str, str]], now: datetime, authors: Mapping[str, Any]
) -> dict[str, Any]:
    """The status of an object that the models reject. `errors`: pairs of field and message."""
    problems = tuple(stalled(Reason.INVALID_SPEC, message, field) for field, message in errors)
    facts = {**{key: value for key, value in known(body).items() if key not in _AUTHORS}, **authors}
    return compose(StatusInput(False, Reason.INVALID_SPEC, "", problems, facts, (0, 1)), body, now)


def is_ready(status: Mapping[str, Any]) -> bool:
    """Whether the Ready condition of a status is True."""
    return any(item["type"] == READY and item["status"] == "True" for item in status.get("conditions") or ())


def is_stalled(status: Mapping[str, Any]) -> bool:
    """Whether the Stalled condition of a status is True."""
    return any(item["type"] == STALLED and item["status"] == "True" for item in status.get("conditions") or ())


def _worst(problems: Sequence[Problem]) -> Problem | None:
    serious = [problem for problem in problems if problem.level > Level.NOTE]
    return max(serious, key=lambda problem: problem.level) if serious else None


def _conditions(
    draft: StatusInput, generation: int, previous: Sequence[Mapping[str, Any]], now: str
) -> list[dict[str, Any]]:
    worst = _worst(draft.problems)
    ready = draft.ready and worst is None
    reason = str(worst.reason if worst else draft.reason)
    message = (worst.text if worst else printable(draft.message) or _failed_projects(draft))[:MESSAGE_LIMIT]
    wanted = [(READY, "True" if ready else "False", reason, message)]
    if worst and worst.level is Level.STALLED:
        wanted.append((STALLED, "True", reason, message))
    elif not ready:
        wanted.append((RECONCILING, "True", reason, message))
    wanted += [(item.type, str(item.holds), str(item.reason), item.message) for item in draft.others]
    before = {item["type"]: item for item in previous}
    result = []
    for kind, state, reason, message in wanted:
        old = before.get(kind)
        since = old["lastTransitionTime"] if old and old["status"] == state else now
        result.append(
            {
                "type": kind,
                "status": state,
                "reason": reason,
                "message": message,
                "observedGeneration": generation,
                "lastTransitionTime": since,
            }
        )
    return result


def _sync(draft: StatusInput, meta: Mapping[str, Any], previous: Mapping[str, Any]) -> SyncStatus:
    if "deletionTimestamp" in meta:
        return SyncStatus.DELETING
    worst = _worst(draft.problems)
    if worst and worst.level is Level.STALLED and draft.targets[0] == 0:
        return SyncStatus.FAILED
    if any(problem.level is not Level.UNDER_WAY for problem in draft.problems):
        return SyncStatus.ISSUES_FOUND
    if draft.ready and not worst:
        return SyncStatus.NO_ISSUES_FOUND
    before = previous.get("syncStatus", SyncStatus.CREATING)
    if before == SyncStatus.CREATING or previous.get("observedGeneration", 0) == 0:
        return SyncStatus.CREATING
    return SyncStatus.UPDATING


def _issue(problem: Problem, namespace: str) -> dict[str, str]:
    return {
        "scopeType": "project",
        "scopeId": problem.namespace or namespace,
        "issue": str(problem.reason),
        "message": problem.text[:MESSAGE_LIMIT],
    }


def _message(draft: StatusInput, ordered: Sequence[Problem]) -> str:
    if ordered and draft.targets[1] > 1:
        return _failed_projects(draft) or ordered[0].text[:MESSAGE_LIMIT]
    if ordered:
        more = f" (and {len(ordered) - 1} more)" if len(ordered) > 1 else ""
        return ordered[0].text[: MESSAGE_LIMIT - len(more)] + more
    return printable(draft.message)[:MESSAGE_LIMIT]


def _failed_projects(draft: StatusInput) -> str:
    """Return how many of several namespaces failed, "" for none."""
    synced, desired = draft.targets
    failed = desired - synced if draft.problems and desired > 1 else 0
    return f"{failed} of {desired} projects failed. See issues." if failed else ""
