"""One unreadable object must not keep out the others."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from aiohttp import web
from cluster_waiting import eventually
from test_informer import QUICK, SERVICES, Connect, Start, item, line, names, running

from outfitter.cluster.informer import Informer
from outfitter.cluster.lookup import CacheLookup
from outfitter.cluster.resources import api_resource
from outfitter.cluster.store import Caches
from outfitter.cluster.unreadable import Unreadable
from outfitter.snapshot import CachedObject


def nested(name: str, version: int, depth: int) -> bytes:
    """As the server writes it: metadata first, and whatever a user nested below it afterwards."""
    body = orjson.dumps(item(name, version, spec="?"))
    return body.replace(b'"?"', b'{"a":' * depth + b"1" + b"}" * depth)


def page(version: int, items: list[bytes], token: str = "") -> web.Response:
    meta = orjson.dumps({"resourceVersion": str(version), "continue": token})
    body = b'{"kind":"ServiceList","apiVersion":"v1","metadata":%s,"items":[%s]}' % (meta, b",".join(items))
    return web.Response(body=body, content_type="application/json")


DEEP = {"not to be kept": 300, "not to be parsed": 2000}


@pytest.mark.parametrize("depth", DEEP.values(), ids=DEEP)
async def test_one_object_that_cannot_be_read_keeps_out_no_other(
    scripted: Start, transport_to: Connect, depth: int, caplog: pytest.LogCaptureFixture
) -> None:
    stored = [orjson.dumps(item("x", 3)), nested("deep", 4, depth), orjson.dumps(item("y", 5))]

    async def answer(request: web.Request, number: int) -> web.StreamResponse:
        if "watch" in request.query:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b'{"type":"MODIFIED","object":%s}\n' % nested("deep", 11, depth))
            await response.write(line("ADDED", item("z", 12)))
            await asyncio.Event().wait()
        start, limit = int(request.query.get("continue") or 0), int(request.query["limit"])
        end = start + limit
        return page(10, stored[start:end], str(end) if end < len(stored) else "")

    server, caches, counted = await scripted(answer), Caches(), list[str]()
    unreadable = Unreadable(counted.append)
    informer = Informer(transport_to(server), caches, SERVICES, backoff=QUICK, unreadable=unreadable)
    async with running(informer):
        await eventually(lambda: names(caches) == {"x", "y", "z"})
    assert "uid-deep" in unreadable
    assert counted == ["Service", "Service"], "in the list and in the watch"
    assert [record.getMessage() for record in caplog.records if "Service a/deep" in record.getMessage()] == [
        "Service a/deep: cannot be read and is ignored. Correct or delete it."
    ]


@pytest.mark.parametrize("depth", DEEP.values(), ids=DEEP)
async def test_what_was_known_stays_until_it_is_deleted(scripted: Start, transport_to: Connect, depth: int) -> None:
    looked = asyncio.Event()

    async def answer(request: web.Request, number: int) -> web.StreamResponse:
        if "watch" not in request.query:
            return page(10, [nested("x", 9, depth)])
        response = web.StreamResponse()
        await response.prepare(request)
        await looked.wait()
        await response.write(b'{"type":"DELETED","object":%s}\n' % nested("x", 11, depth))
        await asyncio.Event().wait()
        return response

    caches = Caches()
    caches.put(CachedObject.of(item("x", 3)))
    informer = Informer(transport_to(await scripted(answer)), caches, SERVICES, backoff=QUICK)
    async with running(informer):
        await informer.synced.wait()
        assert names(caches) == {"x"}, "it exists, whatever it looks like"
        looked.set()
        await eventually(lambda: names(caches) == set())


async def test_one_namespace_that_cannot_be_read_is_followed_all_the_same(
    scripted: Start, transport_to: Connect
) -> None:
    async def answer(request: web.Request, number: int) -> web.StreamResponse:
        if "watch" in request.path:
            await asyncio.Event().wait()
        return web.Response(body=nested("a", 9, 2000))

    server = await scripted(answer)
    async with running(
        informer := Informer(transport_to(server), Caches(), api_resource("Namespace"), "a", backoff=QUICK)
    ):
        await informer.synced.wait()
        await eventually(lambda: informer.watches > 0)
    assert server.requests[-1].query["resourceVersion"] == "9"


async def test_half_an_answer_is_no_list(scripted: Start, transport_to: Connect) -> None:
    whole = orjson.dumps({"metadata": {"resourceVersion": "10"}, "items": [item("x", 3)]})

    async def answer(request: web.Request, number: int) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.Response(body=whole if number > 2 else whole[:-30])
        response = web.StreamResponse()
        await response.prepare(request)
        if number == 4:
            await response.write(b"<html>bad gateway</html>\n")
        await asyncio.Event().wait()
        return response

    caches = Caches()
    informer = Informer(transport_to(await scripted(answer)), caches, SERVICES, backoff=QUICK)
    async with running(informer):
        await eventually(lambda: informer.lists == 2)
    assert names(caches) == {"x"}


async def test_the_last_ingress_of_a_host_leaves_no_index_entry() -> None:
    caches = Caches()
    lookup = CacheLookup(caches)
    ingress = CachedObject.of({**item("i", 1, spec={"rules": [{"host": "h"}]}), "kind": "Ingress"})
    caches.put(ingress)
    assert list(lookup.indexed("Ingress", "h")) == [ingress]
    caches.remove(ingress)
    assert lookup._index["Ingress"] == {}
