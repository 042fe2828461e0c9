"""URLs: one module builds them, IPv6 addresses are in brackets, and a refused URL is refused for its cause."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

import outfitter
from outfitter.render.urls import build_url, custom_url_problem, host_of
from world import World, asset

PACKAGE = Path(outfitter.__file__).parent
DOMAIN = "apps.example.com"


def texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """The text of a module, parts of f-strings included, without docstrings."""
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node


def test_no_other_module_builds_urls() -> None:
    """Checks of settings reject some, patterns has that of links, and codegen names the schema of JSON Schema."""
    allowed = {"render/urls.py", "setting_checks.py", "api/patterns.py"}
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name not in allowed and not name.startswith("codegen/"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found += [f"{name}:{text.lineno}: {text.value!r}" for text in texts(tree) if "://" in text.value]
    assert found == []


@given(st.ip_addresses(), st.none() | st.integers(1, 65535))
def test_addresses_in_urls(address: IPv4Address | IPv6Address, port: int | None) -> None:
    parts = urlsplit(build_url("http", str(address), port, "/x"))
    assert (parts.hostname, parts.port, parts.path) == (str(address), port, "/x")
    assert parts.netloc.startswith("[") == (address.version == 6)


def test_brackets_are_put_once() -> None:
    assert build_url("http", "[::1]", 80) == build_url("http", "::1", 80) == "http://[::1]:80"
    assert build_url("https", DOMAIN) == f"https://{DOMAIN}"


@pytest.mark.parametrize(
    "url",
    [
        "https://lab.apps.example.com",
        "http://lab.apps.example.com/",
        "https://lab.apps.example.com:8443/lab/",
        "https://a.b-c.apps.example.com/a_b/~c/%20d,e;f=g:h+i",
    ],
)
def test_custom_urls_below_the_domain(url: str) -> None:
    assert custom_url_problem(url, DOMAIN, "f") is None
    assert host_of(url).endswith(f".{DOMAIN}")


@pytest.mark.parametrize(
    ("url", "reason", "cause"),
    [
        ("lab.apps.example.com", "InvalidSpec", "does not begin with https://"),
        ("ftp://lab.apps.example.com", "InvalidSpec", "does not begin with https://"),
        ("HTTPS://lab.apps.example.com", "InvalidSpec", "does not begin with https://"),
        ("//lab.apps.example.com", "InvalidSpec", "does not begin with https://"),
        ("https://lab.apps.example.com/ ", "InvalidSpec", "white space"),
        ("https://la\tb.apps.example.com", "InvalidSpec", "white space"),
        ("https://Lab.apps.example.com/", "InvalidSpec", "upper-case letters. Write lab.apps.example.com."),
        ("https://u:p@lab.apps.example.com", "InvalidSpec", "user name or password"),
        ("https://lab.apps.example.com\\@evil.org", "InvalidSpec", "characters that are not served"),
        ("https://evil.org\\.apps.example.com", "HostForbidden", "only hosts below"),
        ("https://lab_1.apps.example.com", "InvalidSpec", "not a DNS name"),
        ("https://läb.apps.example.com", "InvalidSpec", "not a DNS name"),
        ("https://-lab.apps.example.com", "InvalidSpec", "not a DNS name"),
        (f"https://{'a' * 64}.apps.example.com", "InvalidSpec", "not a DNS name"),
        ("https://", "InvalidSpec", "not a DNS name"),
        ("https://[::1]/", "InvalidSpec", "not a DNS name"),
        ("https://bank.example.org/", "HostForbidden", "only hosts below"),
        ("https://bank.example.org/?next=x", "HostForbidden", "only hosts below"),
        ("https://apps.example.com/", "HostForbidden", "only hosts below"),
        ("https://evilapps.example.com/", "HostForbidden", "only hosts below"),
        ("https://lab/", "HostForbidden", "only hosts below"),
        ("https://10.0.0.1/", "HostForbidden", "only hosts below"),
        ("https://lab.apps.example.com/lab?token=x", "InvalidSpec", "query or a fragment"),
        ("https://lab.apps.example.com?token=x", "InvalidSpec", "query or a fragment"),
        ("https://lab.apps.example.com/#top", "InvalidSpec", "query or a fragment"),
        ("https://lab.apps.example.com:0/", "InvalidSpec", "port of the URL"),
        ("https://lab.apps.example.com:/", "InvalidSpec", "port of the URL"),
        ("https://lab.apps.example.com:70000/", "InvalidSpec", "port of the URL"),
        ("https://lab.apps.example.com/日本", "InvalidSpec", "characters that are not served"),
        ("https://lab.apps.example.com/${HOME}", "InvalidSpec", "characters that are not served"),
        ("https://lab.apps.example.com//", "InvalidSpec", "an Ingress cannot have"),
        ("https://lab.apps.example.com/a/../b", "InvalidSpec", "an Ingress cannot have"),
        ("https://lab.apps.example.com/a%2fb", "InvalidSpec", "an Ingress cannot have"),
    ],
)
def test_custom_urls_that_are_refused(url: str, reason: str, cause: str) -> None:
    problem = custom_url_problem(url, DOMAIN, "spec.connections[lab].externalUrl")
    assert problem is not None
    assert (problem.reason, problem.field) == (reason, "spec.connections[lab].externalUrl")
    assert cause in problem.message
    assert len(problem.text) < 200


@given(
    st.text(alphabet="htps:/@.ABaz09-_%?#\\\u00e9 \n", max_size=40)
    | st.from_regex(r"https?://[ -~]*apps[.]example[.]com.*")
)
def test_an_accepted_url_has_its_host_below_the_domain(url: str) -> None:
    """Whatever the text: browsers and the Ingress see the same host, or the URL is refused."""
    if custom_url_problem(url, DOMAIN, "f") is None:
        assert (urlsplit(url).hostname or "").endswith(f".{DOMAIN}")
        assert host_of(url) == urlsplit(url).hostname


@pytest.mark.parametrize(
    ("path", "plain"),
    [("/a/b-c_d.e~f", True), ("", True), ("/a;b", False), ("/a%20b", False), ("/a,b", False), ("/a:b=c", False)],
)
async def test_a_new_url_has_a_plain_path_and_a_running_one_keeps_its_own(path: str, plain: bool) -> None:
    url = f"https://lab-team-a.apps.example.com{path}"
    connection = {"name": "lab", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8888}
    spec = {"image": "registry.example.com/b:1", "connections": [{**connection, "customUrl": True, "externalUrl": url}]}
    world = World(asset("Workspace", "w", spec), settings={"domain": "apps.example.com"})
    await world.settle()
    assert (world.find("StatefulSet", "w") is not None) is plain
    if not plain:
        assert "other characters than letters" in world.status("Workspace", "w")["message"]
