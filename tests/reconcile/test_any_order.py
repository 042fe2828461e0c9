"""The order of arrival and of deletion never matters: same end, no false alarm on the way, nothing left behind."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.simulator.caches import OUR_KINDS
from world import Body, World, asset, secret

EXAMPLES = sorted((Path(__file__).parents[2] / "deploy" / "examples").glob("*.yaml"))
FILES = [item for path in EXAMPLES for item in yaml.safe_load_all(path.read_text()) if item]
# A policy decides about what starts after it, so it is there first.
FIRST = [item for item in FILES if item["kind"] in ("Namespace", "WorkloadPolicy")]
OBJECTS = [item for item in FILES if item not in FIRST]
IMAGE = "registry.example.com/private:1"
# A workload that runs without the pull secret of a later Credential is not restarted for it.
VOLATILE = ("resourceVersion", "uid", "creationTimestamp", "lastTransitionTime", "observedGeneration", "revision",
            "updatedAt", "repositoryUid")  # fmt: skip
REGISTRY = "Credential outfitter-system/registry"


def plain(value: Any) -> Any:
    """A status without what depends on the moment."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in VOLATILE}
    return [plain(item) for item in value] if isinstance(value, list) else value


def end(world: World) -> dict[str, Any]:
    found = {
        f"{live.kind} {live.namespace}/{live.name}": plain(live.body.get("status") or {}) for live in world.resources()
    }
    for field in ("usedBy", "usage"):
        found[REGISTRY].pop(field, None)
    for status in found.values():  # a training may have completed before a Credential came that it could have used
        rows = status.get("usage", {}).get("lastUsed", [])
        rows[:] = [row for row in rows if row["workloadType"] != "training"]
    return found


def alarms(world: World) -> list[str]:
    """The statuses with a Stalled condition that were written on the way."""
    found = []
    for write in world.cluster.writes:
        conditions = write.manifest.get("conditions") or () if write.verb == "status" else ()
        stalled = next((each for each in conditions if each["type"] == "Stalled"), {})
        if stalled.get("status") == "True":
            found.append(f"{write.kind} {write.namespace}/{write.name}: {stalled.get('message')}")
    return found


async def arrived(objects: list[Body]) -> World:
    world = World(*FIRST, settings={"domain": "apps.example.com"})
    for item in objects:
        world.load([item])
        await world.settle()
    return world


@pytest.mark.parametrize("seed", range(12))
async def test_the_order_of_arrival_does_not_matter(seed: int) -> None:
    """Every object of every example, one at a time, in any order."""
    shuffled = list(OBJECTS)
    random.Random(seed).shuffle(shuffled)
    straight, world = await arrived(OBJECTS), await arrived(shuffled)
    assert alarms(world) == alarms(straight) == []
    for name, status in end(straight).items():
        assert end(world)[name] == status, name


@pytest.mark.parametrize("seed", range(6))
async def test_the_order_of_deletion_does_not_matter(seed: int) -> None:
    """Nothing is left but retained data, and what no one uses says so at once."""
    world = await arrived(OBJECTS)
    shuffled = [item for item in FILES if item["kind"] in OUR_KINDS]
    random.Random(seed).shuffle(shuffled)
    for item in shuffled:
        name, where = item["metadata"]["name"], item["metadata"]["namespace"]
        if item["kind"] == "Artifact" and world.find("Artifact", name, where) is None:
            continue  # a draft goes with its repository
        world.cluster.user_delete(item["kind"], where, name)
        await world.settle()
    left = {live.kind for live in world.resources()} - {"ArtifactRepository", "NimCache"}
    assert left == set()
    assert alarms(world) == []


async def test_a_missing_environment_is_the_only_cause() -> None:
    """Nothing that follows from it is reported, and nothing is stalled."""
    spec = {
        "assets": {"environment": {"name": "later"}},
        "connections": [{"name": "web", "nodePort": 31000}],
        "security": {"runAsUid": 1000},
    }
    world = World(asset("Workspace", "w", spec))
    await world.settle()
    issues = world.get("Workspace", "w")["status"]["issues"]
    assert [issue["issue"] for issue in issues] == ["ReferenceNotFound"]
    assert alarms(world) == []


async def test_a_registry_credential_that_comes_later_reaches_the_pod() -> None:
    """The image cannot be pulled; the Credential that the message asks for arrives, and the pod gets its Secret."""
    world = World(asset("Workspace", "w", {"image": IMAGE}), pod_objects=True, pods=False)
    await world.settle()
    waiting = {"name": "main", "image": IMAGE, "ready": False, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    for pod in world.all("Pod"):
        meta = pod["metadata"]
        status = {**(pod.get("status") or {}), "containerStatuses": [waiting]}
        world.cluster.user_status("Pod", meta["namespace"], meta["name"], status)
    await world.settle()
    login = {"url": "registry.example.com", "user": "u", "password": "p"}
    spec = {"type": "dockerRegistry", "secretRef": {"name": "login"}}
    world.load([secret("login", login), asset("Credential", "registry", spec)])
    await world.settle()
    template = world.get("StatefulSet", "w")["spec"]["template"]["spec"]
    assert [item["name"] for item in template["imagePullSecrets"]] == ["cred-registry"]
