"""An API server with a kubelet behind it: REST as FakeApi, and the WebSocket protocols of `exec` and `portforward`."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import WSMsgType, web

from .fake_api import FakeApi, Object

END = 255
Container = Callable[["Session"], Awaitable[int]]


class Session:
    """A command that runs in a container, seen from inside."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._socket = socket
        self._request = request
        self.pod = request.match_info["pod"]
        self.words = request.query.getall("command")
        self.query = {key: value for key, value in request.query.items() if key != "command"}

    async def out(self, data: bytes, channel: int = 1) -> None:
        await self._socket.send_bytes(bytes([channel]) + data)

    def abort(self) -> None:
        """Break the connection, as a network or an API server that ends does."""
        assert self._request.transport is not None
        self._request.transport.abort()

    async def read(self) -> bytes:
        """The next chunk of standard input, b"" at its end."""
        async for message in self._socket:
            channel, data = message.data[0], message.data[1:]
            if channel == END:
                assert data == bytes([0])
                return b""
            if channel == 0 and data:
                return bytes(data)
        return b""

    async def size(self) -> Object:
        """The next size of the terminal."""
        message = await self._socket.receive()
        assert message.data[0] == 4
        found: Object = json.loads(message.data[1:])
        return found


class FakeStreams(FakeApi):
    """`container` plays the command of `exec`, and returns its exit code. `ports`: the ports that pods listen on.

    `forwarded` has the pod of each connection. A pod without an entry in `objects` is gone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.container: Container = _echo
        self.ports: dict[int, tuple[str, int]] = {}
        self.forwarded: list[str] = []
        self._forwards: set[asyncio.Transport] = set()
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._running = threading.Event()
        self._thread2 = threading.Thread(target=self._run)
        self._thread2.start()
        assert self._running.wait(10)

    def close(self) -> None:
        super().close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread2.join()

    def stop(self) -> None:
        """End as an API server that restarts: all connections break, and new ones are refused."""
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)

    def start(self) -> None:
        """Serve again, at the same address."""
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)

    def break_forwards(self) -> None:
        """Break the connections to ports of pods, without a goodbye."""
        for transport in list(self._forwards):
            self._loop.call_soon_threadsafe(transport.abort)

    def kubeconfig(self, folder: Path) -> Path:
        path = super().kubeconfig(folder)
        config = json.loads(path.read_text())
        config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{self._port}"
        path.write_text(json.dumps(config))
        return path

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._running.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        place = "/api/v1/namespaces/{namespace}/pods/{pod}"
        app.router.add_get(f"{place}/exec", self._exec)
        app.router.add_get(f"{place}/portforward", self._forward)
        app.router.add_route("*", "/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def _rest(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        code, answer = await asyncio.to_thread(
            self.answer, request.method, request.path_qs, body, request.headers.get("Accept", "")
        )
        return web.json_response(answer, status=code)

    def _refusal(self, request: web.Request) -> web.Response | None:
        """What the API server answers before it connects to the kubelet."""
        action = request.path.rpartition("/")[2]
        if action in self.forbidden:
            text = f'pods "{request.match_info["pod"]}" is forbidden: User "ann" cannot get resource "pods/{action}"'
            return web.json_response({"reason": "Forbidden", "message": text}, status=403)
        if request.path.rpartition("/")[0] not in self.objects:
            return web.json_response({"reason": "NotFound", "message": "pods not found"}, status=404)
        return None

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refusal(request):
            return refused
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        assert socket.ws_protocol == "v5.channel.k8s.io"
        session = Session(socket, request)
        await session.out(b"")  # as the API server reports that the connection is open
        try:
            status = _status(await self.container(session))
        except FileNotFoundError as error:
            status = {"status": "Failure", "reason": "InternalError", "message": str(error)}
        await session.out(json.dumps(status).encode(), 3)
        await socket.close()
        return socket

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refusal(request):
            return refused
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        assert socket.ws_protocol == "v4.channel.k8s.io"
        port = int(request.query["ports"])
        for channel in (0, 1):
            await socket.send_bytes(bytes([channel]) + struct.pack("<H", port))
        self.forwarded.append(request.match_info["pod"])
        if port not in self.ports:
            await socket.send_bytes(b"\x01" + b"dial tcp4 127.0.0.1: connect: connection refused")
        elif request.transport is not None:
            transport = request.transport
            self._forwards.add(transport)
            await _copy(socket, *await asyncio.open_connection(*self.ports[port]))
            self._forwards.discard(transport)
        await socket.close()
        return socket


async def _copy(socket: web.WebSocketResponse, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async def down() -> None:
        while data := await reader.read(1000):
            await socket.send_bytes(b"\x00" + data)
        await socket.close()

    task = asyncio.create_task(down())
    async for message in socket:
        assert message.type == WSMsgType.BINARY
        assert message.data[0] == 0
        writer.write(message.data[1:])
    task.cancel()
    writer.close()


def _status(code: int) -> Object:
    if code == 0:
        return {"status": "Success"}
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}


async def _echo(session: Session) -> int:
    """`cat`."""
    while data := await session.read():
        await session.out(data)
    return 0
