"""Store and Caches: the changes that they report, and those that they ignore."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitter.cluster.store import Caches, Change, Store
from outfitter.naming import LABEL_OWNER_UID
from outfitter.snapshot import CachedObject


def live(
    name: str, version: int, *, uid: str = "", namespace: str = "a", owner: str = "", kind: str = "Service"
) -> CachedObject:
    labels = {LABEL_OWNER_UID: owner} if owner else {}
    meta = {"name": name, "namespace": namespace, "uid": uid or name, "resourceVersion": str(version), "labels": labels}
    return CachedObject.of({"metadata": meta}, kind)


def test_older_and_equal_versions_are_ignored() -> None:
    store = Store("Service")
    first = store.put(live("x", 5))
    assert first is not None
    assert first.old is None
    assert store.put(live("x", 5)) is None
    assert store.put(live("x", 4)) is None
    newer = store.put(live("x", 6))
    assert newer is not None
    assert newer.old is not None
    assert newer.old.resource_version == 5


def test_a_deleted_uid_is_not_resurrected() -> None:
    store = Store("Service")
    store.put(live("x", 5))
    assert store.remove(live("x", 7)) is not None
    assert store.put(live("x", 6)) is None
    assert store.put(live("x", 7)) is None


def test_an_object_that_matches_its_selector_again_comes_back() -> None:
    """A watch by label reports the loss of the label as a deletion; only a newer version brings the object back."""
    store = Store("Service")
    store.put(live("x", 5))
    store.remove(live("x", 7))
    assert store.put(live("x", 9)) is not None
    assert store.get("a", "x") is not None


def test_what_a_list_did_not_have_is_not_resurrected_by_an_older_answer() -> None:
    store = Store("Service")
    store.put(live("x", 5))
    assert store.retain((), version=8)
    assert store.put(live("x", 6)) is None
    assert len(store) == 0


def test_a_late_deletion_of_the_old_uid_leaves_the_new_object() -> None:
    store = Store("Service")
    store.put(live("x", 5, uid="old"))
    replaced = store.put(live("x", 8, uid="new"))
    assert replaced is not None
    assert replaced.old is not None
    assert store.remove(live("x", 7, uid="old")) is None
    assert store.put(live("x", 6, uid="old")) is None
    found = store.get("a", "x")
    assert found is not None
    assert found.uid == "new"
    assert len(store) == 1


def test_owned_follows_labels() -> None:
    store = Store("Service")
    store.put(live("x", 1, owner="u1"))
    store.put(live("y", 2, owner="u1", namespace="b"))
    store.put(live("z", 3))
    assert {item.name for item in store.owned("u1")} == {"x", "y"}
    store.put(live("x", 4, owner="u2"))
    assert [item.name for item in store.owned("u1")] == ["y"]
    store.remove(live("y", 5, namespace="b"))
    assert store.owned("u1") == ()
    assert store.owners() == ("u2",)


def test_a_list_shows_missed_deletions_but_not_of_what_is_newer_than_it() -> None:
    store = Store("Service")
    store.put(live("gone", 3))
    store.put(live("kept", 4))
    store.put(live("younger", 12))
    (change,) = store.retain({live("kept", 4).uid}, version=10)
    assert (change.live.name, change.new) == ("gone", None)
    assert {item.name for item in store.all()} == {"kept", "younger"}


def test_a_list_of_one_namespace_leaves_the_others() -> None:
    store = Store("Service")
    store.put(live("x", 1, namespace="a"))
    store.put(live("x", 2, uid="x2", namespace="b"))
    store.retain(set(), namespace="a", version=5)
    assert [item.namespace for item in store.all()] == ["b"]


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from("xyz"), st.sampled_from("123"), st.integers(1, 30)), max_size=40)
)
def test_indexes_agree_with_each_other(events: list[tuple[bool, str, str, int]]) -> None:
    store = Store("Service")
    for exists, name, uid, version in events:
        item = live(name, version, uid=name + uid, owner=uid)
        (store.put if exists else store.remove)(item)
    everything = set(store.all())
    assert len(store) == len(everything)
    assert {item for owner in store.owners() for item in store.owned(owner)} == everything
    assert set(store.in_namespace("a")) == everything
    assert all(store.get(item.namespace, item.name) is item and store.by_uid(item.uid) is item for item in everything)


def body(name: str, version: int, **more: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "a", "uid": name, "resourceVersion": str(version)}
    return {"kind": "Secret", "metadata": {**meta, **more.pop("metadata", {})}, **more}


def test_the_event_of_a_write_changes_nothing_even_if_it_comes_first() -> None:
    caches, changes, written = Caches(), list[Change](), list[Change]()
    caches.listen(changes.append)
    caches.listen_written(written.append)
    with caches.writing("Service", "a", "x"):
        caches.put(live("x", 5))  # the watch is quicker than the answer
        assert caches["Service"].get("a", "x") is None
        caches.wrote("Service", body("x", 5))
    assert changes == []
    assert [change.live.name for change in written] == ["x"]
    caches.put(live("x", 6))
    assert len(changes) == 1


def test_events_that_wait_for_a_failed_write_are_applied() -> None:
    caches, changes = Caches(), list[Change]()
    caches.listen(changes.append)
    with caches.writing("Service", "a", "x"), caches.writing("Service", "a", "x"):
        caches.put(live("x", 5))
        caches.put(live("other", 6))
        assert [change.live.name for change in changes] == ["other"]
    assert [change.live.name for change in changes] == ["other", "x"]


def test_no_data_of_a_secret_is_cached_from_any_source() -> None:
    caches = Caches()
    applied = {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "aHVudGVyMg==", "team": "a"}}
    caches.wrote(
        "Secret", body("x", 5, metadata=applied, data={"password": "aHVudGVyMg=="}, stringData={"p": "hunter2"})
    )
    kept = caches["Secret"].get("a", "x")
    assert kept is not None
    assert b"aHVudGVyMg" not in kept.raw
    assert b"hunter2" not in kept.raw
    assert "annotations" not in kept.body["metadata"]


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_what_users_can_make_large_is_not_cached(kind: str) -> None:
    """Annotations of 255 KiB on every Secret and ConfigMap cost no memory; our own annotations are kept."""
    caches = Caches()
    meta = {"annotations": {"big": "x" * 255_000, "outfitter.dev/source-version": "7"}, "finalizers": ["y" * 1000]}
    meta["ownerReferences"] = [{"uid": "z" * 1000}]
    caches.wrote(kind, body("x", 5, metadata=meta, data={"key": "v" * 1000}))
    kept = caches[kind].get("a", "x")
    assert kept is not None
    assert len(kept.raw) < 300
    assert kept.body["metadata"]["annotations"] == {"outfitter.dev/source-version": "7"}


def test_revisions_of_the_statefulset_controller_are_dropped() -> None:
    caches = Caches()
    meta = {"name": "r", "namespace": "a", "uid": "r", "resourceVersion": "1", "labels": {LABEL_OWNER_UID: "cr"}}
    theirs = {"metadata": {**meta, "ownerReferences": [{"uid": "statefulset", "controller": True}]}}
    ours = {"metadata": {**meta, "name": "p", "uid": "p", "ownerReferences": [{"uid": "cr", "controller": True}]}}
    caches.wrote("ControllerRevision", theirs)
    caches.wrote("ControllerRevision", ours)
    assert [item.name for item in caches["ControllerRevision"].all()] == ["p"]


def test_events_are_found_by_what_they_are_about() -> None:
    caches = Caches()
    caches.wrote(
        "Event",
        {
            **body("e", 1),
            "involvedObject": {"kind": "StatefulSet", "uid": "sts", "name": "w"},
            "reason": "FailedCreate",
            "message": "quota",
            "count": 3,
        },
    )
    assert caches["Event"].owned("sts")[0].body["message"] == "quota"


def test_an_object_takes_no_more_memory_than_its_text() -> None:
    """Encoders write into buffers that are larger than the text; kept as they are, they are most of the caches."""
    body = {"metadata": {"name": "a", "uid": "1", "resourceVersion": "1"}, "spec": {"words": ["word"] * 1000}}
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = [CachedObject.of(body, "Workspace") for _ in range(20)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / len(kept) < len(kept[0].raw) + 1000


def test_the_default_status_of_a_new_object_counts_as_none() -> None:
    """The API server adds it (decision 0065); a status that says more is kept."""
    body = {"kind": "Workspace", "metadata": {"name": "w", "namespace": "n"}, "status": {"observedGeneration": 0}}
    assert "status" not in CachedObject.of(body).body
    written = {**body, "status": {"observedGeneration": 0, "phase": "Pending"}}
    assert CachedObject.of(written).body["status"]["phase"] == "Pending"
