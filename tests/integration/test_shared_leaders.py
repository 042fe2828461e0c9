"""A leader that loses its Lease between a Role and its RoleBinding: the next one finishes, and it writes no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import Line, Stack
from .harness.client import Object, eventually, ready
from .harness.people import ANN, OWNER, names, subjects
from .harness.process import Operator
from .harness.proxy import Fault
from .harness.space import Space
from .test_artifacts import locked
from .test_shared_faults import created
from .test_shared_roles import artifact, repository

LEASE = "3"  # seconds, so that waiting for its end takes little time
EVER = 100_000


@pytest.fixture
def first(line: Line) -> Iterator[Operator]:
    """The one who leads, through the proxy."""
    operator = line.operator
    usual = operator.settings["lease_seconds"]
    operator.settings["lease_seconds"] = LEASE
    operator.stop()
    yield operator.start()
    if operator.running:
        operator.resume()
        operator.stop()
    operator.settings["lease_seconds"] = usual


@pytest.fixture
def second(stack: Stack, first: Operator) -> Iterator[Operator]:
    """One that waits for the Lease, with a connection of its own."""
    log = stack.folder / "second.log"
    operator = Operator(stack.kubeconfig, log, identity="second", lease_seconds=LEASE).start(wait=False)
    eventually(lambda: operator.probe("/readyz"), lambda code: code == 200, 60)
    yield operator
    operator.stop()


def whole(stack: Stack, space: Space, since: int) -> Object:
    """What Ann was given, made once; the RoleBinding."""
    space.wait("Artifact", "one", locked(1), 60)
    space.wait("Role", OWNER, lambda item: item and names(item) == ["one"], 60)
    binding: Object = space.wait("RoleBinding", OWNER, lambda item: item and subjects(item) == ["ann"], 60)
    space.wait("ArtifactRepository", "scorers", ready, 60)
    for kind in ("Role", "RoleBinding"):
        assert [item["metadata"]["name"] for item in space.list(kind)] == [OWNER]
    made = created(stack, since, {space.name})
    assert len(made) == len(set(made))
    return binding


def left_to(second: Operator, space: Space) -> None:
    """The next one leads, and serves whoever comes."""
    eventually(second.leading, seconds=60, what="nobody took over")
    artifact(space, "one", locked=True)


def test_a_leader_that_stood_still_does_not_go_on(
    stack: Stack, line: Line, first: Operator, second: Operator, space: Space
) -> None:
    """It stops when the Role is made, and finds the answer when it runs again: the RoleBinding is not its business."""
    since = stack.mark()
    stopped = Fault("POST", ("/roles?", space.name), call=first.pause)
    line.proxy.inject(stopped)
    repository(space, ANN)
    eventually(lambda: stopped.spent, what="no Role was made")
    assert space.get("RoleBinding", OWNER) is None
    left_to(second, space)
    whole(stack, space, since)
    # Until it hears who leads, it must know by itself that it does not.
    unheard, tried = Fault("GET", ("/leases/",), hold="before", times=EVER), Fault("WRITE", times=EVER)
    line.proxy.inject(unheard, tried)
    first.resume()
    eventually(lambda: first.exit_code, lambda code: code == 1, what="it goes on without its Lease")
    assert tried.hits == []
    assert second.leading()


def test_a_leader_that_cannot_renew_gives_up_half_way(
    stack: Stack, line: Line, first: Operator, second: Operator, space: Space
) -> None:
    """It has the Role, and waits for the RoleBinding: what arrives of that afterwards changes nothing."""
    since = stack.mark()
    held = Fault("POST", ("/rolebindings?", space.name), hold="before")
    line.proxy.inject(held)
    repository(space, ANN)
    assert held.held.wait(30), "it was not asked for"
    space.need("Role", OWNER)
    refused = [Fault(verb, ("/leases/",), code=500, times=EVER) for verb in ("GET", "PUT")]
    tried = Fault("WRITE", times=EVER)
    line.proxy.inject(*refused, tried)
    eventually(lambda: first.exit_code, lambda code: code == 1, what="it goes on without its Lease")
    left_to(second, space)
    binding = whole(stack, space, since)
    second.quiet()
    late = stack.mark()
    line.proxy.release(held)

    def answers() -> list[int]:
        return [entry.code for entry in stack.writes(late) if entry.resource == "rolebindings"]

    assert eventually(answers, what="it did not arrive") == [409]
    second.quiet()
    assert [entry.code for entry in stack.writes(late)] == [409]
    assert space.need("RoleBinding", OWNER)["metadata"] == binding["metadata"]
    assert tried.hits == []
