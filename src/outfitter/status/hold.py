"""Statuses that are held back for a while: a loss of readiness, and one more edit of an asset that is newer anyway."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from outfitter.status.compose import is_ready, is_stalled


def hold(
    previous: Mapping[str, Any], status: Mapping[str, Any], since: datetime | None, now: datetime, seconds: float
) -> float | None:
    """Seconds for which the new status is to be held back; None where it is to be written.

    Only a loss of readiness is held back: the same spec, revision and run, Ready before, not stopped by Outfitter, and
    nothing for a user to fix.
    `since`: when the object was first seen unready, None for now. `seconds`: the grace period.
    """
    same_inputs = all(
        previous.get(field) == status.get(field) for field in ("observedGeneration", "revision", "halted", "run")
    )
    loses_readiness = is_ready(previous) and not is_ready(status) and not is_stalled(status)
    if not (same_inputs and loses_readiness):
        return None
    left = seconds - (now - (since or now)).total_seconds()
    return left if left > 0 else None


def hold_edits(
    previous: Mapping[str, Any], status: Mapping[str, Any], since: datetime | None, now: datetime, seconds: float
) -> float | None:
    """Seconds for which further edits of assets that are outdated already are held back; None for other news.

    Somebody who edits a policy a hundred times would otherwise have the status of each workload written as often.
    `since`: when such an edit was first seen, None for now.
    """
    if status == previous or _without_generations(status) != _without_generations(previous):
        return None
    left = seconds - (now - (since or now)).total_seconds()
    return left if left > 0 else None


def _without_generations(status: Mapping[str, Any]) -> dict[str, Any]:
    rows = status.get("outdated") or ()
    return {**status, "outdated": [{**row, "generation": None} for row in rows]}
