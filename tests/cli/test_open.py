"""`outfitter open`: which address of a workload, and a local port that leads to its pods."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from outfitter.cli.addresses import Address, addresses, choose, external_url, others_note, phase_note
from outfitter.cli.forwarder import listen
from outfitter.errors import OutfitterError
from outfitter.naming import LABEL_OWNER_UID

from .conftest import DEADLINE, MODULE, Invoke
from .fake_api import Object
from .fake_streams import FakeStreams
from .test_exec import running
from .test_verbs import body

LAB = {"name": "lab", "toolType": "jupyter-notebook", "connectionType": "ExternalUrl", "containerPort": 8888}
IDE = {"name": "ide", "toolType": "pycharm", "connectionType": "NodePort", "containerPort": 22, "nodePort": 30022}
BOARD = {"name": "board", "toolType": "tensorboard", "connectionType": "NodePort", "containerPort": 6006}
RUNS = {"name": "runs", "toolType": "wandb", "url": "https://wandb.example.com/me"}


def workspace(*connections: Object, **status: Any) -> Object:
    return body("Workspace", {"image": "a"}, phase="Running", connections=[*connections], **status)


def serving(url: str, name: str = "http") -> tuple[Object, Object]:
    service = body("Service", {"ports": [{"name": name, "port": 8000}, {"name": "board", "port": 6006}]})
    return body("Inference", {"image": "a"}, phase="Running", url=url, connections=[BOARD]), service


def test_the_first_connection_with_http() -> None:
    found = addresses(workspace(RUNS, IDE, LAB, BOARD))
    assert [item.name for item in found] == ["runs", "ide", "lab", "board"]
    assert choose(workspace(), found).name == "lab"
    assert choose(workspace(), found[:2]).name == "ide"
    assert choose(workspace(), found[:1]).url == "https://wandb.example.com/me"
    assert choose(workspace(), found, "board").port == 6006
    assert choose(workspace(), found, port=22).name == "ide"
    assert choose(workspace(), found, port=9000) == Address("port 9000", port=9000)
    note = others_note(workspace(), found, found[2])
    assert "4 connections: runs (wandb, https://wandb.example.com/me), ide (pycharm, port 22)" in note
    assert "This is lab; --connection chooses another." in note
    assert others_note(workspace(), found[:1], found[0]) == ""


def test_no_such_connection() -> None:
    with pytest.raises(
        OutfitterError, match=r"no connection labb. Did you mean lab. Its connections are: lab .jupyter"
    ):
        choose(workspace(), addresses(workspace(LAB)), "labb")
    with pytest.raises(
        OutfitterError, match=r"no connection. To forward .* outfitter open workspace/box -n team-a --p"
    ):
        choose(workspace(), [])


@pytest.mark.parametrize(
    ("connection", "local"),
    [
        (LAB, "http://127.0.0.1:8"),
        ({**LAB, "url": "https://box.example.com"}, "http://127.0.0.1:8/"),
        ({**LAB, "url": "https://example.com/team-a/box"}, "http://127.0.0.1:8/team-a/box"),  # the Ingress keeps it
        ({**BOARD, "connectionType": "LoadBalancer", "url": "http://[fd00::1]:6006"}, "http://127.0.0.1:8/"),
        (IDE, "127.0.0.1:8"),
    ],
)
def test_the_local_url_has_the_path_that_the_tool_has(connection: Object, local: str) -> None:
    (found,) = addresses(workspace(connection))
    assert found.local_url(8).rstrip("/") == local.rstrip("/")


def test_the_port_for_requests_is_first() -> None:
    item, service = serving("http://box.team-a.svc:8000")
    found = addresses(item, service)
    assert [(each.name, each.port, each.url, each.http) for each in found] == [
        ("serving", 8000, "", True),
        ("board", 6006, "", True),
    ]
    item, service = serving("https://box-team-a.example.com", "grpc")
    found = addresses(item, service)
    assert (found[0].url, found[0].http) == ("https://box-team-a.example.com", False)
    assert choose(item, found).name == "board"
    assert [each.name for each in addresses(item, None)] == ["board"]


def test_urls_outside_the_cluster() -> None:
    item = workspace({**LAB, "message": "The host belongs to another workload."})
    (lab,) = addresses(item)
    with pytest.raises(OutfitterError, match=r"lab has no URL. The host belongs to another workload. To forward its"):
        external_url(item, lab)
    links = [{"name": "lab", "url": "https://a.example.com"}, {"name": "docs", "url": "https://b.example.com"}]
    found = addresses(workspace(LAB, relatedUrls=links))
    assert [(each.name, each.port) for each in found] == [("lab", 8888), ("docs", 0)]
    assert external_url(item, found[1]) == "https://b.example.com"
    for url in ("file:///etc/passwd", "javascript:alert(1)", "--new-window", "https://a.example.com/ b", "tcp://a:1"):
        (link,) = addresses(workspace(relatedUrls=[{"name": "docs", "url": url}]))
        with pytest.raises(OutfitterError, match=r"the address of docs is no web link"):
            external_url(item, link)
    assert phase_note(item) == ""
    stopped = body("Workspace", {}, phase="Stopped", message="It was stopped.")
    assert phase_note(stopped) == "Workspace team-a/box is stopped: It was stopped."


def test_the_local_port() -> None:
    with listen(0, 0) as first:
        taken = first.getsockname()[1]
        with listen(taken, None) as second:
            assert second.getsockname()[1] not in (0, taken)
        with pytest.raises(OutfitterError, match=f"Local port {taken} cannot be used: .*--local-port"):
            listen(8888, taken)


@pytest.fixture
def api() -> Iterator[FakeStreams]:
    fake = FakeStreams()
    yield fake
    fake.close()


@pytest.fixture
def call(api: FakeStreams, invoke: Invoke, tmp_path: Path) -> Callable[..., Any]:
    kubeconfig = api.kubeconfig(tmp_path)
    return lambda *words: invoke("open", *words, "--kubeconfig", kubeconfig)


def test_a_url_needs_no_pod(api: FakeStreams, call: Callable[..., Any]) -> None:
    api.add(workspace({**LAB, "url": "https://box.example.com"}, BOARD))
    seen = call("workspace/box", "--url")
    assert (seen.exit_code, seen.stdout) == (0, "https://box.example.com\n"), seen.stderr
    assert "This is lab; --connection chooses another." in seen.stderr
    seen = call("workspace/box", "--url", "--connection", "board")
    assert (seen.exit_code, "board has no URL. To forward its port, leave out --url." in seen.stderr) == (1, True)
    for words in (("--port", "1", "--url"), ("--port", "1", "--connection", "lab"), ("--port", "0")):
        assert call("workspace/box", *words).exit_code == 2


def test_refusals(api: FakeStreams, call: Callable[..., Any]) -> None:
    item = api.add(workspace(LAB))
    seen = call("workspace/box")
    assert (seen.exit_code, "Workspace team-a/box has no pod" in seen.stderr) == (1, True)
    api.add(running("box-0"))
    api.forbidden.add("portforward")
    seen = call("workspace/box")
    assert (seen.exit_code, 'cannot get resource "pods/portforward"' in seen.stderr) == (1, True)
    assert "Ask an administrator for this permission" in seen.stderr
    api.forbidden.clear()
    with listen(0, 0) as taken:
        seen = call("workspace/box", "--local-port", str(taken.getsockname()[1]))
    assert (seen.exit_code, "Choose another one with --local-port." in seen.stderr) == (1, True)
    item["spec"]["suspend"] = True
    del api.objects["/api/v1/namespaces/team-a/pods/box-0"]
    assert "To start it: outfitter start workspace/box -n team-a" in call("workspace/box").stderr


@contextlib.contextmanager
def answering(text: bytes) -> Iterator[tuple[str, int]]:
    """A program in a pod: it answers each connection once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(ConnectionError):
                        request = connection.recv(2**16)  # nothing, of the connection that only checks the rights
                        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (len(text) + 3)
                        connection.sendall(head + request[:3] + text)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)
    thread.join(DEADLINE)


