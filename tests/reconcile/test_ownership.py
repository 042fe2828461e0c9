"""Labels prove nothing: an object of somebody else that carries ours is neither changed nor deleted."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.naming import FIELD_MANAGER, LABEL_ON_DEMAND, owner_labels
from outfitter.operator.orphan_collector import OrphanCollector
from world import OUR_KINDS, SYSTEM, TEAM, World, asset, complete, secret

IMAGE = "registry.example.com/u:1"
KINDS = ("ConfigMap", "Secret", "Service", "Ingress", "PersistentVolumeClaim", "StatefulSet", "Deployment", "Job",
         "HorizontalPodAutoscaler", "PodDisruptionBudget", "NimCache", "ArtifactRepository")  # fmt: skip


def workspace(name: str = "w") -> dict[str, Any]:
    return asset("Workspace", name, {"image": IMAGE})


def password(namespace: str = SYSTEM, **scope: str) -> dict[str, Any]:
    spec = {"type": "password", "secretRef": {"name": "s"}, **({"scope": scope} if scope else {})}
    return asset("Credential", "c", spec, namespace)


def foreign(kind: str, labels: dict[str, str], name: str = "victim", namespace: str = TEAM) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": IMAGE}]}}
    spec = {
        "PersistentVolumeClaim": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        "NimCache": {"image": IMAGE, "authSecret": {"credentialName": "none"}},
        "ArtifactRepository": {},
    }.get(kind, {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template})
    content = {"data": {"a": "YQ=="}} if kind in ("Secret", "ConfigMap") else {"spec": spec}
    return complete({"kind": kind, "metadata": {"name": name, "namespace": namespace, "labels": labels}, **content})


def labels_of(world: World, kind: str, name: str, namespace: str = TEAM) -> dict[str, str]:
    live = world.caches[kind].get(namespace, name)
    assert live is not None
    return owner_labels(kind, name, live.uid)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("retained", [None, "false"])
async def test_a_labelled_object_survives_the_life_of_the_owner(kind: str, retained: str | None) -> None:
    """Neither a reconciliation nor the removal of orphans deletes it, and the status of the owner stays the same."""
    world = World(workspace())
    await world.settle()
    before = world.status("Workspace", "w")
    labels = labels_of(world, "Workspace", "w") | ({"outfitter.dev/retained": retained} if retained else {})
    world.cluster.user_apply(foreign(kind, labels))
    await world.settle()
    assert world.status("Workspace", "w") == before
    world.cluster.user_delete("Workspace", TEAM, "w")
    await _collect(world)
    assert world.find(kind, "victim") is not None
    assert not [
        write
        for write in world.cluster.writes
        if (write.kind, write.name) == (kind, "victim") and write.verb in ("apply", "delete")
    ]


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
async def test_a_label_of_a_shared_asset_in_a_tenants_namespace(kind: str) -> None:
    """A user who may patch Secrets, but not delete them, cannot have one deleted as a copy that is not wanted."""
    data = {"username": "u", "password": "p"}
    world = World(secret("s", data, SYSTEM), password(type="cluster"))
    await world.settle()
    world.cluster.user_apply(foreign(kind, labels_of(world, "Credential", "c", SYSTEM)))
    await world.settle()
    assert world.find(kind, "victim") is not None
    world.cluster.user_delete("Credential", SYSTEM, "c")
    await _collect(world)
    assert world.find(kind, "victim") is not None
    assert world.find("Secret", "cred-c") is None  # the true copy is gone


async def test_a_name_that_a_tenant_took_with_our_labels() -> None:
    """The copy would overwrite it: reported as a name that is taken, in that namespace only."""
    data = {"username": "u", "password": "p"}
    world = World(secret("s", data, SYSTEM), password(type="cluster"))
    await world.settle()
    labels = labels_of(world, "Credential", "c", SYSTEM)
    world.cluster.user_delete("Secret", TEAM, "cred-c")
    world.cluster.user_apply(foreign("Secret", labels, "cred-c"))
    await world.settle()
    assert world.get("Secret", "cred-c")["data"] == {"a": "YQ=="}
    status = world.status("Credential", "c", SYSTEM)
    assert [issue["issue"] for issue in status["issues"]] == ["NameTaken"]
    assert "Outfitter does not manage it" in status["message"]


async def test_a_job_of_a_tenant_is_not_the_download_of_a_shared_cache() -> None:
    """A failed Job with our labels in another namespace does not fail the download."""
    key = secret("k", {"NGC_API_KEY": "x"}, SYSTEM)
    given = asset("Credential", "ngc", {"type": "ngcApiKey", "secretRef": {"name": "k"}}, SYSTEM)
    spec = {"image": "nvcr.io/nim/meta/llama:1", "authSecret": {"credentialName": "ngc"}}
    world = World(key, given, asset("NimCache", "m", spec, SYSTEM), jobs="")
    await world.settle()
    before = world.status("NimCache", "m", SYSTEM)
    failed = {"status": {"failed": 1, "conditions": [{"type": "Failed", "status": "True", "reason": "x"}]}}
    job = foreign("Job", labels_of(world, "NimCache", "m", SYSTEM))
    world.cluster.user_apply({**job, **failed})
    await world.settle()
    assert world.status("NimCache", "m", SYSTEM) == before


@pytest.mark.parametrize("kind", ["NimCache", "ArtifactRepository"])
async def test_a_user_labels_an_object_as_made_on_demand(kind: str) -> None:
    """Only what the operator made itself goes when nothing needs it any more."""
    item = foreign(kind, {LABEL_ON_DEMAND: "true"})
    world = World(item)
    await world.settle()
    world.tick(100_000)
    await world.settle()
    assert world.find(kind, "victim") is not None


async def test_what_our_field_manager_labelled_but_did_not_write() -> None:
    """A user can call himself outfitter; content that he did not write proves that the object is not ours."""
    world = World(workspace())
    await world.settle()
    labels = labels_of(world, "Workspace", "w")
    world.cluster.user_apply(foreign("Secret", {}))
    world.cluster.user_apply({"kind": "Secret", "metadata": {"name": "victim", "namespace": TEAM, "labels": labels}},
                             FIELD_MANAGER)  # fmt: skip
    world.cluster.user_delete("Workspace", TEAM, "w")
    await _collect(world)
    assert world.find("Secret", "victim") is not None


async def _collect(world: World) -> None:
    async def listed(kind: str) -> set[str]:
        return {body["metadata"]["uid"] for body in world.all(kind)}

    collector = OrphanCollector(world.cluster, world.caches, OUR_KINDS, listed)
    collector.check_all()
    await collector.collect()
    await world.settle()
