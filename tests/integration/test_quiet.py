"""Minimal writes: what a new object costs, and that looking again costs nothing, whatever makes us look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from outfitter.api.v1alpha1 import kind_of

from .conftest import Stack
from .harness.client import Object, condition, eventually, ready
from .harness.process import Operator
from .harness.space import Space

CONNECTION = {"name": "lab", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8888}
KINDS = (
    "Credential", "DataSource", "ComputeResource", "Environment", "Workspace", "Artifact", "ArtifactRepository",
    "Inference",
)  # fmt: skip


def one_of_each(space: Space) -> None:
    """A little of everything, settled."""
    space.create("one-of-each.yaml")
    space.ready("Artifact", "scorer")
    scorer = {"containers": [{"imageUri": "registry.example.com/scorer:1", "port": 8080}]}
    rival = {"containerGroups": [scorer], "locked": True, "version": 1, "repositoryRef": {"name": "scorer"}}
    space.make("Artifact", "rival", rival)
    for kind, name in (
        ("Credential", "bucket"), ("DataSource", "data"), ("ComputeResource", "shape"), ("Environment", "base"),
        ("Workspace", "box"), ("Workspace", "stopped"), ("Artifact", "scorer"), ("Artifact", "clone"),
        ("Inference", "serving"), ("Inference", "trial"), ("Inference", "scaled"),
    ):  # fmt: skip
        space.ready(kind, name, 60)
    space.wait("Artifact", "rival", lambda item: condition(item, "Ready").get("reason") == "VersionTaken")
    space.wait("Inference", "nothing", lambda item: condition(item, "Ready").get("reason") == "VersionNotFound")
    for kind, name, total in (("ComputeResource", "shape", 3), ("Artifact", "scorer", 1), ("Artifact", "clone", 1)):
        space.wait(kind, name, lambda item, total=total: (item["status"].get("usedBy") or {}).get("total") == total)
    space.wait("Environment", "base", lambda item: (item["status"].get("usedBy") or {}).get("total") == 1)


def at_rest(space: Space) -> None:
    """The same, when the cluster's autoscaler has looked twice, 15 seconds apart: what it changes is news.

    It raises the replicas first, and finds out then that no metrics are served.
    """
    one_of_each(space)
    space.wait("Inference", "scaled", lambda item: item["status"]["readyReplicas"] == 2, 60)
    space.wait("Inference", "scaled", lambda item: "AutoscalingFailed" in str(item["status"].get("issues")), 60)


def news(stack: Stack, since: int) -> list[tuple[str, str]]:
    return [(entry.verb, entry.uri) for entry in stack.writes(since)]


_GROUPS = [{"containers": [{"imageUri": "registry.example.com/scorer:1", "port": 8080}]}]


@pytest.mark.parametrize(
    ("kind", "spec", "children"),
    [
        pytest.param(
            "Workspace",
            {"image": "registry.example.com/box:1", "connections": [CONNECTION]},
            {"controllerrevisions": 1, "statefulsets": 1, "services": 1, "ingresses": 1},
            id="workspace",
        ),
        pytest.param(
            "Inference",
            {"image": "registry.example.com/echo:1", "servingPort": {"container": 8080}, "replicas": 2},
            {"controllerrevisions": 1, "deployments": 1, "services": 1, "ingresses": 1, "poddisruptionbudgets": 1},
            id="inference",
        ),
        pytest.param(
            "Artifact",
            {"containerGroups": _GROUPS, "run": {"servingPort": {}}, "locked": True},
            {"controllerrevisions": 1, "deployments": 1, "services": 1, "ingresses": 1, "artifactrepositories": 1},
            id="artifact",
        ),
    ],
)
def test_what_a_new_object_costs(stack: Stack, space: Space, kind: str, spec: Object, children: dict[str, int]) -> None:
    """One write for each child, and one for each status that is another than the one before."""
    stack.operator.quiet()
    since = stack.mark()
    space.make(kind, "box", spec)
    item = space.ready(kind, "box")
    if spec.get("locked"):
        item = space.wait(kind, "box", lambda item: ready(item) and item["status"]["phase"] == "Locked")
    stack.operator.quiet()
    writes = [entry for entry in stack.writes(since) if entry.namespace == space.name]
    count = Counter((entry.verb, entry.resource, entry.subresource) for entry in writes)
    statuses = {found: count.pop(("patch", kind_of(found).plural, "status"), 0) for found in (kind, *_COUNTED)}
    assert count == {("create", resource, ""): number for resource, number in children.items()}
    for found, written in statuses.items():
        item = space.get(found, "box")
        assert written == len(_distinct(stack, item, found)) if item else not written


_COUNTED = ("ArtifactRepository",)


def _distinct(stack: Stack, last: Object, kind: str) -> list[Object]:
    """The statuses that an object has had, up to its last version."""
    meta = last["metadata"]

    def recorded() -> list[Object]:
        return [sight.item for sight in stack.recorder.of(kind, meta["namespace"], meta["name"])]

    version = meta["resourceVersion"]
    items = eventually(recorded, lambda items: any(item["metadata"]["resourceVersion"] == version for item in items))
    seen = [item.get("status") for item in items]
    return [now for before, now in zip([None, *seen], seen, strict=False) if now and now != before]


def test_another_pass_and_a_restart_write_nothing(stack: Stack, operator: Operator, space: Space) -> None:
    at_rest(space)
    passes = operator.quiet()
    since = stack.mark()
    touched = [(kind, item["metadata"]["name"]) for kind in KINDS for item in space.list(kind)]
    for kind, name in touched:
        space.touch(kind, name, "again")
    eventually(operator.passes, lambda now: now >= passes + len(touched), what="no new passes")
    operator.quiet()
    assert news(stack, since) == []
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
    at_rest(space)
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
    space.edit("Service", "base", {"spec": {"selector": {"app": "elsewhere"}}})
    space.edit("Secret", "source", {"stringData": {"SecretKey": "rotated"}})
    space.delete("Workspace", "doomed")
    space.delete("ComputeResource", "shape")
    space.make("Workspace", "new", {"image": "i"})
    operator.start()
    space.wait("Service", "box", bool)
    space.wait("Service", "base", lambda item: item and "app" not in item["spec"]["selector"])
    outdated = space.wait("Workspace", "box", lambda item: len(item["status"].get("outdated", [])) == 2)
    assert {each["reason"] for each in outdated["status"]["outdated"]} == {"Deleted", "Rotated"}
    space.ready("Workspace", "new")
    space.gone("StatefulSet", "doomed")
    space.gone("Service", "doomed")
