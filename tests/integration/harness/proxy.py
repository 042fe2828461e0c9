"""A proxy between the operator and the API server that misbehaves on request."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp
import yaml
from aiohttp import web

from outfitter_sandbox import Sandbox

_WRITES = ("POST", "PATCH", "PUT", "DELETE")
_HOP = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}


@dataclass
class Fault:
    """What to do to the next `times` requests of `verb` whose path and query contain every one of `parts`.

    `code`: answer this instead of asking the server. `lose`: let the server do it, then break the connection.
    `garble`: pass on half of the answer. `cut`: break a watch after its first event. `gone`: end a watch with a 410
    event. `retry_after`: in seconds. `skip`: let so many pass first. `hold`: keep it back, before or after the server
    has done it, until `Proxy.release`; `held` is set then. `call`: called when the server has done it; with `early`,
    instead of asking it. Verb WRITE means any write. With none of these it only notes in `hits` what passes.
    """

    verb: str
    parts: tuple[str, ...] = ()
    code: int = 0
    lose: bool = False
    garble: bool = False
    cut: bool = False
    gone: bool = False
    times: int = 1
    reason: str = ""
    retry_after: int | None = None
    skip: int = 0
    hold: Literal["", "before", "after"] = ""
    call: Callable[[], object] | None = None
    early: bool = False
    hits: list[str] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def fits(self, verb: str, path: str) -> bool:
        named = verb == self.verb or (self.verb == "WRITE" and verb in _WRITES)
        if len(self.hits) >= self.times or not named or not all(part in path for part in self.parts):
            return False
        self.skip -= 1
        return self.skip < 0

    @property
    def spent(self) -> bool:
        return len(self.hits) >= self.times


class Proxy:
    """Runs in a thread of its own. `faults` may be changed at any time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.faults: list[Fault] = []
        self.url = ""
        self._target = sandbox.url
        self._tls = ssl.create_default_context(cafile=str(sandbox.directory / "pki" / "ca.crt"))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._watches: set[asyncio.Task[Any]] = set()
        self._stop: Callable[[], Any] | None = None

    def __enter__(self) -> Proxy:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def kubeconfig(self, like: Path, folder: Path) -> Path:
        """A kubeconfig with the same credentials that leads through here."""
        config = yaml.safe_load(like.read_text())
        config["clusters"][0]["cluster"] = {"server": self.url}
        path = folder / "through-the-proxy.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def inject(self, *faults: Fault) -> None:
        self.faults.extend(faults)

    def release(self, fault: Fault) -> None:
        """Let what `fault` holds go its way, whether or not whoever asked is still there."""
        self._loop.call_soon_threadsafe(fault.released.set)

    def drop_watches(self) -> int:
        """Break every watch that is open; how many there were."""

        async def drop() -> int:
            tasks = list(self._watches)
            for task in tasks:
                task.cancel()
            return len(tasks)

        return asyncio.run_coroutine_threadsafe(drop(), self._loop).result(10)

    async def _open(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls), timeout=timeout, auto_decompress=False
        )
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _close(self) -> None:
        for task in list(self._watches):
            task.cancel()
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = str(request.rel_url)
        watching = "watch=true" in path
        verb = "WATCH" if watching else request.method
        body = await request.read()
        fault = next((each for each in self.faults if each.fits(verb, path)), None)
        if fault is not None:
            fault.hits.append(path)
            if fault.code:
                return _refusal(fault)
            if fault.hold == "before":
                await self._keep_back(fault)
            if fault.call is not None and fault.early:
                fault.call()
                return _refusal(fault)  # nobody is there to hear it
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP}
        url = aiohttp.client.URL(self._target + path, encoded=True)
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            if watching:
                return await self._stream(request, answer, fault)
            content = await answer.read()
            if fault is not None and fault.hold == "after":
                await self._keep_back(fault)
            if fault is not None and fault.call is not None:
                fault.call()
            if fault is not None and fault.lose:
                assert request.transport is not None
                request.transport.abort()
            if fault is not None and fault.garble:
                content = content[: len(content) // 2]
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP}
            return web.Response(status=answer.status, body=content, headers=kept)

    async def _keep_back(self, fault: Fault) -> None:
        """Wait until it is released, or the proxy ends."""
        fault.held.set()
        await fault.released.wait()

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse, fault: Fault | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        try:
            if fault is not None and fault.gone:
                status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
                await response.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
                return response
            async for line in answer.content:
                await response.write(line)
                if fault is not None and fault.cut:
                    break
            else:
                return response
        except asyncio.CancelledError:
            pass  # a dropped watch ends like a broken one
        except (aiohttp.ClientError, ConnectionError):
            pass
        finally:
            self._watches.discard(task)
        if request.transport is not None:
            request.transport.abort()
        return response


def _refusal(fault: Fault) -> web.Response:
    status = {"kind": "Status", "status": "Failure", "code": fault.code, "reason": fault.reason, "message": "as told"}
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return web.json_response(status, status=fault.code, headers=headers)
