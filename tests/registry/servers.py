"""Servers that answer as an attacker wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def sockets(answer: bytes = b"", drip: float = 0.0) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server of bytes, and the requests that reached it. `drip`: seconds between two bytes."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            for byte in [answer[at : at + 1] for at in range(len(answer))] if drip else [answer]:
                writer.write(byte)
                await writer.drain()
                await asyncio.sleep(drip)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


def answering(handler: Callable[[web.Request], web.StreamResponse]) -> web.Application:
    """A registry whose every path has one answer, apart from /v2/."""

    async def serve(request: web.Request) -> web.StreamResponse:
        return web.json_response({}) if request.path == "/v2/" else handler(request)

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    return app
