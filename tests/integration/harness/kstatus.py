"""The kstatus rules, and what this project promises beyond them, as checks on statuses that were seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from .recorder import Sight

_REASON = re.compile(r"^[A-Z][A-Za-z0-9]*$")
_ABNORMAL = ("Reconciling", "Stalled")


def wrong(sight: Sight) -> Iterator[str]:
    """What is wrong with one status by itself."""
    status, meta = sight.item.get("status"), sight.item["metadata"]
    if not status:
        return
    conditions: list[dict[str, Any]] = status.get("conditions") or []
    by_type = {each["type"]: each for each in conditions}
    if len(by_type) != len(conditions):
        yield "a condition type appears twice"
    if "Ready" not in by_type:
        yield "there is no Ready condition"
        return
    observed = status.get("observedGeneration")
    if not isinstance(observed, int) or observed > meta["generation"]:
        yield f"observedGeneration {observed} is not one that the object had"
    yield from _each(conditions, observed)
    yield from _together(by_type)
    yield from _word(status, by_type)


def _each(conditions: list[dict[str, Any]], observed: Any) -> Iterator[str]:
    for each in conditions:
        if not _REASON.match(each.get("reason") or ""):
            yield f"{each['type']} has reason {each.get('reason')!r}, which is not CamelCase"
        if each.get("observedGeneration") != observed:
            yield f"{each['type']} was observed for another generation than the status"
        if not each.get("lastTransitionTime"):
            yield f"{each['type']} has no lastTransitionTime"
        if each["status"] == "False" and not each.get("message") and each["type"] == "Ready":
            yield "Ready is False and nobody says why"


def _together(by_type: dict[str, dict[str, Any]]) -> Iterator[str]:
    for kind in _ABNORMAL:
        if kind in by_type and by_type[kind]["status"] != "True":
            yield f"{kind} is present though not True"
    if all(kind in by_type for kind in _ABNORMAL):
        yield "Reconciling and Stalled at once"
    present = [kind for kind in _ABNORMAL if kind in by_type]
    if by_type["Ready"]["status"] == "True" and present:
        yield f"Ready and {present} at once"
    if by_type["Ready"]["status"] != "True" and not present:
        yield "not Ready, and neither Reconciling nor Stalled says what comes next"


def _word(status: dict[str, Any], by_type: dict[str, dict[str, Any]]) -> Iterator[str]:
    """syncStatus says in one word what the conditions say."""
    word, ready = status.get("syncStatus"), by_type["Ready"]["status"] == "True"
    if word == "No issues found" and not ready:
        yield "No issues found, but not Ready"
    if word == "No issues found" and status.get("issues"):
        yield "No issues found, but there are issues"
    if word == "Issues found" and not status.get("issues"):
        yield "Issues found, but none is listed"
    if word == "Failed" and "Stalled" not in by_type:
        yield "Failed, but a person need not act"
    if word in ("Creating", "Updating") and ready:
        yield f"{word}, but Ready"


def wrong_in_life(sights: Iterable[Sight]) -> Iterator[str]:
    """What is wrong with the order of the statuses of one object (one uid)."""
    before: dict[str, dict[str, Any]] = {}
    generation = 0
    for sight in sights:
        status = sight.item.get("status") or {}
        if status.get("observedGeneration", generation) < generation:
            yield f"observedGeneration went back: {sight}"
        generation = status.get("observedGeneration", generation)
        now = {each["type"]: each for each in status.get("conditions") or ()}
        for kind, each in now.items():
            old = before.get(kind)
            if old and old["status"] == each["status"] and old["lastTransitionTime"] != each["lastTransitionTime"]:
                yield f"{kind} kept its status but not its lastTransitionTime: {sight}"
        if before and not now:
            yield f"the status was lost: {sight}"
        before = now
