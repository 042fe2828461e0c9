"""What a shared volume is for, or is made from, goes while it is made: nothing is left behind, all else goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from outfitter.naming import shared_volume

from .conftest import Line, Stack
from .harness.client import Object, eventually, ready
from .harness.models import filled, nim
from .harness.proxy import Fault
from .harness.sharing import CLAIM, DRIVER, storage, volume
from .harness.space import Space
from .test_shared_faults import handed_on, mounted

HALVES = ("persistentvolumeclaims", "persistentvolumes")


@pytest.fixture
def space(line: Line, spaces: Callable[..., Space]) -> Space:
    return spaces()


def half_made(stack: Stack, line: Line, home: Space, space: Space, plural: str) -> tuple[Object, Fault]:
    """Volume or claim is there, and the request for the other one on its way."""
    parts = (f"/{plural}?", space.name) if plural == "persistentvolumeclaims" else (f"/{plural}?",)
    held = Fault("POST", parts, hold="before")
    line.proxy.inject(held)
    cache = handed_on(stack, home, space)
    assert held.held.wait(60), "it was not asked for"
    if plural == "persistentvolumeclaims":
        stack.api.wait("PersistentVolume", "", shared_volume(cache["metadata"]["uid"], space.name), bool)
    else:
        space.wait("PersistentVolumeClaim", CLAIM, bool)
    return cache, held


def arrived(stack: Stack, line: Line, held: Fault, plural: str, namespaces: set[str]) -> int:
    """Let it go on to the server; what the server answered."""
    since = stack.mark()
    line.proxy.release(held)

    def codes() -> list[int]:
        return [
            entry.code
            for entry in stack.writes(since)
            if (entry.verb, entry.resource) == ("create", plural) and entry.namespace in namespaces
        ]

    found: list[int] = eventually(codes, what="it did not arrive")
    return found[0]


def nothing_left(stack: Stack, line: Line, cache: Object, space: Space) -> None:
    """Neither half is there, and nobody makes it again."""
    for _ in range(2):
        stack.api.gone("PersistentVolume", "", shared_volume(cache["metadata"]["uid"], space.name), 60)
        space.gone("PersistentVolumeClaim", CLAIM, 60)
        line.operator.quiet()
    assert volume(stack.api, cache, space) is space.get("PersistentVolumeClaim", CLAIM) is None


def user_goes(home: Space, space: Space) -> None:
    space.delete("Artifact", "llama")
    space.gone("Artifact", "llama")


def namespace_goes(home: Space, space: Space) -> None:
    space.api.delete("Namespace", "", space.name)
    space.gone("Artifact", "llama", 60)


def cache_goes(home: Space, space: Space) -> None:
    home.delete("NimCache", "shared")
    home.gone("NimCache", "shared")
    space.wait("Artifact", "llama", lambda item: item["status"]["runPhase"] == "Pending")


Goes = Callable[[Space, Space], None]
USERS = [user_goes, namespace_goes]


def goes_on(stack: Stack, home: Space, cache: Object, other: Space) -> None:
    """The cache says that nobody uses it, and serves the next one who does."""
    none = {"desired": 0, "synced": 0}
    home.wait("NimCache", "shared", lambda item: ready(item) and item["status"]["targets"] == none, 60)
    nim(other, "llama", key=None)
    mounted(stack, cache, other)
    other.delete("Artifact", "llama")
    stack.api.gone("PersistentVolume", "", shared_volume(cache["metadata"]["uid"], other.name), 60)


@pytest.mark.parametrize("plural", HALVES)
@pytest.mark.parametrize("goes", USERS)
def test_the_user_goes(
    stack: Stack, line: Line, home: Space, spaces: Callable[..., Space], plural: str, goes: Goes
) -> None:
    """Whoever runs from it, or the whole namespace: what was on its way then arrives all the same."""
    space, other = spaces(lasting=goes is namespace_goes), spaces()
    cache, held = half_made(stack, line, home, space, plural)
    goes(home, space)
    dying = goes is namespace_goes and plural == "persistentvolumeclaims"
    assert (arrived(stack, line, held, plural, {space.name, ""}) < 300) is not dying
    if goes is namespace_goes:
        stack.api.gone("Namespace", "", space.name, 90)
    nothing_left(stack, line, cache, space)
    goes_on(stack, home, cache, other)


@pytest.mark.parametrize("plural", HALVES)
def test_the_cache_goes(stack: Stack, line: Line, home: Space, spaces: Callable[..., Space], plural: str) -> None:
    """Its halves are swept, and one of the same name is made whole."""
    space, other = spaces(), spaces()
    cache, held = half_made(stack, line, home, space, plural)
    cache_goes(home, space)
    assert arrived(stack, line, held, plural, {space.name, ""}) == 201
    nothing_left(stack, line, cache, space)
    home.gone("PersistentVolumeClaim", "shared", 60)
    stack.api.delete("PersistentVolume", "", "csi-shared")
    stack.api.gone("PersistentVolume", "", "csi-shared")
    again = handed_on(stack, home, other)
    mounted(stack, again, other)
    user_goes(home, other)
    nothing_left(stack, line, again, other)


@pytest.mark.parametrize("plural", HALVES)
def test_the_source_goes(stack: Stack, line: Line, home: Space, space: Space, plural: str) -> None:
    """It is filled again, which is said, and then mounted here from where it is now."""
    cache, held = half_made(stack, line, home, space, plural)
    old = home.need("PersistentVolumeClaim", "shared")["metadata"]["uid"]
    home.delete("PersistentVolumeClaim", "shared")
    assert arrived(stack, line, held, plural, {space.name, ""}) == 201
    home.wait("PersistentVolumeClaim", "shared", lambda item: item["metadata"]["uid"] != old, 60)
    stack.api.delete("PersistentVolume", "", "csi-shared")
    stack.api.gone("PersistentVolume", "", "csi-shared")
    lost = home.wait("NimCache", "shared", lambda item: item["status"]["phase"] != "Ready" and not ready(item), 60)
    assert lost["status"]["targets"] == {"desired": 1, "synced": 0}
    # Nobody holds the old one.
    space.spec("Artifact", "llama", run={"suspend": True})
    storage(stack.api, DRIVER, "shared", "vol-new")
    filled(home, "shared", 90)

    def handle() -> str:
        made = volume(stack.api, cache, space)
        return str(made["spec"]["csi"]["volumeHandle"]) if made else ""

    eventually(handle, lambda seen: seen == "vol-new", 60)
    space.spec("Artifact", "llama", run={"suspend": False})
    mounted(stack, cache, space)
    user_goes(home, space)
    nothing_left(stack, line, cache, space)


@pytest.mark.parametrize("plural", HALVES)
@pytest.mark.parametrize("goes", [*USERS, cache_goes])
def test_killed_half_way_and_nobody_needs_it_when_it_is_back(
    stack: Stack, line: Line, home: Space, spaces: Callable[..., Space], plural: str, goes: Goes
) -> None:
    space = spaces(lasting=goes is namespace_goes)
    cache, _ = half_made(stack, line, home, space, plural)
    line.operator.kill()
    if goes is cache_goes:
        home.delete("NimCache", "shared")
    else:
        goes(home, space)
    line.operator.start()
    nothing_left(stack, line, cache, space)
    if goes is namespace_goes:
        stack.api.gone("Namespace", "", space.name, 90)
