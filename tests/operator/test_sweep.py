"""What is removed when its owner is gone; over the in-memory cluster."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from test_wake import KINDS, Bench, child

from outfitter.errors import ConfigurationError, Forbidden, LeadershipLost
from outfitter.naming import LABEL_OWNER_KIND, LABEL_RETAINED
from outfitter.operator.orphan_collector import OrphanCollector
from outfitter.snapshot import CachedObject, Key


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def swept(bench: Bench, existing: set[str], *, gone: CachedObject | None = None) -> list[tuple[str, str]]:
    async def listed(kind: str) -> set[str]:
        return existing

    sweep = OrphanCollector(bench.cluster, bench.caches, KINDS, listed)
    if gone is not None:
        sweep.owner_gone(gone)
    else:
        sweep.everything()
    await sweep._sweep()
    return [(write.namespace, write.name) for write in bench.cluster.writes if write.verb == "delete"]


async def test_children_in_other_namespaces_go_with_their_owner_and_volumes_stay(bench: Bench) -> None:
    owner = bench.ours(Key("Credential", "a", "c"))
    reference = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "Credential", "name": "c", "uid": owner.uid}
    bench.cluster.user_apply(child(owner, "Secret", "copy", "b"))
    bench.cluster.user_apply(child(owner, "PersistentVolumeClaim", "data", labels={LABEL_RETAINED: "true"}))
    bench.cluster.user_apply(child(owner, "PersistentVolumeClaim", "unlabelled"))
    bench.cluster.user_apply(child(owner, "PersistentVolumeClaim", "scratch", "b", labels={LABEL_RETAINED: "false"}))
    bench.cluster.user_apply(child(owner, "Secret", "collected", "a", ownerReferences=[reference]))
    bench.cluster.user_delete("Credential", "a", "c")
    assert sorted(await swept(bench, set(), gone=owner)) == [("b", "copy"), ("b", "scratch")]


async def test_a_full_sweep_believes_the_server_and_not_the_cache(bench: Bench) -> None:
    unseen = CachedObject.of({"kind": "Credential", "metadata": {"name": "new", "namespace": "a", "uid": "unseen"}})
    orphan = CachedObject.of({"kind": "Credential", "metadata": {"name": "old", "namespace": "a", "uid": "lost"}})
    present = bench.ours(Key("Credential", "a", "here"))
    for number, owner in enumerate((unseen, orphan, present)):
        bench.cluster.user_apply(child(owner, "Secret", f"copy-{number}", "b"))
    assert await swept(bench, {"unseen"}) == [("b", "copy-1")]


async def test_a_child_made_while_its_owner_was_deleted_is_swept_too(bench: Bench) -> None:
    owner = bench.ours(Key("Credential", "a", "c"))
    bench.cluster.user_delete("Credential", "a", "c")

    async def listed(kind: str) -> set[str]:
        return set()

    sweep = OrphanCollector(bench.cluster, bench.caches, KINDS, listed)
    bench.caches.listen_written(sweep.child_seen)
    await bench.writer.create(child(owner, "Secret", "late", "b"))
    await sweep._sweep()
    assert bench.caches["Secret"].get("b", "late") is None


def copies(bench: Bench, namespaces: str, uid: str = "lost", **labels: str) -> None:
    owner = CachedObject.of({"kind": "Credential", "metadata": {"name": "c", "namespace": "a", "uid": uid}})
    for namespace in namespaces:
        bench.cluster.user_apply(child(owner, "Secret", "copy", namespace, labels=labels))


def left(bench: Bench) -> set[str]:
    return {live.namespace for live in bench.caches["Secret"].all()}


async def test_what_is_told_while_a_sweep_runs_is_for_the_next_one(bench: Bench) -> None:
    copies(bench, "b")
    asked = 0

    async def listed(kind: str) -> set[str]:
        nonlocal asked
        asked += 1
        if asked == 1:  # a re-list and a child of the same owner, in the middle of the sweep
            sweep.everything()
            sweep.owner_gone(CachedObject.of({"kind": "Credential", "metadata": {"name": "c", "uid": "lost"}}))
        return set()

    sweep = OrphanCollector(bench.cluster, bench.caches, KINDS, listed)
    sweep.everything()
    await sweep._sweep()
    copies(bench, "c")
    copies(bench, "d", uid="other")
    await sweep._sweep()
    assert left(bench) == set()
    assert asked == 2


@pytest.mark.parametrize("forged", ["Nonsense", "Workspace"])
async def test_a_relabelled_copy_does_not_save_the_others(bench: Bench, forged: str) -> None:
    copies(bench, "b", **{LABEL_OWNER_KIND: forged})
    copies(bench, "cd")
    copies(bench, "ef", uid="alive")
    copies(bench, "e", uid="alive", **{LABEL_OWNER_KIND: forged})

    async def listed(kind: str) -> set[str]:
        return {"alive"} if kind == "Credential" else set()

    sweep = OrphanCollector(bench.cluster, bench.caches, KINDS, listed)
    sweep.everything()
    await sweep._sweep()
    assert left(bench) == {"e", "f"}


async def test_one_that_cannot_be_removed_keeps_no_other_and_is_tried_again(bench: Bench) -> None:
    copies(bench, "bcd")

    async def listed(kind: str) -> set[str]:
        return set()

    sweep = OrphanCollector(bench.cluster, bench.caches, KINDS, listed)
    sweep.everything()
    bench.cluster.fail_next("delete", "Secret", Forbidden("a policy says no"))
    with pytest.raises(Forbidden):
        await sweep._sweep()
    assert left(bench) == {"b"}
    await sweep._sweep()
    assert left(bench) == set()


async def test_a_lease_that_is_renewed_late_ends_no_sweep(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What met the closed gate is removed when it is open again."""
    copies(bench, "bcd")
    monkeypatch.setattr("outfitter.operator.orphan_collector._RETRY_SECONDS", 0.0)

    async def listed(kind: str) -> set[str]:
        return set()

    sweep = OrphanCollector(bench.cluster, bench.caches, KINDS, listed)
    sweep.everything()
    closed: Any = LeadershipLost("not now")
    bench.cluster.fail_next("delete", "Secret", closed)
    task = asyncio.create_task(sweep.run())
    try:
        async with asyncio.timeout(10):
            while left(bench):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_missing_crd_ends_no_sweep(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    copies(bench, "b")
    answers = iter([ConfigurationError("the server does not know Credential")])

    async def listed(kind: str) -> set[str]:
        if error := next(answers, None):
            raise error
        return set()

    monkeypatch.setattr("outfitter.operator.orphan_collector._RETRY_SECONDS", 0.0)
    sweep = OrphanCollector(bench.cluster, bench.caches, KINDS, listed)
    sweep.everything()
    task = asyncio.create_task(sweep.run())
    try:
        async with asyncio.timeout(10):
            while left(bench):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
