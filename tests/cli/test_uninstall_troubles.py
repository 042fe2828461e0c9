"""`outfitter uninstall` under bad luck: interrupted, a busy server, other writers, and what refuses deletions."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from outfitter.cluster.client import path_of
from outfitter.cluster.resources import api_resource

from .conftest import DEADLINE, MODULE, Invoke
from .fake_api import FakeApi, Object
from .test_verbs import body

WORKSPACES = ("ann", "box", "zoe")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """Three Workspaces and what they use, without an installation."""
    fake = FakeApi([*(body("Workspace", {"image": "a"}, name) for name in WORKSPACES)])
    fake.add(body("ComputeResource", {"cpuCoreRequest": 1}, "small"))
    yield fake
    fake.close()


@pytest.fixture
def call(api: FakeApi, invoke: Invoke, tmp_path: Path) -> Callable[..., Any]:
    kubeconfig = api.kubeconfig(tmp_path)
    return lambda *words: invoke("uninstall", "--yes", *words, "--kubeconfig", kubeconfig)


def path(name: str, kind: str = "Workspace") -> str:
    return path_of(api_resource(kind), "team-a", name)


def refusing(api: FakeApi, name: str, *answers: tuple[int, Object]) -> list[tuple[int, Object]]:
    """Give these answers to the first deletions of a Workspace; returns those that are still to come."""
    left = list(answers)
    api.refuse = lambda verb, at: left.pop(0) if left and (verb, at) == ("DELETE", path(name)) else None
    return left


def test_a_busy_server_and_other_writers_delay_a_removal(api: FakeApi, call: Callable[..., Any]) -> None:
    """More often than a single request is repeated."""
    busy = (429, {"reason": "TooManyRequests", "message": "too many requests", "details": {"retryAfterSeconds": 0.01}})
    conflict = (409, {"reason": "Conflict", "message": "the object has been modified; please apply your changes"})
    left = refusing(api, "box", *[busy] * 6, conflict, busy)
    seen = call()
    assert (seen.exit_code, left, api.objects) == (0, [], {}), seen.stderr
    assert "Workspace team-a/box is not deleted yet: too many requests" in seen.stderr


def test_a_webhook_that_denies_a_deletion_is_named(api: FakeApi, call: Callable[..., Any]) -> None:
    """The others go, what they use stays, and the next run goes on."""
    denied = {
        "reason": "Forbidden",
        "message": 'admission webhook "keep.example.com" denied the request: not on Friday',
    }
    refusing(api, "box", (403, denied))
    seen = call()
    assert seen.exit_code == 1
    text = f"Workspace team-a/box cannot be deleted: {denied['message']}. Change or remove what refuses this, "
    assert text in seen.stderr
    assert "run the command again: it continues" in seen.stderr
    assert path("small", "ComputeResource") in api.objects
    assert call().exit_code == 0
    assert api.objects == {}


def test_a_webhook_that_does_not_answer_is_named(api: FakeApi, call: Callable[..., Any]) -> None:
    broken = {"reason": "InternalError", "message": 'failed calling webhook "keep.example.com": no endpoints'}
    refusing(api, "box", *[(500, broken)] * 100)
    seen = call("--timeout", "1")
    assert seen.exit_code == 1
    assert (
        "still there: Workspace team-a/box. The API server refuses to delete it: failed calling webhook" in seen.stderr
    )
    assert {*api.objects} == {path("box"), path("small", "ComputeResource")}


def test_a_missing_right_is_named_with_the_object(api: FakeApi, call: Callable[..., Any]) -> None:
    text = 'workspaces.outfitter.dev "box" is forbidden: User "ann" cannot delete resource "workspaces"'
    refusing(api, "box", (403, {"reason": "Forbidden", "message": text}))
    seen = call()
    assert (seen.exit_code, "Ask an administrator for this permission, then run" in seen.stderr) == (1, True)


def test_an_interrupted_removal_reports_what_is_gone(
    api: FakeApi, call: Callable[..., Any], invoke: Invoke, tmp_path: Path
) -> None:
    """Ctrl-C while the second stage deletes. The second run completes."""
    reached, going_on = threading.Event(), threading.Event()

    def refuse(verb: str, at: str) -> None:
        if (verb, at) == ("DELETE", path("small", "ComputeResource")):
            reached.set()
            assert going_on.wait(DEADLINE)

    api.refuse = refuse
    command = [*MODULE, "uninstall", "--yes", "--kubeconfig", str(api.kubeconfig(tmp_path))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert reached.wait(DEADLINE)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=DEADLINE)
    going_on.set()
    assert (process.returncode, "Outfitter is removed" in out) == (130, False)
    assert errors.splitlines()[-1] == (
        "Interrupted. Deleted so far: 3 objects (Workspace 3). "
        "To continue, run the command again with the same options."
    )
    assert call().exit_code == 0
    assert api.objects == {}


def reads_terminal(pid: int) -> bool:
    """Whether a process waits in the system call read for its standard input."""
    number, *arguments = Path(f"/proc/{pid}/syscall").read_text().split()
    return number in ("0", "63") and arguments[:1] == ["0x0"]  # its numbers on x86-64 and arm64


def test_an_interrupted_question_deletes_nothing(api: FakeApi, tmp_path: Path) -> None:
    """One Ctrl-C is enough."""
    command = [*MODULE, "uninstall", "--kubeconfig", str(api.kubeconfig(tmp_path))]
    master, slave = pty.openpty()
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        shown = b""
        while b"Delete all this?" not in shown:
            assert select.select([master], [], [], DEADLINE)[0], shown
            shown += os.read(master, 1000)
        while not reads_terminal(process.pid):  # a signal between question and read would wait for a key
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(DEADLINE) == 130
        finally:
            process.kill()
    os.close(master)
    assert len(api.objects) == 4
