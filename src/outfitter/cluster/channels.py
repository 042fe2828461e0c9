"""Streams to containers: numbered channels of bytes in one WebSocket, as `exec` and `portforward` of a pod use them.

The first byte of each message is the number of its channel.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from outfitter.cluster.transport import Transport
from outfitter.errors import Unavailable

_CLOSE: Final = 255  # number of the channel that ends others
_ENDS: Final = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
_PING_SECONDS: Final = 30.0  # proxies close a connection without traffic, many of them after a minute
_TCP_SECONDS: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6))


class Channels:
    """An open connection. Iteration yields (channel, data), and ends when the server closes the connection.

    `broken`: the connection ended without the message of the server that closes it.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.broken = False
        self._socket = socket

    async def __aiter__(self) -> AsyncIterator[tuple[int, bytes]]:
        while (message := await self._socket.receive()).type not in _ENDS:
            if message.type == aiohttp.WSMsgType.BINARY and message.data:
                yield message.data[0], message.data[1:]
        self.broken = message.type != aiohttp.WSMsgType.CLOSE

    async def send(self, channel: int, data: bytes) -> None:
        """Send data, and wait while the server is slower. Unavailable if the connection has ended."""
        try:
            await self._socket.send_bytes(bytes([channel]) + data)
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Unavailable(f"the connection to the pod broke: {type(error).__name__}") from None

    async def end(self, channel: int) -> None:
        """Tell the server that no more data follows on a channel. Only with protocol v5."""
        await self.send(_CLOSE, bytes([channel]))

    async def keep_alive(self) -> None:
        """Send pings until cancelled. Their answers do not count: a server that waits for a slow command sends none."""
        while True:
            await asyncio.sleep(_PING_SECONDS)
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                await self._socket.ping()


@asynccontextmanager
async def open_channels(transport: Transport, path: str, protocol: str) -> AsyncIterator[Channels]:
    """Connect for this block. ApiError if the server rejects the request, Unavailable if it does not answer."""
    socket = await transport.connect(path, protocol)
    _detect_lost_peer(socket.get_extra_info("socket"))
    channels = Channels(socket)
    pings = asyncio.create_task(channels.keep_alive())
    try:
        yield channels
    finally:
        pings.cancel()
        await socket.close()


def _detect_lost_peer(socket: sockets.socket | None) -> None:
    """Let the system end a connection whose peer is gone, for instance after the machine slept."""
    if socket is None:
        return
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1)
    for name, value in _TCP_SECONDS:
        if hasattr(sockets, name):  # not all systems have all of them
            socket.setsockopt(sockets.IPPROTO_TCP, getattr(sockets, name), value)
