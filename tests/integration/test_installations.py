"""Two operators of different installations over one namespace: the first to write a status manages the object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from .conftest import Stack
from .harness import rights
from .harness.client import Object, eventually, ready
from .harness.process import Operator
from .harness.space import Space

ACCOUNT = "rival"
INFERENCE = {"image": "registry.example.com/ml/scorer:1", "servingPort": {"container": 8080}}


@pytest.fixture
def rival(stack: Stack, operator: Operator, space: Space) -> Iterator[Operator]:
    """A second installation, with another domain and another Ingress class."""
    home = f"{space.name}-rival"
    stack.api.create({"kind": "Namespace", "metadata": {"name": home}})
    rights.install_in(stack.api, ACCOUNT, home, [space.name])
    process = Operator(
        stack.sandbox.kubeconfig_for(f"system:serviceaccount:{home}:{ACCOUNT}"),
        stack.folder / "rival.log",
        identity="rival",
        system_namespace=home,
        watch_namespaces=space.name,
        domain="rival.example.com",
        ingress_class="rival",
    ).start()
    yield process
    if process.running:
        assert process.stop() == 0
    stack.api.delete("Namespace", "", home)


def events(space: Space) -> list[Object]:
    return [event for event in space.list("Event") if event["reason"] == "OtherInstallation"]


def written(stack: Stack, since: int, space: Space) -> Counter[tuple[str, str]]:
    """The writes of both, by resource and name of the object, without Events."""
    users = (rights.USER, f"system:serviceaccount:{space.name}-rival:{ACCOUNT}")
    found = [entry for entry in stack.sandbox.audit(since) if entry.user in users and entry.is_write]
    return Counter(
        (entry.resource, entry.name)
        for entry in found
        if entry.namespace == space.name and entry.resource != "events" and entry.subresource != "status"
    )


def test_two_operators_do_not_fight(stack: Stack, operator: Operator, rival: Operator, space: Space) -> None:
    """At most 5 writes of an object, one manager, one report by the other, and no write at rest."""
    since = stack.mark()
    for number in range(5):
        space.make("Inference", f"twice-{number}", INFERENCE)
    for number in range(5):
        space.wait("Inference", f"twice-{number}", ready, 60)
    eventually(lambda: events(space), lambda found: len(found) == 5, 60)
    for process in (operator, rival):
        process.quiet()
    assert max(written(stack, since, space).values()) <= 5
    managers = {item["metadata"]["name"]: item["status"]["installation"] for item in space.list("Inference")}
    assert set(managers.values()) <= {"outfitter-system/outfitter", f"{space.name}-rival/outfitter"}
    for event in events(space):
        assert f"managed by the installation {managers[event['involvedObject']['name']]}." in event["message"]
    mark = stack.mark()
    for number in range(5):
        space.touch("Inference", f"twice-{number}", "again")
    for process in (operator, rival):
        process.quiet()
    assert written(stack, mark, space) == Counter()
    assert len(events(space)) == 5


def test_the_first_one_goes_on_and_can_be_replaced(
    stack: Stack, operator: Operator, rival: Operator, space: Space
) -> None:
    rival.stop()
    space.make("Inference", "twice", INFERENCE)
    space.ready("Inference", "twice")
    rival.start()
    eventually(lambda: events(space), what="no report")
    space.spec("Inference", "twice", image="registry.example.com/ml/scorer:2")
    item = space.wait(
        "Inference",
        "twice",
        lambda item: ready(item) and item["status"]["observedGeneration"] == item["metadata"]["generation"],
    )
    assert item["status"]["installation"] == "outfitter-system/outfitter"
    operator.stop()
    rival.stop()
    rival.settings["replaced_installations"] = "outfitter-system/outfitter"
    rival.start()
    space.wait("Inference", "twice", lambda item: item["status"]["installation"] == f"{space.name}-rival/outfitter")
