"""Reconciles keys concurrently: one task per key at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from outfitter.errors import ApiError
from outfitter_sandbox.object_api import RETRY_SECONDS

Key = tuple[str, str]  # namespace and name
_log = logging.getLogger(__name__)


class KeyQueue:
    """Calls `reconcile(key)` for added keys, and again after an error.

    A key that is added during its reconciliation is reconciled once more.
    """

    def __init__(self, reconcile: Callable[[Key], Awaitable[None]], parallel: int = 20) -> None:
        self._reconcile = reconcile
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._again: set[Key] = set()
        self._slots = asyncio.Semaphore(parallel)

    def add(self, key: Key) -> None:
        """Reconcile `key` as soon as possible."""
        if key in self._running:
            self._again.add(key)
        else:
            self._running[key] = asyncio.create_task(self._run(key))

    def add_later(self, key: Key, seconds: float) -> None:
        """Reconcile `key` after some seconds."""
        asyncio.get_running_loop().call_later(seconds, self.add, key)

    async def _run(self, key: Key) -> None:
        try:
            async with self._slots:
                await self._reconcile(key)
        except ApiError as error:
            # 404 and 409: the object was deleted or changed; the watch reports it.
            if error.status not in (404, 409):
                _log.warning("%s/%s: %s", *key, error)
                self.add_later(key, RETRY_SECONDS)
        finally:
            del self._running[key]
            if key in self._again:
                self._again.discard(key)
                self.add(key)
