"""Numbers of versions: given once, in any order, by many at a time, and by an operator that is killed in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .conftest import Stack
from .harness.client import eventually, message, ready, stalls
from .harness.process import Operator
from .harness.proxy import Fault, Proxy
from .harness.space import Space
from .test_artifacts import groups, locked

MANY = 50
STEPS = 11  # more than there are writes, and few enough that none waits for a worker


def make(space: Space, name: str, repository: str = "scorers", **spec: Any) -> None:
    """An Artifact in a repository."""
    space.make("Artifact", name, {"containerGroups": groups(), "repositoryRef": {"name": repository}, **spec})


def numbers(space: Space, repository: str = "scorers") -> dict[str, int]:
    """Artifact -> number, as the repository says."""
    status = space.need("ArtifactRepository", repository)["status"]
    return {each["name"]: each["version"] for each in status.get("versions", [])}


def shown(space: Space) -> dict[str, int]:
    """Artifact -> number, as the artifacts say."""
    found = {item["metadata"]["name"]: (item.get("status") or {}).get("version") for item in space.list("Artifact")}
    return {name: number for name, number in found.items() if number}


def test_numbers_are_given_in_turn_and_never_again(space: Space) -> None:
    for number, name in enumerate(("one", "two", "three"), 1):
        make(space, name, locked=True)
        space.wait("Artifact", name, locked(number))
    for name in ("two", "three"):
        space.delete("Artifact", name)
    space.wait("ArtifactRepository", "scorers", lambda item: item["status"].get("retiredVersions") == [2, 3])
    make(space, "four", locked=True)
    space.wait("Artifact", "four", locked(4))
    # Nor for the asking.
    make(space, "five", locked=True, version=3)
    said = space.wait("Artifact", "five", stalls("VersionTaken"))
    assert "cannot be reused. Choose a number above 4" in message(said)
    assert said["status"]["phase"] == "LockFailed"
    space.spec("Artifact", "five", version=None)
    space.wait("Artifact", "five", locked(5))
    assert numbers(space) == {"one": 1, "four": 4, "five": 5} == shown(space)


def test_two_claim_one_version(space: Space) -> None:
    """The older one has it; the other is told whose it is, and may ask for another one."""
    make(space, "older", locked=True, version=7)
    space.wait("Artifact", "older", locked(7))
    make(space, "newer", locked=True, version=7)
    said = space.wait("Artifact", "newer", stalls("VersionTaken"))
    assert "Version 7 of ArtifactRepository scorers belongs to Artifact older" in message(said)
    space.spec("Artifact", "newer", version=2)
    space.wait("Artifact", "newer", locked(2))
    # Both at the same moment: one of them.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: make(space, name, locked=True, version=9), ("left", "right")))

    def one_each() -> list[str]:
        both = [space.need("Artifact", name) for name in ("left", "right")]
        return sorted((item.get("status") or {}).get("phase", "") for item in both)

    eventually(one_each, lambda seen: seen == ["LockFailed", "Locked"], what="not one of each")
    assert sorted(numbers(space).values()) == [2, 7, 9]


def test_unlocked_before_it_was_numbered_is_a_draft(operator: Operator, space: Space) -> None:
    """What happens between asking and getting: the spec may still be taken back, and nothing is frozen."""
    make(space, "first")
    space.ready("Artifact", "first")
    operator.stop()
    space.spec("Artifact", "first", locked=True)
    space.spec("Artifact", "first", locked=False)
    operator.start()
    space.wait("Artifact", "first", lambda item: ready(item) and item["status"]["phase"] == "Draft")
    space.spec("Artifact", "first", containerGroups=groups(image="registry.example.com/scorer:2"), locked=True)
    space.wait("Artifact", "first", locked(1))


def test_fifty_at_once(stack: Stack, space: Space) -> None:
    """Drafts of one repository that are locked at the same moment, and go on after some of them are deleted."""
    names = [f"scorer-{number}" for number in range(MANY)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: make(space, name), names))
        for name in names:
            space.ready("Artifact", name, 60)
        stack.operator.quiet()
        since = stack.mark()
        list(pool.map(lambda name: space.spec("Artifact", name, locked=True), names))
        for name in names:
            space.wait("Artifact", name, lambda item: ready(item) and item["status"]["phase"] == "Locked", 60)
        given = shown(space)
        assert sorted(given.values()) == list(range(1, MANY + 1))
        assert numbers(space) == given
        # At most: Locking, Locked; the repository writes less often than numbers are given.
        stack.operator.quiet()
        writes = [entry for entry in stack.writes(since) if entry.namespace == space.name and entry.code < 300]
        assert {(entry.verb, entry.subresource) for entry in writes} == {("patch", "status")}
        assert sum(entry.resource == "artifacts" for entry in writes) <= 2 * MANY
        gone = [name for name, number in given.items() if number in (1, 25, 49, 50)]
        list(pool.map(lambda name: space.delete("Artifact", name), gone))
        more = [f"later-{number}" for number in range(4)]
        list(pool.map(lambda name: make(space, name, locked=True), more))
    for name in more:
        space.wait("Artifact", name, lambda item: ready(item) and item["status"]["phase"] == "Locked", 60)
    assert sorted(shown(space)[name] for name in more) == [51, 52, 53, 54]
    status = space.wait(
        "ArtifactRepository", "scorers", lambda item: item["status"].get("retiredVersions") == [1, 25, 49, 50]
    )["status"]
    assert (status["lastVersionNumber"], status["numArtifacts"]) == (54, MANY)


@pytest.fixture(scope="module")
def proxied(stack: Stack) -> Iterator[tuple[Proxy, Operator]]:
    """An operator behind a proxy, in place of the usual one, which runs again afterwards."""
    stack.operator.stop()
    with Proxy(stack.sandbox) as proxy:
        path = proxy.kubeconfig(stack.kubeconfig, stack.folder)
        other = Operator(path, stack.operator.log, identity="first").start()  # the same name: it has the Lease at once
        yield proxy, other
        if other.running:
            other.stop()
    stack.operator.start()


@pytest.mark.parametrize("hold", ["before", "after"])
def test_killed_at_every_write_of_a_lock(
    stack: Stack, proxied: tuple[Proxy, Operator], spaces: Callable[..., Space], hold: str
) -> None:
    """In the n-th of these namespaces the n-th write never ends: one kill meets them all, each at another step."""
    proxy, operator = proxied
    rooms = [spaces() for _ in range(STEPS)]
    faults = [Fault("WRITE", (f"/namespaces/{room.name}/",), skip=n, hold=hold) for n, room in enumerate(rooms)]
    for room in rooms:
        make(room, "one")
        room.ready("Artifact", "one")
    operator.quiet()
    since = stack.mark()
    proxy.inject(*faults)
    for room in rooms:
        room.spec("Artifact", "one", locked=True)
        make(room, "two", "fresh", locked=True)

    def all_there() -> list[bool]:
        return [fault.held.is_set() or both_locked(room) for fault, room in zip(faults, rooms, strict=True)]

    eventually(all_there, all, 60, "neither stopped nor done")
    stopped = [fault.held.is_set() for fault in faults]
    assert stopped.count(True) >= 6  # two repositories, two artifacts: what there is to write
    assert not stopped[-1]  # no step is left out
    operator.kill()
    proxy.faults.clear()
    operator.start()
    for room in rooms:
        eventually(lambda room=room: both_locked(room), seconds=60)
        for name, repository in (("one", "scorers"), ("two", "fresh")):
            assert eventually(lambda room=room, name=repository: numbers(room, name)) == {name: 1}
            # And the next one gets the next number.
            make(room, f"{name}-next", repository, locked=True)
    for room in rooms:
        for name in ("one", "two"):
            room.wait("Artifact", f"{name}-next", locked(2))
    created = [
        (entry.namespace, entry.resource, entry.name or entry.uri)
        for entry in stack.writes(since)
        if entry.verb == "create" and entry.code == 201 and entry.resource != "events"
    ]
    assert len(created) == len(set(created))


def both_locked(room: Space) -> bool:
    """Both artifacts say that they are version 1."""
    return shown(room) == {"one": 1, "two": 1}
