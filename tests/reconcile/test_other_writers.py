"""Another writer changes a field of a child back: for every field of a renderer, the operator comes to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from outfitter.canonical import MERGE_KEYS
from world import TEAM, Body, World, asset, issues, secret

IMAGE = "registry.example.com/u:1"
SPEC = {
    "image": IMAGE,
    "imagePullPolicy": "IfNotPresent",
    "command": "serve --all",
    "workingDir": "/work",
    "nodeType": "gpu",
    "labels": [{"name": "team", "value": "a"}],
    "annotations": [{"name": "note", "value": "b"}],
    "tolerations": [{"name": "gpu", "key": "gpu", "operator": "Exists"}],
    "terminationGracePeriodSeconds": 60,
    "environmentVariables": [{"name": "MODE", "value": "fast"}],
    "compute": {"cpuCoreRequest": 1, "cpuMemoryRequest": "1Gi", "cpuMemoryLimit": "2Gi"},
    "connections": [
        {"name": "web", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8080},
        {"name": "board", "toolType": "custom", "connectionType": "NodePort", "containerPort": 6006},
    ],
}
SERVING = {
    "image": IMAGE,
    "servingPort": {"container": 8000},
    "compute": {"cpuCoreRequest": 1},
    "autoscaling": {"minReplicas": 1, "maxReplicas": 3, "metric": "cpu", "metricThreshold": 70},
}
OBJECTS = {"Workspace": asset("Workspace", "w", SPEC), "Inference": asset("Inference", "i", SERVING)}
SETTINGS = {"domain": "apps.example.com"}
KINDS = ("StatefulSet", "Deployment", "Service", "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget")
Path = tuple[Any, ...]


def leaves(value: Any, at: Path = ()) -> Iterator[Path]:
    """The path of every scalar, and of every list that others can extend."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*at, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, (*at, number))
    else:
        yield at


def fixed(kind: str, path: Path) -> bool:
    """Fields that no policy may change: identity, ownership, and what the API server keeps immutable."""
    if path[0] in ("apiVersion", "kind", "status") or path[:2] in (("metadata", "name"), ("metadata", "namespace")):
        return True
    if path[:2] in (("metadata", "ownerReferences"),) or path[:3] == ("metadata", "labels", "outfitter.dev/owner-uid"):
        return True
    merge_key = len(path) > 2 and isinstance(path[-2], int) and path[-1] in MERGE_KEYS.get(str(path[-3]), ())
    return merge_key or (
        kind in ("StatefulSet", "Deployment") and path[1] in ("selector", "serviceName", "podManagementPolicy")
    )


async def settled(owner: str) -> World:
    world = World(OBJECTS[owner], settings=SETTINGS)
    await world.settle()
    return world


def cases() -> list[Any]:
    found = []
    for owner in OBJECTS:
        for manifest in asyncio.run(settled(owner)).manifests():
            if manifest["kind"] not in KINDS:
                continue
            paths = [path for path in leaves(manifest) if not fixed(manifest["kind"], path)]
            place = f"{manifest['kind']}/{manifest['metadata']['name']}"
            found += [
                pytest.param(
                    owner,
                    manifest["kind"],
                    manifest["metadata"]["name"],
                    path,
                    id=f"{place}:{'.'.join(map(str, path))}",
                )
                for path in paths
            ]
    return found


def changed(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else f"{value}x"


def policy(kind: str, name: str, path: Path, wanted: Any) -> Any:
    """A mutating admission policy that sets one field of one object to another value."""

    def admit(body: Body) -> Body:
        if (body["kind"], body["metadata"]["name"]) != (kind, name):
            return body
        body = deepcopy(body)
        node: Any = body
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = wanted
        return body

    return admit


def value_at(body: Any, path: Path) -> Any:
    for step in path:
        body = body[step]
    return body


def named(path: Path) -> str:
    """The part of a path that is named as users write it: up to the first list."""
    first = next((number for number, step in enumerate(path) if isinstance(step, int)), len(path))
    return ".".join(path[:first])


@pytest.mark.parametrize(("owner", "kind", "name", "path"), cases())
async def test_a_policy_that_changes_a_field_wins(owner: str, kind: str, name: str, path: Path) -> None:
    """At most 5 writes in the first minute, the workload is ready, and one note names the field."""
    sent = next(
        item for item in (await settled(owner)).manifests() if (item["kind"], item["metadata"]["name"]) == (kind, name)
    )
    world = World(OBJECTS[owner], settings=SETTINGS)
    world.cluster.admission = policy(kind, name, path, changed(value_at(sent, path)))
    for _ in range(30):
        await world.step()
        world.tick(2)
    writes = [write for write in world.cluster.writes if (write.kind, write.name) == (kind, name)]
    assert len(writes) <= 5
    status = world.get(owner, OBJECTS[owner]["metadata"]["name"])["status"]
    assert status["phase"] == "Running"
    notes = [issue for issue in status.get("issues") or () if issue["issue"] == "FieldOverridden"]
    assert len(notes) == 1
    assert named(path) in notes[0]["message"]


async def test_a_controller_that_changes_a_field_back_is_named() -> None:
    """It wins for a while; an edit of another field is still repaired at once."""
    world = World(OBJECTS["Workspace"], settings=SETTINGS)
    await world.settle()
    before = len(world.cluster.writes)
    pod = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}}
    child = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "w", "namespace": TEAM}}
    for _ in range(30):
        world.cluster.user_apply({**child, **pod}, manager="other-controller")
        await world.step()
        world.tick(2)
    assert len([write for write in world.cluster.writes[before:] if write.verb == "apply"]) <= 5
    status = world.status("Workspace", "w")
    assert status["phase"] == "Running"
    (note,) = (issue for issue in status["issues"] if issue["issue"] == "FieldOverridden")
    assert note["message"].startswith("other-controller changes spec.template.spec.terminationGracePeriodSeconds")
    world.cluster.user_apply({**child, "spec": {"replicas": 3}}, manager="someone")
    await world.settle()
    assert world.get("StatefulSet", "w")["spec"]["replicas"] == 1


