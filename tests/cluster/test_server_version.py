"""The version of the API server, and the word that plans read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from cluster_waiting import eventually

from outfitter.cluster.server_version import ServerVersion
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import Transport
from outfitter.naming import IMAGE_VOLUMES

Start = Callable[..., Awaitable[Any]]
Connect = Callable[..., Transport]


class Server:
    """Answers with each response once, and with the last one from then on."""

    def __init__(self, *answers: Any) -> None:
        self._answers: Iterator[Any] = iter(answers)
        self._last: Any = None
        self.requests = 0

    async def __call__(self, request: web.Request, number: int) -> web.StreamResponse:
        assert request.path == "/version"
        self.requests += 1
        self._last = next(self._answers, self._last)
        if isinstance(self._last, int):
            return web.json_response({"reason": "Unknown"}, status=self._last)
        return web.json_response(self._last)


def version(minor: str, major: str = "1") -> dict[str, str]:
    return {"major": major, "minor": minor, "gitVersion": f"v{major}.{minor}.0"}


@pytest.mark.parametrize(
    ("answer", "served"),
    [
        (version("34"), False),
        (version("34+"), False),
        (version("35"), True),
        (version("36+"), True),
        (version("0", "2"), True),
        ({}, True),
        (version("x"), True),
        (403, True),
        (404, True),
    ],
)
async def test_a_version(scripted: Start, transport_to: Connect, answer: Any, served: bool) -> None:
    """A server that does not say its version gets the pods, and rejects what it does not know."""
    caches = Caches()
    source = ServerVersion(transport_to(await scripted(Server(answer))), caches)
    task = asyncio.create_task(source.run())
    await asyncio.wait_for(source.synced.wait(), 5)
    assert caches.serves(IMAGE_VOLUMES) is served
    assert source.idle == 0
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_an_upgraded_server_is_noticed_and_not_asked_again(scripted: Start, transport_to: Connect) -> None:
    caches, changed = Caches(), list[str]()
    caches.listen_served(changed.append)
    server = Server(version("34"), 500, version("36"))
    source = ServerVersion(transport_to(await scripted(server)), caches, again_seconds=0.01)
    task = asyncio.create_task(source.run())
    await eventually(lambda: len(changed) == 2)
    assert caches.serves(IMAGE_VOLUMES)
    assert changed == [IMAGE_VOLUMES, IMAGE_VOLUMES]
    assert not task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
