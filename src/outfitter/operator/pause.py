"""Breaks in long computations, so that the Lease, probes and watches never wait for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

_SECONDS: Final = 0.02


class Pause:
    """Awaited after each step of a computation; gives way to other tasks once the last break is 20 ms ago."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    async def __call__(self) -> None:
        """Take a break if one is due."""
        if self._clock() - self._last >= _SECONDS:
            await asyncio.sleep(0)
            self._last = self._clock()
