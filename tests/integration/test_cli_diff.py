"""`outfitter diff` and `outfitter new --apply` on a real server, with the rights of a user."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Stack
from .harness.client import Object
from .harness.process import OUTFITTER
from .harness.space import GROUP, Space

RBAC = "rbac.authorization.k8s.io"
COMMANDS = str(OUTFITTER)
PLAIN = [
    {"apiGroups": [GROUP], "resources": ["*"], "verbs": ["get", "list", "watch", "create", "patch"]},
    {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["", "batch", "networking.k8s.io"], "resources": ["services", "configmaps", "persistentvolumeclaims",
     "jobs", "ingresses", "namespaces"], "verbs": ["get", "list", "watch"]},
]  # fmt: skip
"""Rights of a user who may not read Secrets."""
SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "create"]}

Command = Callable[..., subprocess.CompletedProcess[str]]


def grant(space: Space, user: str, rules: list[Object]) -> None:
    space.native("Role", f"{user}-works", rules=rules)
    space.native(
        "RoleBinding",
        f"{user}-works",
        subjects=[{"kind": "User", "name": user, "apiGroup": RBAC}],
        roleRef={"kind": "Role", "name": f"{user}-works", "apiGroup": RBAC},
    )


@pytest.fixture
def call(space: Space, stack: Stack) -> Command:
    """A command in the namespace of the test, as ann unless another user is given. `files`: objects for -f."""
    grant(space, "ann", [*PLAIN, SECRETS])

    def run(*words: str, user: str = "ann", files: Any = None, text: str = "") -> subprocess.CompletedProcess[str]:
        given = yaml.safe_dump_all(files) if files else text
        command = [COMMANDS, *words, "-n", space.name, "--kubeconfig", str(stack.sandbox.kubeconfig_for(user))]
        more = ["-f", "-"] if files else []
        return subprocess.run([*command, *more], input=given, capture_output=True, text=True, check=False, timeout=120)

    return run


def workspace(**spec: Any) -> Object:
    body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "Workspace", "metadata": {"name": "box"}}
    return {**body, "spec": {"image": "registry.example.com/box:1", **spec}}


def changed_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def test_an_image(space: Space, call: Command, stack: Stack, tmp_path: Path) -> None:
    """Exactly the field; nothing before and after it; and nothing is written."""
    space.make("Workspace", "box", workspace(ports=[{"container": 80}])["spec"])
    space.ready("Workspace", "box")
    same, other = (
        workspace(ports=[{"container": 80}]),
        workspace(ports=[{"container": 80}], image="a.example.com/box:2"),
    )
    mark = stack.mark()
    done = call("diff", files=[same])
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "0 children change" in done.stderr
    done = call("diff", files=[other])
    assert (done.returncode, done.stderr.count("child changes")) == (1, 1), done.stderr
    assert "StatefulSet" in done.stdout.splitlines()[0]
    assert "Its pods restart." in done.stdout.splitlines()[0]
    assert [line[1:].strip() for line in changed_lines(done.stdout)] == [
        "image: registry.example.com/box:1",
        "image: a.example.com/box:2",
    ]
    assert [entry for entry in stack.sandbox.audit(mark) if entry.user == "ann" and entry.is_write] == []
    space.spec("Workspace", "box", image="a.example.com/box:2")
    space.ready("Workspace", "box")
    done = call("diff", files=[other])
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
