"""Behaviour of the simulated API server alone: it records, rejects, injects faults and fills the caches."""

from __future__ import annotations

import pytest

from outfitter.cluster.store import Change
from outfitter.errors import Forbidden, NotFound, Unavailable
from outfitter.simulator.cluster import SimulatedCluster

ENVIRONMENT = {
    "apiVersion": "outfitter.dev/v1alpha1",
    "kind": "Environment",
    "metadata": {"name": "e", "namespace": "a"},
    "spec": {"image": "busybox"},
}
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "a"}, "data": {"a": "1"}}


async def test_writes_are_recorded_in_order() -> None:
    cluster = SimulatedCluster([ENVIRONMENT])
    uid = (await cluster.create(CONFIG))["metadata"]["uid"]
    await cluster.apply({**CONFIG, "data": {}}, uid)
    live = cluster.caches["Environment"].get("a", "e")
    assert live is not None
    await cluster.write_status("Environment", "a", "e", live.uid, {"message": "m"})
    await cluster.delete("ConfigMap", "a", "x", uid)
    assert [(write.verb, write.kind, write.name) for write in cluster.writes] == [
        ("create", "ConfigMap", "x"),
        ("apply", "ConfigMap", "x"),
        ("status", "Environment", "e"),
        ("delete", "ConfigMap", "x"),
    ]
    assert cluster.writes[2].manifest == {"message": "m"}


async def test_what_access_does_not_grant_is_refused() -> None:
    cluster = SimulatedCluster()
    with pytest.raises(Forbidden, match="does not grant create"):
        await cluster.create(ENVIRONMENT)
    with pytest.raises(Forbidden, match="does not grant get"):
        await cluster.get("Pod", "a", "p")
    assert cluster.writes == []


async def test_faults_come_once() -> None:
    cluster = SimulatedCluster()
    cluster.fail_next("create", "ConfigMap", Unavailable("down"))
    with pytest.raises(Unavailable):
        await cluster.create(CONFIG)
    await cluster.create(CONFIG)


async def test_foreign_fields_stay_and_a_forced_field_changes_hands() -> None:
    cluster = SimulatedCluster()
    uid = (await cluster.create(CONFIG))["metadata"]["uid"]
    cluster.user_apply({**CONFIG, "data": {"theirs": "2"}}, manager="hpa")
    stored = await cluster.apply({**CONFIG, "data": {"b": "1"}}, uid)
    assert stored["data"] == {"theirs": "2", "b": "1"}
    stored = await cluster.apply({**CONFIG, "data": {"theirs": "3"}}, uid)
    assert stored["data"] == {"theirs": "3"}
    stored = await cluster.apply({**CONFIG, "data": {"b": "1"}}, uid)
    assert stored["data"] == {"b": "1"}


async def test_the_caches_change_at_once() -> None:
    cluster, changes = SimulatedCluster(), list[Change]()
    cluster.caches.listen(changes.append)
    cluster.user_apply(ENVIRONMENT)
    cluster.user_status("Environment", "a", "e", {"message": "m"})
    cluster.user_delete("Environment", "a", "e")
    ours = [(change.old is None, change.new is None) for change in changes if change.kind == "Environment"]
    assert ours == [(True, False), (False, False), (False, True)]
    assert cluster.caches["Namespace"].get("", "a") is not None, "made along with the first object in it"


async def test_a_namespace_takes_everything_in_it_along() -> None:
    cluster = SimulatedCluster([ENVIRONMENT, CONFIG])
    cluster.user_delete("Namespace", "", "a")
    assert await cluster.list("ConfigMap") == []
    assert len(cluster.caches["Environment"]) == 0


async def test_strict_namespaces() -> None:
    cluster = SimulatedCluster(strict_namespaces=True)
    with pytest.raises(NotFound, match='namespaces "a" not found'):
        await cluster.create(CONFIG)
