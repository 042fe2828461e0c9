"""The watch of custom resources and the audit of its caches, over lists of a scripted server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from outfitter.cluster.auth import Authentication
from outfitter.cluster.listing import unserved_plurals
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import Transport
from outfitter.cluster.unreadable import Unreadable
from outfitter.errors import ConfigurationError, NotFound, Unavailable
from outfitter.naming import LABEL_OWNER_UID
from outfitter.operator.cache_auditor import CacheAuditor
from outfitter.operator.kopf_source import KopfSource, event_handler
from outfitter.snapshot import CachedObject


def authentication() -> Authentication:
    return Authentication(SimpleNamespace(host="http://127.0.0.1:9", api_key={}, proxy=None), "")


class Lists(Transport):
    """A server that answers lists only, with `answers` in turn; the last one repeats."""

    def __init__(self, *answers: bytes | Exception) -> None:
        super().__init__(authentication())
        self.answers = list(answers)

    async def request(self, verb: str, path: str, body: Any = None, **options: Any) -> bytes:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        return found


EMPTY = b'{"metadata": {"resourceVersion": "9"}, "items": []}'
ONE = b'{"metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"uid": "deep"}}]}'


def workspace(**spec: Any) -> dict[str, Any]:
    meta = {"name": "w", "namespace": "a", "uid": "deep", "resourceVersion": "1", "labels": {LABEL_OWNER_UID: ""}}
    return {"kind": "Workspace", "metadata": meta, "spec": spec}


@asynccontextmanager
async def running(auditor: CacheAuditor) -> AsyncIterator[None]:
    task = asyncio.create_task(auditor.run())
    try:
        async with asyncio.timeout(10):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_audit_survives_a_crd_that_is_replaced() -> None:
    caches, audited = Caches(), asyncio.Event()
    caches.put(CachedObject.of(workspace()))
    auditor = CacheAuditor(
        Lists(NotFound("no such kind", status=404), EMPTY),
        caches,
        ["Workspace"],
        audited=audited.set,
        settle_seconds=0,
        retry_seconds=0,
    )
    auditor.listed("Workspace")
    auditor.listed("Workspace")
    async with running(auditor):
        await audited.wait()
    assert len(caches["Workspace"]) == 0


async def test_a_list_during_an_audit_is_audited_too() -> None:
    audits, twice = 0, asyncio.Event()

    class Again(Lists):
        async def request(self, verb: str, path: str, body: Any = None, **options: Any) -> bytes:
            nonlocal audits
            audits += 1
            if audits == 1:
                auditor.listed("Workspace")
            else:
                twice.set()
            return EMPTY

    auditor = CacheAuditor(Again(), Caches(), ["Workspace"], settle_seconds=0)
    auditor.listed("Workspace")
    auditor.listed("Workspace")
    async with running(auditor):
        await twice.wait()


async def test_an_object_that_cannot_be_cached_does_not_block_the_start() -> None:
    caches, counted = Caches(), list[str]()
    unreadable = Unreadable(counted.append)
    deep: Any = 1
    for _ in range(300):
        deep = {"a": deep}
    handler = event_handler("Workspace", caches, unreadable)
    await handler(event={"type": "ADDED", "object": workspace(pod=deep)})
    assert (len(caches["Workspace"]), counted) == (0, ["Workspace"])
    auditor = CacheAuditor(Lists(ONE), caches, ["Workspace"], unreadable=unreadable)
    await asyncio.wait_for(auditor.wait_complete(), 10)


async def test_a_missing_crd_is_an_error_of_the_installation() -> None:
    auditor = CacheAuditor(Lists(NotFound("no such kind", status=404)), Caches(), ["Workspace"])
    with pytest.raises(ConfigurationError, match="does not serve Workspace"):
        await auditor.wait_complete()


def serving(*plurals: str) -> bytes:
    return orjson.dumps({"resources": [{"name": plural} for plural in plurals]})


DOWN = Unavailable("not now", status=503)


@pytest.mark.parametrize(
    ("answers", "missing"),
    [
        pytest.param([serving("old", "new", "newer")], set(), id="all there"),
        pytest.param(
            [serving("old"), serving("old", "new"), serving("old", "new", "newer")], set(), id="installed now"
        ),
        pytest.param([serving("old"), DOWN, serving("new", "newer")], set(), id="busy meanwhile"),
        pytest.param([serving("old", "new")], {"newer"}, id="an older installation"),
        pytest.param([serving("old"), DOWN], {"new", "newer"}, id="down after the first look"),
        pytest.param([DOWN], set(), id="no answer"),
    ],
)
async def test_kinds_of_a_new_installation_are_awaited(answers: list[bytes | Exception], missing: set[str]) -> None:
    """A pod can start before the last CustomResourceDefinition of its release is served."""
    assert await unserved_plurals(Lists(*answers), ("new", "newer"), pause=0) == missing


async def test_a_source_that_the_server_does_not_answer_is_idle() -> None:
    now = [100.0]
    source = KopfSource(Lists(EMPTY), Caches(), ["Workspace"], clock=lambda: now[0])
    assert source.idle == 0
    now[0] = 160.0
    assert source.idle == 60
    assert not source.synced.is_set()
