"""The comparison of a tag with the digests that pods run: of registries that keep to the protocol, and hostile ones."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web

from image_registry import PASSWORD, ImageRegistry, digest, image, index, listening
from outfitter.reasons import Reason
from outfitter.registry.digests import compare
from outfitter.registry.errors import Denied, RegistryError
from outfitter.snapshot import ImageAnswer, NameQuery, RegistryLogin, RegistryQuestion

from .looking import Names, question
from .servers import answering, sockets

QUERY = NameQuery("team/app", tag="1")
OLD, NEW, ARM = image("old"), image("new"), image("arm")


def asking(port: int, query: NameQuery = QUERY, *, login: bool = False) -> RegistryQuestion:
    return replace(question(port, login=login), query=query)


async def compared(
    asked: RegistryQuestion, *running: bytes, before: ImageAnswer | None = None, seconds: float = 20
) -> ImageAnswer:
    return await compare(asked, {digest(each) for each in running}, before, Names(), seconds=seconds)


async def refused(asked: RegistryQuestion, *running: bytes, seconds: float = 20) -> RegistryError:
    """The error of a comparison that fails. Its text is printable, short, and has no password."""
    with pytest.raises(RegistryError) as caught:
        await compared(asked, *running, seconds=seconds)
    assert caught.value.text.isprintable()
    assert len(caught.value.text) < 320
    assert PASSWORD not in caught.value.text
    return caught.value


@pytest.mark.parametrize("login", ["none", "basic", "bearer"])
async def test_what_becomes_of_each_digest(login: str) -> None:
    registry = ImageRegistry(login=login)
    tag = index(NEW, ARM)
    registry.push("team/app", "1", tag)
    async with listening(registry.application()) as port:
        answer = await compared(asking(port, login=True), OLD, NEW, tag)
    found = [answer.newer(digest(each)) for each in (OLD, NEW, tag, ARM)]
    assert found == [digest(tag), "", "", None]


async def test_a_manifest_is_read_only_where_a_digest_is_not_known() -> None:
    """A GET of a manifest counts as a download."""
    registry = ImageRegistry()
    registry.push("team/app", "1", NEW)
    async with listening(registry.application()) as port:
        first = await compared(asking(port), NEW)
        assert [path for path, _, _ in registry.requests] == ["/v2/team/app/manifests/1"]
        second = await compared(asking(port), NEW, OLD, before=first)
        assert len(registry.requests) == 3
        assert await compared(asking(port), NEW, OLD, before=second) == second
        assert len(registry.requests) == 4
        # What no pod runs any more is forgotten.
        assert await compared(asking(port), NEW, before=second) == first


@pytest.mark.parametrize(
    "query",
    [NameQuery("../../api", tag="1"), NameQuery("team/app", tag="../x"), NameQuery("team/app", tag="a?b"), None],
)
async def test_a_name_that_is_none_is_not_sent(query: NameQuery | None) -> None:
    async with sockets() as (port, seen):
        await refused(replace(asking(port), query=query), OLD)
        assert seen == []


async def test_a_tag_that_is_gone_is_not_a_failure_of_the_registry() -> None:
    async with listening(ImageRegistry().application()) as port:
        assert isinstance(await refused(asking(port, NameQuery("team/app", tag="gone")), OLD), Denied)


@pytest.mark.parametrize("kind", ["basic", "bearer"])
async def test_a_login_that_is_rejected_is_one(kind: str) -> None:
    registry = ImageRegistry(login=kind)
    async with listening(registry.application()) as port:
        error = await refused(replace(asking(port), login=RegistryLogin("robot", "wrong")), OLD)
    assert not isinstance(error, Denied)
    assert error.reason == Reason.LOGIN_REJECTED


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(NEW, id="another image than its digest"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"x" * 2 * 1024 * 1024, id="two megabytes"),
    ],
)
async def test_a_manifest_that_is_not_that_of_the_digest(manifest: bytes) -> None:
    async with listening(answering(_manifests(digest(OLD), lambda: manifest))) as port:
        error = await refused(asking(port), ARM)
    assert error.reason == Reason.REGISTRY_UNREACHABLE


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"nope",
        b"[" * 100_000,
        json.dumps({"manifests": None}).encode(),
        json.dumps({"manifests": {"digest": "a"}}).encode(),
        json.dumps({"manifests": ["a", 7]}).encode(),
        index(index(OLD), kind="image.index"),
    ],
)
async def test_a_manifest_that_cannot_be_compared(content: bytes) -> None:
    async with listening(answering(_manifests(digest(content), lambda: content))) as port:
        error = await refused(asking(port), OLD)
    assert error.reason == Reason.REGISTRY_UNREACHABLE


async def test_an_index_of_thousands_of_images_leaves_only_what_runs() -> None:
    content = index(*(str(number).encode() for number in range(5000)), OLD)
    async with listening(answering(_manifests(digest(content), lambda: content))) as port:
        tracemalloc.start()
        answer = await compared(asking(port), OLD, NEW)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (answer.same, answer.replaced) == ({digest(OLD)}, {digest(NEW)})
    assert peak < 16 * 1024 * 1024


async def test_digests_that_are_none_are_left_out() -> None:
    content = json.dumps({"manifests": [{"digest": 7}, {}, {"digest": digest(OLD)}]}).encode()
    async with listening(answering(_manifests(digest(content), lambda: content))) as port:
        assert (await compared(asking(port), OLD)).same == {digest(OLD)}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async with sockets() as (other, seen):
        there = {"Location": f"http://registry.test:{other}/v2/team/app/manifests/1"}
        async with listening(answering(lambda request: web.Response(status=status, headers=there))) as port:
            error = await refused(asking(port, login=True), OLD)
        assert error.reason == Reason.REGISTRY_NOT_ALLOWED
        assert seen == []


async def test_a_token_service_elsewhere_gets_no_login() -> None:
    async with sockets() as (other, seen):
        registry = ImageRegistry(login="bearer", realm=f"http://elsewhere.test:{other}/token")
        async with listening(registry.application()) as port:
            error = await refused(asking(port, login=True), OLD)
        assert error.reason == Reason.REGISTRY_NOT_ALLOWED
        assert seen == []
    assert {given for _, _, given in registry.requests} == {""}


async def test_a_registry_that_does_not_answer_ends_in_time() -> None:
    async with sockets(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 1000, drip=0.05) as (port, _):
        assert "within 0.5 s" in (await refused(asking(port), OLD, seconds=0.5)).text


def _manifests(tag: str, body: Callable[[], bytes]) -> Callable[[web.Request], web.StreamResponse]:
    """A registry whose tag has a digest, and one manifest for all digests."""
    return lambda request: web.Response(body=body(), headers={"Docker-Content-Digest": tag})
