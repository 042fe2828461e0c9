"""The limit of concurrent requests: halved when the server is busy, and raised again slowly."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final

_HALVE_AT_MOST_EVERY: Final = 1.0  # seconds; one burst of rejected requests is one signal


class Limiter:
    """An async context manager around each request. The limit follows additive increase, multiplicative decrease."""

    def __init__(self, maximum: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = float(maximum)
        self.in_flight = 0
        self._maximum = float(maximum)
        self._clock = clock
        self._halved = float("-inf")
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if self.in_flight < int(self.limit) and not self._waiters:
            self.in_flight += 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._release()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    def busy(self) -> None:
        """Lower the limit: the server rejected a request as too many, or did not respond in time."""
        now = self._clock()
        if now - self._halved >= _HALVE_AT_MOST_EVERY:
            self._halved = now
            self.limit = max(1.0, self.limit / 2)

    def answered(self) -> None:
        """Raise the limit: a request succeeded."""
        if self.limit < self._maximum:
            self.limit = min(self._maximum, self.limit + 1 / self.limit)

    def _release(self) -> None:
        self.in_flight -= 1
        while self._waiters and self.in_flight < int(self.limit):
            waiter = self._waiters.popleft()
            if not waiter.done():
                self.in_flight += 1
                waiter.set_result(None)
