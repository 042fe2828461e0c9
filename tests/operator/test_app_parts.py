"""The connections between the parts of an Operator, without a cluster."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from test_kopf_source import authentication, workspace

from outfitter.operator.app import Operator
from outfitter.settings import Settings
from outfitter.snapshot import CachedObject, Key


class Idle:
    """A reconciler that does nothing."""

    def __init__(self, *_: Any) -> None:
        self.forgotten: list[Key] = []

    async def reconcile(self, key: Key) -> Any:
        raise AssertionError(key)

    def dependencies(self, key: Key) -> frozenset[Any]:
        return frozenset()

    def forget(self, key: Key) -> None:
        self.forgotten.append(key)


async def test_a_failed_task_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    operator = Operator(Settings(), authentication(), Idle)
    ending = asyncio.create_task(operator._until_end())
    await asyncio.sleep(0)

    async def fails() -> None:
        raise ValueError("a defect")

    operator._spawn(fails(), "orphan collector")
    try:
        assert await asyncio.wait_for(ending, 10) == 1
    finally:
        await operator.transport.close()
    assert "orphan collector ended: a defect" in caplog.text


async def test_the_reconciler_forgets_a_deleted_object() -> None:
    operator = Operator(Settings(), authentication(), Idle)
    operator.caches.listen(operator.event_router.changed)
    live = CachedObject.of(workspace())
    operator.caches.put(live)
    operator.caches.remove(live)
    assert isinstance(operator.reconciler, Idle)
    assert operator.reconciler.forgotten == [Key("Workspace", "a", "w")]
