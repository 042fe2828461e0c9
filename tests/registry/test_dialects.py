"""What a look at a registry that keeps to its protocol finds."""

from __future__ import annotations

import re

import pytest
from yarl import URL

from image_registry import ImageRegistry, basic, listening
from outfitter.api.registry_hosts import RegistryHost
from outfitter.reasons import Reason
from outfitter.registry import challenge
from outfitter.registry.challenge import Challenge, challenges
from outfitter.registry.client import RegistryClient
from outfitter.registry.endpoint import endpoint_of
from outfitter.registry.session import Session
from outfitter.snapshot import RegistryLogin, RegistryQuestion

from .looking import LOGIN, Names, look, question, refusal

MANY = {f"team/image-{number:05}": ["1"] for number in range(1200)}


@pytest.mark.parametrize("link", [True, False])
async def test_a_catalogue_of_several_pages(link: bool) -> None:
    registry = ImageRegistry(repositories=MANY, link=link)
    async with listening(registry.application()) as port:
        found = await look(question(port))
    assert (found.dialect, found.listed, found.truncated) == ("oci", True, False)
    assert found.names == tuple(sorted(MANY))
    assert sum(path == "/v2/_catalog" for path, _, _ in registry.requests) == 5


@pytest.mark.parametrize("kind", ["basic", "bearer"])
async def test_a_login(kind: str) -> None:
    registry = ImageRegistry(login=kind)
    async with listening(registry.application()) as port:
        found = await look(question(port, login=True))
        assert found.names == ("base", "team/app")
        wrong = await refusal(
            RegistryQuestion(f"registry.test:{port}", question(port).options, login=RegistryLogin("robot", "wrong"))
        )
    assert wrong.reason == Reason.LOGIN_REJECTED
    scopes = [query for path, query, _ in registry.requests if path == "/token"]
    assert kind == "basic" or scopes[:2] == ["service=registry", "service=registry&scope=registry:catalog:*"]


@pytest.mark.parametrize("kind", ["basic", "bearer"])
async def test_a_login_that_is_missing(kind: str) -> None:
    async with listening(ImageRegistry(login=kind).application()) as port:
        if kind == "basic":
            error = await refusal(question(port))
            assert error.reason == Reason.LOGIN_REJECTED
            assert "Set spec.credential" in error.text
        else:
            assert (await look(question(port))).listed  # a token for everyone


async def test_a_registry_without_a_catalogue() -> None:
    async with listening(ImageRegistry(catalogue=False).application()) as port:
        found = await look(question(port))
        assert (found.listed, found.names) == (False, ())
        found = await look(question(port, only=["team/app", "team/gone"]))
    assert (found.listed, found.names, found.absent) == (False, ("team/app",), ("team/gone",))


async def test_a_path_limits_the_list() -> None:
    registry = ImageRegistry(repositories={"team/app": [], "team": [], "teams/x": [], "other": []})
    async with listening(registry.application()) as port:
        assert (await look(question(port, path="team"))).names == ("team", "team/app")


@pytest.mark.parametrize(("path", "projects"), [("", 3), ("team-1", 1)])
async def test_harbor(path: str, projects: int) -> None:
    names = {f"team-{project}/image-{number:03}": [] for project in range(3) for number in range(150)}
    registry = ImageRegistry(repositories=names, harbor=True, login="basic")
    async with listening(registry.application()) as port:
        found = await look(question(port, login=True, path=path))
    assert found.dialect == "harbor"
    assert len(found.names) == 150 * projects
    assert all(name.startswith(path) for name in found.names)


async def test_the_dialect_of_the_settings_is_not_probed() -> None:
    registry = ImageRegistry(harbor=True)
    async with listening(registry.application()) as port:
        assert (await look(question(port, dialect="oci"))).dialect == "oci"
    assert "/api/v2.0/ping" not in {path for path, _, _ in registry.requests}


async def test_docker_hub_without_a_namespace_lists_nothing() -> None:
    async with listening(ImageRegistry().application()) as port:
        found = await look(question(port, dialect="hub"))
    assert (found.dialect, found.listed) == ("hub", False)


def test_the_hosts_of_docker_hub() -> None:
    endpoint = endpoint_of(RegistryQuestion("docker.io", RegistryHost(), "library"))
    assert str(endpoint.origin) == "https://registry-1.docker.io"
    assert endpoint.may_log_in(URL("https://auth.docker.io/token"))
    assert endpoint.may_ask(URL("https://hub.docker.com/v2/repositories/library/"))
    assert not endpoint.may_log_in(URL("https://hub.docker.com/v2/repositories/library/"))
    assert not endpoint.may_ask(URL("https://auth.docker.io.example.com/token"))


@pytest.mark.parametrize(("plain", "port"), [(False, 443), (True, 80)])
def test_the_usual_port_can_be_written(plain: bool, port: int) -> None:
    options = RegistryHost(plain_http=plain, auth_hosts=(f"login.example.com:{port}",))
    endpoint = endpoint_of(RegistryQuestion("registry.example.com", options))
    scheme = "http" if plain else "https"
    assert endpoint.may_log_in(URL(f"{scheme}://login.example.com/token"))
    assert endpoint.may_log_in(URL(f"{scheme}://registry.example.com:{port}/token"))
    assert not endpoint.may_log_in(URL(f"{scheme}://login.example.com:8080/token"))


async def test_ten_thousand_tags() -> None:
    registry = ImageRegistry(repositories={"base": [f"v{number:05}" for number in range(10_000)]})
    async with listening(registry.application()) as port:
        asked = question(port)
        async with Session(endpoint_of(asked), resolver=Names()) as session:
            found = await RegistryClient(session, None).tags("base")
    assert (len(found.names), found.truncated) == (5000, True)
    assert len(registry.requests) == 20


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            'Bearer realm="https://a/b",service="x, y"',
            [Challenge("bearer", {"realm": "https://a/b", "service": "x, y"})],
        ),
        (
            'Basic realm="a\\"b", Bearer realm=c',
            [Challenge("basic", {"realm": 'a"b'}), Challenge("bearer", {"realm": "c"})],
        ),
        ("Negotiate, Basic", [Challenge("negotiate"), Challenge("basic")]),
        ("", []),
        ('="x"', []),
        ("Basic , realm = a", [Challenge("basic", {"realm": "a"})]),
        ('Bearer realm="not ended', [Challenge("bearer", {"realm": ""})]),
        ("Bearer " + "a" * 5000, []),
        ("Bearer" + " " * 4000 + "!", [Challenge("bearer")]),
    ],
)
def test_challenges(text: str, wanted: list[Challenge]) -> None:
    assert challenges([text]) == wanted


def test_the_first_headers_count() -> None:
    assert challenges(["Basic"] * 100) == [Challenge("basic")] * 4
    assert challenges(["Basic" + " " * 2000] * 4) == [Challenge("basic")] * 2


@pytest.mark.parametrize("pattern", [challenge._SCHEME, challenge._PARAMETER])
def test_no_repetition_in_a_challenge_is_tried_again(pattern: re.Pattern[str]) -> None:
    """Every quantifier is possessive, so the work grows with the length of a header and no faster."""
    bare = re.sub(r"\\.|\[(?:\\.|[^]\\])*\]", "x", pattern.pattern)
    quantifiers = re.findall(r"(?<!\()[*+?{]\+?", bare)
    assert quantifiers
    assert set(quantifiers) == {"*+"}


def test_no_password_in_a_representation() -> None:
    assert LOGIN.password not in repr(RegistryQuestion("a", RegistryHost(), login=LOGIN))
    assert basic() not in repr(LOGIN)
