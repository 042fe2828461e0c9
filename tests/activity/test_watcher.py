"""The watcher on real sockets: it looks at the kernel of this machine, and asks servers that listen on loopback."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from outfitter.activity import Watcher
from outfitter.idleness import Report, Verdict, WatchedPort

SECONDS = 60
"""Until a test gives up."""


def listen(host: str = "127.0.0.1") -> socket.socket:
    """A socket that listens on a port of which the kernel keeps no trace: another program may have used it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        found = socket.create_server((host, 0), family=family)
        if not Watcher([WatchedPort(port_of(found))]).look():
            return found
        found.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A tool that listens and never answers."""
    try:
        found = listen(request.param)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with found:
        yield found


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def connect(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection."""
    client = socket.create_connection(listener.getsockname()[:2], SECONDS)
    server, _ = listener.accept()
    return client, server


def test_an_open_connection_is_use(listener: socket.socket) -> None:
    watcher = Watcher([WatchedPort(port_of(listener))])
    assert not watcher.look()
    client, server = connect(listener)
    assert watcher.look()
    assert watcher.look()
    client.close()  # the server has not closed its end, and nobody is there any more
    assert not watcher.look()
    server.close()
    assert not watcher.look()


def test_a_short_connection_leaves_a_trace(listener: socket.socket) -> None:
    """A server that closes first, as one without keep-alive does: the kernel remembers it for a minute."""
    watcher = Watcher([WatchedPort(port_of(listener))])
    client, server = connect(listener)
    server.close()
    client.close()
    assert watcher.look()


def test_a_probe_is_no_use_and_a_browser_is(listener: socket.socket) -> None:
    watcher = Watcher([WatchedPort(port_of(listener), checked=True)])
    for _ in range(3):
        probe = connect(listener)
        assert not watcher.look()
        for end in probe:
            end.close()
    client, server = connect(listener)
    with client, server:
        assert [watcher.look(), watcher.look(), watcher.look()] == [False, True, True]


def test_a_connection_to_another_port_is_no_use(listener: socket.socket) -> None:
    with listen() as other:
        watcher = Watcher([WatchedPort(port_of(other))])
        client, server = connect(listener)
        with client, server:
            assert not watcher.look()


