"""`outfitter exec`: which pod and container, and the streams of the command, byte by byte."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path
from types import CoroutineType
from typing import Any

import pytest

from outfitter.cli.running_pods import pod_to_enter, pod_to_forward
from outfitter.cli.target import target
from outfitter.cli.terminal import Terminal
from outfitter.cluster.exec import exit_code
from outfitter.errors import OutfitterError
from outfitter.naming import LABEL_RANK

from .conftest import DEADLINE, MODULE, Invoke
from .fake_api import Object
from .fake_streams import FakeStreams, Session
from .test_logs import CRASHED, RUNNING, pod, state
from .test_verbs import body

Start = Callable[..., "subprocess.Popen[bytes]"]
NOT_UTF8 = bytes(range(256)) * 400
BOX = body("Workspace", {"image": "a"})
WORKSPACE = target("workspace/box")


def running(name: str, *names: str, **more: object) -> Object:
    item = pod(name, *names, **more)  # type: ignore[arg-type]
    for container in names or ("main",):
        state(item, container, RUNNING)
    item["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    return item


def ending(item: Object) -> Object:
    item["metadata"]["deletionTimestamp"] = "2026-11-30T00:00:00Z"
    return item


@pytest.fixture
def api() -> Iterator[FakeStreams]:
    fake = FakeStreams()
    yield fake
    fake.close()


@pytest.fixture
def start(api: FakeStreams, tmp_path: Path) -> Start:
    """The command as a process: its streams are bytes."""
    kubeconfig = api.kubeconfig(tmp_path)

    def run(*words: str, **more: object) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen([*MODULE, *words], env=environment, **pipes)  # type: ignore[call-overload, no-any-return]

    return run


def test_the_first_pod_whose_container_runs() -> None:
    waiting = state(pod("new"), "main", {"waiting": {"reason": "ContainerCreating"}})
    pods = [waiting, ending(running("old")), running("other"), running("with-proxy", "main", "proxy")]
    assert pod_to_enter(WORKSPACE, BOX, pods)["metadata"]["name"] == "other"
    assert pod_to_enter(WORKSPACE, BOX, pods, "proxy")["metadata"]["name"] == "with-proxy"
    assert pod_to_forward(WORKSPACE, BOX, pods)["metadata"]["name"] == "other"
    ranks = [running(name, labels={LABEL_RANK: rank}) for name, rank in (("x", "first"), ("a", "0"), ("b", "1"))]
    many = target("distributedtraining/box")
    assert [pod_to_enter(many, BOX, ranks, "", rank)["metadata"]["name"] for rank in (None, 1)] == ["a", "b"]
    with pytest.raises(OutfitterError, match=r"No pod has container none. Containers are: main, proxy"):
        pod_to_enter(WORKSPACE, BOX, pods, "none")


def test_an_init_container_can_be_entered() -> None:
    item = state(state(pod("box-0"), "main", {"waiting": {"reason": "PodInitializing"}}), "git", RUNNING, init=True)
    assert pod_to_enter(WORKSPACE, BOX, [item], "git") == item
    with pytest.raises(OutfitterError, match=r"waits for container git. Its log: outfitter logs workspace/box -n team"):
        pod_to_enter(WORKSPACE, BOX, [item])


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (CRASHED, "failed and waits for its next start. Its last run: outfitter logs workspace/box -n team-a"),
        ({"terminated": {"exitCode": 3}}, "has ended with exit code 3. Its log: outfitter logs workspace/box"),
        ({"waiting": {"reason": "ImagePullBackOff"}}, "does not start: ImagePullBackOff. The cause: outfitter trace"),
        ({}, "Pod box-0 is starting. To follow: outfitter status workspace/box -n team-a --watch"),
    ],
)
def test_no_container_runs(now: Object, message: str) -> None:
    item = state(pod("box-0"), "main", now)
    for choose in (pod_to_enter, pod_to_forward):
        with pytest.raises(OutfitterError, match=message):
            choose(WORKSPACE, BOX, [item])


def test_no_pod_is_ready() -> None:
    item = state(pod("box-0"), "main", RUNNING)
    with pytest.raises(OutfitterError, match=r"runs and is not ready: .* Its log: outfitter logs"):
        pod_to_forward(WORKSPACE, BOX, [item])
    assert pod_to_forward(WORKSPACE, BOX, [item], unready=True) == item
    stopped = body("Workspace", {"suspend": True})
    with pytest.raises(OutfitterError, match=r"it is stopped. To start it: outfitter start workspace/box -n team-a"):
        pod_to_forward(WORKSPACE, stopped, [ending(item)])


def test_exit_code() -> None:
    assert exit_code({"status": "Success"}, "ls") == 0
    cause = {"reason": "ExitCode", "message": "7"}
    assert exit_code({"status": "Failure", "details": {"causes": [cause]}}, "ls") == 7
    with pytest.raises(OutfitterError, match=r"Command ls did not run: no such container"):
        exit_code({"status": "Failure", "message": "no such container"}, "ls")


def test_bytes_pass_both_ways_and_the_exit_code_comes_back(api: FakeStreams, start: Start) -> None:
    """Standard input ends at its end, in both directions nothing is decoded, and output and errors stay apart."""
    api.add(BOX)
    api.add(running("box-0", "main", "proxy"))
    seen: list[Session] = []

    async def container(session: Session) -> int:
        seen.append(session)
        read = b""
        while data := await session.read():
            read += data
        await session.out(read)
        await session.out(b"\xff" + str(len(read)).encode(), 2)
        return 41

    api.container = container
    words = ("exec", "workspace/box", "-i", "-c", "proxy", "--", "cat", "-n", "--", "workspace/x")
    with start(*words) as process:
        out, err = process.communicate(NOT_UTF8, DEADLINE)
    assert (process.returncode, out, err) == (41, NOT_UTF8, b"\xff102400")
    assert seen[0].words == ["cat", "-n", "--", "workspace/x"]
    assert seen[0].query == {"container": "proxy", "stdin": "true", "stdout": "true", "stderr": "true", "tty": "false"}


def test_a_command_that_needs_no_input_ends_while_input_is_open(api: FakeStreams, start: Start) -> None:
    api.add(BOX)
    api.add(running("box-0"))

    async def container(session: Session) -> int:
        await session.out(b"done\n")
        return 0

    api.container = container
    with start("exec", "wsp", "box", "-i", "--", "true") as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
        assert process.wait(DEADLINE) == 0


def test_input_that_is_not_read_any_more_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command ends while its input waits: the thread that reads the input ends in silence."""
    failures: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    path = tmp_path / "input"
    path.write_bytes(bytes(2**20))

    def waits_for_room(task: asyncio.Task[Any]) -> bool:
        work = task.get_coro()
        return isinstance(work, CoroutineType) and work.__name__ == "put" and work.cr_await is not None

    async def read() -> threading.Thread:
        async for _ in Terminal().read():
            break
        while True:
            await asyncio.sleep(0)
            if any(map(waits_for_room, asyncio.all_tasks())):
                break
        (thread,) = (item for item in threading.enumerate() if item.name == "stdin")
        return thread

    with path.open("rb") as file:
        monkeypatch.setattr("sys.stdin", file)
        thread = asyncio.run(read())
        thread.join(DEADLINE)
    assert not thread.is_alive()
    assert failures == []


