"""What is wanted against what lives: create, apply, delete, or leave alone."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.canonical import stamp
from outfitter.cluster.lookup import CacheLookup
from outfitter.naming import LABEL_RETAINED, owner_labels
from outfitter.plan.diff import diff, prune
from outfitter.plan.writes import Apply, Create, Delete
from outfitter.settings import Settings
from outfitter.simulator.caches import WatchedCaches
from outfitter.snapshot import CachedObject, Reader, Resource, read_resource
from world import START, TEAM, asset, complete

UID = "uid-of-w"
LABELS = owner_labels("Workspace", "w", UID)
REFERENCE = [{"apiVersion": "outfitter.dev/v1alpha1", "kind": "Workspace", "name": "w", "uid": UID, "controller": True}]


def owner() -> Resource:
    return read_resource(
        CachedObject.of(asset("Workspace", "w", {"image": "i"}, uid=UID, generation=1, resourceVersion="1"))
    )


def wanted(kind: str, spec: dict[str, Any], **meta: Any) -> dict[str, Any]:
    body = complete({"kind": kind, "metadata": {"name": "w", "labels": LABELS, **meta}, "spec": spec})
    if "ownerReferences" not in meta:
        body["metadata"]["ownerReferences"] = REFERENCE
    return body


def alive(want: dict[str, Any], **changes: Any) -> CachedObject:
    body = stamp(want)
    meta = {**body["metadata"], "uid": "u", "resourceVersion": "5", **changes.pop("metadata", {})}
    spec = {**body.get("spec", {}), **changes.pop("spec", {})}
    return CachedObject.of(
        {**body, "metadata": meta, "spec": {k: v for k, v in spec.items() if v is not None}, **changes}
    )


def reader(*lives: CachedObject) -> Reader:
    caches = WatchedCaches()
    for live in lives:
        caches.put(live)
    return Reader(CacheLookup(caches), Settings(), now=START)


STATEFULSET = wanted(
    "StatefulSet",
    {
        "serviceName": "w",
        "replicas": 1,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": "i"}]}},
    },
)
SERVICE = wanted("Service", {"clusterIP": "None", "selector": {"a": "b"}})
PORTS = wanted("Service", {"type": "ClusterIP", "selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": 80}]})
CLAIM = wanted(
    "PersistentVolumeClaim",
    {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}},
    labels={**LABELS, LABEL_RETAINED: "true"},
    ownerReferences=[],
)
DELETING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
FORMER = {**owner_labels("Workspace", "w", "uid-of-an-earlier-w")}


@pytest.mark.parametrize("want", [STATEFULSET, SERVICE, PORTS, CLAIM], ids=lambda want: str(want["kind"]))
def test_missing_is_created_and_equal_is_left_alone(want: dict[str, Any]) -> None:
    """No write where nothing differs."""
    assert [type(op) for op in diff(reader(), owner(), [want]).writes] == [Create]
    assert diff(reader(alive(want)), owner(), [want]).writes == []


@pytest.mark.parametrize(
    ("want", "changes", "op"),
    [
        (STATEFULSET, {"spec": {"replicas": 0}}, Apply),
        (STATEFULSET, {"metadata": {"annotations": {}}}, Apply),
        (STATEFULSET, {"spec": {"serviceName": "other"}}, Delete),
        (STATEFULSET, {"spec": {"selector": {"matchLabels": {"a": "c"}}}}, Delete),
        (STATEFULSET, {"spec": {"podManagementPolicy": "Parallel"}}, None),
        (STATEFULSET, {"status": {"replicas": 1}}, None),
        (SERVICE, {"spec": {"clusterIP": "10.0.0.1"}}, Delete),
        (PORTS, {"spec": {"clusterIP": "None"}, "metadata": {"annotations": {}}}, Delete),
        (PORTS, {"spec": {"clusterIP": "10.0.0.1", "sessionAffinity": "None"}}, None),
        (PORTS, {"spec": {"selector": {"a": "b", "evil": "x"}}}, Apply),
        (PORTS, {"spec": {"ports": [{"port": 80, "targetPort": 80, "protocol": "TCP", "nodePort": 30001}]}}, None),
        (PORTS, {"spec": {"ports": [{"port": 80, "targetPort": 81}]}}, Apply),
        (CLAIM, {"spec": {"storageClassName": "default", "volumeName": "pv", "volumeMode": "Filesystem"}}, None),
        (CLAIM, {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}, Apply),
        (CLAIM, {"spec": {"resources": {"requests": {"storage": "2048Mi"}}}}, None),
        (CLAIM, {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}, None),
        (CLAIM, {"metadata": {"labels": FORMER | {LABEL_RETAINED: "true"}}}, Apply),
        (CLAIM, {"metadata": {"labels": LABELS}}, Apply),
    ],
)
def test_differences(want: dict[str, Any], changes: dict[str, Any], op: type | None) -> None:
    """Each difference and what it costs."""
    result = diff(reader(alive(want, **changes)), owner(), [want])
    assert [type(item) for item in result.writes] == ([op] if op else [])
    assert result.problems == []


def test_immutable_fields_of_a_statefulset_leave_its_pods() -> None:
    """It is deleted without its pods, and made again when it is gone."""
    (op,) = diff(reader(alive(STATEFULSET, spec={"serviceName": "other"})), owner(), [STATEFULSET]).writes
    assert isinstance(op, Delete)
    assert op.orphan
    (op,) = diff(reader(alive(SERVICE, spec={"clusterIP": "10.0.0.1"})), owner(), [SERVICE]).writes
    assert isinstance(op, Delete)
    assert not op.orphan


def test_growth_changes_nothing_else() -> None:
    """What cannot change is sent as it lives, or the server would refuse the growth too; shrinking sends what lives."""
    live = alive(
        CLAIM,
        spec={
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "fast",
            "accessModes": ["ReadWriteMany"],
        },
    )
    (op,) = diff(reader(live), owner(), [CLAIM]).writes
    assert isinstance(op, Apply)
    assert op.manifest["spec"]["resources"] == {"requests": {"storage": "2Gi"}}
    assert op.manifest["spec"]["storageClassName"] == "fast"
    assert op.manifest["spec"]["accessModes"] == ["ReadWriteMany"]
    live = alive(
        CLAIM,
        spec={"resources": {"requests": {"storage": "9Gi"}}},
        metadata={"labels": FORMER | {LABEL_RETAINED: "true"}},
    )
    (op,) = diff(reader(live), owner(), [CLAIM]).writes
    assert isinstance(op, Apply)
    assert op.manifest["spec"]["resources"] == {"requests": {"storage": "9Gi"}}
    assert CLAIM["spec"]["resources"] == {"requests": {"storage": "2Gi"}}


@pytest.mark.parametrize(
    ("meta", "word"),
    [
        ({"labels": {}}, "NameTaken"),
        ({"labels": owner_labels("Workspace", "other", "x")}, "NameTaken"),
        ({"labels": owner_labels("Environment", "w", "x")}, "NameTaken"),
        ({"labels": FORMER | {LABEL_RETAINED: "false"}}, "Replacing"),
        ({"labels": FORMER | {LABEL_RETAINED: "false"}, **DELETING}, "Replacing"),
        ({"labels": FORMER | {LABEL_RETAINED: "true"}, **DELETING}, "Replacing"),
        ({"labels": LABELS, **DELETING}, "Replacing"),
    ],
)
def test_adoption(meta: dict[str, Any], word: str) -> None:
    """Never a stranger's, never an earlier namesake's, never what is going."""
    result = diff(reader(alive(CLAIM, metadata=meta)), owner(), [CLAIM])
    assert result.writes == []
    assert [problem.reason for problem in result.problems] == [word]
    assert "team-a/w" in result.problems[0].message


def test_what_is_in_the_way_wakes_us() -> None:
    """A problem with a live object is a dependency on it."""
    seen = reader(alive(CLAIM, metadata={"labels": {}}))
    diff(seen, owner(), [CLAIM])
    assert ("PersistentVolumeClaim", TEAM, "w") in seen.deps


def test_surplus() -> None:
    """Children that are not wanted go; other kinds, other owners' and data stay."""
    lives = (
        alive(STATEFULSET),
        alive({**SERVICE, "metadata": {**SERVICE["metadata"], "name": "gone"}}, metadata={"uid": "a"}),
        alive({**SERVICE, "metadata": {**SERVICE["metadata"], "name": "going"}}, metadata={"uid": "b", **DELETING}),
        alive(
            {**SERVICE, "metadata": {**SERVICE["metadata"], "name": "copied"}},
            metadata={"uid": "c", "ownerReferences": [{**REFERENCE[0], "uid": "x"}]},
        ),
        alive({**CLAIM, "metadata": {**CLAIM["metadata"], "name": "data"}}, metadata={"uid": "d"}),
        alive(
            {**CLAIM, "metadata": {**CLAIM["metadata"], "name": "short"}},
            metadata={"uid": "e", "labels": {**LABELS, LABEL_RETAINED: "false"}},
        ),
        alive({**CLAIM, "metadata": {**CLAIM["metadata"], "name": "unsaid"}}, metadata={"uid": "g", "labels": LABELS}),
        alive(wanted("Pod", {}), metadata={"uid": "f"}),
    )
    kinds = ("StatefulSet", "Service", "PersistentVolumeClaim")
    gone = prune(reader(*lives), owner(), kinds, [STATEFULSET])
    assert sorted((op.live.kind, op.live.name) for op in gone) == [
        ("PersistentVolumeClaim", "short"),
        ("Service", "gone"),
    ]
