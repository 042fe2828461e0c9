"""Volumes do not hide the system of a container, nor what Kubernetes mounts into it."""

from __future__ import annotations

import pytest

from world import World, asset, condition, issues

REFUSED = [
    "/",
    "//",
    "/.",
    "/..",
    "/data/..",
    "/data/../..",
    "/proc",
    "/proc/1",
    "/sys",
    "/dev",
    "//proc/",
    "/run/secrets",
]
REFUSED += ["/var/run/secrets", "/var/run/secrets/kubernetes.io/serviceaccount", "/var/run/./secrets"]
ACCEPTED = ["/data", "/data/proc", "/devices", "/proc-data", "/var/run/app", "/dev/shm/cache", "/home/..hidden"]
KINDS = {
    "nfs": {"server": "nfs.example.com", "path": "/export"},
    "configMapVolume": {"configMap": "settings"},
}


def world(kind: str, path: str) -> World:
    source = asset("DataSource", "d", {kind: {**KINDS[kind], "mountPath": path}})
    settings = {"kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}
    spec = {"image": "registry.example.com/u:1", "assets": {"dataSources": [{"name": "d"}]}}
    return World(settings, source, asset("Workspace", "w", spec))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", REFUSED)
async def test_a_reserved_mount_path_is_refused(kind: str, path: str) -> None:
    found = world(kind, path)
    await found.settle()
    status = found.status("Workspace", "w")
    assert issues(status) == ["InvalidSpec"]
    assert condition(status, "Stalled") is not None
    assert not found.all("StatefulSet")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ACCEPTED)
async def test_every_other_path_is_mounted(kind: str, path: str) -> None:
    found = world(kind, path)
    await found.settle()
    assert found.status("Workspace", "w")["phase"] == "Running"
