"""One real control plane for all tests of this folder, and how to wait for it."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from outfitter.errors import NotFound
from outfitter_sandbox import Sandbox

Object = dict[str, Any]
NUMBERS = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder as `sandbox_self`."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.sandbox_self)


@pytest.fixture(scope="package")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with everything on; tests keep to their own namespaces."""
    with Sandbox.up(root=tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def cluster(shared_sandbox: Sandbox) -> Iterator[Cluster]:
    """The shared sandbox seen from a new namespace, whose pods are gone afterwards so that no device stays taken."""
    view = Cluster(shared_sandbox, f"test-{os.getpid()}-{next(NUMBERS)}")
    view.create("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": view.namespace}})
    path = f"/api/v1/namespaces/{view.namespace}/serviceaccounts/default"
    eventually(lambda: found(shared_sandbox, path))
    yield view
    view.connection.request("DELETE", f"/api/v1/namespaces/{view.namespace}")


class Cluster:
    """Short calls for one namespace."""

    def __init__(self, sandbox: Sandbox, namespace: str) -> None:
        self.sandbox = sandbox
        self.namespace = namespace
        self.connection = sandbox.connection()

    def path(self, plural: str, name: str = "") -> str:
        group = {"deployments": "apis/apps/v1", "jobs": "apis/batch/v1"}.get(plural, "api/v1")
        return f"/{group}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def create(self, path: str, manifest: Object) -> Object:
        result: Object = self.connection.request("POST", path, manifest)
        return result

    def get(self, plural: str, name: str) -> Object:
        result: Object = self.connection.request("GET", self.path(plural, name))
        return result

    def annotate(self, **annotations: str) -> None:
        """On the namespace; `pods="crash"` is sandbox.outfitter.dev/pods."""
        body = {
            "metadata": {"annotations": {f"sandbox.outfitter.dev/{name}": value for name, value in annotations.items()}}
        }
        self.connection.request("PATCH", f"/api/v1/namespaces/{self.namespace}", body, "application/merge-patch+json")

    def pod(self, name: str = "pod", *, behaviour: str = "", **spec: Any) -> Object:
        annotations = {"sandbox.outfitter.dev/pods": behaviour} if behaviour else {}
        manifest = {"metadata": {"name": name, "annotations": annotations}, "spec": pod_spec(**spec)}
        return self.create(self.path("pods"), manifest)

    def await_pod(self, name: str, done: Callable[[Object], object]) -> Object:
        result: Object = eventually(lambda: self.get("pods", name), done)
        return result


def pod_spec(**more: Any) -> Object:
    return {"containers": [{"name": "main", "image": "registry.example/app:1", **more.pop("container", {})}], **more}


def eventually(look: Callable[[], Any], done: Callable[[Any], object] = bool, seconds: float = 20) -> Any:
    """What `look` saw when `done` held; fails with the last sight after `seconds`."""
    deadline = time.monotonic() + seconds
    while not done(seen := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"not so after {seconds} s; last seen: {seen}")
        time.sleep(0.05)
    return seen


def found(sandbox: Sandbox, path: str) -> Object | None:
    try:
        result: Object = sandbox.connection().request("GET", path)
    except NotFound:
        return None
    return result


def condition(item: Object, kind: str) -> Object:
    return next((each for each in item["status"].get("conditions") or () if each["type"] == kind), {})


def script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path
