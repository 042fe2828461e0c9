"""`render` and `explain` over files, as the user who wrote them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Invoke

NOTEBOOK = """
apiVersion: outfitter.dev/v1alpha1
kind: Workspace
metadata: {name: lab, namespace: team-a}
spec:
  image: registry.example.com/box:1
  security: {uidGidSource: fromIdpToken}
"""


@pytest.fixture
def file(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OUTFITTER_IDENTITY_UID_KEY", "example.com/uid")
    return write(NOTEBOOK)


def test_rendered_as_a_user(invoke: Invoke, file: Path) -> None:
    """The pod has the ids of his login."""
    seen = invoke("render", "-f", str(file), "--as", "ann", "--as-user-extra", "example.com/uid=1234")
    assert seen.exit_code == 0, seen.stderr
    assert "runAsUser: 1234" in seen.stdout


def test_rendered_without_an_author(invoke: Invoke, file: Path) -> None:
    """The way out is a flag of the command, not only an administrator."""
    seen = invoke("render", "-f", str(file))
    assert seen.exit_code == 1
    assert "To render an object as that of a user, add --as USER." in seen.stderr


def test_explained_as_a_user(invoke: Invoke, file: Path) -> None:
    """Each id has the login as its origin."""
    flags = ["--as", "ann", "--as-user-extra", "example.com/uid=1234"]
    seen = invoke("explain", "workspace/lab", "-n", "team-a", "-f", str(file), *flags)
    assert seen.exit_code == 0, seen.stderr
    assert "login of ann" in seen.stdout
    assert "Created by ann, last changed by ann at " in seen.stdout


@pytest.mark.parametrize("text", ["example.com/uid", "=1"])
def test_a_field_of_a_login_is_a_pair(invoke: Invoke, file: Path, text: str) -> None:
    """Anything else is an error of the command line."""
    seen = invoke("render", "-f", str(file), "--as", "ann", "--as-user-extra", text)
    assert seen.exit_code == 2
    assert "KEY=VALUE" in seen.stderr
