"""List and watch against a scripted server, and against the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web
from cluster_waiting import eventually

from outfitter.children import CHILD_KINDS, ApiResource
from outfitter.cluster.client import Client
from outfitter.cluster.informer import Informer, next_page
from outfitter.cluster.listing import listings
from outfitter.cluster.resources import api_resource
from outfitter.cluster.sources import child_sources
from outfitter.cluster.store import Caches, Change
from outfitter.cluster.transport import Transport
from outfitter.cluster.writethrough import WriteThrough
from outfitter.errors import Unavailable
from outfitter.simulator.cluster import SimulatedCluster

SERVICES = ApiResource("Service", "", "v1", "services")
QUICK = (0.01, 0.05)
Start = Callable[..., Awaitable[Any]]
Connect = Callable[..., Transport]


def item(name: str, version: int, **more: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "a", "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"kind": "Service", "metadata": meta, **more}


def listed(version: int, *items: dict[str, Any], token: str = "") -> web.Response:
    meta = {"resourceVersion": str(version), **({"continue": token} if token else {})}
    return web.json_response({"metadata": meta, "items": list(items)})


def line(what: str, body: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": what, "object": body}) + b"\n"


class Script:
    """Lists and watches answered in turn; the last watch stays open."""

    def __init__(self, lists: list[web.Response], watches: list[list[bytes] | int]) -> None:
        self.lists = lists
        self.watches = watches
        self.starts: list[str] = []

    async def __call__(self, request: web.Request, number: int) -> web.StreamResponse:
        if "watch" not in request.query:
            return self.lists.pop(0)
        self.starts.append(request.query["resourceVersion"])
        steps = self.watches.pop(0)
        if isinstance(steps, int):
            return web.json_response({"reason": "Expired", "message": "too old"}, status=steps)
        response = web.StreamResponse()
        await response.prepare(request)
        for step in steps:
            await response.write(step)
        if not self.watches:
            await asyncio.Event().wait()
        assert request.transport is not None
        request.transport.close()
        return response


@asynccontextmanager
async def running(informer: Informer) -> Any:
    task = asyncio.create_task(informer.run())
    try:
        async with asyncio.timeout(10):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def names(caches: Caches) -> set[str]:
    return {live.name for live in caches["Service"].all()}


async def test_a_dropped_watch_goes_on_where_it_was(scripted: Start, transport_to: Connect) -> None:
    script = Script(
        [listed(10, item("x", 3), token="t"), listed(10, item("y", 4))],
        [
            [line("ADDED", item("z", 12)), line("BOOKMARK", {"metadata": {"resourceVersion": "20"}})],
            [line("BOOKMARK", {"metadata": {"resourceVersion": "15"}})],  # stale: must not take us back
            [line("DELETED", item("x", 22))],
        ],
    )
    server, caches = await scripted(script), Caches()
    informer = Informer(transport_to(server), caches, SERVICES, backoff=QUICK)
    async with running(informer):
        await eventually(lambda: names(caches) == {"y", "z"})
    assert script.starts == ["10", "20", "20"]
    assert informer.lists == 1
    assert server.requests[1].query["continue"] == "t"


@pytest.mark.parametrize(
    "gone", [410, [line("ERROR", {"kind": "Status", "code": 410, "message": "too old"})]], ids=["connect", "in-stream"]
)
async def test_gone_lists_again_and_finds_the_deletion(
    scripted: Start, transport_to: Connect, gone: int | list[bytes]
) -> None:
    script = Script(
        [listed(10, item("x", 3), item("y", 4)), listed(30, item("y", 4))],
        [gone, [line("ADDED", item("late", 31))]],
    )
    caches, changes, relisted = Caches(), list[Change](), list[int]()
    caches.listen(changes.append)
    informer = Informer(
        transport_to(await scripted(script)), caches, SERVICES, backoff=QUICK, relisted=lambda: relisted.append(1)
    )
    async with running(informer):
        await eventually(lambda: names(caches) == {"y", "late"})
    assert script.starts == ["10", "30"]
    assert relisted == [1], "called after the second list only"
    assert [(change.live.name, change.new is None) for change in changes] == [
        ("x", False),
        ("y", False),
        ("x", True),
        ("late", False),
    ]


async def test_silence_is_a_dead_connection(scripted: Start, transport_to: Connect) -> None:
    hangs = asyncio.Event()

    async def answer(request: web.Request, number: int) -> web.StreamResponse:
        if "watch" not in request.query:
            return listed(10)
        response = web.StreamResponse()
        await response.prepare(request)
        if number == 2:
            await asyncio.Event().wait()
        hangs.set()
        await response.write(line("ADDED", item("x", 11)))
        await asyncio.Event().wait()
        return response

    caches = Caches()
    informer = Informer(transport_to(await scripted(answer)), caches, SERVICES, backoff=QUICK, idle_seconds=0.2)
    async with running(informer):
        await eventually(lambda: names(caches) == {"x"})
    assert hangs.is_set()


async def test_a_rejected_list_is_retried(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.StreamResponse:
        if number <= 8:
            return web.json_response({"message": "not yet"}, status=403)
        if "watch" in request.query:
            await asyncio.Event().wait()
        return listed(10, item("x", 3))

    informer = Informer(transport_to(await scripted(answer)), Caches(), SERVICES, backoff=QUICK)
    async with running(informer):
        await informer.synced.wait()


async def test_a_line_longer_than_any_buffer_and_in_pieces(scripted: Start, transport_to: Connect) -> None:
    big = line("ADDED", item("big", 11, spec={"text": "x" * 1_000_000}))
    script = Script([listed(10)], [[big[:100], big[100:700_000], big[700_000:] + line("ADDED", item("next", 12))]])
    caches = Caches()
    async with running(Informer(transport_to(await scripted(script)), caches, SERVICES, backoff=QUICK)):
        await eventually(lambda: names(caches) == {"big", "next"})
    assert len(caches["Service"].all()[0].raw) > 1_000_000


async def test_a_watch_that_ends_at_once_is_not_a_busy_loop(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.StreamResponse:
        return listed(10) if "watch" not in request.query else web.Response()

    server = await scripted(answer)
    informer = Informer(transport_to(server), Caches(), SERVICES, backoff=(0.1, 1.0))
    async with running(informer):
        await informer.synced.wait()
        await eventually(lambda: informer.watches >= 3)
    assert len(server.requests) <= 6


# -- the real server -------------------------------------------------------------------------------------------------


async def test_every_watch_of_the_table_is_accepted(server: Transport) -> None:
    caches = Caches()
    found = child_sources(server, caches, CHILD_KINDS)
    tasks = [asyncio.create_task(informer.run()) for informer in found]
    try:
        async with asyncio.timeout(20):
            await asyncio.gather(*(informer.synced.wait() for informer in found))
            always = [informer for informer in found if isinstance(informer, Informer)]
            assert {informer.kind for informer in found} - {informer.kind for informer in always} == {
                kind.kind for kind in CHILD_KINDS if kind.optional
            }
            await eventually(lambda: all(informer.watches for informer in always))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert caches["Namespace"].get("", "default") is not None


async def test_metadata_only_never_receives_data(server: Transport, namespace: str) -> None:
    client, caches = Client(server), Caches()
    secrets = api_resource("Secret")
    assert secrets.watch.metadata_only
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": namespace},
        "stringData": {"password": "hunter2"},
    }
    await client.create(manifest)
    await client.create({**manifest, "metadata": {"name": "h", "namespace": namespace}, "type": "helm.sh/release.v1"})
    async with running(Informer(server, caches, secrets, namespace)):
        await eventually(lambda: caches["Secret"].get(namespace, "s") is not None)
        assert caches["Secret"].get(namespace, "h") is None, "selected out by the server"
        version = (await client.apply({**manifest, "stringData": {"password": "other"}}, uid=_uid(caches, namespace)))[
            "metadata"
        ]["resourceVersion"]
        await eventually(lambda: _version(caches, namespace) >= int(version))
    raw = caches["Secret"].get(namespace, "s")
    assert raw is not None
    assert b'"data"' not in raw.raw


def _uid(caches: Caches, namespace: str) -> str:
    live = caches["Secret"].get(namespace, "s")
    assert live is not None
    return live.uid


def _version(caches: Caches, namespace: str) -> int:
    live = caches["Secret"].get(namespace, "s")
    return live.resource_version if live else 0


async def test_our_own_writes_are_no_changes(server: Transport, namespace: str) -> None:
    caches, changed = Caches(), list[str]()
    caches.listen(lambda change: changed.append(change.live.name))
    writer = WriteThrough(Client(server), caches)
    async with running(informer := Informer(server, caches, api_resource("ConfigMap"), namespace)):
        await informer.synced.wait()
        await eventually(lambda: informer.watches > 0)
        changed.clear()
        for number in range(20):
            await writer.create(
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"own-{number}", "namespace": namespace}}
            )
        await Client(server).create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign", "namespace": namespace}}
        )
        await eventually(lambda: "foreign" in changed)
    assert [name for name in changed if name.startswith("own")] == []


async def test_one_namespace_object_by_its_own_path(server: Transport, namespace: str) -> None:
    caches = Caches()
    async with running(informer := Informer(server, caches, api_resource("Namespace"), namespace)):
        await informer.synced.wait()
        await eventually(lambda: informer.watches > 0)
        labels = {"metadata": {"labels": {"outfitter.dev/project": "x"}}}
        await server.request(
            "PATCH", f"/api/v1/namespaces/{namespace}", labels, content_type="application/merge-patch+json"
        )
        await eventually(lambda: b"outfitter.dev/project" in caches["Namespace"].get("", namespace).raw)  # type: ignore[union-attr]
    assert len(caches["Namespace"]) == 1


async def test_listings_see_what_there_is(server: Transport, namespace: str) -> None:
    client = Client(server)
    made = await client.create(
        {
            "apiVersion": "outfitter.dev/v1alpha1",
            "kind": "Environment",
            "metadata": {"name": "e", "namespace": namespace},
            "spec": {"image": "busybox"},
        }
    )
    (found,) = await listings(server, "Environment", [namespace])
    assert found.uids == {made["metadata"]["uid"]}
    assert found.version >= int(made["metadata"]["resourceVersion"])


async def test_write_through_over_the_simulator() -> None:
    caches, changed, written = Caches(), list[str](), list[str]()
    caches.listen(lambda change: changed.append(change.live.name))
    caches.listen_written(lambda change: written.append(change.live.name))
    memory = SimulatedCluster(caches=caches)
    writer = WriteThrough(memory, caches)
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "a"}}
    await writer.create(manifest)
    assert (changed, written) == (["a"], ["x"])
    memory.fail_next("patch", "ConfigMap", Unavailable("down"))
    with pytest.raises(Unavailable):
        await writer.apply(manifest, "uid-000001")


@pytest.mark.parametrize(
    ("length", "objects", "expected"), [(0, 0, 1), (2_600_000, 10, 8), (30_000, 10, 100), (9**9, 1, 1)]
)
def test_large_objects_are_listed_in_small_pages(length: int, objects: int, expected: int) -> None:
    """A page of 255 KiB annotations of one tenant must not fill the memory."""
    assert next_page(length, objects) == expected
