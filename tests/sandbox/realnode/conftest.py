"""One real node for the tests that only need pods, and how to look at it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from outfitter.errors import NotFound
from outfitter_sandbox import Sandbox
from outfitter_sandbox.images import full_name, write_sample
from outfitter_sandbox.pod_exec import Finished, execute
from sandbox.conftest import eventually

from . import machine

Object = dict[str, Any]
NUMBERS = itertools.count(1)
SECONDS = 60
WEB = full_name("web:1")


def silent(text: str) -> None:
    """No progress display."""


@pytest.fixture(scope="session")
def web_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a small HTTP server."""
    path = tmp_path_factory.mktemp("images") / "web.tar"
    write_sample(path, "web:1", silent)
    return path


@pytest.fixture
def as_before() -> Iterator[dict[str, set[str]]]:
    """What the machine is like before the test; it is compared with what it is like afterwards."""
    before = machine.seen()
    yield before
    deadline = time.monotonic() + 10  # what the kernel takes down by itself: a network namespace, an empty cgroup
    while (found := machine.differences(before, machine.seen())) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert found == []


@pytest.fixture
def real(real_node: Sandbox, node_turn: None) -> Sandbox:
    """The real node of this run, for one test alone."""
    return real_node


@pytest.fixture
def space(real: Sandbox) -> Iterator[Space]:
    """A new namespace with Pod Security level restricted."""
    made = Space(real, f"test-{next(NUMBERS)}")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    made.create("/api/v1/namespaces", {"metadata": {"name": made.name, "labels": labels}})
    eventually(lambda: made.find("serviceaccounts", "default"))
    yield made
    real.connection().request("DELETE", f"/api/v1/namespaces/{made.name}", {"gracePeriodSeconds": 0})


class Space:
    """Short calls for one namespace."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.sandbox = sandbox
        self.name = name
        self.connection = sandbox.connection()

    def path(self, plural: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.name}/{plural}" + (f"/{name}" if name else "")

    def create(self, path: str, body: Object) -> Object:
        result: Object = self.connection.request("POST", path, body)
        return result

    def find(self, plural: str, name: str) -> Object | None:
        try:
            result: Object = self.connection.request("GET", self.path(plural, name))
        except NotFound:
            return None
        return result

    def pod(self, name: str, **changes: Any) -> Object:
        """Create a pod that may run in a restricted namespace and answers HTTP on 8080."""
        return self.create(self.path("pods"), pod(name, **changes))

    def wait(self, name: str, done: Callable[[Object], object], seconds: float = SECONDS) -> Object:
        """The pod, once `done`."""
        result: Object = eventually(lambda: self.find("pods", name), lambda each: each and done(each), seconds)
        return result

    def ready(self, name: str) -> Object:
        return self.wait(name, is_ready)

    def run(self, name: str, *command: str) -> Finished:
        return execute(self.connection, self.name, name, command)

    def delete(self, plural: str, name: str) -> None:
        """And wait until it is gone."""
        self.connection.request("DELETE", self.path(plural, name), {"gracePeriodSeconds": 1})
        eventually(lambda: self.find(plural, name) is None, seconds=SECONDS)


def pod(
    name: str, *, image: str = WEB, args: Sequence[str] = (), volumes: Sequence[Object] = (),
    mounts: Sequence[Object] = (), group: int | None = None, resources: Object | None = None,
) -> Object:  # fmt: skip
    container = {
        "name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "args": list(args),
        "ports": [{"containerPort": 8080}], "resources": resources or {}, "volumeMounts": list(mounts),
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 5},
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        },
    }  # fmt: skip
    context: Object = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    context |= {"fsGroup": group} if group is not None else {}
    return {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "containers": [container], "securityContext": context, "volumes": list(volumes),
            "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False,
        },
    }  # fmt: skip


def is_ready(item: Object) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in item["status"].get("conditions") or ())


def state(item: Object) -> Object:
    """Of the one container: {} before there is one."""
    found: Object = next(iter(item["status"].get("containerStatuses") or ()), {})
    return found