class Jupyter(ThreadingHTTPServer):
    """Answers as Jupyter does."""

    daemon_threads = True

    def __init__(self) -> None:
        with listen() as free:
            port = port_of(free)
        super().__init__(("127.0.0.1", port), Handler)
        self.base = ""
        self.code = 200
        self.last = "2026-01-01T00:00:00.000000Z"
        self.states: list[str] = []
        self.asked: list[str] = []
        self.hung = threading.Event()
        """Set once it shall answer at all."""
        self.hung.set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def watcher(self) -> Watcher:
        return Watcher([WatchedPort(self.port, jupyter=self.base or "/")])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print no traceback where a watcher gives up."""

    def answer(self, path: str) -> tuple[int, Any]:
        self.asked.append(path)
        if path == f"{self.base}/api/status":
            return self.code, {"last_activity": self.last, "connections": 1, "kernels": len(self.states)}
        if path == f"{self.base}/api/kernels?no_track_activity=1":
            return self.code, [
                {"id": str(number), "execution_state": state} for number, state in enumerate(self.states)
            ]
        return 404, {}


class Handler(BaseHTTPRequestHandler):
    server: Jupyter

    def do_GET(self) -> None:
        self.server.hung.wait(SECONDS)
        code, body = self.server.answer(self.path)
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name of the base class)
        """Keep the output of tests clean."""


@pytest.fixture
def jupyter() -> Iterator[Jupyter]:
    server = Jupyter()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.hung.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("base", ["", "/team/notebook"])
def test_kernels_count_and_open_tabs_do_not(jupyter: Jupyter, base: str) -> None:
    jupyter.base = base
    watcher = jupyter.watcher()
    with socket.create_connection(("127.0.0.1", jupyter.port), SECONDS):  # a tab that nobody looks at
        assert not watcher.look()
        assert (watcher.look(), watcher.by_connections) == (False, False)
        jupyter.last = "2026-01-01T00:00:01.000000Z"
        assert [watcher.look(), watcher.look()] == [True, False]
        jupyter.states = ["idle", "busy"]
        assert [watcher.look(), watcher.look(ask=False), watcher.look()] == [True, True, True]
        jupyter.states = ["idle", "idle"]
        assert not watcher.look()
    assert set(jupyter.asked) == {f"{base}/api/status", f"{base}/api/kernels?no_track_activity=1"}


def test_a_clock_that_is_set_back_is_activity_too(jupyter: Jupyter) -> None:
    watcher = jupyter.watcher()
    watcher.look()
    jupyter.last = "1999-01-01T00:00:00.000000Z"
    assert watcher.look()


def test_with_a_token_connections_count(jupyter: Jupyter) -> None:
    """And the questions of the watcher, which the server answers and closes, are no connections of users."""
    jupyter.code = 403
    watcher = jupyter.watcher()
    assert [watcher.look() for _ in range(20)] == [False] * 20
    assert watcher.by_connections
    with socket.create_connection(("127.0.0.1", jupyter.port), SECONDS):
        assert watcher.look()


def test_a_server_in_trouble_is_in_use(jupyter: Jupyter) -> None:
    jupyter.code = 503
    assert jupyter.watcher().look()


def test_a_server_that_hangs_is_in_use(jupyter: Jupyter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outfitter.activity._TIMEOUT", 0.1)
    watcher = jupyter.watcher()
    jupyter.hung.clear()
    assert watcher.look()


def test_an_endless_answer_is_in_use(jupyter: Jupyter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outfitter.activity._LONGEST", 100)
    jupyter.states = ["idle"] * 20
    assert jupyter.watcher().look()


def test_nothing_that_listens_is_idle() -> None:
    with listen() as closed:
        port = port_of(closed)
    watcher = Watcher([WatchedPort(port, jupyter="/")])
    assert (watcher.look(), watcher.by_connections) == (False, True)


def test_no_http_server_is_judged_by_its_connections() -> None:
    with listen() as raw:

        def serve() -> None:
            connection, _ = raw.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"\x15\x03\x01 this is TLS")

        thread = threading.Thread(target=serve)
        thread.start()
        watcher = Watcher([WatchedPort(port_of(raw), jupyter="/")])
        assert (watcher.look(), watcher.by_connections) == (False, True)
        thread.join()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the program as the container does, with short times."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        files = [f"--mark={tmp_path / 'mark'}", f"--report={tmp_path / 'report'}", "--interval=0.02"]
        command = [sys.executable, "-m", "outfitter.activity", *files, *words]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def reported(tmp_path: Path) -> Report | None:
    return Report.of({"exitCode": 0, "message": (tmp_path / "report").read_text()})


def test_the_program_reports_and_takes_it_back(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    with listen() as listener:
        port = f"--port={port_of(listener)}"
        assert start(port, "--seconds=1").wait(SECONDS) == 0
        assert reported(tmp_path) == Report(Verdict.IDLE, 1)
        # The kubelet starts it again, and somebody comes back before the operator has stopped the workspace.
        again = start(port, "--seconds=1000")
        client, server = connect(listener)
        with client, server:
            assert again.wait(SECONDS) == 0
        assert reported(tmp_path) == Report(Verdict.USED, 1000)
        assert not (tmp_path / "mark").exists()


def test_the_program_ends_at_once_when_its_pod_ends(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Also as the first process of a container, and without a report, which could be read as idleness."""
    process = start("--port=1", "--seconds=1000")
    while not waits_for_signals(process.pid):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    assert not (tmp_path / "report").exists()


def waits_for_signals(pid: int) -> bool:
    """Whether a process has blocked SIGTERM, which it then waits for."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    blocked = next(int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:"))
    return bool(blocked & 1 << (signal.SIGTERM - 1))


def test_a_report_that_could_not_be_taken_back_is_not_made(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = start("--port=1", "--seconds=1", f"--mark={tmp_path / 'missing' / 'mark'}")
    assert process.wait(SECONDS) == 1
    assert not (tmp_path / "report").exists()
