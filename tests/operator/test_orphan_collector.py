"""Deletion of children whose owner does not exist, over the simulated cluster."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from test_event_router import KINDS, Bench, child

from outfitter.errors import ConfigurationError, Forbidden, LeadershipLost
from outfitter.naming import FIELD_MANAGER, LABEL_OWNER_KIND, LABEL_RETAINED
from outfitter.operator.orphan_collector import OrphanCollector
from outfitter.snapshot import CachedObject, Key


@pytest.fixture
async def bench() -> Bench:
    return Bench()


def made(bench: Bench, body: dict[str, Any], manager: str = FIELD_MANAGER) -> None:
    """A child as the operator makes it, or as somebody else labels it."""
    content = {"spec": {"storageClassName": "s"}} if body["kind"] == "PersistentVolumeClaim" else {"type": "Opaque"}
    bench.cluster.user_apply({**body, **content}, manager)


async def collected(bench: Bench, existing: set[str], *, deleted: CachedObject | None = None) -> list[tuple[str, str]]:
    async def listed(kind: str) -> set[str]:
        return existing

    collector = OrphanCollector(bench.cluster, bench.caches, KINDS, listed)
    if deleted is not None:
        collector.owner_deleted(deleted)
    else:
        collector.check_all()
    await collector.collect()
    return [(write.namespace, write.name) for write in bench.cluster.writes if write.verb == "delete"]


async def test_children_in_other_namespaces_go_with_their_owner_and_volumes_stay(bench: Bench) -> None:
    owner = bench.create(Key("Credential", "a", "c"))
    reference = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "Credential", "name": "c", "uid": owner.uid}
    made(bench, child(owner, "Secret", "copy", "b"))
    made(bench, child(owner, "PersistentVolumeClaim", "data", labels={LABEL_RETAINED: "true"}))
    made(bench, child(owner, "PersistentVolumeClaim", "unlabelled"))
    made(bench, child(owner, "PersistentVolumeClaim", "scratch", "b", labels={LABEL_RETAINED: "false"}))
    made(bench, child(owner, "Secret", "collected", "a", ownerReferences=[reference]))
    bench.cluster.user_delete("Credential", "a", "c")
    assert sorted(await collected(bench, set(), deleted=owner)) == [("b", "copy"), ("b", "scratch")]


async def test_a_full_check_reads_owners_from_the_server(bench: Bench) -> None:
    unseen = CachedObject.of({"kind": "Credential", "metadata": {"name": "new", "namespace": "a", "uid": "unseen"}})
    orphan = CachedObject.of({"kind": "Credential", "metadata": {"name": "old", "namespace": "a", "uid": "lost"}})
    present = bench.create(Key("Credential", "a", "here"))
    for number, owner in enumerate((unseen, orphan, present)):
        made(bench, child(owner, "Secret", f"copy-{number}", "b"))
    assert await collected(bench, {"unseen"}) == [("b", "copy-1")]


async def test_a_child_that_is_created_while_its_owner_is_deleted_is_collected(bench: Bench) -> None:
    owner = bench.create(Key("Credential", "a", "c"))
    bench.cluster.user_delete("Credential", "a", "c")

    async def listed(kind: str) -> set[str]:
        return set()

    collector = OrphanCollector(bench.cluster, bench.caches, KINDS, listed)
    bench.caches.listen_written(collector.child_changed)
    await bench.writer.create({**child(owner, "Secret", "late", "b"), "type": "Opaque"})
    await collector.collect()
    assert bench.caches["Secret"].get("b", "late") is None


def copies(bench: Bench, namespaces: str, uid: str = "lost", **labels: str) -> None:
    owner = CachedObject.of({"kind": "Credential", "metadata": {"name": "c", "namespace": "a", "uid": uid}})
    for namespace in namespaces:
        made(bench, child(owner, "Secret", "copy", namespace, labels=labels))


def left(bench: Bench) -> set[str]:
    return {live.namespace for live in bench.caches["Secret"].all()}


async def test_a_collection_leaves_later_entries_to_the_next_one(bench: Bench) -> None:
    copies(bench, "b")
    asked = 0

    async def listed(kind: str) -> set[str]:
        nonlocal asked
        asked += 1
        if asked == 1:  # a list and a child of the same owner, during the collection
            collector.check_all()
            collector.owner_deleted(CachedObject.of({"kind": "Credential", "metadata": {"name": "c", "uid": "lost"}}))
        return set()

    collector = OrphanCollector(bench.cluster, bench.caches, KINDS, listed)
    collector.check_all()
    await collector.collect()
    copies(bench, "c")
    copies(bench, "d", uid="other")
    await collector.collect()
    assert left(bench) == set()
    assert asked == 2


@pytest.mark.parametrize("forged", ["Nonsense", "Workspace"])
async def test_a_relabelled_copy_does_not_keep_the_others(bench: Bench, forged: str) -> None:
    copies(bench, "b", **{LABEL_OWNER_KIND: forged})
    copies(bench, "cd")
    copies(bench, "ef", uid="alive")
    copies(bench, "e", uid="alive", **{LABEL_OWNER_KIND: forged})

    async def listed(kind: str) -> set[str]:
        return {"alive"} if kind == "Credential" else set()

    collector = OrphanCollector(bench.cluster, bench.caches, KINDS, listed)
    collector.check_all()
    await collector.collect()
    assert left(bench) == {"e", "f"}


async def test_a_failed_deletion_keeps_no_other_and_is_retried(bench: Bench) -> None:
    copies(bench, "bcd")

    async def listed(kind: str) -> set[str]:
        return set()

    collector = OrphanCollector(bench.cluster, bench.caches, KINDS, listed)
    collector.check_all()
    bench.cluster.fail_next("delete", "Secret", Forbidden("a policy says no"))
    with pytest.raises(Forbidden):
        await collector.collect()
    assert left(bench) == {"b"}
    await collector.collect()
    assert left(bench) == set()


async def test_a_lease_that_is_renewed_late_ends_no_collector(bench: Bench) -> None:
    """A deletion that failed without the Lease is retried."""
    copies(bench, "bcd")

    async def listed(kind: str) -> set[str]:
        return set()

    collector = OrphanCollector(bench.cluster, bench.caches, KINDS, listed, retry_seconds=0)
    collector.check_all()
    closed: Any = LeadershipLost("not now")
    bench.cluster.fail_next("delete", "Secret", closed)
    task = asyncio.create_task(collector.run())
    try:
        async with asyncio.timeout(10):
            while left(bench):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_missing_crd_ends_no_collector(bench: Bench) -> None:
    copies(bench, "b")
    answers = iter([ConfigurationError("the API server does not serve Credential")])

    async def listed(kind: str) -> set[str]:
        if error := next(answers, None):
            raise error
        return set()

    collector = OrphanCollector(bench.cluster, bench.caches, KINDS, listed, retry_seconds=0)
    collector.check_all()
    task = asyncio.create_task(collector.run())
    try:
        async with asyncio.timeout(10):
            while left(bench):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