@contextlib.contextmanager
def opened(
    api: FakeStreams, folder: Path, *words: str, terminal: bool = False, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a process, until Ctrl-C, and the URL that it prints."""
    command = [*MODULE, "open", "workspace/box", "--local-port", "0", *words]
    environment = {**os.environ, "KUBECONFIG": str(api.kubeconfig(folder)), **environment}
    master, slave = pty.openpty() if terminal else os.pipe()
    with (
        os.fdopen(master) as output,
        subprocess.Popen(command, env=environment, stdout=slave, stderr=subprocess.PIPE, text=True) as process,
    ):
        os.close(slave)
        late = threading.Timer(DEADLINE, process.kill)
        late.start()
        try:
            yield process, output.readline().strip()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=DEADLINE)
        finally:
            late.cancel()
            process.kill()
        assert (process.returncode, "Traceback" in errors) == (0, False), errors


def until(stream: IO[str] | None, text: str) -> str:
    """The first line with this text; "" if the process ends without it."""
    assert stream is not None
    return next((line for line in stream if text in line), "")


def test_the_forward_outlives_the_pod(api: FakeStreams, tmp_path: Path) -> None:
    """Each new connection goes to the pod that is ready then; data passes as it is; Ctrl-C is a success."""
    binary = bytes(range(256)) * 5000
    api.add(workspace({**LAB, "url": "https://example.com/team-a/box"}))
    api.add(running("box-a"))
    environment = {**os.environ, "KUBECONFIG": str(api.kubeconfig(tmp_path))}
    command = [*MODULE, "open", "workspace/box", "--local-port", "0"]
    with answering(binary) as place:
        api.ports[8888] = place
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            assert url.endswith("/team-a/box")
            for name in ("box-a", "box-b", "box-b"):
                if name == "box-b":
                    api.objects.pop("/api/v1/namespaces/team-a/pods/box-a", None)
                    api.add(running("box-b"))
                with urlopen(url, timeout=DEADLINE) as answer:
                    assert answer.read() == b"GET" + binary
            api.ports.clear()
            with pytest.raises(OSError, match=r"."), urlopen(url, timeout=DEADLINE) as answer:
                answer.read()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, errors
    assert [name for name in api.forwarded if name != "box-a"] == ["box-b"] * 3
    assert "leads to port 8888 of pod box-a until you press Ctrl-C." in errors
    assert "its log has it: outfitter logs workspace/box -n team-a" in errors
    assert "The same outside the cluster, with --url: https://example.com/team-a/box" in errors
    assert "Pod box-b does not listen on port 8888." in errors
    assert "Traceback" not in errors


def test_a_connection_waits_while_the_api_server_restarts(api: FakeStreams, tmp_path: Path) -> None:
    api.add(workspace(LAB))
    api.add(running("box-0"))
    answers: list[bytes] = []

    def ask(url: str) -> None:
        with urlopen(url, timeout=DEADLINE) as answer:
            answers.append(answer.read())

    with answering(b" /") as place, opened(api, tmp_path) as (process, url):
        api.ports[8888] = place
        ask(url)
        api.stop()
        waiting = threading.Thread(target=ask, args=(url,))
        waiting.start()
        message = until(process.stderr, "no response from the API server")
        assert "Connections wait until it answers" in message
        api.start()
        waiting.join(DEADLINE)
        ask(url)
    assert answers == [b"GET /"] * 3


def test_a_connection_that_breaks_is_reported(api: FakeStreams, tmp_path: Path) -> None:
    """The pod is deleted while it answers: the message names it, and the next connection goes to the next pod."""
    api.add(workspace(LAB))
    api.add(running("box-a"))
    with socket.create_server(("127.0.0.1", 0)) as server, opened(api, tmp_path) as (process, url):
        api.ports[8888] = server.getsockname()
        place = urlsplit(url)
        assert place.hostname is not None
        assert place.port is not None
        with socket.create_connection((place.hostname, place.port), DEADLINE) as local:
            local.sendall(b"one")
            pod, _ = server.accept()
            with pod:
                pod.sendall(b"half")
                assert local.recv(4) == b"half"
                del api.objects["/api/v1/namespaces/team-a/pods/box-a"]
                api.add(running("box-b"))
                api.break_forwards()
                assert local.recv(4) == b""
        message = until(process.stderr, "box-a broke")
        assert "New connections lead to the pod that is ready then." in message
        with answering(b" /") as place_b:
            api.ports[8888] = place_b
            with urlopen(url, timeout=DEADLINE) as answer:
                assert answer.read() == b"GET /"
    assert api.forwarded[-2:] == ["box-a", "box-b"]


@pytest.mark.parametrize(("words", "terminal"), [((), True), (("--no-browser",), True), ((), False)])
def test_the_browser(api: FakeStreams, tmp_path: Path, words: tuple[str, ...], terminal: bool) -> None:
    """It opens on a terminal, unless the user forbids it. One that runs on does not delay the end of the command."""
    api.add(workspace(LAB))
    api.add(running("box-0"))
    seen, script = tmp_path / "seen", tmp_path / "browser"
    os.mkfifo(seen)
    script.write_text(f"#!/bin/sh\necho $1 $$ > {seen}\nexec cat {tmp_path / 'end'}\n")
    script.chmod(0o755)
    os.mkfifo(tmp_path / "end")
    with (
        answering(b"") as place,
        opened(api, tmp_path, *words, terminal=terminal, BROWSER=str(script)) as (process, url),
    ):
        api.ports[8888] = place
        if terminal and not words:
            shown, browser = seen.read_text().split()
            assert shown == url
        with urlopen(url, timeout=DEADLINE) as answer:
            assert answer.read() == b"GET"
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 0
        if terminal and not words:
            os.kill(int(browser), signal.SIGTERM)  # it still runs
            return
        with pytest.raises(OSError, match=r"."):
            os.close(os.open(seen, os.O_WRONLY | os.O_NONBLOCK))


def test_a_pod_of_the_same_name_that_is_not_of_the_workload(api: FakeStreams, tmp_path: Path) -> None:
    """Somebody deletes the workload's pod, and creates another pod of this name: no connection goes there."""
    api.add(workspace(LAB))
    api.add(running("box-0"))
    environment = {**os.environ, "KUBECONFIG": str(api.kubeconfig(tmp_path))}
    command = [*MODULE, "open", "workspace/box", "--local-port", "0"]
    with answering(b"") as place:
        api.ports[8888] = place
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            foreign = running("box-0", labels={LABEL_OWNER_UID: "uid-other"})
            foreign["metadata"]["uid"] = "uid-foreign"
            api.add(foreign)
            api.add(running("box-1"))
            with urlopen(url, timeout=DEADLINE) as answer:
                assert answer.read() == b"GET"
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=DEADLINE)
    assert api.forwarded == ["box-0", "box-1"]  # the first one only checks the rights
