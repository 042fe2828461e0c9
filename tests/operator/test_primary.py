"""Our own kinds, checked against lists that a scripted server gives."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from outfitter.cluster.auth import Authentication
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import Transport
from outfitter.cluster.unreadable import Unreadable
from outfitter.errors import NotFound
from outfitter.naming import LABEL_OWNER_UID
from outfitter.operator import cache_auditor as primary_module
from outfitter.operator.cache_auditor import CacheAuditor
from outfitter.operator.kopf_source import registry
from outfitter.snapshot import CachedObject


def authentication() -> Authentication:
    return Authentication(SimpleNamespace(host="http://127.0.0.1:9", api_key={}, proxy=None), "")


class Lists(Transport):
    """A server that answers lists only: `answers` in turn, and the last one again and again."""

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


async def test_an_audit_outlives_a_crd_that_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primary_module, "_SETTLE", 0.0)
    monkeypatch.setattr(primary_module, "_RETRY", 0.0)
    caches, audited = Caches(), asyncio.Event()
    caches.put(CachedObject.of(workspace()))
    primary = CacheAuditor(Lists(NotFound("no such kind", status=404), EMPTY), caches, ["Workspace"])
    primary.deletions_found = audited.set
    primary.listed("Workspace")
    primary.listed("Workspace")
    task = asyncio.create_task(primary.run())
    try:
        await asyncio.wait_for(audited.wait(), 10)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len(caches["Workspace"]) == 0


async def test_a_list_that_comes_while_an_audit_runs_is_audited_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primary_module, "_SETTLE", 0.0)
    audits, twice = 0, asyncio.Event()

    class Again(Lists):
        async def request(self, verb: str, path: str, body: Any = None, **options: Any) -> bytes:
            nonlocal audits
            audits += 1
            if audits == 1:
                primary.listed("Workspace")
            else:
                twice.set()
            return EMPTY

    primary = CacheAuditor(Again(), Caches(), ["Workspace"])
    primary.listed("Workspace")
    primary.listed("Workspace")
    task = asyncio.create_task(primary.run())
    try:
        await asyncio.wait_for(twice.wait(), 10)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_one_of_our_objects_that_cannot_be_kept_does_not_hold_up_the_start() -> None:
    caches, counted = Caches(), list[str]()
    unreadable = Unreadable(counted.append)
    (handler,) = registry(
        authentication(), caches, ["Workspace"], lambda kind: None, unreadable
    )._watching.get_all_handlers()
    deep: Any = 1
    for _ in range(300):
        deep = {"a": deep}
    observe: Any = handler.fn
    await observe(event={"type": "ADDED", "object": workspace(pod=deep)})
    assert (len(caches["Workspace"]), counted) == (0, ["Workspace"])
    await asyncio.wait_for(CacheAuditor(Lists(ONE), caches, ["Workspace"], unreadable=unreadable).complete(), 10)
