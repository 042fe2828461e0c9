"""Who wrote an object, with the policies of deploy/identity.yaml, a real operator, and people who write."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from outfitter.api.v1alpha1 import kind_of
from outfitter.cli.app import application
from outfitter.errors import Forbidden

from .conftest import Stack
from .harness.client import Object, eventually, stalls
from .harness.logins import acting, stamping
from .harness.space import Space

ANN, BOB = "ann@example.com", "bob"
IMAGE = "registry.example.com/box:1"
EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples" / "identity"


@pytest.fixture(scope="module", autouse=True)
def policies(stack: Stack) -> Iterator[None]:
    with stamping(stack.api):
        yield


def authors(item: Object) -> tuple[str, str]:
    """createdBy and updatedBy."""
    status = item["status"]
    return status.get("createdBy", ""), status.get("updatedBy", "")


def has(creator: str, updater: str, generation: int) -> Any:
    """The status is about a generation and names these two."""
    return lambda item: (*authors(item), item["status"]["observedGeneration"]) == (creator, updater, generation)


def test_the_status_says_who_and_when_and_rests(stack: Stack, space: Space) -> None:
    """Field selectors find it; a restart of the operator writes nothing."""
    ann, bob = acting(space, ANN), acting(space, BOB)
    ann.make("ComputeResource", "small", {"cpuCoreRequest": 1})
    first = space.wait("ComputeResource", "small", has(ANN, ANN, 1))
    assert first["status"]["updatedAt"] == first["metadata"]["creationTimestamp"]
    bob.spec("ComputeResource", "small", cpuCoreRequest=2)
    space.wait("ComputeResource", "small", has(ANN, BOB, 2))
    found = space.list("ComputeResource", fieldSelector=f"status.createdBy={ANN}")
    assert [item["metadata"]["name"] for item in found] == ["small"]
    assert space.list("ComputeResource", fieldSelector=f"status.createdBy={BOB}") == []
    line = f"ComputeResource {space.name}/small: changed spec by {BOB}, generation 2"
    eventually(lambda: line in stack.operator.said())
    stack.operator.quiet()
    since = stack.mark()
    stack.operator.stop()
    stack.operator.start()
    stack.operator.quiet()
    assert [entry.uri for entry in stack.writes(since) if entry.namespace == space.name] == []


def test_the_tools_show_the_authors(stack: Stack, space: Space) -> None:
    """`status -o wide`, `explain`, and the wide columns of the API server's table."""
    acting(space, ANN, uid="1234", gid="100").make(
        "Workspace", "box", {"image": IMAGE, "security": {"uidGidSource": "fromIdpToken"}}
    )
    space.ready("Workspace", "box")
    place = ["-n", space.name, "--kubeconfig", str(stack.sandbox.kubeconfig)]
    wide = CliRunner().invoke(application(), ["status", "workspace/box", *place, "-o", "wide"], env={"COLUMNS": "400"})
    head, line = (text.split() for text in wide.stdout.splitlines()[:2])
    assert head[head.index("CREATED") :][:4] == ["CREATED", "BY", "UPDATED", "BY"]
    assert line.count(ANN) == 2
    told = CliRunner().invoke(application(), ["explain", "workspace/box", *place], env={"COLUMNS": "400"})
    assert f"Created by {ANN}, last changed by {ANN} at " in told.stdout
    assert any(
        line.split()[:2] == ["securityContext.runAsUser", "1234"] and f"login of {ANN}" in line
        for line in told.stdout.splitlines()
    )


@pytest.mark.parametrize("kind", ["Inference", "Artifact", "Environment"])
def test_scale_names_nobody_wrongly(space: Space, kind: str) -> None:
    """The API server stamps no object through scale; an autoscaler or Bob did it, not Ann."""
    containers = [{"containers": [{"imageUri": IMAGE, "port": 8080, "primary": True}]}]
    specs: dict[str, Any] = {
        "Inference": {"image": IMAGE, "servingPort": {"container": 8080}, "replicas": 0},
        "Artifact": {"containerGroups": containers, "run": {"replicas": 0}},
        "Environment": {"image": IMAGE, "run": {"replicas": 0}},
    }
    assert kind_of(kind).model.SCALE
    acting(space, ANN).make(kind, "it", specs[kind])
    space.wait(kind, "it", has(ANN, ANN, 1))
    acting(space, BOB).edit(kind, "it", {"spec": {"replicas": 1}}, sub="scale")
    space.wait(kind, "it", has(ANN, "", 2))
    acting(space, BOB).spec(kind, "it", description="changed")
    space.wait(kind, "it", has(ANN, BOB, 3))


