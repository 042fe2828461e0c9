"""The questions of ImageQueries: in every dialect, of registries that keep to the protocol and of hostile ones."""

from __future__ import annotations

import ssl
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from image_registry import ImageRegistry, basic, digest_of, listening
from outfitter.reasons import Reason
from outfitter.registry.endpoint import Endpoint, endpoint_of
from outfitter.registry.names import TAGS
from outfitter.registry.order import natural, newest_first
from outfitter.registry.survey import survey
from outfitter.snapshot import NameQuery, NameResult, RegistryLogin, RegistryQuestion
from outfitter_sandbox.certificates import create_authority, issue

from .looking import HOST, LOGIN, Names, look, question, refusal
from .servers import answering, sockets

FORBIDDEN = Reason.REGISTRY_NOT_ALLOWED
UNREACHABLE = Reason.REGISTRY_UNREACHABLE
SEARCH = NameQuery(search="app", limit=100)
TAG_LIST = NameQuery("team/app", limit=100)
DIGEST = NameQuery("team/app", tag="1")
QUERIES = [pytest.param(SEARCH, id="search"), pytest.param(TAG_LIST, id="tags"), pytest.param(DIGEST, id="digest")]
FOUND = {
    SEARCH: NameResult(("team/app",), 1),
    TAG_LIST: NameResult(("2", "1"), 2),
    DIGEST: NameResult(digest=digest_of("team/app", "1"), found=1),
}


def asking(port: int, query: NameQuery, **more: Any) -> RegistryQuestion:
    return replace(question(port, **more), query=query)


async def result(asked: RegistryQuestion, **more: Any) -> NameResult:
    """The answer to a query."""
    found = (await look(asked, **more)).result
    assert found is not None
    return found


@pytest.mark.parametrize("login", ["none", "basic", "bearer"])
@pytest.mark.parametrize("query", QUERIES)
async def test_oci(query: NameQuery, login: str) -> None:
    registry = ImageRegistry(login=login)
    async with listening(registry.application()) as port:
        assert await result(asking(port, query, login=True)) == FOUND[query]
    scopes = [given for path, given, _ in registry.requests if path == "/token"]
    wanted = "registry:catalog:*" if query is SEARCH else "repository:team/app:pull"
    assert login != "bearer" or scopes[-1] == f"service=registry&scope={wanted}"


@pytest.mark.parametrize("query", QUERIES)
async def test_harbor(query: NameQuery) -> None:
    """Tags and digests by the API of registries, repositories by its own."""
    registry = ImageRegistry(harbor=True, login="basic")
    async with listening(registry.application()) as port:
        assert await result(asking(port, query, login=True, path="team")) == FOUND[query]
    paths = {path for path, _, _ in registry.requests}
    assert ("/api/v2.0/projects/team/repositories" in paths) == (query is SEARCH)
    assert "/v2/_catalog" not in paths


@pytest.mark.parametrize("query", QUERIES)
async def test_docker_hub(query: NameQuery) -> None:
    """API, token service and list are three hosts, and the list gets no login."""
    registry, tokens = ImageRegistry(login="bearer"), ImageRegistry()
    listed: list[str] = []

    def names(request: web.Request) -> web.Response:
        listed.append(request.headers.get("Authorization", ""))
        return web.json_response({"results": [{"name": "app"}, {"name": "tool"}], "next": None})

    async with (
        listening(registry.application()) as port,
        listening(tokens.application()) as token_port,
        listening(answering(names)) as list_port,
    ):
        registry.realm = f"http://tokens.test:{token_port}/token"
        asked = asking(port, query, login=True, path="team", dialect="hub", auth_hosts=(f"tokens.test:{token_port}",))
        known = endpoint_of(asked)
        hub = Endpoint(
            known.origin, known.origin.with_host("hub.test").with_port(list_port), known.auth_hosts, known.network
        )
        found = await survey(asked, resolver=Names(), endpoint=hub)
    assert found.result == FOUND[query]
    assert listed == ([""] if query is SEARCH else [])
    assert all(given != basic() for _, _, given in registry.requests)  # the password goes to the token service only


