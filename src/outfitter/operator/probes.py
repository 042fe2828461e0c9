"""/healthz, /readyz and /metrics on the probe port."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from typing import Final

from aiohttp import web

from outfitter.cluster.informer import IDLE_SECONDS
from outfitter.cluster.sources import Source
from outfitter.operator.metrics import Metrics

_IDLE_LIMIT = 8 * IDLE_SECONDS  # a restart does not help against a server that is down for a while
_NO_IPV6: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)  # the kernel has IPv6, but it is turned off


def every_address(port: int) -> socket.socket:
    """Return a socket that listens on all addresses: of IPv4 and IPv6, or of IPv4 where there is no IPv6."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("", port))


class Probes:
    """The HTTP server. Live: the event loop runs and no watch is stuck. Ready: all caches are synced."""

    def __init__(self, metrics: Metrics, sources: Iterable[Source]) -> None:
        self._metrics = metrics
        self._sources = tuple(sources)
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen on `port` of `host`, "" for all addresses. Port 0 chooses a free port, which `self.port` then is."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._exposition)
        runner = self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        site = web.TCPSite(runner, host, port) if host else web.SockSite(runner, every_address(port))
        await site.start()
        self.port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        stuck = sorted({source.kind for source in self._sources if source.idle > _IDLE_LIMIT})
        if stuck:
            return web.Response(status=500, text=f"no response to the watch of {', '.join(stuck)}\n")
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        waiting = sorted({source.kind for source in self._sources if not source.synced.is_set()})
        if waiting:
            return web.Response(status=503, text=f"waiting for the first list of {', '.join(waiting)}\n")
        return web.Response(text="ok\n")

    async def _exposition(self, request: web.Request) -> web.Response:
        return web.Response(
            body=await self._metrics.text(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )
