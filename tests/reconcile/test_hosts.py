"""Hosts: those that end with a Namespace belong to it, and Ingresses of others count."""

from __future__ import annotations

from typing import Any

import pytest

from world import World, asset, complete, condition, namespace, reason

IMAGE = "registry.example.com/u:1"
DOMAIN = "apps.example.com"
SPACES = [namespace(name, {"outfitter.dev/project": name}) for name in ("d", "c-d", "team-a", "team-b")]


def custom(host: str, space: str) -> dict[str, Any]:
    fixed = {"toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 80, "customUrl": True}
    spec = {"image": IMAGE, "connections": [{"name": "t", **fixed, "externalUrl": f"https://{host}.{DOMAIN}"}]}
    return asset("Workspace", "w", spec, space)


def made(name: str, connection: str, space: str) -> dict[str, Any]:
    tool = {"name": connection, "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 80}
    return asset("Workspace", name, {"image": IMAGE, "connections": [tool]}, space)


def foreign(host: str, space: str) -> dict[str, Any]:
    meta = {"name": "theirs", "namespace": space}
    return complete({"kind": "Ingress", "metadata": meta, "spec": {"rules": [{"host": f"{host}.{DOMAIN}"}]}})


def world(*objects: dict[str, Any]) -> World:
    return World(*SPACES, *objects, settings={"domain": DOMAIN})


@pytest.mark.parametrize(
    ("host", "space", "allowed"),
    [
        ("lab-team-b", "team-a", False),
        ("lab-team-b", "team-b", True),
        ("x-c-d", "d", False),
        ("x-c-d", "c-d", True),
        ("x-d", "d", True),
        ("d", "team-a", True),
        ("lab", "team-a", True),
        ("x-elsewhere", "team-a", True),
        ("x.lab-team-b", "team-a", True),
    ],
)
async def test_a_host_that_ends_with_a_namespace_belongs_to_it(host: str, space: str, allowed: bool) -> None:
    it = world(custom(host, space))
    await it.settle()
    assert (it.find("Ingress", "w-t", space) is not None) is allowed
    if not allowed:
        status = it.status("Workspace", "w", space)
        assert reason(status) == "HostForbidden"
        assert "belongs to namespace" in status["message"]


async def test_generated_hosts_are_unambiguous() -> None:
    """Workspace a of namespace d cannot take the host of workspace a in namespace c-d, whoever comes first."""
    it = world(made("a", "b-c", "d"))
    await it.settle()
    assert reason(it.status("Workspace", "a", "d")) == "HostForbidden"
    it.load([made("a", "b", "c-d")])
    await it.settle()
    (ingress,) = it.all("Ingress")
    assert (ingress["metadata"]["namespace"], ingress["spec"]["rules"][0]["host"]) == ("c-d", f"a-b-c-d.{DOMAIN}")


async def test_a_published_host_stays_when_a_namespace_comes() -> None:
    it = World(namespace("d", {"outfitter.dev/project": "d"}), made("a", "b-c", "d"), settings={"domain": DOMAIN})
    await it.settle()
    it.cluster.user_apply(namespace("c-d"))
    await it.settle()
    assert it.find("Ingress", "a-b-c", "d") is not None
    assert condition(it.status("Workspace", "a", "d"), "Stalled") is None


@pytest.mark.parametrize(
    ("host", "theirs", "taken"),
    [
        ("lab", "team-b", True),  # belongs to nobody: first come, first served
        ("lab-team-a", "team-a", True),  # in the same namespace
        ("lab-team-a", "team-b", False),  # nobody else can hold a host of team-a
    ],
)
async def test_ingresses_of_others_count(host: str, theirs: str, taken: bool) -> None:
    it = world(foreign(host, theirs), custom(host, "team-a"))
    await it.settle()
    assert (it.find("Ingress", "w-t", "team-a") is None) is taken
    if taken:
        status = it.status("Workspace", "w", "team-a")
        assert reason(status) == "HostTaken"
        assert f"Ingress {theirs}/theirs" in status["message"]
        it.cluster.user_delete("Ingress", theirs, "theirs")
        await it.settle()
        assert it.find("Ingress", "w-t", "team-a") is not None


async def test_an_ingress_that_lost_its_label_is_repaired() -> None:
    it = world(made("a", "web", "team-a"))
    await it.settle()
    body = it.get("Ingress", "a-web", "team-a")
    del body["metadata"]["labels"]["outfitter.dev/owner-uid"]
    it.cluster.user_replace(body)
    await it.settle()
    assert "outfitter.dev/owner-uid" in it.get("Ingress", "a-web", "team-a")["metadata"]["labels"]
    assert condition(it.status("Workspace", "a", "team-a"), "Ready")["status"] == "True"