async def test_a_controller_that_changes_a_copy_back_is_left_alone() -> None:
    """Although the content of Secrets is not cached."""
    login = secret("login", {"user": "u", "password": "p"})
    world = World(login, asset("Credential", "c", {"type": "password", "secretRef": {"name": "login"}}))
    await world.settle()
    before = len(world.cluster.writes)
    theirs = secret("cred-c", {"password": "theirs"})
    for _ in range(30):
        world.cluster.user_apply(theirs, manager="other-controller")
        await world.step()
        world.tick(2)
    writes = [write for write in world.cluster.writes[before:] if write.kind == "Secret"]
    assert len(writes) <= 5
    assert "FieldOverridden" in issues(world.status("Credential", "c"))


async def test_a_foreign_key_of_a_copy_stays() -> None:
    """It is neither removed nor a reason to write, and the rotation of the source arrives."""
    world = World(secret("login", {"user": "u", "password": "p"}))

    def admit(body: Body) -> Body:
        if body["kind"] == "Secret" and body["metadata"]["name"] != "login":
            return {**body, "data": {**body["data"], "ca.crt": "eA=="}}
        return body

    world.cluster.admission = admit
    world.load([asset("Credential", "c", {"type": "password", "secretRef": {"name": "login"}})])
    await world.settle()
    before = len(world.cluster.writes)
    for _ in range(3):
        await world.step()
    assert len(world.cluster.writes) == before
    assert world.get("Secret", "cred-c")["data"]["ca.crt"] == "eA=="


NIM = "nvcr.io/nim/meta/llama:1"
WITHOUT_TYPE = {
    "DataSource": asset("DataSource", "d", {"pvc": {"claimInfo": {"size": "1Gi"}, "path": "/data"}}),
    "NimCache": asset("NimCache", "d", {"image": NIM, "environmentVariables": [{"name": "NGC_API_KEY", "value": "a"}]}),
    "Workspace": asset(
        "Workspace", "d", {"image": IMAGE, "storage": {"pvc": [{"path": "/x", "claimInfo": {"size": "1Gi"}}]}}
    ),
}


@pytest.mark.parametrize("label", ["app.kubernetes.io/managed-by", "outfitter.dev/retained"])
@pytest.mark.parametrize("owner", WITHOUT_TYPE)
async def test_a_policy_that_changes_the_labels_of_a_claim_wins(owner: str, label: str) -> None:
    """The caches keep a claim without its apiVersion and kind."""
    world = World(WITHOUT_TYPE[owner])
    await world.settle()
    (claim,) = world.all("PersistentVolumeClaim")
    world = World(WITHOUT_TYPE[owner])
    path = ("metadata", "labels", label)
    world.cluster.admission = policy("PersistentVolumeClaim", claim["metadata"]["name"], path, "other")
    for _ in range(30):
        await world.step()
        world.tick(2)
    assert len([write for write in world.cluster.writes if write.kind == "PersistentVolumeClaim"]) <= 5


async def test_the_number_of_an_attempt_that_somebody_changes_is_no_defect() -> None:
    world = World(WITHOUT_TYPE["NimCache"], jobs="")
    world.cluster.admission = policy("Job", "d-download-1", ("metadata", "annotations", "outfitter.dev/attempt"), "x")
    await world.settle()
    assert world.status("NimCache", "d")["phase"] == "Downloading"
