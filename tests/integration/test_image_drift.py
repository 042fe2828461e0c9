"""Images whose tag moves, on a real server: the status, the command line, and no write without news."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest

from image_registry import PASSWORD, USER, ImageRegistry, digest, image, index

from .conftest import Stack
from .harness.client import Object, eventually
from .harness.process import OUTFITTER, Operator
from .harness.space import Space

ARM = image("arm")
OLD, NEW = index(image("old"), ARM), index(image("new"), ARM)


@pytest.fixture
def content(stack: Stack) -> Iterator[ImageRegistry]:
    """What the registry has. Afterwards it is as before."""
    content = stack.images.content
    content.push("team/app", "1", OLD)
    yield content
    content.manifests.clear()
    content.status = 0


@pytest.fixture
def space(spaces: Callable[..., Space], stack: Stack, content: ImageRegistry) -> Space:
    """A project with a Registry that watches, whose pods run the old image from now on."""
    made = spaces()
    made.pulled(digest(OLD))
    made.secret("login", username=USER, password=PASSWORD)
    made.make("Credential", "robot", {"type": "password", "secretRef": {"name": "login"}})
    url = f"http://{stack.images.host}/team"
    made.make("Registry", "images", {"url": url, "credential": {"name": "robot"}, "watchImages": True})
    made.ready("Registry", "images")
    return made


def asked(stack: Stack, since: int) -> None:
    """Wait until the registry was asked for the tag since then."""
    eventually(
        lambda: any("/manifests/1" in path for path, _, _ in stack.images.content.requests[since:]),
        what="the operator does not ask for the tag",
    )


def moved(item: Object) -> list[Object]:
    return [row for row in item["status"].get("outdated", ()) if row["kind"] == "Image"]


def again(stack: Stack, operator: Operator) -> int:
    """Restart the operator, and wait until it asked. Returns a moment in the audit log before that."""
    operator.stop()
    mark, since = stack.mark(), len(stack.images.content.requests)
    operator.start()
    asked(stack, since)
    return mark


def printed(stack: Stack, space: Space, *arguments: str) -> str:
    command = [str(OUTFITTER), *arguments, "-n", space.name, "--kubeconfig", str(stack.sandbox.kubeconfig)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_tag_that_moves(stack: Stack, space: Space, content: ImageRegistry, operator: Operator) -> None:
    name = f"{stack.images.host}/team/app:1"
    space.running("box", image=name)
    asked(stack, 0)
    assert moved(space.need("Workspace", "box")) == []

    content.push("team/app", "1", NEW)
    again(stack, operator)
    item = space.wait("Workspace", "box", lambda item: moved(item) != [])
    row = {"kind": "Image", "name": name, "usedDigest": digest(OLD), "digest": digest(NEW), "reason": "Moved"}
    assert moved(item) == [row]
    assert "moved: pods run" in printed(stack, space, "status", "wsp/box")
    explained = json.loads(printed(stack, space, "explain", "wsp/box", "-o", "json"))
    assert explained["movedImages"] == [{key: row[key] for key in ("name", "usedDigest", "digest")}]
    assert "THE TAG IS" in printed(stack, space, "explain", "wsp/box")

    # Neither a restart nor a registry that is down changes the status.
    content.status = 503
    mark = again(stack, operator)
    space.secret("late", a="b")  # the operator works on what comes after the answer
    space.make("Credential", "late", {"type": "genericSecret", "secretRef": {"name": "late"}})
    space.ready("Credential", "late")
    assert moved(space.need("Workspace", "box")) == [row]
    assert [entry.uri for entry in stack.writes(mark) if "/workspaces/" in entry.uri] == []
    content.status = 0

    # A restart of the workload runs the new image.
    space.pulled(digest(NEW))
    space.annotate("Workspace", "box", restartedAt="1")
    space.wait("Workspace", "box", lambda item: moved(item) == [])
    assert PASSWORD not in json.dumps(space.list("Workspace"), ensure_ascii=False) + operator.log.read_text()
