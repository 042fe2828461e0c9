"""deploy/chart/files/priorities.yaml: the PriorityClasses of `priorityClasses.create`."""

from __future__ import annotations

from outfitter.api.priorities import CLASS_PREFIX, PRIORITIES


def priority_classes() -> dict[str, int]:
    """Return the value of each PriorityClass by its name."""
    return {f"{CLASS_PREFIX}{word}": value for word, value in PRIORITIES.items()}
