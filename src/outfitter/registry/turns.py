"""The order of looks: a limit in all and for each host, and namespaces take turns."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Slots for looks. A namespace with many waiting looks gets one slot, then the next namespace gets one."""

    def __init__(self, at_once: int, per_host: int) -> None:
        self._at_once = at_once
        self._per_host = per_host
        self._running: Counter[str] = Counter()
        # By namespace in the order of their turns: the host of each look that waits.
        self._waiting: dict[str, dict[asyncio.Future[None], str]] = {}

    @asynccontextmanager
    async def turn(self, namespace: str, host: str) -> AsyncIterator[None]:
        """Wait for a slot, and hold it inside."""
        started = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, {})[started] = host
        self._start_next()
        try:
            await started
            yield
        finally:
            if not self._withdraw(namespace, started):
                self._running[host] -= 1
                self._start_next()

    def _withdraw(self, namespace: str, started: asyncio.Future[None]) -> bool:
        """Return whether the look was still waiting. It then waits no longer."""
        line = self._waiting.get(namespace, {})
        if started not in line:
            return False
        del line[started]
        if not line:
            del self._waiting[namespace]
        return True

    def _start_next(self) -> None:
        """Start one look, if a slot is free."""
        if self._running.total() >= self._at_once:
            return
        for namespace, line in self._waiting.items():
            for started, host in line.items():
                if self._running[host] < self._per_host and not started.cancelled():
                    self._withdraw(namespace, started)
                    if line:
                        self._waiting[namespace] = self._waiting.pop(namespace)  # to the end of the round
                    self._running[host] += 1
                    started.set_result(None)
                    return
