"""Garbage collection of Python while no reconciliation runs, so that none waits for it.

A collection of the 10,000 newest objects takes 10 to 20 ms on a slow core, and blocks the event loop meanwhile.
"""

from __future__ import annotations

import gc
from typing import Final

_THRESHOLD: Final = 10_000  # new objects that trigger a collection at any time; reconciliations create few cycles
_WORTHWHILE: Final = 2_000  # new objects that make a collection in a quiet moment worthwhile
_FULL_EVERY: Final = 100  # collections, one of which includes all objects since the start


class GcTuner:
    """Moves garbage collection to quiet moments, as long as there are some."""

    def __init__(self) -> None:
        self._collections = 0

    def freeze_startup(self) -> None:
        """Exclude the objects of the start from later collections, because they live as long as the process."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(_THRESHOLD, 20, 50)

    def quiet(self) -> None:
        """Collect if it is worthwhile: no reconciliation runs, and none is due."""
        if gc.get_count()[0] < _WORTHWHILE:
            return
        self._collections += 1
        gc.collect(1 if self._collections % _FULL_EVERY else 2)
