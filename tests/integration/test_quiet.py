"""Minimal writes: what a new object costs, and that looking again costs nothing, whatever makes us look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from .conftest import Stack
from .harness.client import eventually, ready
from .harness.process import Operator
from .harness.space import Space

CONNECTION = {"name": "lab", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8888}
KINDS = ("Credential", "DataSource", "ComputeResource", "Environment", "Workspace")


def one_of_each(space: Space) -> None:
    """A little of everything, settled."""
    space.secret("source", AccessKeyId="a", SecretKey="b")
    space.make("Credential", "bucket", {"type": "accessKey", "secretRef": {"name": "source"}})
    space.make("DataSource", "data", {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi"}}})
    space.make("ComputeResource", "shape", {"cpuCoreRequest": 0.1})
    space.make("Environment", "base", {"image": "registry.example.com/box:1", "connections": [CONNECTION], "run": {}})
    space.make("Workspace", "box", {
        "assets": {"environment": {"name": "base"}, "compute": {"name": "shape"}, "dataSources": [{"name": "data"}]},
        "environmentVariables": [{"name": "K", "credential": {"name": "bucket", "key": "SecretKey"}}],
    })  # fmt: skip
    # Waiting, stalled and stopped objects are looked at again too.
    space.make("Workspace", "waiting", {"image": "i", "assets": {"compute": {"name": "nowhere"}}})
    space.make("Workspace", "stalled", {"image": "i", "command": "'"})
    space.make("Workspace", "stopped", {"image": "i", "suspend": True})
    for kind, name in (
        ("Credential", "bucket"), ("DataSource", "data"), ("ComputeResource", "shape"), ("Environment", "base"),
        ("Workspace", "box"), ("Workspace", "stopped"),
    ):  # fmt: skip
        space.ready(kind, name)
    space.wait("ComputeResource", "shape", lambda item: (item["status"].get("usedBy") or {}).get("total") == 1)
    space.wait("Environment", "base", lambda item: (item["status"].get("usedBy") or {}).get("total") == 1)


def news(stack: Stack, since: int) -> list[tuple[str, str]]:
    return [(entry.verb, entry.uri) for entry in stack.writes(since)]


def test_what_a_new_workspace_costs(stack: Stack, space: Space) -> None:
    stack.operator.quiet()
    since = stack.mark()
    space.running("box", connections=[CONNECTION])
    stack.operator.quiet()
    writes = [entry for entry in stack.writes(since) if entry.namespace == space.name]
    count = Counter((entry.verb, entry.resource, entry.subresource) for entry in writes)
    statuses = count.pop(("patch", "workspaces", "status"))
    assert count == {
        ("create", "controllerrevisions", ""): 1,
        ("create", "statefulsets", ""): 1,
        ("create", "services", ""): 2,
        ("create", "ingresses", ""): 1,
    }
    seen = [sight.item.get("status") for sight in stack.recorder.of("Workspace", space.name, "box")]
    distinct = [now for before, now in zip([None, *seen], seen, strict=False) if now and now != before]
    assert statuses == len(distinct)


def test_a_second_pass_writes_nothing(stack: Stack, space: Space) -> None:
    one_of_each(space)
    passes = stack.operator.quiet()
    since = stack.mark()
    touched = [(kind, item["metadata"]["name"]) for kind in KINDS for item in space.list(kind)]
    for kind, name in touched:
        space.touch(kind, name, "again")
    eventually(stack.operator.passes, lambda now: now >= passes + len(touched), what="no new passes")
    stack.operator.quiet()
    assert news(stack, since) == []


def test_a_restart_writes_nothing(stack: Stack, operator: Operator, space: Space) -> None:
    one_of_each(space)
    operator.quiet()
    since = stack.mark()
    assert operator.stop() == 0
    operator.start()
    objects = sum(len(stack.api.list(kind)) for kind in KINDS)
    eventually(operator.passes, lambda now: now >= objects, what="not every object was looked at")
    operator.quiet()
    assert news(stack, since) == []


def test_a_restarted_api_server_brings_no_writes_and_no_gaps(
    stack: Stack, operator: Operator, spaces: Callable[..., Space]
) -> None:
    space = spaces()
    one_of_each(space)
    operator.quiet()
    since = stack.mark()
    with stack.outage():
        stack.sandbox.restart("kube-apiserver")
        # All watches broke. What happens afterwards is seen all the same, and is all that is written.
        space.make("Workspace", "later", {"image": "i"})
        space.ready("Workspace", "later", 60)
        space.delete("Service", "box")
        space.wait("Service", "box", bool, 60)
        space.edit("Secret", "source", {"stringData": {"SecretKey": "rotated"}})
        space.wait("Workspace", "box", lambda item: item["status"].get("outdated"), 60)
        operator.quiet()
    strange = [entry for entry in stack.writes(since) if entry.name not in ("later", "box", "cred-bucket", "bucket")
               and not entry.name.startswith("later-") and entry.resource != "services"]  # fmt: skip
    assert [(entry.verb, entry.uri) for entry in strange] == []
    assert ready(space.need("Workspace", "box"))


def test_what_happens_while_nobody_looks_is_found_at_the_start(stack: Stack, operator: Operator, space: Space) -> None:
    one_of_each(space)
    space.running("doomed", connections=[CONNECTION])
    operator.quiet()
    operator.kill()
    space.delete("Service", "box")
    space.edit("Service", "base-lab", {"spec": {"selector": {"app": "elsewhere"}}})
    space.edit("Secret", "source", {"stringData": {"SecretKey": "rotated"}})
    space.delete("Workspace", "doomed")
    space.delete("ComputeResource", "shape")
    space.make("Workspace", "new", {"image": "i"})
    operator.start()
    space.wait("Service", "box", bool)
    space.wait("Service", "base-lab", lambda item: item and "app" not in item["spec"]["selector"])
    outdated = space.wait("Workspace", "box", lambda item: len(item["status"].get("outdated", [])) == 2)
    assert {each["reason"] for each in outdated["status"]["outdated"]} == {"Deleted", "Rotated"}
    space.ready("Workspace", "new")
    space.gone("StatefulSet", "doomed")
    space.gone("Service", "doomed-lab")
