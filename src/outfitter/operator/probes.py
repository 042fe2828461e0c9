"""/healthz, /readyz and /metrics on the probe port."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web

from outfitter.cluster.informer import IDLE_SECONDS, Informer
from outfitter.operator.metrics import Metrics

_SILENCE_LIMIT = 8 * IDLE_SECONDS  # a server that is down for a while is not a reason to restart


class Probes:
    """A small server. Live: the loop answers and no watch has been stuck for long. Ready: all caches are synced."""

    def __init__(self, metrics: Metrics, informers: Iterable[Informer], ready: Callable[[], bool]) -> None:
        self._metrics = metrics
        self._informers = tuple(informers)
        self._ready = ready
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; `port` 0 chooses a free one, found in `self.port` afterwards."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._exposition)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        stuck = sorted({each.kind for each in self._informers if each.idle > _SILENCE_LIMIT})
        if stuck:
            return web.Response(
                status=500,
                text=f"no sign of life from the watch of {', '.join(stuck)}\n",
            )
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        if self._ready():
            return web.Response(text="ok\n")
        waiting = sorted({each.kind for each in self._informers if not each.synced.is_set()})
        return web.Response(status=503, text=f"waiting for {', '.join(waiting) or 'our own kinds'}\n")

    async def _exposition(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.text(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )
