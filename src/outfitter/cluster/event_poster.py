"""Events are posted aside: no reconciliation waits for one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final

_WAITING: Final = 200  # news, and as many warnings; more are dropped, because the log has all
_CLOSE_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)

Post = Callable[[], Coroutine[Any, Any, None]]


class EventPoster:
    """Posts Events one after the other, warnings first, in a task that exists only while there are some."""

    def __init__(self) -> None:
        self._news: deque[Post] = deque()
        self._warnings: deque[Post] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, post: Post, *, warns: bool = False) -> None:
        """Post an Event soon."""
        waiting = self._warnings if warns else self._news
        if len(waiting) >= _WAITING:
            return
        waiting.append(post)
        if self._task is None or self._task.done():
            # In a context of its own: the Events of other objects are no part of this reconciliation and its trace.
            self._task = asyncio.create_task(self._post(), name="Events", context=Context())

    async def _post(self) -> None:
        while waiting := self._warnings or self._news:
            post = waiting.popleft()
            try:
                await post()
            except Exception:  # a defect that one Event triggers must not keep the others back
                _log.exception("an Event was not posted")

    async def close(self) -> None:
        """Post what waits, for a short time, and drop the rest."""
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=_CLOSE_SECONDS)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
