"""A kind whose CRD may be absent: discovery until the API server serves it, then list and watch.

A watch of an absent kind answers 404, so it would never be synced. Discovery needs no right of its own, because every
authenticated user may read it. It is asked again when the APIService of the kind's version appears, and now and then
where the operator may not watch APIServices.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from outfitter.children import ChildKind
from outfitter.cluster.api_services import ApiServices
from outfitter.cluster.informer import Informer
from outfitter.cluster.jitter import jitter
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import Transport, parsed
from outfitter.errors import ApiError, Forbidden, NotFound

_log = logging.getLogger(__name__)

DISCOVERY_SECONDS: Final = 60.0  # at most between two requests while the kind is absent and may appear unseen
_RETRY_SECONDS: Final = 1.0


class OptionalKind:
    """A Source that is synced and empty as long as the API server does not serve its kind.

    `Caches.serves` reports the result. No discovery runs while the kind is served: its watch ends with 404 when the
    CRD is deleted.
    """

    def __init__(
        self,
        transport: Transport,
        caches: Caches,
        kind: ChildKind,
        informers: Callable[[], Sequence[Informer]],
        services: ApiServices,
        *,
        discovery_seconds: float = DISCOVERY_SECONDS,
        retry_seconds: float = _RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind = kind.kind
        self.synced = asyncio.Event()
        self._transport = transport
        self._caches = caches
        self._path = f"/apis/{kind.group}/{kind.version}"
        self._plural = kind.plural
        self._new_informers = informers
        self._service = services.follow(kind.group, kind.version)
        self._informers: Sequence[Informer] = ()
        self._discovery_seconds = discovery_seconds
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._answered = clock()

    @property
    def idle(self) -> float:
        """Seconds since the last sign of life from the server; the watch of APIServices has its own."""
        if not self._informers and self._service.absent:
            return 0.0
        return max((informer.idle for informer in self._informers), default=self._clock() - self._answered)

    async def run(self) -> None:
        """Discover, list and watch until cancelled."""
        while True:
            await self._wait_served()
            await self._follow()
            # Discovery may still name a kind whose watch has just ended.
            await asyncio.sleep(self._retry_seconds * jitter(0.5, 1.5))

    async def _wait_served(self) -> None:
        """Ask discovery until it names the kind. An error of the server is no answer."""
        pause = self._retry_seconds
        while True:
            self._service.changed.clear()
            try:
                served = await self._is_served()
            except ApiError as error:
                _log.warning("discovery of %s failed, retrying: %s", self.kind, error)
                await asyncio.sleep(self._retry_seconds * jitter(0.5, 1.5))
                continue
            self._answered = self._clock()
            if served:
                return
            if not self.synced.is_set() or self._caches.serves(self.kind):
                _log.info("%s is not served: its CustomResourceDefinition is not installed", self.kind)
            self._caches.set_served(self.kind, False)
            self.synced.set()
            pause = await self._pause(pause)

    async def _pause(self, seconds: float) -> float:
        """Wait until the kind may be served. Returns how long to wait the next time.

        A version that has just appeared is not in discovery at once, so that the first pauses are short.
        """
        if self._service.absent:
            await self._service.changed.wait()
            return self._retry_seconds
        if not self._service.known:
            seconds = self._discovery_seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds * jitter(0.75, 1.25)):
                await self._service.changed.wait()
                return self._retry_seconds
        return min(2 * seconds, self._discovery_seconds)

    async def _is_served(self) -> bool:
        try:
            found = parsed(await self._transport.request("GET", self._path))
        except NotFound:
            return False
        return any(resource.get("name") == self._plural for resource in found.get("resources") or ())

    async def _follow(self) -> None:
        """List and watch until the server does not find the kind."""
        self._informers = self._new_informers()
        try:
            async with asyncio.TaskGroup() as group:
                for informer in self._informers:
                    group.create_task(informer.run())
                group.create_task(self._announce())
        except* NotFound:
            _log.debug("the watch of %s has ended, because the server does not find the kind", self.kind)
        except* Forbidden as errors:
            await self._do_without(errors.exceptions[0])
        finally:
            self._informers = ()
            self._answered = self._clock()

    async def _do_without(self, error: Exception) -> None:
        """Work without a kind that the operator may not watch, and try again later."""
        if not self.synced.is_set() or self._caches.serves(self.kind):
            _log.warning("%s counts as not served: %s", self.kind, error)
        self._caches.set_served(self.kind, False)
        self.synced.set()
        await asyncio.sleep(self._discovery_seconds * jitter(0.75, 1.25))

    async def _announce(self) -> None:
        await asyncio.gather(*(informer.synced.wait() for informer in self._informers))
        if not self._caches.serves(self.kind):
            _log.info("%s is served", self.kind)
        self._caches.set_served(self.kind, True)
        self.synced.set()
