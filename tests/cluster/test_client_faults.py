"""The client against a server that misbehaves."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from outfitter.cluster.client import Client
from outfitter.cluster.limiter import Limiter
from outfitter.cluster.transport import JSON, Transport
from outfitter.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    LeadershipLost,
    Throttled,
    Unavailable,
)
from outfitter.operator.leader import ServerLeases

MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "a"}}
STORED = {**MANIFEST, "metadata": {"name": "x", "namespace": "a", "uid": "u", "resourceVersion": "7"}}
Start = Callable[..., Awaitable[Any]]
Connect = Callable[..., Transport]


def status(code: int, reason: str = "", message: str = "no", **headers: str) -> web.Response:
    body = {"kind": "Status", "reason": reason, "message": message}
    return web.json_response(
        body, status=code, headers={key.replace("_", "-"): value for key, value in headers.items()}
    )


async def test_429_waits_as_long_as_the_server_asks(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        return status(429, Retry_After="1") if number == 1 else web.json_response(STORED, status=201)

    server = await scripted(answer)
    codes: Counter[tuple[str, int]] = Counter()
    transport = transport_to(server, record=lambda verb, code: codes.update([(verb, code)]))
    started = time.monotonic()
    stored = await Client(transport).create(MANIFEST)
    assert stored["metadata"]["uid"] == "u"
    assert time.monotonic() - started >= 1
    assert codes == {("POST", 429): 1, ("POST", 201): 1}
    assert server.requests[0].query == {"fieldManager": "outfitter", "fieldValidation": "Strict"}
    assert server.requests[0].headers["Authorization"] == "Bearer secret-token"
    assert transport.limiter.limit < 32


async def test_429_that_asks_for_long_goes_back_to_the_queue(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        return status(429, Retry_After="60")

    server = await scripted(answer)
    with pytest.raises(Throttled) as caught:
        await Client(transport_to(server)).get("ConfigMap", "a", "x")
    assert caught.value.retry_after == 60
    assert len(server.requests) == 1


async def test_no_credentials_go_where_a_redirect_leads(scripted: Start, transport_to: Connect) -> None:
    """Of a request, a watch, and a WebSocket: a proxy or kubelet can answer any of them."""

    async def steal(request: web.Request, number: int) -> web.Response:
        return web.json_response(STORED)

    thief = await scripted(steal)

    async def redirect(request: web.Request, number: int) -> web.Response:
        return web.Response(status=302, headers={"Location": f"{thief.url}/stolen"})

    transport = transport_to(await scripted(redirect))
    with pytest.raises(ApiError, match="302"):
        await Client(transport).get("ConfigMap", "a", "x")
    with pytest.raises(ApiError, match="302"):
        async with transport.stream("/api/v1/pods", accept=JSON, total=5, idle=5):
            pass
    with pytest.raises(ApiError, match="302"):
        await transport.connect("/api/v1/namespaces/a/pods/x/exec", "v5.channel.k8s.io")
    assert thief.requests == []


async def test_500_is_retried_a_few_times_only(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        return status(500, "InternalError", "boom")

    server = await scripted(answer)
    with pytest.raises(Unavailable, match="boom"):
        await Client(transport_to(server)).get("ConfigMap", "a", "x")
    assert len(server.requests) == 5


async def test_a_dropped_connection_is_retried_and_a_repeated_post_may_meet_itself(
    scripted: Start, transport_to: Connect
) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        if number == 1:
            assert request.transport is not None
            request.transport.close()
        return status(409, "AlreadyExists", "exists")

    server = await scripted(answer)
    with pytest.raises(AlreadyExists):
        await Client(transport_to(server)).create(MANIFEST)
    assert len(server.requests) == 2


async def test_a_server_that_hangs_is_a_timeout(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    server = await scripted(answer)
    transport = transport_to(server, request_seconds=0.1)
    with pytest.raises(Unavailable):
        await transport.request("GET", "/x", attempts=2)
    assert len(server.requests) == 2
    assert transport.limiter.in_flight == 0


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (403, "Forbidden", Forbidden),
        (409, "Conflict", Conflict),
        (410, "Expired", Gone),
        (422, "Invalid", Invalid),
    ],
)
async def test_refusals_are_not_retried(
    scripted: Start, transport_to: Connect, code: int, reason: str, error: type[Exception]
) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        return status(code, reason)

    server = await scripted(answer)
    with pytest.raises(error):
        await transport_to(server).request("GET", "/x")
    assert len(server.requests) == 1


async def test_an_answer_that_is_not_json_is_still_one_of_our_errors(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        return web.Response(status=502, text="<html>bad gateway</html>")

    server = await scripted(answer)
    with pytest.raises(Unavailable, match="HTTP 502"):
        await transport_to(server).request("GET", "/x", attempts=1)


async def test_no_write_leaves_after_leadership_is_lost(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        return status(503)

    server = await scripted(answer)
    held = iter([True, False])
    client = Client(transport_to(server, gate=lambda: next(held)))
    with pytest.raises(LeadershipLost):
        await client.create(MANIFEST)
    assert len(server.requests) == 1, "the retry met a closed gate"


async def test_reads_need_no_leadership(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        return web.json_response(STORED)

    client = Client(transport_to(await scripted(answer), gate=lambda: False))
    assert await client.get("ConfigMap", "a", "x") == STORED


async def test_lists_are_paged(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        token = {"continue": "more & more"} if number == 1 else {}
        return web.json_response({"metadata": token, "items": [{"metadata": {"name": f"n{number}"}}]})

    server = await scripted(answer)
    found = await Client(transport_to(server), ["a"]).list("ConfigMap", label_selector="k=v,!l")
    assert [(item["metadata"]["name"], item["kind"]) for item in found] == [("n1", "ConfigMap"), ("n2", "ConfigMap")]
    assert server.requests[0].path == "/api/v1/namespaces/a/configmaps"
    assert server.requests[1].query["continue"] == "more & more"
    assert server.requests[1].query["labelSelector"] == "k=v,!l"


async def test_a_secret_s_value_is_not_in_the_error(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        return status(422, "Invalid", 'Secret "x" is invalid: data[k]: Invalid value: "hunter2"')

    client = Client(transport_to(await scripted(answer)))
    with pytest.raises(Invalid) as caught:
        await client.create({**MANIFEST, "kind": "Secret"})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_events_never_fail_and_are_limited(scripted: Start, transport_to: Connect) -> None:
    from outfitter.snapshot import CachedObject

    async def answer(request: web.Request, number: int) -> web.Response:
        return status(500)

    server = await scripted(answer)
    client = Client(transport_to(server))
    environment = CachedObject.of({**STORED, "kind": "Environment"})
    for number in range(200):
        await client.emit(environment, type_="Normal", reason="Ready", message=f"m{number % 100}", action="Reconcile")
    assert 25 <= len(server.requests) < 45
    assert server.bodies[0]["involvedObject"]["apiVersion"] == "outfitter.dev/v1alpha1"


async def test_concurrency_is_bounded(scripted: Start, transport_to: Connect) -> None:
    running = peak = 0
    everyone = asyncio.Event()

    async def answer(request: web.Request, number: int) -> web.Response:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        if running == 4:
            everyone.set()
        await everyone.wait()
        running -= 1
        return web.json_response(STORED)

    client = Client(transport_to(await scripted(answer), max_requests=4))
    await asyncio.gather(*(client.get("ConfigMap", "a", "x") for _ in range(20)))
    assert peak == 4


async def test_width_halves_once_per_burst_and_grows_back() -> None:
    now = 0.0
    limiter = Limiter(32, clock=lambda: now)
    for _ in range(20):
        limiter.busy()
    assert limiter.limit == 16
    now = 2.0
    limiter.busy()
    assert limiter.limit == 8
    for _ in range(2000):
        limiter.answered()
    assert limiter.limit == 32


async def test_a_cancelled_waiter_does_not_keep_its_place() -> None:
    limiter = Limiter(1)
    async with limiter:
        waiting = asyncio.create_task(limiter.__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1):
        async with limiter:
            assert limiter.in_flight == 1
    assert limiter.in_flight == 0


QUOTED = [
    ('admission webhook "w" denied the request: data is "hunter2"', 'admission webhook "w" denied the request'),
    ('secrets "x" is forbidden: ValidatingAdmissionPolicy "p" denied request: "hunter2"', ""),
    ('secrets "x" is forbidden: exceeded quota: q, used: 1', 'secrets "x" is forbidden: exceeded quota: q, used: 1'),
]


@pytest.mark.parametrize(("said", "kept"), QUOTED)
@pytest.mark.parametrize("code", [403, 409])
async def test_what_a_webhook_says_of_a_secret_is_not_passed_on(
    scripted: Start, transport_to: Connect, said: str, kept: str, code: int
) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        if request.method == "GET":
            return web.json_response(STORED)
        return status(code, "Forbidden", said)

    client = Client(transport_to(await scripted(answer)))
    secret = {**MANIFEST, "kind": "Secret"}
    for write in (client.create(secret), client.apply(secret, "u"), client.delete("Secret", "a", "x", "u")):
        with pytest.raises(Forbidden if code == 403 else Conflict) as caught:
            await write
        assert "hunter2" not in caught.value.message
        assert kept in caught.value.message
    with pytest.raises((Forbidden, Conflict)) as caught:
        await client.create(MANIFEST)
    assert caught.value.message == said, "only Secrets are silent"


async def test_an_answer_nested_too_deep_is_one_of_our_errors(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        return web.Response(body=b"[" * 3000 + b"]" * 3000)

    with pytest.raises(Unavailable, match="cannot be parsed"):
        await Client(transport_to(await scripted(answer))).get("ConfigMap", "a", "x")


async def test_a_write_is_not_under_way_longer_than_the_lease(scripted: Start, transport_to: Connect) -> None:
    async def answer(request: web.Request, number: int) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    server = await scripted(answer)
    held = iter([True, False])
    transport = transport_to(server, gate=lambda: next(held), remaining=lambda: 0.05, request_seconds=3600)
    async with asyncio.timeout(30):
        with pytest.raises(LeadershipLost):
            await Client(transport).create(MANIFEST)
    assert len(server.requests) == 1


async def test_the_election_does_not_queue_behind_writes(scripted: Start, transport_to: Connect) -> None:
    """All places are taken by what the server does not answer: the Lease is asked for all the same."""

    async def answer(request: web.Request, number: int) -> web.Response:
        if "leases" not in request.path:
            await asyncio.Event().wait()
        return web.json_response({"metadata": {}, "spec": {}})

    server = await scripted(answer)
    transport = transport_to(server)
    transport.limiter.limit = 1.0
    stuck = asyncio.create_task(Client(transport).get("ConfigMap", "a", "x"))
    async with asyncio.timeout(30):
        while not server.requests:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)
        assert await ServerLeases(transport, "a", "outfitter", 5.0).read() is not None
    stuck.cancel()
