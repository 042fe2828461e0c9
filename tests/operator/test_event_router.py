"""Which change requeues which key, over the simulated cluster."""

from __future__ import annotations

from typing import Any

import pytest
from test_queue import Clock

from outfitter.children import CHILD_KINDS, ChildKind
from outfitter.cluster.lookup import CacheLookup
from outfitter.cluster.store import Caches
from outfitter.cluster.writethrough import WriteThrough
from outfitter.naming import owner_labels
from outfitter.operator.event_router import CURRENT_KEY, EventRouter
from outfitter.operator.queue import WorkQueue
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.settings import Settings
from outfitter.simulator.cluster import SimulatedCluster
from outfitter.snapshot import CachedObject, Dep, Key, Reader

TORCH = Key("Environment", "a", "torch")
ALICE = Key("Workspace", "a", "alice")
KINDS = ("Environment", "Workspace", "Credential", "Artifact", "ArtifactRepository", "NimCache")


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.cluster = SimulatedCluster()
        self.caches = self.cluster.caches
        self.queue: WorkQueue[Key] = WorkQueue(self.clock)
        self.reverse_index = ReverseIndex()
        self.deleted: list[str] = []
        self.event_router = EventRouter(
            self.caches,
            self.queue,
            self.reverse_index,
            KINDS,
            used_by_seconds=10,
            deleted=lambda live: self.deleted.append(live.name),
        )
        self.caches.listen(self.event_router.changed)
        self.caches.listen_written(self.event_router.written)
        self.writer = WriteThrough(self.cluster, self.caches)

    def create(self, key: Key, **more: Any) -> CachedObject:
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
    bench.reverse_index.record(ALICE, frozenset({Dep(*TORCH)}))
    bench.create(TORCH)
    assert await bench.due() == {TORCH, ALICE}
    bench.create(TORCH, spec={"image": "other"})
    assert await bench.due() == {TORCH, ALICE}
    bench.create(TORCH, spec={"image": "other"}, metadata={"annotations": {"outfitter.dev/reconcile": "disabled"}})
    assert await bench.due() == {TORCH, ALICE}


async def test_a_status_that_another_writer_changed_is_written_again(bench: Bench) -> None:
    """Not at once, so that two writers do not race each other, and not after our own write."""
    live = bench.create(ALICE)
    await bench.due()
    await bench.writer.write_status(*ALICE, live.uid, {"message": "by us"})
    bench.clock.advance(60)
    assert await bench.due() == set()
    for number in range(100):
        bench.cluster.user_status(*ALICE, {"message": f"by a user {number}"})
        assert await bench.due() == set()
    bench.clock.advance(60)
    assert await bench.due() == {ALICE}
    stored = bench.caches["Workspace"].get("a", "alice")
    assert stored is not None
    bench.cluster.user_apply({**stored.body, "kind": "Workspace", "apiVersion": "outfitter.dev/v1alpha1"})
    bench.clock.advance(60)
    assert await bench.due() == set(), "nothing changed"


async def test_a_status_requeues_no_dependent(bench: Bench) -> None:
    live = bench.create(TORCH)
    bench.reverse_index.record(ALICE, frozenset({Dep(*TORCH)}))
    await bench.due()
    bench.cluster.user_status(*TORCH, {"message": "by a user"})
    await bench.writer.write_status(*TORCH, live.uid, {"message": "by us"})
    assert await bench.due() == set()


async def test_a_child_requeues_its_owner_also_from_another_namespace(bench: Bench) -> None:
    owner = bench.create(TORCH)
    await bench.due()
    for namespace in ("a", "b"):
        bench.cluster.user_apply(child(owner, namespace=namespace))
        assert await bench.due() == {TORCH}
        bench.cluster.user_delete("Service", namespace, "child")
        assert await bench.due() == {TORCH}


async def test_a_child_of_a_deleted_owner_requeues_nothing(bench: Bench) -> None:
    owner = bench.create(TORCH)
    bench.cluster.user_delete(*TORCH)
    bench.create(TORCH)
    await bench.due()
    bench.cluster.user_apply(child(owner))
    assert await bench.due() == set()


