"""The watcher of a workspace with `idleTimeoutSeconds`: the program of a container beside the tool.

It ends with a report as its termination message once the workspace was unused for so long. The kubelet starts it again.
If the workspace is then used before the operator has stopped it, it ends again and takes the report back.
Only the standard library, without ssl: every such workspace has one.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from outfitter.idleness import (
    REFUSED,
    UNCLEAR,
    Answer,
    Connection,
    IdleTimer,
    Kernels,
    Report,
    Verdict,
    WatchedPort,
    connections,
    is_connected,
    kernels,
)

INTERVAL: Final = 2.0
_ASK_EVERY: Final = 5  # looks
_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
_HOSTS: Final = ("127.0.0.1", "::1")
_TIMEOUT: Final = 5.0
_LONGEST: Final = 1 << 20  # bytes of an answer
_OWN_PORTS: Final = 64  # per port: two requests in ten seconds, and the kernel keeps their traces for a minute


class Watcher:
    """Looks at the connections of the pod, and asks its Jupyter servers."""

    def __init__(self, ports: Sequence[WatchedPort]) -> None:
        self._ports = ports
        self._numbers = frozenset(port.number for port in ports)
        self._before: frozenset[Connection] = frozenset()
        self._own: deque[int] = deque(maxlen=_OWN_PORTS * len(ports))
        self._kernels: dict[int, Kernels] = {}
        self._marks: dict[int, str] = {}
        self.by_connections = False
        """A Jupyter server did not report its kernels at the last look."""

    def look(self, *, ask: bool = True) -> bool:
        """Return whether the workspace is in use. Without `ask`, the last answers of Jupyter servers count.

        Raises OSError or ValueError if the kernel shows no connections.
        """
        now = frozenset(self._connections())  # before the questions, which are connections themselves
        before, self._before = self._before, now
        found = [self._is_used(port, now, before, ask=ask) for port in self._ports]
        answers = [self._kernels[port.number].answer for port in self._ports if port.jupyter is not None]
        self.by_connections = Answer.REFUSED in answers
        return any(found)

    def _is_used(
        self, port: WatchedPort, now: frozenset[Connection], before: frozenset[Connection], *, ask: bool
    ) -> bool:
        connected = is_connected(port, now, before, self._own)
        if port.jupyter is None:
            return connected
        if ask or port.number not in self._kernels:
            self._kernels[port.number] = self._ask(port)
        known = self._kernels[port.number]
        if known.answer is Answer.REFUSED:
            return connected
        last = self._marks.setdefault(port.number, known.mark)
        self._marks[port.number] = known.mark or last
        return known.answer is Answer.UNCLEAR or known.busy or self._marks[port.number] != last

    def _connections(self) -> Iterator[Connection]:
        for table in map(Path, _TABLES):
            if table.name == "tcp6" and not table.exists():
                continue  # IPv6 is turned off
            with table.open() as lines:  # they can be many, and the memory is small
                yield from connections(lines, self._numbers)

    def _ask(self, port: WatchedPort) -> Kernels:
        base = (port.jupyter or "").rstrip("/")
        try:
            # Without the argument, a server counts the question itself as activity.
            asked = [self._get(port.number, f"{base}/api/{name}") for name in ("status", "kernels?no_track_activity=1")]
        except TimeoutError:
            return UNCLEAR
        except (OSError, ValueError):
            return REFUSED  # nothing listens, or no HTTP server
        return kernels(*asked)

    def _get(self, port: int, path: str) -> tuple[int, bytes]:
        """Return code and body of an answer. Raises TimeoutError also for one that is too long, ValueError for none."""
        data = bytearray()
        with self._connected(port) as connection:
            self._own.append(connection.getsockname()[1])
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost:{port}\r\n\r\n".encode())
            end = time.monotonic() + _TIMEOUT
            while part := connection.recv(1 << 16):
                data += part
                if len(data) > _LONGEST or time.monotonic() > end:
                    raise TimeoutError
        head, _, body = bytes(data).partition(b"\r\n\r\n")
        protocol, code, *_ = (head.split(b"\r\n", 1)[0] + b"  ").split(b" ")
        if not protocol.startswith(b"HTTP/"):
            raise ValueError("no HTTP server")
        return int(code), body

    def _connected(self, port: int) -> socket.socket:
        try:
            return socket.create_connection((_HOSTS[0], port), _TIMEOUT)
        except ConnectionRefusedError:
            return socket.create_connection((_HOSTS[1], port), _TIMEOUT)


def watch(watcher: Watcher, timer: IdleTimer, interval: float = INTERVAL) -> Verdict | None:
    """Look until there is something to report; None if SIGTERM, which must be blocked, comes first."""
    last = time.monotonic()
    for number in range(sys.maxsize):
        if signal.sigtimedwait({signal.SIGTERM}, interval) is not None:
            break
        now = time.monotonic()
        soon = timer.idle + (now - last) >= timer.limit
        verdict = timer.look(now - last, used=watcher.look(ask=soon or number % _ASK_EVERY == 0))
        last = now
        if verdict is not None:
            return verdict
    return None


def main(words: Sequence[str] | None = None) -> None:
    """Watch, and leave the report. The mark is written first: without it, a report could not be taken back."""
    options = _options(words)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # the first process of a container ignores it otherwise
    mark = Path(options.mark)
    watcher = Watcher(_ports(options))
    verdict = watch(watcher, IdleTimer(options.seconds, reported=mark.exists()), options.interval)
    if verdict is None:
        return
    if verdict is Verdict.IDLE:
        mark.touch()
    else:
        mark.unlink()
    Path(options.report).write_text(Report(verdict, options.seconds, watcher.by_connections).text())


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="outfitter.activity", description="Report when a workspace is idle.")
    parser.add_argument("--seconds", type=int, required=True, help="seconds without use that make it idle")
    parser.add_argument("--port", type=int, action="append", default=[], help="port that people use")
    parser.add_argument("--checked", type=int, action="append", default=[], help="port that a probe also uses")
    parser.add_argument("--jupyter", action="append", default=[], help="PORT or PORT/PATH of a Jupyter server")
    parser.add_argument("--interval", type=float, default=INTERVAL, help="seconds between two looks")
    parser.add_argument("--mark", required=True, help="file that marks that the last report says idle")
    parser.add_argument("--report", default="/dev/termination-log", help="file of the report")
    return parser.parse_args(words)


def _ports(options: argparse.Namespace) -> list[WatchedPort]:
    paths = {int(port): f"/{path}" for port, _, path in (item.partition("/") for item in options.jupyter)}
    numbers = dict.fromkeys((*options.port, *paths))
    return [WatchedPort(number, number in options.checked, paths.get(number)) for number in numbers]


if __name__ == "__main__":
    main()
