"""Discovery, list and watch of a kind whose CRD may be absent, against a scripted server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiohttp import web
from cluster_waiting import eventually

from outfitter.children import CHILD_KINDS, ChildKind
from outfitter.cluster.sources import child_sources
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import Transport
from outfitter.snapshot import CachedObject

WIDGET = ChildKind("Widget", "example.com", "v1", "widgets", verbs=("list", "watch"), why="test", optional=True)
DISCOVERY = "/apis/example.com/v1"
SERVICE = CachedObject.of({"metadata": {"name": "v1.example.com", "uid": "s", "resourceVersion": "4"}}, "APIService")
Start = Callable[..., Awaitable[Any]]
Connect = Callable[..., Transport]


class Server:
    """Serves Widgets, of which there is one, or not. `discovery` and `lists` are answers that come before."""

    def __init__(self) -> None:
        self.served = False
        self.discovery: list[web.Response] = []
        self.lists: list[web.Response] = []
        self.changed = asyncio.Event()

    def serve(self, served: bool) -> None:
        self.served = served
        self.changed.set()
        self.changed = asyncio.Event()

    async def __call__(self, request: web.Request, number: int) -> web.StreamResponse:
        if request.path == DISCOVERY:
            return self.discovery.pop(0) if self.discovery else self._discovery()
        if self.lists and "watch" not in request.query:
            return self.lists.pop(0)
        if not self.served:
            return web.json_response({"reason": "NotFound"}, status=404)
        if "watch" not in request.query:
            meta = {"name": "w", "namespace": "a", "uid": "1", "resourceVersion": "3"}
            return web.json_response({"metadata": {"resourceVersion": "10"}, "items": [{"metadata": meta}]})
        response = web.StreamResponse()
        await response.prepare(request)
        await self.changed.wait()
        return response

    def _discovery(self) -> web.Response:
        if not self.served:
            return web.json_response({"reason": "NotFound"}, status=404)
        return web.json_response({"resources": [{"name": "widgets"}, {"name": "widgets/status"}]})


def caches_of_widgets() -> tuple[Caches, list[tuple[bool, int]]]:
    """Caches, and a record of each appearance and disappearance: whether it is served, and how many are cached."""
    caches, record = Caches((*CHILD_KINDS, WIDGET)), list[tuple[bool, int]]()
    caches.listen_served(lambda kind: record.append((caches.serves(kind), len(caches[kind]))))
    return caches, record


@asynccontextmanager
async def running(transport: Transport, caches: Caches, kind: ChildKind = WIDGET) -> Any:
    """The source of Widgets."""
    (source,) = child_sources(transport, caches, [kind], discovery_seconds=0.05)
    task = asyncio.create_task(source.run())
    try:
        async with asyncio.timeout(20):
            yield source
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_absent_kind_is_synced_and_appears_with_its_objects(scripted: Start, transport_to: Connect) -> None:
    server, (caches, record) = Server(), caches_of_widgets()
    http = await scripted(server)
    async with running(transport_to(http), caches) as source:
        await source.synced.wait()
        await eventually(lambda: len(http.requests) >= 3)
        assert {request.path for request in http.requests} == {DISCOVERY}
        server.serve(True)
        await eventually(lambda: caches.serves("Widget"))
        server.serve(False)
        await eventually(lambda: not caches.serves("Widget"))
    assert record == [(True, 1), (False, 1)], "dependents see the objects of a kind that is served"
    assert len(caches["Widget"]) == 0


async def test_an_error_of_discovery_is_no_answer(scripted: Start, transport_to: Connect) -> None:
    server, (caches, record) = Server(), caches_of_widgets()
    server.served = True
    server.discovery = [web.json_response({}, status=403)]
    async with running(transport_to(await scripted(server)), caches) as source:
        await source.synced.wait()
        assert caches.serves("Widget")
    assert record == [(True, 1)]


async def test_a_dispensable_kind_without_the_right_counts_as_not_served(
    scripted: Start, transport_to: Connect
) -> None:
    """The roles of an older version lack it; the operator works, and takes the kind up once it may."""
    server, (caches, record) = Server(), caches_of_widgets()
    server.served = True
    server.lists = [web.json_response({"reason": "Forbidden"}, status=403) for _ in range(2)]
    dispensable = replace(WIDGET, dispensable=True)
    async with running(transport_to(await scripted(server)), caches, dispensable) as source:
        await source.synced.wait()
        assert not caches.serves("Widget")
        await eventually(lambda: caches.serves("Widget"))
    assert record[0] == (True, 1)


async def test_a_404_of_a_kind_that_discovery_names_is_retried(scripted: Start, transport_to: Connect) -> None:
    """A new CRD can be in discovery before its objects can be listed."""
    server, (caches, record) = Server(), caches_of_widgets()
    server.served = True
    server.lists = [web.json_response({"reason": "NotFound"}, status=404)]
    async with running(transport_to(await scripted(server)), caches) as source:
        await source.synced.wait()
        server.changed.set()  # the watch ends, and starts again
        assert caches.serves("Widget")
    assert record == [(True, 1)]


async def test_a_write_of_a_kind_that_is_gone_leaves_no_object() -> None:
    caches, _ = caches_of_widgets()
    meta = {"name": "w", "namespace": "a", "uid": "1", "resourceVersion": "3"}
    caches.wrote("Widget", {"metadata": meta})
    assert len(caches["Widget"]) == 0
    caches.set_served("Widget", True)
    caches.wrote("Widget", {"metadata": meta})
    assert len(caches["Widget"]) == 1


async def test_a_kind_whose_version_does_not_exist_is_not_asked_for(scripted: Start, transport_to: Connect) -> None:
    """The APIService of its version tells when it appears, also if discovery names it a moment later."""
    server, (caches, record) = Server(), caches_of_widgets()
    caches.set_served("APIService", True)
    record.clear()
    http = await scripted(server)
    (source,) = child_sources(transport_to(http), caches, [WIDGET], discovery_seconds=0.0)
    task = asyncio.create_task(source.run())
    try:
        async with asyncio.timeout(20):
            await source.synced.wait()
            assert [request.path for request in http.requests] == [DISCOVERY]
            assert source.idle == 0
            server.discovery = [web.json_response({"reason": "NotFound"}, status=404)]
            server.served = True
            caches.put(SERVICE)
            await eventually(lambda: caches.serves("Widget"))
            caches.remove(SERVICE)
            server.serve(False)
            await eventually(lambda: not caches.serves("Widget"))
            asked = len(http.requests)
            caches.set_served("APIService", False)
            await eventually(lambda: len(http.requests) > asked + 1)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [served for served, _ in record] == [True, False, False], "Widgets come and go, then the APIServices go"
