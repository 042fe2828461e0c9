"""Which change makes which key due; over the in-memory cluster."""

from __future__ import annotations

from typing import Any

import pytest
from test_work_queue import Clock

from outfitter.cluster.writethrough import WriteThrough
from outfitter.naming import owner_labels
from outfitter.operator.event_router import WRITER, EventRouter
from outfitter.operator.queue import WorkQueue
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.simulator.cluster import SimulatedCluster
from outfitter.snapshot import CachedObject, Dep, Key

TORCH = Key("Environment", "a", "torch")
ALICE = Key("Workspace", "a", "alice")
KINDS = ("Environment", "Workspace", "Credential", "Artifact", "ArtifactRepository", "NimCache")


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.cluster = SimulatedCluster()
        self.caches = self.cluster.caches
        self.queue: WorkQueue[Key] = WorkQueue(self.clock)
        self.dependents = ReverseIndex()
        self.gone: list[str] = []
        self.wake = EventRouter(
            self.caches,
            self.queue,
            self.dependents,
            KINDS,
            used_by_seconds=10,
            gone=lambda live: self.gone.append(live.name),
        )
        self.caches.listen(self.wake.changed)
        self.caches.listen_written(self.wake.written)
        self.writer = WriteThrough(self.cluster, self.caches)

    def ours(self, key: Key, **more: Any) -> CachedObject:
        body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": key.kind, "spec": {}, **more}
        meta = {"name": key.name, "namespace": key.namespace, **more.get("metadata", {})}
        self.cluster.user_apply({**body, "metadata": meta})
        live = self.caches[key.kind].get(key.namespace, key.name)
        assert live is not None
        return live

    async def due(self) -> set[Key]:
        found: set[Key] = set()
        while len(self.queue):
            key = await self.queue.get()
            found.add(key)
            self.queue.done(key)
        return found


@pytest.fixture
async def bench() -> Bench:
    return Bench()


def child(
    owner: CachedObject, kind: str = "Service", name: str = "child", namespace: str = "a", **meta: Any
) -> dict[str, Any]:
    versions = {"StatefulSet": "apps/v1"}
    labels = {**owner_labels(owner.kind, owner.name, owner.uid), **meta.pop("labels", {})}
    return {
        "apiVersion": versions.get(kind, "v1"),
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels, **meta},
    }


async def test_a_new_and_a_changed_object_is_due_with_its_dependents(bench: Bench) -> None:
    bench.dependents.record(ALICE, frozenset({Dep(*TORCH)}))
    bench.ours(TORCH)
    assert await bench.due() == {TORCH, ALICE}
    bench.ours(TORCH, spec={"image": "other"})
    assert await bench.due() == {TORCH, ALICE}
    bench.ours(TORCH, spec={"image": "other"}, metadata={"annotations": {"outfitter.dev/reconcile": "disabled"}})
    assert await bench.due() == {TORCH, ALICE}


async def test_status_wakes_nobody(bench: Bench) -> None:
    live = bench.ours(TORCH)
    bench.dependents.record(ALICE, frozenset({Dep(*TORCH)}))
    await bench.due()
    bench.cluster.user_status(*TORCH, {"message": "by somebody"})
    await bench.writer.write_status(*TORCH, live.uid, {"message": "by us"})
    assert await bench.due() == set()


async def test_a_child_wakes_its_owner_also_from_another_namespace(bench: Bench) -> None:
    owner = bench.ours(TORCH)
    await bench.due()
    for namespace in ("a", "b"):
        bench.cluster.user_apply(child(owner, namespace=namespace))
        assert await bench.due() == {TORCH}
        bench.cluster.user_delete("Service", namespace, "child")
        assert await bench.due() == {TORCH}


async def test_a_child_of_a_former_owner_wakes_nobody(bench: Bench) -> None:
    owner = bench.ours(TORCH)
    bench.cluster.user_delete(*TORCH)
    bench.ours(TORCH)
    await bench.due()
    bench.cluster.user_apply(child(owner))
    assert await bench.due() == set()


async def test_our_own_write_wakes_dependents_but_not_the_writer(bench: Bench) -> None:
    credential = Key("Credential", "a", "token")
    owner = bench.ours(credential)
    bench.dependents.record(ALICE, frozenset({Dep("Secret", "b", "cred-token")}))
    await bench.due()
    await bench.writer.create(child(owner, "Secret", "cred-token", "b"))
    assert await bench.due() == {ALICE}


async def test_secrets_config_maps_claims_and_namespaces_wake_those_who_looked(bench: Bench) -> None:
    bench.ours(ALICE)
    bench.dependents.record(
        ALICE,
        frozenset({Dep("Secret", "a", "s"), Dep("ConfigMap", "a", "*"), Dep("Namespace", "", "a")}),
    )
    await bench.due()
    for kind, name in (("Secret", "s"), ("ConfigMap", "any")):
        bench.cluster.user_apply(
            {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "a"}, "data": {"k": "dg=="}}
        )
        assert await bench.due() == {ALICE}
    bench.cluster.user_apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": "a"}})
    assert await bench.due() == set()
    project = {"name": "a", "labels": {"outfitter.dev/project": "a"}}
    bench.cluster.user_apply({"apiVersion": "v1", "kind": "Namespace", "metadata": project})
    assert await bench.due() == {ALICE}
    noted = {**project, "annotations": {"team": "noted"}}
    bench.cluster.user_apply({"apiVersion": "v1", "kind": "Namespace", "metadata": noted})
    assert await bench.due() == set(), "everything wide looks at every Namespace, and nothing at its annotations"


