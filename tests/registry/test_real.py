"""The queries, asked of the registry of go-containerregistry: pages without links, names in no order."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Iterable

import aiohttp
import pytest

from outfitter.snapshot import NameQuery
from outfitter_sandbox.go_parts import CRANE
from outfitter_sandbox.processes import free_ports

from .looking import look, question, refusal
from .test_queries import asking, result

pytestmark = pytest.mark.crane
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TAGS = [f"1.{number}" for number in range(1200)]


def manifest(name: str) -> bytes:
    """A manifest whose layers nobody pulls."""
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{64 * '0'}", "size": 2}
    content = {"schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": [], "annotations": {"name": name}}
    return json.dumps(content).encode()


@contextlib.asynccontextmanager
async def served(images: Iterable[tuple[str, str]]) -> AsyncIterator[int]:
    """A registry on a free port, with images: repository and tag."""
    found, missing = CRANE.find(None)
    assert not missing
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        found["crane"], "registry", "serve", "--address", f"127.0.0.1:{port}", stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            while process.returncode is None:
                with contextlib.suppress(aiohttp.ClientConnectorError):
                    async with session.get("/v2/") as answer:
                        assert answer.status == 200
                        break
                await asyncio.sleep(0.05)
            for name, tag in images:
                body, headers = manifest(f"{name}:{tag}"), {"Content-Type": MANIFEST}
                async with session.put(f"/v2/{name}/manifests/{tag}", data=body, headers=headers) as answer:
                    assert answer.status == 201, await answer.text()
        yield port
    finally:
        process.kill()
        await process.wait()


async def test_the_three_queries() -> None:
    async with served([*(("team/trainer", tag) for tag in TAGS), ("team/tool", "1"), ("base", "1")]) as port:
        listed = await look(question(port))
        assert (listed.names, listed.truncated) == (("base", "team/tool", "team/trainer"), False)
        found = await result(asking(port, NameQuery(search="train", limit=10)))
        assert (found.names, found.found) == (("team/trainer",), 1)
        found = await result(asking(port, NameQuery("team/trainer", limit=2)))
        assert (found.names, found.found, found.truncated) == (("1.1199", "1.1198"), 1200, False)
        found = await result(asking(port, NameQuery("team/trainer", tag="1.77")))
        assert found.digest == "sha256:" + hashlib.sha256(manifest("team/trainer:1.77")).hexdigest()
        assert not (await result(asking(port, NameQuery("team/trainer", tag="2.0")))).exists
        assert not (await result(asking(port, NameQuery("team/gone", limit=2)))).exists
    assert "does not accept connections" in (await refusal(asking(port, NameQuery("team/trainer", limit=2)))).text


async def test_a_catalogue_that_does_not_continue_is_incomplete() -> None:
    """It ignores `last`, and each page has any of its names. A list that can lack some is marked."""
    names = [f"team/app-{number:03}" for number in range(300)]
    async with served((name, "latest") for name in names) as port:
        listed = await look(question(port))
    assert 250 <= len(listed.names) <= 300
    assert set(listed.names) <= set(names)
    assert listed.truncated
