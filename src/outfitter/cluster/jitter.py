"""Random factors that keep replicas and keys from acting all at once."""

from __future__ import annotations

import random


def jitter(low: float, high: float) -> float:
    """A number between `low` and `high`."""
    return random.uniform(low, high)  # noqa: S311 - spreads load, guards nothing