async def test_refused_pods_wake_the_owner_of_the_statefulset(bench: Bench) -> None:
    owner = bench.ours(ALICE)
    bench.cluster.user_apply(child(owner, "StatefulSet", "alice"))
    live = bench.caches["StatefulSet"].get("a", "alice")
    assert live is not None
    await bench.due()
    about = {"kind": "StatefulSet", "name": "alice", "uid": live.uid}
    body = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "a"}, "involvedObject": about}
    bench.cluster.user_apply(body)
    assert await bench.due() == {ALICE}
    bench.cluster.user_apply({**body, "metadata": {"name": "f", "namespace": "a"}, "involvedObject": {"name": "x"}})
    assert await bench.due() == set()


async def test_a_deleted_object_is_forgotten_and_its_dependents_look_again(bench: Bench) -> None:
    bench.ours(ALICE)
    bench.ours(TORCH)
    bench.dependents.record(ALICE, frozenset({Dep(*TORCH)}))
    await bench.due()
    bench.queue.add_after(TORCH, 5)
    bench.cluster.user_delete(*TORCH)
    assert await bench.due() == {ALICE}
    assert bench.gone == ["torch"]
    bench.clock.advance(100)
    assert await bench.due() == set()


async def test_an_asset_hears_of_its_users_once_per_window(bench: Bench) -> None:
    bench.ours(TORCH)
    bench.ours(ALICE)
    await bench.due()
    deps = frozenset(
        {Dep(*TORCH), Dep("Environment", "a", "*"), Dep("Secret", "a", "s"), Dep("Environment", "a", "none")}
    )
    for _ in range(3):
        bench.wake.used(bench.dependents.record(ALICE, deps) | bench.dependents.forget(ALICE))
    assert await bench.due() == set()
    bench.clock.advance(10)
    assert await bench.due() == {TORCH}
    bench.clock.advance(10)
    assert await bench.due() == set()


async def test_a_re_created_object_is_due_although_its_name_is_the_same(bench: Bench) -> None:
    old = bench.ours(TORCH)
    await bench.due()
    body = {**old.body, "metadata": {**old.body["metadata"], "uid": "new", "resourceVersion": "999"}}
    bench.caches.put(CachedObject.of(body, "Environment"))
    assert await bench.due() == {TORCH}
    assert bench.gone == ["torch"]
    bench.caches.remove(old)
    assert bench.caches["Environment"].get("a", "torch") is not None, "the old uid's deletion came late"


async def test_a_status_that_others_read_wakes_them(bench: Bench) -> None:
    """Of some kinds only: a number in a repository's status is news to its artifacts, who uses it is none."""
    repository, art = Key("ArtifactRepository", "a", "r"), Key("Artifact", "a", "x")
    for key in (repository, art):
        bench.ours(key)
    bench.dependents.record(art, frozenset({Dep(*repository)}))
    await bench.due()
    bench.cluster.user_status(*repository, {"versions": [], "conditions": [{"type": "Ready"}]})
    assert await bench.due() == set()
    numbered = {"versions": [{"version": 1, "name": "x", "uid": "u"}]}
    bench.cluster.user_status(*repository, numbered)
    assert await bench.due() == {art}
    bench.cluster.user_status(*repository, {**numbered, "usedBy": {"total": 1}, "numArtifacts": 2})
    assert await bench.due() == set()


async def test_a_cache_that_has_said_nothing_yet_wakes_nobody(bench: Bench) -> None:
    """A hundred runs that wait for one would look, and find what they knew."""
    cache, art = Key("NimCache", "a", "nim-1"), Key("Artifact", "a", "x")
    bench.ours(art)
    bench.dependents.record(art, frozenset({Dep(*cache)}))
    await bench.due()
    bench.ours(cache)
    assert await bench.due() == {cache}
    for status, woken in (
        ({"phase": "Downloading"}, {art}),
        ({"phase": "Downloading", "progress": {"startedAt": "t"}, "usedBy": {"total": 1}}, set()),
        ({"phase": "Ready", "claimName": "nim-1"}, {art}),
    ):
        bench.cluster.user_status(*cache, status)
        assert await bench.due() == woken
    bench.cluster.user_delete(*cache)
    assert await bench.due() == {art}


async def test_an_object_of_ours_that_a_pass_made_is_due(bench: Bench) -> None:
    """The watch's echo of our own create is no news, so the create itself has to say it."""
    meta = {"name": "r", "namespace": "a"}
    body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "ArtifactRepository", "metadata": meta, "spec": {}}
    await bench.writer.create(body)
    assert await bench.due() == {Key("ArtifactRepository", "a", "r")}


async def test_a_write_wakes_all_who_depend_on_it_but_the_pass_that_made_it(bench: Bench) -> None:
    """That one knows, also where it looks at the object for the first time."""
    one, other, made = Key("Artifact", "a", "x"), Key("Artifact", "a", "y"), Key("ArtifactRepository", "a", "r")
    for key in (one, other):
        bench.ours(key)
        bench.dependents.record(key, frozenset({Dep(*made)}))
        bench.dependents.begin(key)
    await bench.due()
    body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": made.kind, "metadata": {"name": "r", "namespace": "a"}}
    token = WRITER.set(one)
    await bench.writer.create({**body, "spec": {}})
    WRITER.reset(token)
    assert await bench.due() == {other}, "what the pass made comes after what the pass writes itself"
    bench.wake.ended(other)
    assert await bench.due() == set()
    bench.wake.ended(one)
    assert await bench.due() == {made}
    bench.wake.ended(one)
    assert await bench.due() == set()
    assert [bench.dependents.end(key, {Dep(*made)}) for key in (one, other)] == [False, True]
    bench.cluster.user_status(*made, {"versions": [{"version": 1, "name": "x", "uid": "u"}]})
    assert await bench.due() == {one, other}, "what somebody else does is news to all"
