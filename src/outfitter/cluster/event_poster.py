"""Events are posted aside: no reconciliation waits for one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

_WAITING: Final = 200  # Events; more are dropped, because the log has all
_CLOSE_SECONDS: Final = 1.0

Post = Callable[[], Coroutine[Any, Any, None]]


class EventPoster:
    """Posts Events one after the other, in a task that exists only while there are some."""

    def __init__(self) -> None:
        self._waiting: deque[Post] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, post: Post) -> None:
        """Post an Event soon."""
        if len(self._waiting) >= _WAITING:
            return
        self._waiting.append(post)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._post(), name="Events")

    async def _post(self) -> None:
        while self._waiting:
            await self._waiting.popleft()()

    async def close(self) -> None:
        """Post what waits, for a short time, and drop the rest."""
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=_CLOSE_SECONDS)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
