"""When Python looks for cyclic garbage: while no pass is under way, so that nobody waits for it.

A look at the 10,000 newest objects takes 10 to 20 ms on a slow core, in which nothing else is done.
"""

from __future__ import annotations

import gc
from typing import Final

_AT_LATEST: Final = 10_000  # objects more than at the last look; passes leave few cycles behind
_WORTH_IT: Final = 2_000
_ALL: Final = 100  # each so-manieth look is at everything that was made since the start


class GcTuner:
    """Makes the collector wait for a quiet moment, while there are such moments."""

    def __init__(self) -> None:
        self._looks = 0

    def settle(self) -> None:
        """What the start left is there to stay: later looks need not go over it."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(_AT_LATEST, 20, 50)

    def quiet(self) -> None:
        """No pass is under way, and none is due."""
        if gc.get_count()[0] < _WORTH_IT:
            return
        self._looks += 1
        gc.collect(1 if self._looks % _ALL else 2)
