"""What counts as use, how idle time adds up, and how reports are read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitter.idleness import (
    REFUSED,
    UNCLEAR,
    Answer,
    Connection,
    IdleTimer,
    Report,
    Verdict,
    WatchedPort,
    connections,
    is_connected,
    kernels,
)

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TABLE = (
    HEAD
    + "   0: 00000000:22B8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 41 1 0 100 0 0 10 0\n"
    + "   1: 0A01F40A:22B8 0501F40A:D2F0 01 00000000:00000000 00:00000000 00000000  1000        0 42 1 0 20 4 30 10\n"
    + "   2: 0100007F:22B9 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 43 1 0 20 4 30 10\n"
    + "   3: 0A01F40A:22B8 0501F40A:D2F2 06 00000000:00000000 03:000014E9 00000000     0        0 0 3 0\n"
)
TABLE6 = (
    HEAD
    + "   0: 0000000000000000FFFF00000A01F40A:22B8 0000000000000000FFFF00000501F40A:C350 01 00000000:00000000 00:0 0\n"
)
PORT = WatchedPort(8888)
CHECKED = WatchedPort(8888, checked=True)
PEER = "0501F40A"


def connection(state: str = "01", peer: str = PEER, peer_port: int = 40000, port: int = 8888) -> Connection:
    return Connection(port, peer, peer_port, state)


def test_the_table_of_the_kernel() -> None:
    found = list(connections(TABLE.splitlines(), {8888}))
    assert [(item.peer_port, item.state) for item in found] == [(0, "0A"), (54000, "01"), (54002, "06")]
    assert [item.peer_port for item in connections(TABLE6.splitlines(), {8888})] == [50000]
    assert list(connections([HEAD], {8888})) == list(connections([], {8888})) == []


@pytest.mark.parametrize("text", ["head\nnot a table", "head\n 0: x:y z:1 01", "head\n 0: 00:1 00: 01"])
def test_another_text_is_an_error_and_not_idleness(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(connections(text.splitlines(), set(range(65536))))


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = list(connections(text.splitlines(), set(range(65536))))
    except ValueError:
        return
    assert all(item.port < 65536 for item in found)


@pytest.mark.parametrize(
    ("state", "counts"),
    [("01", True), ("06", True), ("04", True), ("0A", False), ("03", False), ("08", False), ("07", False)],
)
def test_a_connection_counts_by_its_state(state: str, *, counts: bool) -> None:
    """Not a listener, not one that a client only began, not one that the server forgot to close."""
    assert is_connected(PORT, [connection(state)], [], []) is counts


def test_a_checked_port_counts_what_lasts() -> None:
    """A probe of the kubelet connects for a moment, a browser stays."""
    assert not is_connected(CHECKED, [connection()], [], [])
    assert not is_connected(CHECKED, [connection()], [connection(peer_port=40002)], [])
    assert not is_connected(CHECKED, [connection("06")], [connection("06")], [])
    assert is_connected(CHECKED, [connection()], [connection()], [])


@pytest.mark.parametrize(
    "peer", ["0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000", "7F000001"]
)
def test_the_questions_of_the_watcher_are_no_use(peer: str) -> None:
    """But a tunnel of kubectl port-forward is, which also comes from the pod itself."""
    own = connection("06", peer, 50000)
    assert not is_connected(PORT, [own], [], [50000])
    assert is_connected(PORT, [own], [], [50002])
    assert is_connected(PORT, [connection("01", peer, 50000)], [], [50000])
    assert is_connected(PORT, [connection("06", PEER, 50000)], [], [50000])


def test_other_ports_do_not_count() -> None:
    assert not is_connected(PORT, [connection(port=8889)], [], [])


def answered(last: Any, *states: str) -> tuple[tuple[int, bytes], tuple[int, bytes]]:
    listed = [{"execution_state": state} for state in states]
    return (200, json.dumps({"last_activity": last}).encode()), (200, json.dumps(listed).encode())


def test_jupyter_reports_its_kernels() -> None:
    quiet = kernels(*answered("2026-01-01T00:00:00Z", "idle", "dead"))
    assert (quiet.answer, quiet.busy, quiet.mark) == (Answer.KNOWN, False, "2026-01-01T00:00:00Z")
    assert kernels(*answered("x", "idle", "busy")).busy
    assert kernels(*answered("x", "starting")).busy
    assert kernels(*answered("x", "a state of a later version")).busy


@pytest.mark.parametrize("code", [302, 401, 403, 404])
def test_jupyter_with_a_token_is_judged_by_its_connections(code: int) -> None:
    fine = answered("x")
    assert kernels((code, b""), fine[1]) == kernels(fine[0], (code, b"")) == REFUSED


@pytest.mark.parametrize("code", [500, 503, 504, 429])
def test_a_server_in_trouble_may_be_busy(code: int) -> None:
    assert kernels((code, b""), (200, b"[]")) == UNCLEAR


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"last_activity": 1}', b"\xff", b"null", b"<html>", b"[" * 100_000]
)
def test_another_server_than_jupyter_is_judged_by_its_connections(body: bytes) -> None:
    assert kernels((200, body), (200, b"[]")) == REFUSED


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"[{}]", b"null", b'"text"', b"1"])
def test_a_list_of_something_else_is_not_no_kernel(body: bytes) -> None:
    assert kernels(answered("x")[0], (200, body)) == REFUSED


def test_idle_for_as_long_as_it_may() -> None:
    timer = IdleTimer(10)
    assert [timer.look(3, used=False) for _ in range(4)] == [None, None, None, Verdict.IDLE]


def test_time_that_was_not_seen_does_not_count() -> None:
    """The watcher was frozen with its node, or had no CPU: somebody may have worked meanwhile."""
    timer = IdleTimer(3600)
    assert timer.look(86400, used=False) is None
    assert timer.idle == 10


def test_a_report_is_taken_back_once_and_renewed() -> None:
    timer = IdleTimer(10, reported=True)
    assert [timer.look(5, used=False) for _ in range(2)] == [None, Verdict.IDLE]
    assert IdleTimer(10, reported=True).look(5, used=True) is Verdict.USED
    assert IdleTimer(10).look(5, used=True) is None


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=60), st.integers(1, 100))
def test_never_idle_before_its_time(looks: list[tuple[float, bool]], limit: int) -> None:
    """However the looks fall: an idle verdict follows so many seconds without use."""
    timer, quiet = IdleTimer(limit), 0.0
    for gap, used in looks:
        quiet = 0.0 if used else quiet + gap
        if timer.look(gap, used=used) is Verdict.IDLE:
            assert quiet >= limit * (1 - 1e-9)
            return


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("by_connections", [True, False])
def test_a_report_is_read_as_it_was_written(verdict: Verdict, *, by_connections: bool) -> None:
    report = Report(verdict, 60, by_connections)
    assert Report.of({"exitCode": 0, "message": report.text()}) == report
    assert Report.of({"exitCode": 1, "message": report.text()}) is None


@pytest.mark.parametrize(
    "message",
    [
        None,
        "",
        "idle",
        "{}",
        "[]",
        "null",
        '{"verdict": "asleep", "seconds": 1}',
        '{"verdict": "idle", "seconds": Infinity}',
        "[" * 4096,
    ],
)
def test_everything_else_is_no_report(message: str | None) -> None:
    assert Report.of({"exitCode": 0, "message": message}) is None
    assert Report.of({}) is None