async def test_our_own_write_requeues_dependents_but_not_the_writer(bench: Bench) -> None:
    credential = Key("Credential", "a", "token")
    owner = bench.create(credential)
    bench.reverse_index.record(ALICE, frozenset({Dep("Secret", "b", "cred-token")}))
    await bench.due()
    await bench.writer.create(child(owner, "Secret", "cred-token", "b"))
    assert await bench.due() == {ALICE}


async def test_secrets_config_maps_and_namespaces_requeue_their_dependents(bench: Bench) -> None:
    bench.create(ALICE)
    bench.reverse_index.record(
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
    assert await bench.due() == set(), "all Namespaces are read for scopes, and their annotations never"


async def test_a_rejected_pod_requeues_the_owner_of_its_statefulset(bench: Bench) -> None:
    owner = bench.create(ALICE)
    bench.cluster.user_apply(child(owner, "StatefulSet", "alice"))
    live = bench.caches["StatefulSet"].get("a", "alice")
    assert live is not None
    await bench.due()
    about = {"kind": "StatefulSet", "name": "alice", "uid": live.uid}
    body = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "a"}, "involvedObject": about}
    body["reason"] = "FailedCreate"
    bench.cluster.user_apply(body)
    assert await bench.due() == {ALICE}
    bench.cluster.user_apply({**body, "metadata": {"name": "f", "namespace": "a"}, "involvedObject": {"name": "x"}})
    assert await bench.due() == set()


async def test_an_event_about_a_pod_or_claim_requeues_who_depends_on_it(bench: Bench) -> None:
    owner = bench.create(ALICE)
    bench.create(TORCH)
    for kind, reason in (("Pod", "FailedMount"), ("PersistentVolumeClaim", "ProvisioningFailed")):
        bench.cluster.user_apply(child(owner, kind, "alice-0"))
        live = bench.caches[kind].get("a", "alice-0")
        assert live is not None
        bench.reverse_index.record(TORCH, frozenset({Dep(kind, "a", "alice-0")}))
        await bench.due()
        about = {"kind": kind, "name": "alice-0", "uid": live.uid}
        meta = {"name": kind.lower(), "namespace": "a"}
        event = {"apiVersion": "v1", "kind": "Event", "metadata": meta, "involvedObject": about, "reason": reason}
        bench.cluster.user_apply({**event, "reason": "Scheduled"})
        assert await bench.due() == set(), "an Event that explains nothing"
        bench.cluster.user_apply(event)
        assert await bench.due() == {ALICE, TORCH}


async def test_a_deleted_object_is_forgotten_and_its_dependents_are_requeued(bench: Bench) -> None:
    bench.create(ALICE)
    bench.create(TORCH)
    bench.reverse_index.record(ALICE, frozenset({Dep(*TORCH)}))
    await bench.due()
    bench.queue.add_after(TORCH, 5)
    bench.cluster.user_delete(*TORCH)
    assert await bench.due() == {ALICE}
    assert bench.deleted == ["torch"]
    bench.clock.advance(100)
    assert await bench.due() == set()


async def test_users_of_an_asset_requeue_it_once_per_window(bench: Bench) -> None:
    bench.create(TORCH)
    bench.create(ALICE)
    await bench.due()
    deps = frozenset(
        {Dep(*TORCH), Dep("Environment", "a", "*"), Dep("Secret", "a", "s"), Dep("Environment", "a", "none")}
    )
    bench.reverse_index.record(Key("Workspace", "a", "another"), frozenset({Dep(*TORCH)}))
    for _ in range(3):
        bench.event_router.users_changed(bench.reverse_index.record(ALICE, deps) | bench.reverse_index.forget(ALICE))
    assert await bench.due() == set()
    bench.clock.advance(10)
    assert await bench.due() == {TORCH}
    bench.clock.advance(10)
    assert await bench.due() == set()


