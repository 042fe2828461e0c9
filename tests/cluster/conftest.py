"""A scripted HTTP server, a real API server, and a `cluster` fixture over the real and the simulated one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiohttp import web

from outfitter.cluster.auth import Authentication
from outfitter.cluster.client import Client
from outfitter.cluster.transport import Transport
from outfitter.simulator.cluster import SimulatedCluster
from outfitter_sandbox import Sandbox

CRDS = Path(__file__).parents[2] / "crds"


@dataclass
class Scripted:
    """Answers requests by `answer`, and remembers them."""

    answer: Callable[[web.Request, int], Awaitable[web.StreamResponse]]
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(request)
        self.bodies.append(orjson.loads(body) if body else None)
        return await self.answer(request, len(self.requests))


@pytest.fixture
async def scripted() -> AsyncIterator[Callable[..., Awaitable[Scripted]]]:
    """Start a server: `server = await scripted(answer)`."""
    runners: list[web.AppRunner] = []

    async def start(answer: Callable[[web.Request, int], Awaitable[web.StreamResponse]]) -> Scripted:
        server = Scripted(answer)
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", server.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return server

    yield start
    for runner in runners:
        await runner.cleanup()


def authentication(url: str) -> Authentication:
    configuration = SimpleNamespace(host=url, api_key={"BearerToken": "Bearer secret-token"}, proxy=None)
    return Authentication(configuration, "")


@pytest.fixture
async def transport_to() -> AsyncIterator[Callable[..., Transport]]:
    """Make transports to scripted servers; closed afterwards."""
    made: list[Transport] = []

    def make(server: Scripted, **options: Any) -> Transport:
        made.append(Transport(authentication(server.url), **options))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A real control plane with our CRDs."""
    with Sandbox.up(root=tmp_path_factory.mktemp("cluster")) as up:
        up.apply_crds(CRDS)
        yield up


@pytest.fixture
async def server(sandbox: Sandbox) -> AsyncIterator[Transport]:
    """Requests to the real API server as its admin."""
    transport = Transport(await Authentication.load(str(sandbox.kubeconfig)))
    yield transport
    await transport.close()


@pytest.fixture
async def namespace(server: Transport) -> str:
    """A new namespace on the real server."""
    name = f"t-{os.getpid()}-{uuid4().hex[:6]}"
    await server.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture(params=["simulator", "server"])
def cluster(request: pytest.FixtureRequest) -> tuple[Any, str]:
    """(cluster, namespace), of the simulated and of a real API server."""
    if request.param == "simulator":
        return SimulatedCluster(), "team-a"
    transport = request.getfixturevalue("server")
    return Client(transport), request.getfixturevalue("namespace")
