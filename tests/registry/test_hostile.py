"""Registries that attack the operator: nothing is sent to another host, and time and memory are bounded."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import time
import tracemalloc
from pathlib import Path

import pytest
from aiohttp import web

from image_registry import ImageRegistry, listening
from outfitter.reasons import Reason
from outfitter.registry.addresses import permitted
from outfitter_sandbox.certificates import create_authority, issue

from .looking import HOST, look, question, refusal
from .servers import answering, sockets

FORBIDDEN = Reason.REGISTRY_NOT_ALLOWED
UNREACHABLE = Reason.REGISTRY_UNREACHABLE


@pytest.mark.parametrize(
    "realm",
    [
        "http://elsewhere.test:{other}/token",
        "http://127.0.0.1:{other}/token",
        "http://registry.test:{other}/token",  # the right name, another port
        "http://registry.test:{own}@elsewhere.test:{other}/token",
        "http://robot:x@registry.test:{own}/token",
        "https://registry.test:{own}/token",
        "//elsewhere.test:{other}/token",
        "file:///etc/passwd",
        "http://[::1/token",
        "",
        "http://registry.test.elsewhere.test:{own}/token",
    ],
)
async def test_a_realm_elsewhere(realm: str) -> None:
    async with sockets() as (other, seen), sockets() as (own, _):
        registry = ImageRegistry(login="bearer")
        async with listening(registry.application()) as port:
            registry.realm = realm.format(other=other, own=port) or "x"
            error = await refusal(question(port, login=True))
        assert error.reason == FORBIDDEN
        assert seen == []
        assert own
    assert [given for _, _, given in registry.requests] == [""]  # the login went nowhere


async def test_a_realm_that_an_administrator_allows() -> None:
    tokens = ImageRegistry()
    async with listening(tokens.application()) as other:
        registry = ImageRegistry(login="bearer", realm=f"http://tokens.test:{other}/token")
        async with listening(registry.application()) as port:
            found = await look(question(port, login=True, auth_hosts=(f"tokens.test:{other}",)))
    assert found.names == ("base", "team/app")
    assert all(given in ("", "Bearer t0ken") for _, _, given in registry.requests)  # the password went to one host only
    assert {path for path, _, _ in tokens.requests} == {"/token"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async with sockets() as (other, seen):
        there = {"Location": f"http://{HOST}:{other}/v2/_catalog"}
        async with listening(answering(lambda request: web.Response(status=status, headers=there))) as port:
            error = await refusal(question(port, login=True, dialect="oci"))
        assert error.reason == FORBIDDEN
        assert seen == []


@pytest.mark.parametrize(
    "link",
    [
        "<http://elsewhere.test:{other}/v2/_catalog?last=a>",
        "<//elsewhere.test:{other}/>",
        "</api/secrets>",
        "<http://[>",
    ],
)
async def test_a_next_page_elsewhere(link: str) -> None:
    async with sockets() as (other, seen):
        headers = {"Link": f'{link.format(other=other)}; rel="next"'}
        app = answering(lambda request: web.json_response({"repositories": ["a"]}, headers=headers))
        async with listening(app) as port:
            error = await refusal(question(port, dialect="oci"))
        assert error.reason == FORBIDDEN
        assert seen == []


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "0.0.0.0", "192.168.1.1"])
async def test_private_addresses(address: str) -> None:
    async with sockets() as (port, seen):
        error = await refusal(question(port, addresses="public"), address)
        assert error.reason == FORBIDDEN
        error = await refusal(question(port, addresses="public"), host=f"{address}:{port}")
        assert error.reason == FORBIDDEN
        assert seen == []


async def test_a_name_that_resolves_to_another_address_later() -> None:
    """The check and the connection use one and the same resolution; that of a later connection is checked again."""
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    async with sockets(answer) as (port, seen):
        error = await refusal(question(port, dialect="oci"), "127.0.0.1", "169.254.169.254")
        assert error.reason == FORBIDDEN
        assert [request.split()[1] for request in seen] == [b"/v2/"]


@pytest.mark.parametrize(
    ("address", "public", "private", "loopback"),
    [
        ("93.184.215.14", True, True, True),
        ("2606:2800:21f:cb07::1", True, True, True),
        ("10.1.2.3", False, True, True),
        ("172.31.0.1", False, True, True),
        ("100.64.0.1", False, True, True),
        ("fd00::1", False, True, True),
        ("127.0.0.1", False, False, True),
        ("::1", False, False, True),
        ("::ffff:127.0.0.1", False, False, True),
        ("::ffff:10.0.0.1", False, True, True),
        ("64:ff9b::a00:1", False, True, True),
        ("2002:7f00:1::", False, False, True),
        ("169.254.169.254", False, False, False),
        ("::ffff:169.254.169.254", False, False, False),
        ("fd00:ec2::254", False, False, False),
        ("168.63.129.16", False, False, False),
        ("fe80::1%eth0", False, False, False),
        ("0.0.0.0", False, False, False),
        ("::", False, False, False),
        ("224.0.0.1", False, False, False),
        ("ff02::1", False, False, False),
        ("255.255.255.255", False, False, False),
        ("0x7f000001", False, False, False),
        ("127.1", False, False, False),
    ],
)
def test_addresses(address: str, public: bool, private: bool, loopback: bool) -> None:
    networks = ("public", "private", "loopback")
    assert [permitted(address, network) for network in networks] == [public, private, loopback]


async def test_an_answer_of_two_gigabytes() -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(2 * 1024**3)})
        await response.prepare(request)
        for _ in range(2048):
            await response.write(b" " * 1024 * 1024)
        return response

    app = web.Application()
    app.router.add_get("/v2/", serve)
    async with listening(app) as port:
        tracemalloc.start()
        error = await refusal(question(port))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert error.reason == UNREACHABLE
    assert peak < 16 * 1024 * 1024


@pytest.mark.parametrize("named", [True, False])
async def test_a_gzip_bomb(named: bool) -> None:
    bomb = gzip.compress(b" " * 200 * 1024 * 1024)
    headers = {"Content-Encoding": "gzip"} if named else {}
    async with listening(answering(lambda request: web.Response(body=bomb, headers=headers))) as port:
        tracemalloc.start()
        error = await refusal(question(port, dialect="oci"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert error.reason == UNREACHABLE
    assert peak < 16 * 1024 * 1024


async def test_endless_pages() -> None:
    count = 0

    def page(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        names = [f"image-{count}-{number}" for number in range(10)]
        return web.json_response({"repositories": names}, headers={"Link": '</v2/_catalog?last=x&n=10>; rel="next"'})

    async with listening(answering(page)) as port:
        found = await look(question(port, dialect="oci"))
    assert (count, len(found.names), found.truncated) == (20, 200, True)


async def test_the_same_page_without_end() -> None:
    count = 0

    def page(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.json_response({"repositories": ["a"]}, headers={"Link": '</v2/_catalog?last=a>; rel="next"'})

    async with listening(answering(page)) as port:
        found = await look(question(port, dialect="oci"))
    assert (count, found.names) == (2, ("a",))


async def test_endless_pages_of_harbor() -> None:
    count = 0

    def page(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.json_response([{"name": f"p{count}-{number}"} for number in range(100)])

    async with listening(answering(page)) as port:
        found = await look(question(port, dialect="harbor"))
    assert count <= 121
    assert (len(found.names) <= 5000, found.truncated) == (True, True)


async def test_a_slow_drip() -> None:
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b" " * 100000
    async with sockets(text, drip=0.05) as (port, _):
        began = time.monotonic()
        error = await refusal(question(port), request_seconds=0.5)
    assert error.reason == UNREACHABLE
    assert time.monotonic() - began < 5


async def test_many_slow_pages_end_as_a_whole() -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.1)
        return web.json_response(
            {"repositories": [str(time.monotonic_ns())]}, headers={"Link": f'<{request.path}?last=x>; rel="next"'}
        )

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    async with listening(app) as port:
        error = await refusal(question(port, dialect="oci"), seconds=0.5)
    assert "within 0.5 s" in error.text


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    create_authority(folder, "ca")
    issue(folder, "registry", common_name=HOST, dns=[HOST])
    return folder


async def test_a_certificate_of_an_own_authority(authority: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority / "registry.crt", authority / "registry.key")
    bundle = (authority / "ca.crt").read_text()
    registry = ImageRegistry()
    async with listening(registry.application(), server) as port:
        error = await refusal(question(port, login=True, plain_http=False))
        assert error.reason == UNREACHABLE
        assert "not trusted" in error.text
        assert registry.requests == []
        found = await look(question(port, plain_http=False, ca_bundle=bundle))
        assert found.names == ("base", "team/app")
        wrong = await refusal(question(port, plain_http=False, ca_bundle=bundle), host=f"other.test:{port}")
        assert "not trusted" in wrong.text  # the certificate is for another name


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nX-Bad: a\x00b\x1b[31m\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 \x1b[31mOK\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="\x1b[31m\xff"\r\nContent-Length: 0\r\n\r\n',
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x00\x00",
        b"",
    ],
)
async def test_answers_that_are_no_http(answer: bytes) -> None:
    async with sockets(answer) as (port, _):
        error = await refusal(question(port, dialect="oci"), request_seconds=2)
    assert error.reason in (UNREACHABLE, FORBIDDEN, Reason.LOGIN_REJECTED)


@pytest.mark.parametrize(
    "body", [b"", b"nope", b"[]", b"null", b'{"repositories": {"a": 1}}', b"\xff\xfe", b"[" * 100_000]
)
async def test_answers_that_are_no_catalogue(body: bytes) -> None:
    async with listening(answering(lambda request: web.Response(body=body))) as port:
        error = await refusal(question(port, dialect="oci"))
    assert error.reason == UNREACHABLE


async def test_names_that_are_none_are_left_out() -> None:
    names = ["ok", "../../api", "a b", "\x1b[31m", "<script>", 7, None, {"a": 1}, "A", "a" * 300, "x//y", ""]
    async with listening(answering(lambda request: web.json_response({"repositories": names}))) as port:
        assert (await look(question(port, dialect="oci"))).names == ("ok",)


async def test_a_name_of_the_question_that_is_none_is_not_sent() -> None:
    """An object that an older schema let in."""
    registry = ImageRegistry()
    async with listening(registry.application()) as port:
        found = await look(question(port, only=["base", "../../api", "a?b=c"]))
    assert (found.names, found.absent) == (("base",), ("../../api", "a?b=c"))
    assert {path for path, _, _ in registry.requests} == {"/v2/", "/api/v2.0/ping", "/v2/base/tags/list"}


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "", 7, None, "a" * 20_000, "\u00e9"])
async def test_a_token_that_is_none(token: object) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return web.json_response({"token": token})
        realm = request.url.with_path("/token").with_query({})
        return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    async with listening(app) as port:
        error = await refusal(question(port))
    assert error.reason == UNREACHABLE
    assert "no valid token" in error.text


@pytest.mark.parametrize(
    ("given", "seconds"), [("120", 120), ("999999999", 3600), ("-5", 0), ("Fri, 31 Dec", 0), ("\u0663", 0)]
)
async def test_a_registry_that_asks_for_a_pause(given: str, seconds: float) -> None:
    answer = f"HTTP/1.1 429 No\r\nRetry-After: {given}\r\nContent-Length: 0\r\n\r\n".encode()
    async with sockets(answer) as (port, _):
        error = await refusal(question(port))
    assert (error.reason, error.retry_after) == (UNREACHABLE, seconds)


async def test_no_server() -> None:
    async with sockets() as (port, _):
        pass
    error = await refusal(question(port))
    assert error.reason == UNREACHABLE
    assert "does not accept connections" in error.text
