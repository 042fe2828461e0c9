"""The client of the sandbox against a TLS server of its own."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from outfitter.errors import Throttled, Unavailable
from outfitter_sandbox import certificates
from outfitter_sandbox.connection import ATTEMPTS, Connection

NO_SCHEMA = {
    "reason": "ServiceUnavailable",
    "message": "Resource kind example.com/v1, Kind=New not found. There can be a delay between when "
    "CustomResourceDefinitions are created and when they are available.",
}
INITIALIZING = {"reason": "TooManyRequests", "message": "storage is (re)initializing"}


class Server(HTTPServer):
    """Gives the prepared answers in order, the last one for ever."""

    answers: list[tuple[int, Any]]
    requests: int = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        status, body = self.server.answers[min(self.server.requests, len(self.server.answers) - 1)]
        self.server.requests += 1
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates") / "pki"
    certificates.create_control_plane(folder, "10.96.0.1")
    return folder


@pytest.fixture
def server(pki: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def connection(pki: Path, server: Server) -> Connection:
    return Connection.with_certificate(
        f"https://127.0.0.1:{server.server_port}",
        authority=pki / "ca.crt",
        certificate=pki / "admin.crt",
        key=pki / "admin.key",
    )


def throttled(seconds: float | None) -> tuple[int, Any]:
    details = {} if seconds is None else {"details": {"retryAfterSeconds": seconds}}
    return 429, INITIALIZING | details


def test_a_request_is_repeated_after_the_time_that_the_server_asks_for(server: Server, connection: Connection) -> None:
    server.answers = [throttled(0.01), throttled(0.01), (200, {"items": []})]
    assert connection.request("GET", "/apis") == {"items": []}
    assert server.requests == 3


def test_the_status_that_counts_comes_after_that_time(server: Server, connection: Connection) -> None:
    """Who asks whether a request is allowed does not take a server that is not ready for a refusal."""
    server.answers = [throttled(0.01), (403, {"reason": "Forbidden"})]
    assert connection.answer("GET", "/apis") == (403, {"reason": "Forbidden"})
    assert server.requests == 2


def test_a_watch_is_repeated_too(server: Server, connection: Connection) -> None:
    server.answers = [throttled(0.01), (200, {"type": "ADDED"})]
    assert list(connection.watch("/apis", 1)) == [{"type": "ADDED"}]
    assert server.requests == 2


@pytest.mark.parametrize(("seconds", "requests"), [(0.01, ATTEMPTS), (None, 1)])
def test_it_is_refused_in_the_end(server: Server, connection: Connection, seconds: float | None, requests: int) -> None:
    """After ten attempts, and at once where the server asks for no time."""
    server.answers = [throttled(seconds)]
    with pytest.raises(Throttled, match="initializing"):
        connection.request("GET", "/apis")
    assert server.requests == requests


def test_a_kind_that_is_too_new_for_admission_is_waited_for(server: Server, connection: Connection) -> None:
    server.answers = [(503, NO_SCHEMA), (200, {})]
    assert connection.request("GET", "/apis") == {}
    assert server.requests == 2


def test_any_other_unavailability_is_told_at_once(server: Server, connection: Connection) -> None:
    server.answers = [(503, {"reason": "ServiceUnavailable", "message": "the server is shutting down"})]
    with pytest.raises(Unavailable, match="shutting down"):
        connection.request("GET", "/apis")
    assert server.requests == 1
