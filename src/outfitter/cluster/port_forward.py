"""Connect to a port of a pod: subresource `portforward`, one WebSocket with protocol v4.channel.k8s.io per connection.

The container runtime dials the port on the loopback interface of the pod.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from outfitter.cluster.channels import Channels, open_channels
from outfitter.cluster.transport import Transport
from outfitter.errors import Unavailable

BROKEN: Final = "the connection broke"
"""Error of a connection that ended without a goodbye of the server: the pod or the API server has ended."""

PROTOCOL: Final = "v4.channel.k8s.io"
DATA, ERROR = range(2)
_PORT_BYTES: Final = 2  # each channel begins with the number of the port
_CHUNK: Final = 2**16
# The protocol has no message for the end of one direction. After the local end, silence ends the connection.
_SILENCE: Final = 10.0


def forward_path(namespace: str, pod: str, port: int) -> str:
    """Return the path of the request."""
    return f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}"


async def check_forward(transport: Transport, path: str) -> None:
    """Connect and disconnect. ApiError if the server rejects the request."""
    async with open_channels(transport, path, PROTOCOL):
        return


async def forward(transport: Transport, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Copy both ways between a local connection and the port until one side ends.

    Returns the error of the container runtime, BROKEN, or "". ApiError if the server does not accept the request; then
    nothing was read from the local connection.
    """
    async with open_channels(transport, path, PROTOCOL) as channels:
        return await _Connection(channels, reader, writer).run()


class _Connection:
    """One connection that is forwarded."""

    def __init__(self, channels: Channels, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._channels = channels
        self._reader = reader
        self._writer = writer
        self._messages = 0
        self._error = b""

    async def run(self) -> str:
        sending = asyncio.create_task(self._send())
        receiving = asyncio.create_task(self._receive())
        try:
            await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
            before = -1
            while not receiving.done() and self._messages != before:
                before = self._messages
                await asyncio.wait((receiving,), timeout=_SILENCE)
        finally:
            sending.cancel()
            receiving.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)
        return self._error.decode(errors="replace") or (BROKEN if self._channels.broken else "")

    async def _send(self) -> None:
        with contextlib.suppress(Unavailable, ConnectionError):
            while data := await self._reader.read(_CHUNK):
                await self._channels.send(DATA, data)

    async def _receive(self) -> None:
        heads = {DATA: _PORT_BYTES, ERROR: _PORT_BYTES}
        with contextlib.suppress(ConnectionError):  # the local program has closed its end
            async for channel, data in self._channels:
                self._messages += 1
                content = data[heads.get(channel, 0) :]
                heads[channel] = max(heads.get(channel, 0) - len(data), 0)
                if channel == ERROR:
                    self._error += content
                elif channel == DATA and content:
                    self._writer.write(content)
                    await self._writer.drain()