async def test_the_loss_of_the_last_user_requeues_an_asset_at_once(bench: Bench) -> None:
    """It can be deleted from then on: `kubectl delete -f` of both must not fail."""
    bench.create(TORCH)
    bench.create(ALICE)
    await bench.due()
    bench.event_router.users_changed(bench.reverse_index.record(ALICE, frozenset({Dep(*TORCH)})))
    assert await bench.due() == set()
    bench.event_router.users_changed(bench.reverse_index.forget(ALICE))
    assert await bench.due() == {TORCH}


async def test_a_re_created_object_is_due_although_its_name_is_the_same(bench: Bench) -> None:
    old = bench.create(TORCH)
    await bench.due()
    body = {**old.body, "metadata": {**old.body["metadata"], "uid": "new", "resourceVersion": "999"}}
    bench.caches.put(CachedObject.of(body, "Environment"))
    assert await bench.due() == {TORCH}
    assert bench.deleted == ["torch"]
    bench.caches.remove(old)
    assert bench.caches["Environment"].get("a", "torch") is not None, "the deletion of the old uid came late"


async def test_a_status_field_that_dependents_read_requeues_them(bench: Bench) -> None:
    """A version in the status of a repository concerns its artifacts, its usedBy does not."""
    repository, art = Key("ArtifactRepository", "a", "r"), Key("Artifact", "a", "x")
    for key in (repository, art):
        bench.create(key)
    bench.reverse_index.record(art, frozenset({Dep(*repository)}))
    await bench.due()
    bench.cluster.user_status(*repository, {"versions": [], "conditions": [{"type": "Ready"}]})
    assert await bench.due() == set()
    numbered = {"versions": [{"version": 1, "name": "x", "uid": "u"}]}
    bench.cluster.user_status(*repository, numbered)
    assert await bench.due() == {art}
    bench.cluster.user_status(*repository, {**numbered, "usedBy": {"total": 1}, "numArtifacts": 2})
    assert await bench.due() == set()


async def test_a_clone_that_took_over_its_source_requeues_what_runs_it(bench: Bench) -> None:
    """Until then an Inference waits; the rest of an Artifact's status does not concern it."""
    clone, serving = Key("Artifact", "a", "x"), Key("Inference", "a", "i")
    for key in (clone, serving):
        bench.create(key)
    bench.reverse_index.record(serving, frozenset({Dep(*clone)}))
    await bench.due()
    bench.cluster.user_status(*clone, {"phase": "Draft"})
    assert await bench.due() == set()
    bench.cluster.user_status(*clone, {"phase": "Draft", "clonedFrom": {"name": "y", "uid": "u", "generation": 1}})
    assert await bench.due() == {serving}


async def test_a_cache_without_a_status_requeues_no_dependent(bench: Bench) -> None:
    """All workloads that wait for the cache would be reconciled without a result."""
    cache, art = Key("NimCache", "a", "nim-1"), Key("Artifact", "a", "x")
    bench.create(art)
    bench.reverse_index.record(art, frozenset({Dep(*cache)}))
    await bench.due()
    bench.create(cache)
    assert await bench.due() == {cache}
    for status, requeued in (
        ({"phase": "Downloading"}, {art}),
        ({"phase": "Downloading", "progress": {"startedAt": "t"}, "usedBy": {"total": 1}}, set()),
        ({"phase": "Ready", "claimName": "nim-1"}, {art}),
    ):
        bench.cluster.user_status(*cache, status)
        assert await bench.due() == requeued
    bench.cluster.user_delete(*cache)
    assert await bench.due() == {art}


async def test_a_custom_resource_that_outfitter_creates_is_due(bench: Bench) -> None:
    """The event of our own create changes nothing in the caches, so the create itself must requeue."""
    meta = {"name": "r", "namespace": "a"}
    body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "ArtifactRepository", "metadata": meta, "spec": {}}
    await bench.writer.create(body)
    assert await bench.due() == {Key("ArtifactRepository", "a", "r")}


