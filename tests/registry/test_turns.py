"""The order in which looks get their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from outfitter.registry.turns import Turns


class Line:
    """Looks that wait for a turn, and those that have one, in order."""

    def __init__(self, at_once: int, per_host: int) -> None:
        self.turns = Turns(at_once, per_host)
        self.running: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def add(self, namespace: str, name: str, host: str = "") -> None:
        """A look at a host of its own by default."""
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._look(namespace, name, host or name))
        await self.settle()

    async def _look(self, namespace: str, name: str, host: str) -> None:
        async with self.turns.turn(namespace, host):
            self.running.append(name)
            await self._ends[name].wait()
        self.running.remove(name)

    async def end(self, name: str) -> None:
        """A running look is done."""
        self._ends[name].set()
        await self._tasks[name]
        await self.settle()

    async def cancel(self, *names: str) -> None:
        """Looks that are no longer wanted."""
        for name in names:
            self._tasks[name].cancel()
        await asyncio.gather(*(self._tasks[name] for name in names), return_exceptions=True)
        self.running = [name for name in self.running if name not in names]
        await self.settle()

    async def settle(self) -> None:
        """Let each task run until it waits."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Cancel all."""
        await self.cancel(*self._tasks)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """Two slots, one for each host."""
    made = Line(2, 1)
    yield made
    await made.close()


async def test_namespaces_take_turns(line: Line) -> None:
    for number in range(6):
        await line.add("evil", f"e{number}")
    await line.add("good", "g0")
    await line.add("good", "g1")
    await line.add("kind", "k0")
    assert line.running == ["e0", "e1"]
    order = []
    for _ in range(7):
        await line.end(line.running[0])
        order.append(line.running[-1])
    assert order == ["e2", "g0", "k0", "e3", "g1", "e4", "e5"]


async def test_a_busy_host_holds_up_no_other(line: Line) -> None:
    await line.add("evil", "e0", "busy")
    await line.add("evil", "e1", "busy")
    await line.add("evil", "e2", "free")
    assert line.running == ["e0", "e2"]
    await line.end("e0")
    assert line.running == ["e2", "e1"]


async def test_cancelled_looks_give_their_slots_back(line: Line) -> None:
    for number in range(5):
        await line.add("a", f"a{number}")
    await line.add("b", "b0")
    await line.cancel("a2", "a3")  # while they wait
    assert line.running == ["a0", "a1"]
    await line.cancel("a0", "a4", "a1")  # one of them waits, and is the next
    assert line.running == ["b0"]
    for name in ("c0", "c1"):
        await line.add("c", name)
    assert line.running == ["b0", "c0"]


async def test_a_look_that_is_cancelled_as_it_gets_its_turn(line: Line) -> None:
    for name in ("a0", "a1", "a2", "a3"):
        await line.add("a", name)
    line._ends["a0"].set()
    await line._tasks["a0"]  # a2 has the slot, and has not run yet
    await line.cancel("a2")
    assert line.running == ["a1", "a3"]
