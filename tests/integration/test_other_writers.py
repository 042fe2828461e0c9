"""Other writers: policies that change or reject the children, controllers that change them back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

import pytest

from outfitter.errors import ApiError
from outfitter_sandbox import AuditEntry

from .conftest import Stack
from .harness.admission import mutating, validating
from .harness.client import Object, eventually, ready
from .harness.space import Space

TRIES = 4  # of the client, to move the managed fields
IMAGE = "registry.example.com/notebook:1"
POD = "/spec/template/spec"
POLICIES = {
    "a registry mirror": ("statefulsets", f"{POD}/containers/0/image", '"mirror.example.com/notebook:1"'),
    "a pull policy": ("statefulsets", f"{POD}/containers/0/imagePullPolicy", '"Always"'),
    "a toleration": ("statefulsets", f"{POD}/tolerations", '[{"key": "team", "operator": "Exists"}]'),
    "a termination grace": ("statefulsets", f"{POD}/terminationGracePeriodSeconds", "5"),
    "an Ingress class": ("ingresses", "/spec/ingressClassName", '"internal"'),
    "a Service type": ("services", "/spec/sessionAffinity", '"ClientIP"'),
}
SPEC = {
    "image": IMAGE,
    "imagePullPolicy": "IfNotPresent",
    "tolerations": [{"name": "gpu", "key": "gpu", "operator": "Exists"}],
    "terminationGracePeriodSeconds": 60,
    "connections": [
        {"name": "web", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8080},
    ],
}


def overridden(item: Object) -> list[Object]:
    return [issue for issue in item["status"].get("issues") or () if issue["issue"] == "FieldOverridden"]


def requests(stack: Stack, since: int, space: Space) -> list[AuditEntry]:
    """The operator's writes to children in a namespace, also those that were refused."""
    ours = [entry for entry in stack.writes(since) if entry.namespace == space.name and entry.resource != "events"]
    return [entry for entry in ours if entry.api_group != "outfitter.dev"]


def writes(stack: Stack, since: int, space: Space) -> list[str]:
    return [f"{entry.verb} {entry.resource}" for entry in requests(stack, since, space)]


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_that_changes_a_field_wins(stack: Stack, space: Space, name: str) -> None:
    """The workload is ready with the policy's value, one note names the field, and the writes end."""
    resource, path, value = POLICIES[name]
    since = stack.mark()
    with mutating(space, resource, f'[JSONPatch{{op: "add", path: "{path}", value: {value}}}]'):
        space.make("Workspace", "w", SPEC)
        space.wait("Workspace", "w", ready, 60)
        stack.operator.quiet()
        first = writes(stack, since, space)
        space.touch("Workspace", "w", "again")
        stack.operator.quiet()
        assert writes(stack, since, space) == first
        changed = [each for each in first if each.startswith("patch")]
        assert len(changed) <= 5
        found = overridden(space.need("Workspace", "w"))
        assert len(found) == (1 if changed else 0)


def test_a_policy_that_adds_a_key_to_a_copy_is_left_alone(stack: Stack, space: Space) -> None:
    """Its key stays, the rotated content arrives, and the copy is the same object all the while."""
    space.secret("source", user="ann", password="first")
    patch = '[JSONPatch{op: "add", path: "/data/ca.crt", value: "eA=="}]'
    with mutating(space, "secrets", patch, "object.metadata.name != 'source'"):
        space.make("Credential", "login", {"type": "password", "secretRef": {"name": "source"}})
        status = space.ready("Credential", "login")["status"]
        name = status["secretName"]
        before = space.need("Secret", name)
        assert before["data"]["ca.crt"] == "eA=="
        since = stack.mark()
        space.edit("Secret", "source", {"stringData": {"password": "second"}})
        after = space.wait("Secret", name, lambda item: item["data"]["password"] == "c2Vjb25k")
        stack.operator.quiet()
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["data"]["ca.crt"] == "eA=="
        # The first apply takes over what the creation recorded as an update.
        assert writes(stack, since, space) == ["patch secrets"] * 2


@contextmanager
def reverting(space: Space, body: Object, done: Callable[[Object], bool]) -> Iterator[None]:
    """A controller that sets a field of the StatefulSet again after each change."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            found = space.get("StatefulSet", "w")
            if found is not None and not done(found):
                try:
                    space.api.apply({"kind": "StatefulSet", "metadata": found_name(space), **body})
                except ApiError as error:
                    print(error)
                    continue

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def found_name(space: Space) -> Object:
    return {"name": "w", "namespace": space.name}


def test_another_controller_is_named_and_does_not_drive_the_operator(stack: Stack, space: Space) -> None:
    space.make("Workspace", "w", {"image": IMAGE, "terminationGracePeriodSeconds": 60})
    space.ready("Workspace", "w")
    since = stack.mark()
    body = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}}

    def changed(item: Object) -> bool:
        return item["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 7

    with reverting(space, body, changed):
        told = space.wait("Workspace", "w", lambda item: overridden(item) and ready(item), 60)
        stack.operator.quiet()
        patches = [entry for entry in requests(stack, since, space) if entry.resource == "statefulsets"]
        # Three with the content, and one that moves the managed fields to apply, which may come second and is repeated.
        assert len([entry for entry in patches if entry.code < HTTPStatus.BAD_REQUEST]) <= 4
        assert len(patches) <= 3 + TRIES
    message = overridden(told)[0]["message"]
    assert "kubectl" in message
    assert "spec.template.spec.terminationGracePeriodSeconds" in message


def test_a_refusal_is_tried_again(stack: Stack, space: Space) -> None:
    """A policy is lifted: the workload starts without a restart of the operator or an edit."""
    with validating(space, "statefulsets", "'cost-center' in object.metadata.labels", "label cost-center is required"):
        space.make("Workspace", "w", {"image": IMAGE})
        item = space.wait(
            "Workspace", "w", lambda item: any("cost-center" in each["message"] for each in item["status"]["issues"])
        )
        assert any("admission policy" in each["message"] for each in item["status"]["issues"])
    space.ready("Workspace", "w", 90)


def test_a_node_port_that_becomes_free_is_taken(stack: Stack, space: Space) -> None:
    ports = [{"port": 80, "nodePort": 30601}]
    space.native("Service", "other", spec={"type": "NodePort", "selector": {"a": "b"}, "ports": ports})
    board = {
        "name": "board",
        "toolType": "tensorboard",
        "connectionType": "NodePort",
        "containerPort": 6006,
        "customNodePort": True,
        "nodePort": 30601,
    }
    space.make("Workspace", "w", {"image": IMAGE, "connections": [board]})
    space.wait("Workspace", "w", lambda item: any("30601" in each["message"] for each in item["status"]["issues"]))
    space.delete("Service", "other")
    space.ready("Workspace", "w", 90)
    eventually(lambda: space.get("Service", "other"), lambda found: found is None)
