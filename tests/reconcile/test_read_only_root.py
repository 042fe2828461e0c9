"""A read-only root file system leaves /tmp and the home directory writable, whatever runs."""

from __future__ import annotations

from typing import Any

import pytest

from world import World, asset, issues

Body = dict[str, Any]
IMAGE = "r.example.com/a:1"
ROOT = {"readOnlyRootFilesystem": True}
EMPTY = {"storage": {"emptyDirVolume": [{"name": "mine", "path": "/tmp"}]}}
HOME = {"storage": {"emptyDirVolume": [{"name": "mine", "path": "/home/outfitter"}]}}


def container(world: World) -> tuple[Body, Body]:
    """The pod spec of the only workload, and its first container."""
    (controller,) = [*world.all("StatefulSet"), *world.all("Deployment")]
    spec = controller["spec"]["template"]["spec"]
    return spec, spec["containers"][0]


def scratch(spec: Body, item: Body) -> set[str]:
    """The paths of empty directories in a container."""
    empty = {volume["name"] for volume in spec.get("volumes", ()) if "emptyDir" in volume}
    return {mount["mountPath"] for mount in item.get("volumeMounts", ()) if mount["name"] in empty}


def home(item: Body) -> str | None:
    return next((each.get("value") for each in item.get("env", ()) if each["name"] == "HOME"), None)


ARTIFACT = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080, "securityContext": ROOT}]}]}


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Workspace", {"image": IMAGE, "security": ROOT}),
        ("Inference", {"image": IMAGE, "security": ROOT, "servingPort": {"container": 8080}}),
        ("Environment", {"image": IMAGE, "security": ROOT, "run": {}}),
        ("Artifact", {**ARTIFACT, "run": {}}),
        ("Artifact", {**ARTIFACT, "type": "nim", "run": {}}),
    ],
)
async def test_everything_that_runs_can_write_there(kind: str, spec: Body) -> None:
    world = World(asset(kind, "x", spec))
    await world.settle()
    pod, item = container(world)
    assert item["securityContext"]["readOnlyRootFilesystem"] is True
    assert scratch(pod, item) - {"/dev/shm"} == {"/tmp", "/home/outfitter"}
    assert home(item) == "/home/outfitter"


@pytest.mark.parametrize(
    ("spec", "paths", "directory"),
    [
        ({}, {"/tmp", "/home/outfitter"}, "/home/outfitter"),
        ({"createHomeDir": False}, {"/tmp"}, None),
        ({"environmentVariables": [{"name": "HOME", "value": "/work"}]}, {"/tmp", "/work"}, "/work"),
        ({"environmentVariables": [{"name": "HOME", "value": "/tmp"}]}, {"/tmp"}, "/tmp"),
        ({"environmentVariables": [{"name": "HOME", "value": "/"}]}, {"/tmp"}, "/"),
        (EMPTY, {"/tmp", "/home/outfitter"}, "/home/outfitter"),
        (HOME, {"/tmp", "/home/outfitter"}, "/home/outfitter"),
    ],
)
async def test_what_the_user_mounts_or_names_counts(spec: Body, paths: set[str], directory: str | None) -> None:
    world = World(asset("Workspace", "x", {"image": IMAGE, "security": ROOT, **spec}))
    await world.settle()
    pod, item = container(world)
    assert scratch(pod, item) == paths
    assert len(item["volumeMounts"]) == len(paths)
    assert home(item) == directory
    assert issues(world.status("Workspace", "x")) == []


async def test_each_container_has_directories_of_its_own() -> None:
    containers = [
        {"name": "web", "imageUri": IMAGE, "port": 8080, "primary": True, "securityContext": ROOT},
        {"name": "tail", "imageUri": IMAGE, "securityContext": ROOT},
        {"name": "plain", "imageUri": IMAGE},
    ]
    world = World(asset("Artifact", "x", {"containerGroups": [{"containers": containers}], "run": {}}))
    await world.settle()
    pod, _ = container(world)
    mounts = [mount["name"] for item in pod["containers"] for mount in item.get("volumeMounts", ())]
    assert len(mounts) == len(set(mounts)) == 4
    assert scratch(pod, pod["containers"][2]) == set()


async def test_a_writable_root_gets_nothing() -> None:
    world = World(asset("Workspace", "x", {"image": IMAGE}))
    await world.settle()
    pod, item = container(world)
    assert scratch(pod, item) == set()
    assert home(item) is None
