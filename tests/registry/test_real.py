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

from outfitter.registry.digests import compare
from outfitter.snapshot import NameQuery
from outfitter_sandbox.go_parts import CRANE
from outfitter_sandbox.processes import free_ports

from .looking import Names, look, question, refusal
from .test_queries import asking, result

pytestmark = pytest.mark.crane
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TAGS = [f"1.{number}" for number in range(1200)]


def manifest(name: str) -> bytes:
    """A manifest whose layers nobody pulls."""
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{64 * '0'}", "size": 2}
    content = {"schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": [], "annotations": {"name": name}}
    return json.dumps(content).encode()


async def push(session: aiohttp.ClientSession, name: str, reference: str, body: bytes, kind: str = MANIFEST) -> str:
    """Push a manifest, and return its digest."""
    url = f"/v2/{name}/manifests/{reference}"
    async with session.put(url, data=body, headers={"Content-Type": kind}) as answer:
        assert answer.status == 201, await answer.text()
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


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
                await push(session, name, tag, manifest(f"{name}:{tag}"))
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


async def test_a_tag_that_moves() -> None:
    """An image for one platform, then an index of it, then one of another image."""
    async with served([("team/app", "1")]) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        asked = asking(port, NameQuery("team/app", tag="1"))
        old = await push(session, "team/app", "old", manifest("old"))
        new = await push(session, "team/app", "new", manifest("new"))
        ran = "sha256:" + hashlib.sha256(manifest("team/app:1")).hexdigest()
        assert (await compare(asked, {ran}, None, Names())).newer(ran) == ""
        second = await push(session, "team/app", "1", listed(ran, old), INDEX)
        answer = await compare(asked, {ran, new}, None, Names())
        assert (answer.newer(ran), answer.newer(new)) == ("", second)
        third = await push(session, "team/app", "1", listed(new, old), INDEX)
        answer = await compare(asked, {ran, second}, answer, Names())
        assert (answer.newer(ran), answer.newer(second)) == (third, third)


def listed(*digests: str) -> bytes:
    """An image for several platforms."""
    images = [{"mediaType": MANIFEST, "digest": each, "size": 2} for each in digests]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": images}).encode()
