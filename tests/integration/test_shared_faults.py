"""What gives rights or spans namespaces, made by an operator that is killed, refused and cut off meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from outfitter.naming import shared_volume

from .conftest import Line, Stack
from .harness.client import Object, eventually, ready
from .harness.models import nim, running
from .harness.people import ANN, EDITOR, OWNER, ROB, names, subjects
from .harness.proxy import Fault
from .harness.sharing import CLAIM, DRIVER, share, storage, volume
from .harness.space import Space
from .test_artifacts import locked
from .test_shared_roles import artifact, repository

STEPS = [(plural, early) for plural in ("roles", "rolebindings") for early in (True, False)]
VOLUMES = [(plural, early) for plural in ("persistentvolumeclaims", "persistentvolumes") for early in (True, False)]


@pytest.fixture
def space(line: Line, spaces: Callable[..., Space]) -> Space:
    return spaces()


def listed(space: Space) -> None:
    """A version that Ann owns and Rob may change."""
    repository(space, ANN, ROB)
    artifact(space, "one", locked=True)


def given(space: Space) -> None:
    """Both have what the list says, and nobody else has anything."""
    space.wait("Artifact", "one", locked(1), 60)
    for level, who in ((OWNER, "ann"), (EDITOR, "rob")):
        space.wait("Role", level, lambda item: item and names(item) == ["one"], 60)
        space.wait("RoleBinding", level, lambda item, who=who: item and subjects(item) == [who], 60)
    space.wait("ArtifactRepository", "scorers", ready, 60)
    for kind in ("Role", "RoleBinding"):
        assert {item["metadata"]["name"] for item in space.list(kind)} == {OWNER, EDITOR}


def handed_on(stack: Stack, home: Space, space: Space) -> Object:
    """The admin's cache, and a model here that runs from it."""
    storage(stack.api, DRIVER, "shared")
    cache = share(home, "shared")
    nim(space, "llama", key=None)
    return cache


def mounted(stack: Stack, cache: Object, space: Space) -> None:
    """It runs, and one claim here is bound to the one volume that is for it."""
    running(space, "llama", 90)
    made = volume(stack.api, cache, space)
    assert made is not None
    claim = space.wait("PersistentVolumeClaim", CLAIM, lambda item: item["status"]["phase"] == "Bound", 60)
    assert made["spec"]["claimRef"]["uid"] == claim["metadata"]["uid"]
    assert [item["metadata"]["name"] for item in space.list("PersistentVolumeClaim")] == [CLAIM]


def created(stack: Stack, since: int, namespaces: set[str]) -> list[tuple[str, str, str]]:
    """Everything that was made there, Events excepted."""
    return [
        (entry.namespace, entry.resource, entry.name)
        for entry in stack.writes(since)
        if (entry.verb, entry.code) == ("create", 201) and entry.resource != "events" and entry.namespace in namespaces
    ]


def restarted(line: Line, fault: Fault) -> None:
    """Wait until the fault killed it, and start it again."""
    eventually(lambda: line.operator.running, lambda alive: not alive, 60, "it was not killed")
    assert fault.spent
    line.operator.start()


@pytest.mark.parametrize(("plural", "early"), STEPS)
def test_killed_while_rights_are_given(stack: Stack, line: Line, space: Space, plural: str, early: bool) -> None:
    """Before the server heard of a Role or RoleBinding, and when it is made but its answer lost."""
    since = stack.mark()
    fault = Fault("POST", (f"/{plural}?", space.name), call=line.operator.kill, early=early, lose=not early)
    line.proxy.inject(fault)
    listed(space)
    restarted(line, fault)
    given(space)
    made = created(stack, since, {space.name})
    assert len(made) == len(set(made))