def test_refusals(api: FakeStreams, invoke: Invoke, tmp_path: Path) -> None:
    api.add(BOX)
    item = api.add(running("box-0"))
    kubeconfig = api.kubeconfig(tmp_path)

    async def container(session: Session) -> int:
        raise FileNotFoundError(f'exec: "{session.words[0]}": executable file not found in $PATH')

    api.container = container

    def said(*words: str, code: int = 125) -> str:
        seen = invoke("exec", "--kubeconfig", kubeconfig, *words)
        assert (seen.exit_code, seen.stdout) == (code, "")
        assert code == 2 or seen.stderr.splitlines()[-1].startswith("outfitter exec: ")
        return seen.stderr

    assert "Container main of pod box-0 has no shell. Give a command after --." in said("workspace/box")
    assert 'Command ls did not run: exec: "ls": executable file not found' in said("workspace/box", "--", "ls")
    assert "is no terminal" in said("workspace/box", "-t", "--", "ls")
    said("workspace/box", "--rank", "1", code=2)
    assert said("worksplace/box", code=2).startswith("outfitter exec: Kind worksplace does not exist.")
    api.forbidden.add("exec")
    text = said("workspace/box", "--", "ls")
    assert 'cannot get resource "pods/exec"' in text
    assert "Ask an administrator for this permission" in text
    api.forbidden.clear()
    item["status"]["containerStatuses"][0]["state"] = {}
    assert "Pod box-0 is starting" in said("workspace/box", "--", "ls")


