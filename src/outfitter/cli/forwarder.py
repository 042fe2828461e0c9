"""A local port that leads to a port of the pod of a workload, as long as the command runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from outfitter.cli import console
from outfitter.cli.addresses import LOOPBACK
from outfitter.cli.connect import error_message
from outfitter.cli.running_pods import is_ready
from outfitter.cluster.client import Client
from outfitter.cluster.port_forward import BROKEN, check_forward, forward, forward_path
from outfitter.errors import ApiError, NotFound, OutfitterError, Throttled, Unavailable
from outfitter.problems import printable

Body = Mapping[str, Any]
ChoosePod = Callable[[], Awaitable[Body]]

_SECONDS: Final = 1.0  # between two looks at a workload without a ready pod
_LOOKS: Final = 120  # before a local connection ends that waits for a pod


class Forwarder:
    """Forwards each new connection to the pod that is ready then. `choose` returns it, or raises OutfitterError."""

    def __init__(self, client: Client, pod: Body, port: int, choose: ChoosePod) -> None:
        self._client = client
        self._pod = pod
        self._port = port
        self._choose = choose
        self._reported = ""
        self._open: set[asyncio.Task[None]] = set()

    async def check(self) -> None:
        """Raise the error of the API server if it refuses to forward the port."""
        await check_forward(self._client.transport, self._path())

    async def serve(self, listener: socket.socket) -> None:
        """Forward connections until cancelled, which ends them."""
        server = await asyncio.start_server(self._accept, sock=listener)
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self._report(await self._connect(reader, writer))
        except ApiError as error:
            self._report(error_message(error, self._server))
        except OutfitterError as error:
            self._report(str(error))
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """Forward one connection, as soon as the API server answers and a pod is ready. Returns its failure."""
        look = 0
        while True:
            look += 1
            try:
                self._pod = await self._ready_pod()
                error = await forward(self._client.transport, self._path(), reader, writer)
                return _cause(error, self._pod["metadata"]["name"], self._port) if error else ""
            except OutfitterError as error:
                if look > _LOOKS or not _may_pass(error):
                    raise
                self._report(self._waiting(error))
            await asyncio.sleep(_SECONDS)

    async def _ready_pod(self) -> Body:
        """Return the pod of the last connection if it is still ready, else another one. OutfitterError if none is."""
        meta = self._pod["metadata"]
        current = await self._client.get("Pod", meta["namespace"], meta["name"])
        # A pod of the same name, with another uid, can be that of another owner: `choose` decides.
        same = current is not None and current["metadata"]["uid"] == meta["uid"]
        if current is not None and same and "deletionTimestamp" not in current["metadata"] and is_ready(current):
            return current
        return await self._choose()

    def _waiting(self, error: OutfitterError) -> str:
        """Return the message for a connection that waits; "" where the next look reports more."""
        if isinstance(error, NotFound):  # the pod has gone a moment ago
            return ""
        if isinstance(error, ApiError):
            return f"{self._server}: {error.message}. Connections wait until it answers, for {_LOOKS * _SECONDS:g} s."
        return str(error)

    @property
    def _server(self) -> str:
        return self._client.transport.auth.server

    def _path(self) -> str:
        meta = self._pod["metadata"]
        return forward_path(meta["namespace"], meta["name"], self._port)

    def _report(self, text: str) -> None:
        """Print a message, once while it stays the same."""
        if text and text != self._reported:
            console.print_message(text, "yellow")
        self._reported = text


def _may_pass(error: OutfitterError) -> bool:
    """Return whether a connection waits: for a pod, or for the API server, which restarts."""
    return not isinstance(error, ApiError) or isinstance(error, NotFound | Throttled | Unavailable)


def _cause(error: str, pod: str, port: int) -> str:
    """Return the message for an error of the container runtime, and for a connection that broke."""
    if error == BROKEN:
        return f"A connection to pod {pod} broke. New connections lead to the pod that is ready then."
    if "refused" in error:
        return f"Pod {pod} does not listen on port {port}. Another port of the pod: --port PORT"
    return f"Pod {pod}, port {port}: {printable(error)}"


def listen(port: int, wanted: int | None) -> socket.socket:
    """Return a listening socket: on local port `wanted`, else on `port` if it is free, else on a free one."""
    if wanted is not None:
        try:
            return _bound(wanted)
        except OSError as error:
            text = f"Local port {wanted} cannot be used: {error.strerror}. Choose another one with --local-port."
            raise OutfitterError(text) from error
    try:
        return _bound(port)
    except OSError:
        return _bound(0)


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener
