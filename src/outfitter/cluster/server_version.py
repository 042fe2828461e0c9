"""The version of the API server, as far as something depends on it that discovery does not show."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Final

from outfitter.cluster.jitter import jitter
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import Transport, parsed
from outfitter.errors import ApiError, Forbidden, NotFound
from outfitter.naming import IMAGE_VOLUMES

_log = logging.getLogger(__name__)

_SINCE: Final = (1, 35)
"""The first version whose pods can mount images without a feature gate."""
_AGAIN_SECONDS: Final = 600.0  # an old server may be upgraded; a new one is never asked again
_RETRY_SECONDS: Final = 1.0


class ServerVersion:
    """A Source that asks for the version until pods can mount images. `Caches.serves(IMAGE_VOLUMES)` has the result."""

    kind: Final = "version"

    def __init__(self, transport: Transport, caches: Caches, *, again_seconds: float = _AGAIN_SECONDS) -> None:
        self.synced = asyncio.Event()
        self._transport = transport
        self._caches = caches
        self._again_seconds = again_seconds

    @property
    def idle(self) -> float:
        """Seconds since the last sign of life: none is expected."""
        return 0.0

    async def run(self) -> None:
        """Ask until the answer is final, then wait until cancelled."""
        while True:
            try:
                served = await self._is_new()
            except ApiError as error:
                _log.warning("reading the version of the API server failed, retrying: %s", error)
                await asyncio.sleep(_RETRY_SECONDS * jitter(0.5, 1.5))
                continue
            self._caches.set_served(IMAGE_VOLUMES, served)
            self.synced.set()
            if served:
                await asyncio.Event().wait()  # until cancelled
            await asyncio.sleep(self._again_seconds * jitter(0.75, 1.25))

    async def _is_new(self) -> bool:
        """Return whether the version is new enough; of a server that does not show it, what it rejects tells."""
        try:
            found = parsed(await self._transport.request("GET", "/version"))
        except (NotFound, Forbidden):
            return True
        numbers = [re.match(r"\d+", str(found.get(name, ""))) for name in ("major", "minor")]
        version = tuple(int(number[0]) for number in numbers if number)
        return len(version) != len(_SINCE) or version >= _SINCE
