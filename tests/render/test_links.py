"""Links in a status: a user interface shows them, so only https and http reach it."""

from __future__ import annotations

import pytest

from outfitter.render.urls import is_link
from world import World, asset, issues

IMAGE = "registry.example.com/u:1"
GOOD = ("https://wandb.ai/a", "http://10.0.0.1:8080", "HTTPS://[2001:db8::1]/a")
BAD = (
    "javascript:alert(1)", "JavaScript://example.com/%0aalert(1)", "data:text/html,x", "vbscript:x",
    "file:///etc/passwd", "//example.com", "example.com", "https:///a", "https://a b", " https://a", "https://a\n",
)  # fmt: skip


@pytest.mark.parametrize("url", GOOD + BAD)
def test_what_is_a_link(url: str) -> None:
    assert is_link(url) == (url in GOOD)


@pytest.mark.parametrize("url", BAD)
async def test_a_stored_link_of_another_scheme_is_not_shown(url: str) -> None:
    """An older schema took it."""
    links = [{"name": "a", "type": "docs", "url": url}, {"name": "b", "type": "docs", "url": GOOD[0]}]
    world = World(asset("Workspace", "w", {"image": IMAGE, "relatedUrls": links}))
    await world.settle()
    assert [item["name"] for item in world.status("Workspace", "w")["relatedUrls"]] == ["b"]


@pytest.mark.parametrize("url", BAD)
@pytest.mark.parametrize("by_variable", [False, True])
async def test_a_link_to_a_tool(url: str, by_variable: bool) -> None:
    """Also where a variable makes it one."""
    link = {"name": "t", "toolType": "wandb", "externalUrl": "${LINK}" if by_variable else url}
    spec = {"image": IMAGE, "connections": [link], "environmentVariables": [{"name": "LINK", "value": url}]}
    world = World(asset("Workspace", "w", spec))
    await world.settle()
    status = world.status("Workspace", "w")
    assert not [item for item in status["connections"] if item.get("url")]
    assert issues(status) == ["NotEnforced"]
