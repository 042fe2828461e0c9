"""Events are posted aside, one after the other, and bounded."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from outfitter.cluster.event_poster import EventPoster
from outfitter.cluster.events import EventLimit
from outfitter.cluster.store import Caches
from outfitter.cluster.writethrough import WriteThrough
from outfitter.simulator.cluster import SimulatedCluster
from outfitter.snapshot import CachedObject

META = {"name": "box", "namespace": "a", "uid": "u", "resourceVersion": "1"}
BOX = CachedObject.of({"kind": "Workspace", "metadata": META})


async def emit(cluster: WriteThrough | Silent, message: str, type_: str = "Normal") -> None:
    await cluster.emit(BOX, type_=type_, reason="Created", message=message, action="Reconcile")


class Silent(SimulatedCluster):
    """An API server that answers no POST of an Event until it is told to."""

    answers: asyncio.Event

    async def emit(self, regarding: CachedObject, **fields: str) -> None:  # type: ignore[override]
        await self.answers.wait()
        await super().emit(regarding, **fields)


async def test_a_reconciliation_does_not_wait_and_the_order_stays() -> None:
    silent = Silent()
    silent.answers = asyncio.Event()
    cluster = WriteThrough(silent, Caches())
    for number in range(1000):
        await asyncio.wait_for(emit(cluster, f"m{number}"), 1)
    assert silent.events == []
    silent.answers.set()
    await cluster.events.close()
    messages = [event["message"] for event in silent.events]
    assert messages[:2] == ["m0", "m1"]
    assert 100 < len(messages) < 300  # the rest is in the log


async def test_a_burst_of_news_drops_and_delays_no_warning() -> None:
    silent = Silent()
    silent.answers = asyncio.Event()
    cluster = WriteThrough(silent, Caches())
    for number in range(1000):
        await emit(cluster, f"m{number}")
    await asyncio.sleep(0)  # the first one is on its way
    await emit(cluster, "stalled", "Warning")
    silent.answers.set()
    await cluster.events.close()
    assert [event["message"] for event in silent.events][:3] == ["m0", "stalled", "m1"]


async def test_an_event_that_cannot_be_posted_keeps_no_other_back(caplog: pytest.LogCaptureFixture) -> None:
    silent = Silent()
    silent.answers = asyncio.Event()
    silent.answers.set()
    cluster = WriteThrough(silent, Caches())
    broken: Any = None
    await cluster.emit(broken, type_="Normal", reason="Created", message="a", action="Reconcile")
    await emit(cluster, "b")
    await cluster.events.close()
    assert [event["message"] for event in silent.events] == ["b"]
    assert "an Event was not posted" in caplog.text


async def test_events_are_posted_outside_of_the_trace_of_a_reconciliation() -> None:
    """The task that posts was started by one of them, and posts the Events of all."""
    current = ContextVar("current", default="none")
    seen = []

    async def post() -> None:
        seen.append(current.get())

    current.set("a reconciliation")
    events = EventPoster()
    events.put(post)
    await events.close()
    assert seen == ["none"]


async def test_closing_waits_for_no_server() -> None:
    silent = Silent()
    silent.answers = asyncio.Event()
    cluster = WriteThrough(silent, Caches())
    await emit(cluster, "m")
    await asyncio.wait_for(cluster.events.close(), 10)
    await EventPoster().close()
    assert silent.events == []


def test_news_leave_room_for_warnings() -> None:
    now = 0.0
    limit = EventLimit(clock=lambda: now)
    assert sum(limit.admits("n", "u", "Normal", "Created", "same") for _ in range(1000)) == 25
    assert [limit.admits("n", "u", "Warning", "Refused", "same") for _ in range(2)] == [True, False]
    now = 10.0
    assert sum(limit.admits("n", "u", "Normal", "Created", "same") for _ in range(1000)) == 10


@pytest.mark.parametrize("type_", ["Normal", "Warning"])
def test_a_namespace_with_many_events_delays_no_other(type_: str) -> None:
    now = 0.0
    limit = EventLimit(clock=lambda: now)
    for now in range(100):
        for number in range(100):
            limit.admits("loud", f"u{number}", type_, "Stalled", f"{now}")
        assert limit.admits("quiet", "u", type_, "Stalled", f"{now}") is True


def test_all_namespaces_together_have_a_limit() -> None:
    limit = EventLimit(clock=lambda: 0.0)
    admitted = [limit.admits(f"n{number}", "u", "Normal", "Created", "m") for number in range(10_000)]
    assert (admitted.count(True), admitted[50:]) == (50, [False] * 9950)