def test_pods_run_with_the_ids_of_the_login(stack: Stack, space: Space) -> None:
    """Who changes the spec gives the ids; a scale or a restart by somebody else does not."""
    ann = acting(space, ANN, uid="1234", gid="100", groups="20 30")
    ann.make("Workspace", "box", {"image": IMAGE, "security": {"uidGidSource": "fromIdpToken"}})
    space.ready("Workspace", "box")

    def ids() -> tuple[int, int, list[int]]:
        pod = space.template()
        context = pod["containers"][0]["securityContext"]
        return context["runAsUser"], context["runAsGroup"], pod["securityContext"].get("supplementalGroups", [])

    assert ids() == (1234, 100, [20, 30])
    acting(space, BOB).annotate("Workspace", "box", restartedAt="1")
    space.ready("Workspace", "box")
    assert ids() == (1234, 100, [20, 30])
    acting(space, BOB, uid="77", gid="78").spec("Workspace", "box", image=f"{IMAGE}-b")
    space.wait("StatefulSet", "box", lambda item: item and ids() == (77, 78, []))
    space.ready("Workspace", "box")


def test_the_examples(space: Space) -> None:
    """The files of deploy/examples/identity, applied by one user: his pod has his ids and his Credential."""
    ann = acting(space, ANN, uid="1234", gid="100")
    for file in sorted(EXAMPLES.glob("*.yaml")):
        for item in yaml.safe_load_all(file.read_text()):
            ann.api.create({**item, "metadata": {**item["metadata"], "namespace": space.name}})
    space.ready("Credential", "hub")
    space.ready("Workspace", "ann-lab")
    (container,) = space.template("ann-lab")["containers"]
    assert container["securityContext"]["runAsUser"] == 1234
    variable = next(item for item in container["env"] if item["name"] == "HUB_TOKEN")
    assert space.get("Secret", variable["valueFrom"]["secretKeyRef"]["name"]) is not None


def test_a_login_without_ids(space: Space) -> None:
    """The status names the key; an Event names the author."""
    ann = acting(space, ANN, gid="100")
    ann.make("Workspace", "box", {"image": IMAGE, "security": {"uidGidSource": "fromIdpToken"}})
    item = space.wait("Workspace", "box", stalls("IdentityMissing"))
    assert "has no extra field example.com/uid" in item["status"]["message"]

    def told() -> list[str]:
        return [event["message"] for event in space.list("Event") if event["reason"] == "IdentityMissing"]

    eventually(lambda: any(text.endswith(f"Last change of the spec by {ANN}.") for text in told()))
    acting(space, ANN, uid="1", gid="100").spec("Workspace", "box", args="--again")
    space.ready("Workspace", "box")


def test_without_the_policies(stack: Stack, space: Space) -> None:
    """What runs keeps running; new asks are refused; forged stamps are not believed, also afterwards."""
    ann = acting(space, ANN, uid="1234", gid="100")
    ann.make("Workspace", "box", {"image": IMAGE, "security": {"uidGidSource": "fromIdpToken"}})
    space.ready("Workspace", "box")
    name = "outfitter-identity"
    saved = [stack.api.need(f"{each}AdmissionPolicyBinding", "", f"{name}{tail}") for each, tail in
             (("Mutating", ""), ("Validating", "-guard"))]  # fmt: skip
    for item in saved:
        stack.api.delete(item["kind"], "", item["metadata"]["name"])
    under = saved[0]["metadata"]["uid"]
    forged = {
        "created-by": ANN, "created-under": under, "updated-by": ANN, "updated-under": f"{under}/1",
        "authored-by": ANN, "authored-under": under, "run-as-uid": "5", "run-as-gid": "5",
    }  # fmt: skip
    stamps = {f"outfitter.dev/{key}": value for key, value in forged.items()}

    numbers = itertools.count()

    def stays() -> bool:
        """Policies count for a moment after they were deleted."""
        spec = {"image": IMAGE, "security": {"uidGidSource": "fromIdpToken"}}
        try:
            made = space.make("Workspace", f"forged-{next(numbers)}", spec, annotations=stamps)
        except Forbidden:
            return False
        return bool(made["metadata"]["annotations"] == stamps)

    eventually(stays)
    last = f"forged-{next(numbers) - 1}"
    item = space.wait("Workspace", last, stalls("NeedsIdentity"))
    assert authors(item) == ("", "")
    for item in saved:
        meta = {"name": item["metadata"]["name"]}
        stack.api.create({"kind": item["kind"], "metadata": meta, "spec": item["spec"]})
    item = space.wait("Workspace", last, stalls("IdentityMissing"))
    assert authors(item) == ("", "")
    assert authors(space.ready("Workspace", "box")) == (ANN, ANN)
