"""An object that is too large to be stored: every write is reported once, with size and limit, and not retried soon."""

from __future__ import annotations

from typing import Any

import pytest
from doors import Refusing

from outfitter.errors import TooLarge, Unavailable, api_error
from world import World, asset, condition, issues, reason, secret

ANSWERS = [
    (413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728"),
    (500, "InternalError", "etcdserver: request is too large"),
    (500, "", "rpc error: code = ResourceExhausted desc = trying to send message larger than max (3 vs. 2)"),
]
CREDENTIAL = asset("Credential", "x", {"type": "genericSecret", "secretRef": {"name": "s"}})
CLAIM = asset("DataSource", "x", {"pvc": {"path": "/d", "claimInfo": {"size": "1Gi"}}})
WORKSPACE = asset("Workspace", "x", {"image": "registry.example.com/u:1"})
CHILDREN = [
    (WORKSPACE, "ControllerRevision"), (WORKSPACE, "StatefulSet"), (WORKSPACE, "Service"), (CREDENTIAL, "Secret"),
    (CLAIM, "PersistentVolumeClaim"),
]  # fmt: skip


def too_large(answer: tuple[int, str, str]) -> Any:
    code, name, message = answer
    return api_error(code, name, message)


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers(answer: tuple[int, str, str]) -> None:
    """The client does not repeat such a request, as it would another 500."""
    assert isinstance(too_large(answer), TooLarge)
    assert isinstance(api_error(500, "InternalError", "etcdserver: request timed out"), Unavailable)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(("owner", "child"), CHILDREN)
async def test_a_child(owner: dict[str, Any], child: str, answer: tuple[int, str, str]) -> None:
    world = World(owner, secret("s", {"a": "b"}))
    door = Refusing(world.cluster, "create", too_large(answer), kind=child)
    world.connect(door)
    await world.settle()
    status = world.status(owner["kind"], "x")
    assert reason(status) == "Refused"
    assert issues(status).count("Refused") == 1
    assert f"{child} team-a/" in status["message"]
    assert "MiB, and the API server usually stores at most 1.5 MiB" in status["message"]
    assert answer[2] not in status["message"]
    again = await world.once(owner["kind"], "x")
    assert again.requeue_after is not None  # at the usual back-off
    world.connect(world.cluster)
    await world.settle()
    assert condition(world.status(owner["kind"], "x"), "Stalled") is None


@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_change(answer: tuple[int, str, str]) -> None:
    """The pods go on as they are."""
    world = World(WORKSPACE)
    await world.settle()
    world.edit("Workspace", "x", image="registry.example.com/u:2")
    world.connect(Refusing(world.cluster, "apply", too_large(answer), kind="StatefulSet"))
    await world.settle()
    status = world.status("Workspace", "x")
    assert (reason(status), status["readyReplicas"]) == ("Refused", 1)


@pytest.mark.parametrize("owner", [WORKSPACE, CREDENTIAL, CLAIM])
async def test_a_status(owner: dict[str, Any]) -> None:
    """Where no status fits, an Event reports it, and nothing is tried again without a change."""
    world = World(owner, secret("s", {"a": "b"}))
    door = Refusing(world.cluster, "status", too_large(ANSWERS[1]), kind=owner["kind"])
    world.connect(door)
    await world.settle()
    assert "is too large" in world.cluster.events[-1]["message"]
    assert world.cluster.events[-1]["reason"] == "Refused"
    world.connect(world.cluster)
    world.annotate(owner["kind"], "x", note="changed")
    await world.settle()
    assert world.status(owner["kind"], "x")["observedGeneration"]
