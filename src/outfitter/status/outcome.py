"""The outcome of a reconciliation in one word, for metrics and the queue."""

from __future__ import annotations

from outfitter.problems import seen_from
from outfitter.reasons import Level
from outfitter.status.compose import StatusInput

_OUTCOMES = {Level.STALLED: "Stalled", Level.WAITING: "Waiting"}


def outcome(result: StatusInput, home: str) -> str:
    """Stalled or Waiting by the worst problem of an object in namespace `home`; else Ready or Progressing."""
    worst = max((problem.level for problem in seen_from(home, result.problems)), default=Level.NOTE)
    return _OUTCOMES.get(worst, "Ready" if result.ready else "Progressing")
