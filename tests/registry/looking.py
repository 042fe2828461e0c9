"""Looks at servers on loopback, under names that a resolver of the tests knows."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from image_registry import PASSWORD, USER
from outfitter.api.registry_hosts import RegistryHost
from outfitter.registry.errors import RegistryError
from outfitter.registry.survey import Survey, survey
from outfitter.snapshot import RegistryLogin, RegistryQuestion

HOST = "registry.test"
LOGIN = RegistryLogin(USER, PASSWORD)


class Names(AbstractResolver):
    """Resolves every name to the addresses of a list, one after the other; the last one stays."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses or ("127.0.0.1",))
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


def question(
    port: int, *, login: bool = False, path: str = "", only: Sequence[str] = (), **options: Any
) -> RegistryQuestion:
    """The question to a server on a port."""
    host = RegistryHost(**{"plain_http": True, "addresses": "loopback", **options})
    return RegistryQuestion(f"{HOST}:{port}", host, path, tuple(only), LOGIN if login else None)


async def look(asked: RegistryQuestion, *addresses: str, host: str = "", **limits: Any) -> Survey:
    """Look at it."""
    return await survey(replace(asked, host=host or asked.host), resolver=Names(*addresses), **limits)


async def refusal(asked: RegistryQuestion, *addresses: str, host: str = "", **limits: Any) -> RegistryError:
    """The error of a look that fails. Its text is printable, short, and has no password."""
    with pytest.raises(RegistryError) as caught:
        await look(asked, *addresses, host=host, **limits)
    error = caught.value
    assert error.text.isprintable()
    assert len(error.text) < 320
    assert PASSWORD not in error.text
    return error