@pytest.mark.parametrize(("plural", "early"), VOLUMES)
def test_killed_while_a_volume_is_handed_on(
    stack: Stack, line: Line, home: Space, space: Space, plural: str, early: bool
) -> None:
    """A claim without its volume, or a volume without its claim: the next process makes the other half."""
    since = stack.mark()
    parts = (f"/{plural}?", space.name) if plural == "persistentvolumeclaims" else (f"/{plural}?",)
    fault = Fault("POST", parts, call=line.operator.kill, early=early, lose=not early)
    line.proxy.inject(fault)
    cache = handed_on(stack, home, space)
    restarted(line, fault)
    mounted(stack, cache, space)
    made = created(stack, since, {space.name, ""})
    assert len(made) == len(set(made))
    space.delete("Artifact", "llama")
    stack.api.gone("PersistentVolume", "", shared_volume(cache["metadata"]["uid"], space.name), 60)


@pytest.mark.parametrize(
    ("code", "reason", "retry_after"),
    [(429, "TooManyRequests", 1), (500, "InternalError", None), (409, "Conflict", None)],
)
def test_refusals_are_retried(
    stack: Stack, line: Line, home: Space, space: Space, code: int, reason: str, retry_after: int | None
) -> None:
    faults = [
        Fault("POST", (f"/{plural}?",), code=code, reason=reason, retry_after=retry_after, times=2)
        for plural in ("roles", "rolebindings", "persistentvolumes")
    ]
    # The first status of the repository, the number that it gives, and what it says once rights are given.
    faults.append(Fault("PATCH", ("/artifactrepositories/", "/status", space.name), code=code, reason=reason, times=3))
    faults.append(Fault("PATCH", ("/roles/", space.name), code=code, reason=reason, times=2))
    line.proxy.inject(*faults)
    cache = handed_on(stack, home, space)
    listed(space)
    given(space)
    mounted(stack, cache, space)
    space.edit("Role", OWNER, {"rules": []})
    space.wait("Role", OWNER, lambda item: item["rules"], 60)
    assert [fault for fault in faults if not fault.spent] == []
    space.delete("Artifact", "llama")


def test_writes_whose_answer_is_lost_are_recognised(stack: Stack, line: Line, home: Space, space: Space) -> None:
    faults = [Fault("POST", (f"/{plural}?",), lose=True) for plural in ("roles", "rolebindings", "persistentvolumes")]
    line.proxy.inject(*faults)
    cache = handed_on(stack, home, space)
    listed(space)
    given(space)
    mounted(stack, cache, space)
    assert [fault for fault in faults if not fault.spent] == []
    space.delete("Artifact", "llama")


def test_what_changed_while_nobody_watched_is_put_right(stack: Stack, line: Line, home: Space, space: Space) -> None:
    """A Role is widened, a RoleBinding and a claim go, and their watches cannot be taken up where they broke off."""
    cache = handed_on(stack, home, space)
    listed(space)
    given(space)
    mounted(stack, cache, space)
    space.spec("Artifact", "llama", run={"suspend": True})
    space.wait("Deployment", "llama", lambda item: not item["status"].get("replicas"), 60)
    rules = space.need("Role", EDITOR)["rules"]
    old = space.need("PersistentVolumeClaim", CLAIM)["metadata"]["uid"]
    line.operator.quiet()
    blind = [
        fault
        for plural in ("roles", "rolebindings", "persistentvolumes", "persistentvolumeclaims")
        for fault in (Fault("WATCH", (f"/{plural}?",), code=500, times=2), Fault("WATCH", (f"/{plural}?",), gone=True))
    ]
    line.proxy.inject(*blind)
    line.proxy.drop_watches()
    space.edit("Role", EDITOR, {"rules": [*rules, {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]})
    space.delete("RoleBinding", OWNER)
    space.delete("PersistentVolumeClaim", CLAIM)
    space.wait("Role", EDITOR, lambda item: item["rules"] == rules, 60)
    given(space)
    space.wait("PersistentVolumeClaim", CLAIM, lambda item: item and item["metadata"]["uid"] != old, 60)
    space.spec("Artifact", "llama", run={"suspend": False})
    mounted(stack, cache, space)
    eventually(lambda: [fault for fault in blind if not fault.spent], lambda left: not left, 60)
    space.delete("Artifact", "llama")
