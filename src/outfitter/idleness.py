"""When a workspace counts as idle: no I/O, and the standard library only, because every watcher loads this module.

The program outfitter.activity collects the facts, and the operator reads its reports.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final, Self

ESTABLISHED: Final = "01"
_TRACES: Final = frozenset({ESTABLISHED, "04", "05", "06", "09", "0B"})
"""States of the TCP table that only a connection leaves behind. Not CLOSE_WAIT: its client is gone, and servers that
forget to close keep it without end.
"""
_LOOPBACK: Final = frozenset(
    {
        "0100007F",
        "7F000001",
        "0000000000000000FFFF00000100007F",
        "00000000000000000000FFFF7F000001",
        "00000000000000000000000001000000",
        "00000000000000000000000000000001",
    }
)
"""127.0.0.1, ::ffff:127.0.0.1 and ::1, in the order of the bytes of either machine."""
_OTHER_DATA: Final = (ValueError, KeyError, TypeError, ArithmeticError, RecursionError)
"""What JSON of another shape, size or depth raises."""
_AT_REST: Final = frozenset({"idle", "dead"})
_LONGEST_GAP: Final = 10.0
"""Most seconds that one look adds. A watcher that was frozen or had no CPU for longer has no facts of that time."""


@dataclass(frozen=True)
class Connection:
    """A line of the TCP table of the kernel: port of the workspace, address of its peer, state in hexadecimal."""

    port: int
    peer: str
    peer_port: int
    state: str

    def is_from(self, ports: Collection[int]) -> bool:
        """Return whether it comes from the pod itself, from one of these ports."""
        return self.peer_port in ports and self.peer in _LOOPBACK


@dataclass(frozen=True)
class WatchedPort:
    """A port by which people use the workspace.

    `checked`: a readiness probe or a load balancer also connects to it, each time for a moment.
    `jupyter`: the path below which a Jupyter server answers, None for another tool.
    """

    number: int
    checked: bool = False
    jupyter: str | None = None


def connections(table: Iterable[str], ports: Collection[int]) -> Iterator[Connection]:
    """Yield the connections to these ports in the lines of /proc/net/tcp or tcp6. Raises ValueError for other lines."""
    for line in islice(table, 1, None):
        words = line.split()
        if not words:
            continue
        if len(words) < 4:
            raise ValueError(f"no line of a TCP table: {line!r}")
        port = int(words[1].rpartition(":")[2], 16)
        if port in ports:
            peer, _, peer_port = words[2].rpartition(":")
            yield Connection(port, peer, int(peer_port, 16), words[3])


def is_connected(
    port: WatchedPort, now: Iterable[Connection], before: Collection[Connection], own: Collection[int]
) -> bool:
    """Return whether a port has, or had a moment ago, a connection. `own`: ports of the watcher itself.

    Where something checks the port, a connection counts once two looks have seen it: a check ends at once.
    """
    # The watcher has closed its own connections, so that they are left as traces only.
    seen = [item for item in now if item.port == port.number and (item.state == ESTABLISHED or not item.is_from(own))]
    if port.checked:
        return any(item.state == ESTABLISHED and item in before for item in seen)
    return any(item.state in _TRACES for item in seen)


class Answer(StrEnum):
    """How far the answer of a server that should be Jupyter can be used."""

    KNOWN = "known"
    REFUSED = "refused"
    """It is no Jupyter server, or wants a token: only its connections count."""
    UNCLEAR = "unclear"
    """It may be busy: counts as use."""


@dataclass(frozen=True)
class Kernels:
    """The activity that a Jupyter server reports. `mark` changes with each activity; its time is not compared."""

    answer: Answer
    busy: bool = False
    mark: str = ""


REFUSED: Final = Kernels(Answer.REFUSED)
UNCLEAR: Final = Kernels(Answer.UNCLEAR)


def kernels(status: tuple[int, bytes], listed: tuple[int, bytes]) -> Kernels:
    """Return the activity by the answers for `api/status` and `api/kernels`: code and body of each."""
    for code, _ in (status, listed):
        if code >= 500 or code == 429:
            return UNCLEAR
        if code != 200:
            return REFUSED
    try:
        facts, running = json.loads(status[1]), json.loads(listed[1])
        mark = facts["last_activity"]
        states = [item["execution_state"] for item in running]
    except _OTHER_DATA:
        return REFUSED
    if not isinstance(mark, str) or not isinstance(running, list):
        return REFUSED
    return Kernels(Answer.KNOWN, any(state not in _AT_REST for state in states), mark)


class Verdict(StrEnum):
    """What a watcher reports when it ends."""

    IDLE = "idle"
    USED = "used"
    """The workspace, which was reported idle, is used again."""


@dataclass
class IdleTimer:
    """Counts the seconds that a workspace was seen idle. `reported`: the last report says that it is idle."""

    limit: float
    reported: bool = False
    idle: float = 0

    def look(self, gap: float, *, used: bool) -> Verdict | None:
        """Return what to report after a look. `gap`: seconds since the look before it."""
        if used:
            self.idle = 0
            return Verdict.USED if self.reported else None
        self.idle += min(gap, _LONGEST_GAP)
        return Verdict.IDLE if self.idle >= self.limit else None


@dataclass(frozen=True)
class Report:
    """The termination message of a watcher. `by_connections`: a Jupyter server did not report its kernels."""

    verdict: Verdict
    seconds: int
    by_connections: bool = False

    def text(self) -> str:
        """Return the message."""
        return json.dumps({"verdict": self.verdict, "seconds": self.seconds, "byConnections": self.by_connections})

    @classmethod
    def of(cls, ended: Mapping[str, Any]) -> Self | None:
        """Return the report of a container that ended; None for one that was stopped or failed."""
        if ended.get("exitCode") != 0:
            return None
        try:
            found = json.loads(ended.get("message") or "")
            return cls(Verdict(found["verdict"]), int(found["seconds"]), bool(found.get("byConnections")))
        except _OTHER_DATA:
            return None
