"""The probe port: all addresses of IPv4 and IPv6, one family on a machine without the other, or one address."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession

from outfitter.operator import probes
from outfitter.operator.metrics import Metrics
from outfitter.operator.probes import Probes
from outfitter.render.urls import build_url
from outfitter.settings import Settings

FAMILIES = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}


@asynccontextmanager
async def listening(host: str) -> AsyncIterator[int]:
    server = Probes(Metrics(), [])
    await server.start(host, 0)
    try:
        yield server.port
    finally:
        await server.stop()


def available(address: str) -> bool:
    """Whether this machine has the address."""
    try:
        with socket.socket(FAMILIES[address]) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


async def answers(address: str, port: int) -> bool:
    try:
        async with ClientSession() as session, session.get(build_url("http", address, port, "/healthz")) as response:
            return response.status == 200
    except OSError:
        return False


async def test_by_default_every_address_answers() -> None:
    async with listening(Settings().probe_host) as port:
        for address in filter(available, FAMILIES):
            assert await answers(address, port), address


@pytest.mark.parametrize("how", ["no socket", "bind is refused"])
async def test_a_machine_without_ipv6(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create = socket.create_server

    def refuse(address: Any, **options: Any) -> socket.socket:
        if options.get("family") == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return create(address, **options)

    if how == "no socket":
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    else:
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: True)
        monkeypatch.setattr(socket, "create_server", refuse)
    async with listening("") as port:
        assert await answers("127.0.0.1", port)
        assert not await answers("::1", port)


async def test_a_port_in_use_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not fall back to the other family."""
    async with listening("") as port:
        with pytest.raises(OSError, match="in use") as raised:
            probes.every_address(port)
        assert raised.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("host", FAMILIES)
async def test_a_given_address_is_the_only_one(host: str) -> None:
    if not available(host):
        pytest.skip(f"this machine has no {host}")
    async with listening(host) as port:
        assert [address for address in FAMILIES if await answers(address, port)] == [host]