@pytest.mark.parametrize("code", [1, 2, 125])
def test_each_exit_code_can_be_that_of_the_command(api: FakeStreams, invoke: Invoke, tmp_path: Path, code: int) -> None:
    """Then standard error has nothing from Outfitter."""
    api.add(BOX)
    api.add(running("box-0"))

    async def container(_session: Session) -> int:
        return code

    api.container = container
    seen = invoke("exec", "--kubeconfig", api.kubeconfig(tmp_path), "workspace/box", "--", "ls")
    assert (seen.exit_code, seen.output) == (code, "")


def test_a_connection_that_breaks_is_no_exit_code_of_the_command(api: FakeStreams, start: Start) -> None:
    api.add(BOX)
    api.add(running("box-0"))

    async def container(session: Session) -> int:
        await session.out(b"half")
        assert await session.read() == b"all came\n"
        session.abort()
        return 0

    api.container = container
    with start("exec", "workspace/box", "-i", "--", "ls") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read(4) == b"half"
        process.stdin.write(b"all came\n")
        process.stdin.flush()
        assert process.wait(DEADLINE) == 125
        assert process.stderr is not None
        errors = process.stderr.read().decode()
    assert errors.startswith("outfitter exec: ")
    assert "the connection to pod box-0 broke before the command ended" in errors


def test_without_a_cluster(api: FakeStreams, invoke: Invoke, tmp_path: Path) -> None:
    """No kubeconfig is a failure as well: code 2 could be that of the command."""
    seen = invoke("exec", "--kubeconfig", tmp_path / "none", "workspace/box", "--", "ls")
    assert (seen.exit_code, seen.stderr.startswith("outfitter exec: no credentials for a cluster")) == (125, True)


def test_a_terminal(api: FakeStreams, start: Start) -> None:
    """Keys pass at once, also Ctrl-C; the size follows; afterwards the terminal is as before."""
    api.add(BOX)
    api.add(running("box-0"))
    sizes: list[Object] = []

    async def container(session: Session) -> int:
        assert session.words[:2] == ["sh", "-c"]
        assert (session.query["tty"], session.query["stderr"]) == ("true", "false")
        sizes.append(await session.size())
        await session.out(b"$ ")
        sizes.append(await session.size())
        await session.out(b"> ")
        await session.out(b"got " + await session.read())
        return 3

    api.container = container
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    before = termios.tcgetattr(slave)
    with start("exec", "workspace/box", stdin=slave, stdout=slave) as process:
        assert _until(master, b"$ ") == b"$ "
        assert not termios.tcgetattr(slave)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        process.send_signal(signal.SIGWINCH)
        assert _until(master, b"> ") == b"> "
        os.write(master, b"\x03")
        assert _until(master, b"\x03") == b"got \x03"
        assert process.wait(DEADLINE) == 3
    assert termios.tcgetattr(slave) == before
    assert sizes == [{"Width": 100, "Height": 30}, {"Width": 120, "Height": 40}]
    os.close(master)
    os.close(slave)


def _until(descriptor: int, end: bytes) -> bytes:
    """The output of a terminal up to its end, with a deadline: what does not come fails the test."""
    data = b""
    while not data.endswith(end):
        assert select.select([descriptor], [], [], DEADLINE)[0], data
        data += os.read(descriptor, 100)
    return data
