"""Several users of one sandbox: one start, one preparation, and an end after the last user."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from outfitter_sandbox import Sandbox
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.folders import is_running
from outfitter_sandbox.sharing import shared_sandbox

from .conftest import eventually
from .test_lifecycle import processes_of

CONTROLLERS = "namespace-controller"


def test_the_starter_waits_for_the_other_users(tmp_path: Path) -> None:
    prepared: list[str] = []
    attached, leave = threading.Event(), threading.Event()
    urls: list[str] = []
    running: list[bool] = []

    def prepare(sandbox: Sandbox) -> None:
        prepared.append(sandbox.url)

    def use() -> None:
        with shared_sandbox("one", tmp_path, node="none", prepare=prepare, controllers=CONTROLLERS) as sandbox:
            urls.append(sandbox.url)
            attached.set()
            leave.wait(60)
            running.append(is_running(sandbox.directory))

    def start() -> None:
        with shared_sandbox("one", tmp_path, node="none", prepare=prepare, controllers=CONTROLLERS) as sandbox:
            urls.append(sandbox.url)
            user.start()
            assert attached.wait(60)
        ended.append("starter")

    ended: list[str] = []
    user, starter = threading.Thread(target=use), threading.Thread(target=start)
    starter.start()
    assert attached.wait(60)
    starter.join(0.3)
    assert starter.is_alive()
    assert not ended
    leave.set()
    starter.join(60)
    user.join(60)
    assert ended == ["starter"]
    assert running == [True]
    assert len(set(urls)) == 1
    assert prepared == urls[:1]
    eventually(lambda: not processes_of(tmp_path))


def test_another_kind_of_node_and_a_failed_preparation(tmp_path: Path) -> None:
    def fail(sandbox: Sandbox) -> None:
        raise SandboxError("no image")

    with (
        pytest.raises(SandboxError, match="no image"),
        shared_sandbox("one", tmp_path, node="none", prepare=fail, controllers=CONTROLLERS),
    ):
        pass
    assert not is_running(tmp_path / "one")
    with (
        shared_sandbox("one", tmp_path, node="none", controllers=CONTROLLERS),
        pytest.raises(SandboxError, match="runs with node none, not real"),
        shared_sandbox("one", tmp_path, node="real"),
    ):
        pass
    assert processes_of(tmp_path) == []