async def test_a_write_requeues_all_dependents_but_its_writer(bench: Bench) -> None:
    """The writer has the result, also if the object is a new dependency."""
    one, other, made = Key("Artifact", "a", "x"), Key("Artifact", "a", "y"), Key("ArtifactRepository", "a", "r")
    for key in (one, other):
        bench.create(key)
        bench.reverse_index.record(key, frozenset({Dep(*made)}))
        bench.reverse_index.begin(key)
    await bench.due()
    body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": made.kind, "metadata": {"name": "r", "namespace": "a"}}
    token = CURRENT_KEY.set(one)
    await bench.writer.create({**body, "spec": {}})
    CURRENT_KEY.reset(token)
    assert await bench.due() == {other}, "a created resource is reconciled after its creator"
    bench.event_router.reconciled(other)
    assert await bench.due() == set()
    bench.event_router.reconciled(one)
    assert await bench.due() == {made}
    bench.event_router.reconciled(one)
    assert await bench.due() == set()
    assert [bench.reverse_index.end(key, {Dep(*made)}) for key in (one, other)] == [False, True]
    bench.cluster.user_status(*made, {"versions": [{"version": 1, "name": "x", "uid": "u"}]})
    assert await bench.due() == {one, other}, "a change by another client concerns all"


async def test_a_kind_that_appears_or_disappears_requeues_those_that_asked(bench: Bench) -> None:
    optional = ChildKind("Widget", "example.com", "v1", "widgets", verbs=(), why="test", optional=True)
    caches = Caches((*CHILD_KINDS, optional))
    caches.listen_served(bench.event_router.served_changed)
    reader = Reader(CacheLookup(caches), Settings())
    assert not reader.serves("Widget")
    assert reader.serves("Service")
    bench.reverse_index.record(ALICE, frozenset(reader.deps))
    caches.set_served("Widget", False)
    assert await bench.due() == set(), "nothing changed"
    for served in (True, False):
        caches.set_served("Widget", served)
        assert reader.serves("Widget") is served
        assert await bench.due() == {ALICE}


async def test_a_deferred_dependency_requeues_once_per_window(bench: Bench) -> None:
    """A policy that is edited a hundred times in a minute concerns the compliance of many assets."""
    team = Dep("Namespace", "", "a")
    bench.reverse_index.record(TORCH, frozenset({team.deferred, Dep("Credential", "*", "*").deferred}))
    bench.reverse_index.record(ALICE, frozenset({team}))
    for number in range(100):
        labels = {"outfitter.dev/department": f"d{number}"}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": labels}}
        bench.cluster.user_apply(body)
        assert await bench.due() == {ALICE}
    bench.clock.advance(10)
    assert await bench.due() == {TORCH}
    bench.create(Key("Credential", "b", "token"))
    bench.clock.advance(10)
    assert await bench.due() == {Key("Credential", "b", "token"), TORCH}
    bench.clock.advance(10)
    assert await bench.due() == set()
    assert bench.reverse_index.users(Key("Credential", "b", "token")) == (), "it is no user"


async def test_a_deferred_dependency_that_changes_during_its_reconciliation(bench: Bench) -> None:
    dep = Dep("Namespace", "", "*").deferred
    bench.reverse_index.begin(TORCH)
    bench.cluster.user_apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b", "labels": {"x": "y"}}})
    bench.reverse_index.record(TORCH, frozenset({dep}))
    assert bench.reverse_index.end(TORCH, frozenset({dep}))


async def test_phases_of_users_requeue_an_asset_once_per_window(bench: Bench) -> None:
    live = bench.create(ALICE)
    bench.create(TORCH)
    bench.reverse_index.record(ALICE, frozenset({Dep(*TORCH)}))
    await bench.due()
    for number in range(100):
        await bench.writer.write_status(*ALICE, live.uid, {"phase": ("Pending", "Running")[number % 2]})
        assert await bench.due() == set()
    bench.clock.advance(10)
    assert await bench.due() == {TORCH}
    await bench.writer.write_status(*ALICE, live.uid, {"phase": "Running", "message": "no part of the row"})
    bench.clock.advance(20)
    assert await bench.due() == set()
