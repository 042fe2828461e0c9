"""Random factors, so that replicas and keys do not act at the same time."""

from __future__ import annotations

import random


def jitter(low: float, high: float) -> float:
    """A random number between `low` and `high`."""
    return random.uniform(low, high)  # noqa: S311 - spreads load, guards nothing
