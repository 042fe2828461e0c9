"""Registries on a real server: the operator process asks a registry on loopback."""

from __future__ import annotations

import json

from image_registry import PASSWORD, USER

from .conftest import Stack
from .harness.client import eventually, message, stalls, waits
from .harness.process import Operator
from .harness.space import Space


def _looked(stack: Stack, since: int) -> bool:
    """Whether the last request of a look came: for the last repository, with the token."""
    requests = stack.images.content.requests[since:]
    return any("team/gone" in path and given.startswith("Bearer") for path, _, given in requests)


def test_the_repositories_of_a_registry(stack: Stack, space: Space, operator: Operator) -> None:
    url = stack.images.host
    space.secret("login", username=USER, password=PASSWORD)
    space.make("Credential", "robot", {"type": "password", "secretRef": {"name": "login"}})
    space.make("Registry", "images", {"url": f"http://{url}", "credential": {"name": "robot"}})
    status = space.ready("Registry", "images")["status"]
    assert (status["reachable"], status["dialect"], status["catalogue"]) == (True, "oci", "supported")
    assert status["repositories"] == ["base", "team/app"]
    used = space.wait("Credential", "robot", lambda item: item["status"].get("usedBy", {}).get("total") == 1)
    assert used["status"]["usedBy"]["registries"] == [{"namespace": space.name, "name": "images"}]
    assert PASSWORD not in json.dumps(space.list("Registry"), ensure_ascii=False) + operator.log.read_text()

    # An edit makes it look, 10 seconds after the last time; a registry that has none of the names is still Ready.
    space.spec("Registry", "images", repositories=["team/app", "team/gone"])
    item = space.wait("Registry", "images", lambda item: item["status"].get("catalogue") == "off")
    assert item["status"]["repositories"] == ["team/app"]
    assert [issue["issue"] for issue in item["status"]["issues"]] == ["RepositoryNotFound"]

    # A restart looks again and writes nothing.
    operator.stop()
    mark, asked = stack.mark(), len(stack.images.content.requests)
    operator.start()
    eventually(lambda: _looked(stack, asked), what="the operator does not look again")
    space.secret("late", a="b")  # the operator works on what comes after the answer
    space.make("Credential", "late", {"type": "genericSecret", "secretRef": {"name": "late"}})
    space.ready("Credential", "late")
    assert [entry.uri for entry in stack.writes(mark) if "/registries/" in entry.uri] == []


def test_a_login_that_is_rejected_and_corrected(stack: Stack, space: Space) -> None:
    space.secret("login", username=USER, password="wrong")
    space.make("Credential", "robot", {"type": "password", "secretRef": {"name": "login"}})
    space.make("Registry", "images", {"url": stack.images.host, "credential": {"name": "robot"}})
    item = space.wait("Registry", "images", waits("LoginRejected"))
    assert item["status"]["reachable"] is False
    space.edit("Secret", "login", {"stringData": {"password": PASSWORD}})
    assert space.ready("Registry", "images")["status"]["reachable"] is True


def test_hosts_that_are_not_allowed_or_do_not_exist(space: Space) -> None:
    space.make("Registry", "elsewhere", {"url": "elsewhere.example.com"})
    space.make("Registry", "nowhere", {"url": "https://registry.invalid/team"})
    item = space.wait("Registry", "elsewhere", stalls("RegistryNotAllowed"))
    assert "elsewhere.example.com" in message(item)
    item = space.wait("Registry", "nowhere", waits("RegistryUnreachable"))
    assert item["status"]["reachable"] is False