@pytest.mark.parametrize("query", [replace(TAG_LIST, repository="team/gone"), replace(DIGEST, tag="gone")])
async def test_what_does_not_exist(query: NameQuery) -> None:
    async with listening(ImageRegistry(login="bearer").application()) as port:
        assert not (await result(asking(port, query, login=True))).exists


@pytest.mark.parametrize("kind", ["basic", "bearer"])
@pytest.mark.parametrize("query", QUERIES)
async def test_a_wrong_login_is_not_a_missing_image(query: NameQuery, kind: str) -> None:
    async with listening(ImageRegistry(login=kind).application()) as port:
        asked = replace(asking(port, query), login=RegistryLogin("robot", "wrong"))
        assert (await refusal(asked)).reason == Reason.LOGIN_REJECTED


async def test_a_registry_without_a_list() -> None:
    async with listening(ImageRegistry(catalogue=False).application()) as port:
        assert not (await result(asking(port, SEARCH))).exists
        assert await result(asking(port, SEARCH, only=["team/app", "base"])) == FOUND[SEARCH]
        assert await result(asking(port, replace(SEARCH, search="x"), only=["base"])) == NameResult()


async def test_a_digest_costs_no_download() -> None:
    """Docker Hub counts a GET of a manifest, and not a HEAD."""
    methods: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        methods.append(request.method)
        accepted = request.headers["Accept"]
        assert request.path == "/v2/" or "image.index.v1" in accepted
        return web.json_response({}, headers={"Docker-Content-Digest": "sha256:" + 64 * "a"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    async with listening(app) as port:
        assert (await result(asking(port, DIGEST))).digest == "sha256:" + 64 * "a"
    assert methods == ["GET", "HEAD"]


async def test_ten_thousand_tags() -> None:
    registry = ImageRegistry(repositories={"team/app": [f"v1.{number}" for number in range(10_000)]})
    async with listening(registry.application()) as port:
        found = await result(asking(port, TAG_LIST))
        assert (found.found, found.truncated, len(found.names)) == (10_000, False, 100)
        assert found.names[:2] == ("v1.9999", "v1.9998")
        assert (await result(asking(port, replace(TAG_LIST, search="v1.777")))).found == 11
    assert len(registry.requests) < 30


@pytest.mark.parametrize("link", [True, False])
async def test_endless_pages(link: bool) -> None:
    count = 0

    def page(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        headers = {"Link": f'<{request.path}?last=x&n=1000>; rel="next"'} if link else {}
        return web.json_response({"tags": [f"{count}-{number}" for number in range(1000)]}, headers=headers)

    async with listening(answering(page)) as port:
        found = await result(asking(port, TAG_LIST))
    assert (count, found.found, found.truncated) == (20, TAGS, True)


async def test_a_registry_that_ignores_the_size_of_a_page() -> None:
    tags = [f"{number:05}" for number in range(100_000)]
    async with listening(answering(lambda request: web.json_response({"tags": tags}))) as port:
        found = await result(asking(port, TAG_LIST))
    assert (found.found, found.truncated) == (TAGS, True)


@pytest.mark.parametrize("query", QUERIES)
async def test_a_realm_elsewhere(query: NameQuery) -> None:
    async with sockets() as (other, seen):
        registry = ImageRegistry(login="bearer", realm=f"http://elsewhere.test:{other}/token")
        async with listening(registry.application()) as port:
            error = await refusal(asking(port, query, login=True))
        assert error.reason == FORBIDDEN
        assert seen == []
    assert {given for _, _, given in registry.requests} == {""}


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(query: NameQuery, status: int) -> None:
    async with sockets() as (other, seen):
        there = {"Location": f"http://{HOST}:{other}/"}
        async with listening(answering(lambda request: web.Response(status=status, headers=there))) as port:
            error = await refusal(asking(port, query, login=True, dialect="oci"))
        assert error.reason == FORBIDDEN
        assert seen == []


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "169.254.169.254"])
async def test_private_addresses(query: NameQuery, address: str) -> None:
    async with sockets() as (port, seen):
        error = await refusal(asking(port, query, addresses="public"), address)
        assert error.reason == FORBIDDEN
        assert seen == []


@pytest.mark.parametrize("query", QUERIES)
async def test_an_answer_of_two_gigabytes(query: NameQuery) -> None:
    """Of a HEAD as well, although it has no body."""

    async def serve(request: web.Request) -> web.StreamResponse:
        if request.path == "/v2/":
            return web.json_response({})
        response = web.StreamResponse(headers={"Content-Length": str(2 * 1024**3)})
        await response.prepare(request)
        for _ in range(2048):
            await response.write(b" " * 1024 * 1024)
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    async with listening(app) as port:
        tracemalloc.start()
        error = await refusal(asking(port, query, dialect="oci"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert error.reason == UNREACHABLE
    assert peak < 16 * 1024 * 1024


@pytest.mark.parametrize("query", QUERIES)
async def test_a_certificate_of_an_own_authority(query: NameQuery, authority: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority / "registry.crt", authority / "registry.key")
    registry = ImageRegistry()
    async with listening(registry.application(), server) as port:
        error = await refusal(asking(port, query, login=True, plain_http=False))
        assert (error.reason, "not trusted" in error.text) == (UNREACHABLE, True)
        assert registry.requests == []
        bundle = (authority / "ca.crt").read_text()
        assert await result(asking(port, query, plain_http=False, ca_bundle=bundle)) == FOUND[query]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    create_authority(folder, "ca")
    issue(folder, "registry", common_name=HOST, dns=[HOST])
    return folder


@pytest.mark.parametrize("query", QUERIES)
async def test_a_registry_that_asks_for_a_pause(query: NameQuery) -> None:
    headers = {"Retry-After": "120"}
    async with listening(answering(lambda request: web.Response(status=429, headers=headers))) as port:
        error = await refusal(asking(port, query, dialect="oci"))
    assert (error.reason, error.retry_after) == (UNREACHABLE, 120)
    assert "429" in error.text


@pytest.mark.parametrize("digest", ["", "sha256:abc", "md5:" + 32 * "a", "sha256:" + 64 * "A", "sha256:" + 65 * "a"])
async def test_a_digest_that_is_none(digest: str) -> None:
    headers = {"Docker-Content-Digest": digest}
    async with listening(answering(lambda request: web.Response(headers=headers))) as port:
        error = await refusal(asking(port, DIGEST))
    assert error.reason == UNREACHABLE
    assert "sent no digest" in error.text


async def test_tags_that_are_none_are_left_out() -> None:
    tags = ["ok", "../../api", "a b", "\x1b[31m", "<script>", 7, None, {"a": 1}, "a" * 129, "-x", ""]
    async with listening(answering(lambda request: web.json_response({"tags": tags}))) as port:
        assert (await result(asking(port, TAG_LIST))).names == ("ok",)


@pytest.mark.parametrize("name", ["../../api", "a?b=c", "a b", "A", "x//y"])
async def test_a_name_that_is_none_is_not_sent(name: str) -> None:
    """An object that an older schema let in."""
    registry = ImageRegistry()
    async with listening(registry.application()) as port:
        assert not (await result(asking(port, NameQuery(name, tag="1")))).exists
        assert not (await result(asking(port, NameQuery(name, limit=1)))).exists
        assert not (await result(asking(port, NameQuery("base", tag="../../x")))).exists
    assert {path for path, _, _ in registry.requests} == {"/v2/"}


def test_the_newest_version_is_first() -> None:
    given = ["latest", "1.9", "v1.10.0", "1.10.0-rc9", "1.10.0-rc10", "2", "2.0-slim", "edge", "1.10.0", "9" * 40, "a1"]
    assert newest_first(given) == [
        *["9" * 40, "2.0-slim", "2", "v1.10.0", "1.10.0", "1.10.0-rc10", "1.10.0-rc9", "1.9"],
        *["a1", "edge", "latest"],
    ]
    assert newest_first(reversed(given)) == newest_first(given)


def test_no_password_in_a_representation() -> None:
    assert LOGIN.password not in repr(asking(1, DIGEST, login=True))


def test_hostile_tags_are_ordered_quickly() -> None:
    """The work for one tag is bounded, whatever it consists of: its sort key has few parts."""
    hostile = [("1a2b3c4d5e6f" * 10)[: 128 - len(str(number))] + str(number) for number in range(10)]
    for tag in (*hostile, "9" * 128, "1." * 64, "a1" * 64):
        assert len(natural(tag)) <= 9
    assert len(newest_first(hostile)) == 10
