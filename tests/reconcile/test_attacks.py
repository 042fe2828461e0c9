"""What a tenant may try with the rights of a namespace, and what an admin's slip must not cost."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from outfitter.errors import Invalid, Unavailable
from outfitter.naming import LABEL_ELEVATION, LABEL_OWNER_UID, LABEL_PROJECT
from world import SYSTEM, TEAM, World, asset, complete, condition, issues, namespace, reason, secret

IMAGE = "registry.example.com/u:1"
DOMAIN = {"domain": "apps.example.com"}


def workspace(name: str = "w", **spec: Any) -> dict[str, Any]:
    return asset("Workspace", name, {"image": IMAGE, **spec})


def link(url: str) -> dict[str, Any]:
    fixed = {"toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 80, "customUrl": True}
    return {"name": "lab", **fixed, "externalUrl": url}


@pytest.mark.parametrize("same_name", [False, True])
async def test_a_forged_pin_is_not_believed(same_name: bool) -> None:
    """Neither a newer pin nor other content under the pin's own name reaches a pod or another namespace."""
    world = World(workspace(), namespace("kube-system"))
    await world.settle()
    forged = deepcopy(world.all("ControllerRevision")[0])
    if same_name:
        world.cluster.user_delete("ControllerRevision", TEAM, forged["metadata"]["name"])
    else:
        forged["metadata"]["name"] += "f"
    for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"):
        forged["metadata"].pop(field, None)
    forged["revision"] = 99
    forged["data"]["groups"][0]["template"]["spec"]["hostNetwork"] = True
    evil = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "evil", "namespace": "kube-system"}}
    forged["data"]["claims"] = [{**evil, "spec": {}}]
    world.cluster.user_apply(forged)
    await world.settle()
    assert world.find("StatefulSet", "evil", "kube-system") is None
    assert "hostNetwork" not in world.get("StatefulSet", "w")["spec"]["template"]["spec"]


async def test_copies_are_not_copied() -> None:
    """Two Credentials that take from each other's copies would write without end."""
    spec = {"type": "genericSecret", "keys": {"a": "b", "b": "a"}}
    world = World(
        secret("src", {"a": "1", "b": "2"}),
        asset("Credential", "one", {**spec, "secretRef": {"name": "cred-two"}}),
        asset("Credential", "two", {**spec, "secretRef": {"name": "src"}}),
    )
    await world.settle()
    status = world.status("Credential", "one")
    assert condition(status, "Stalled") is not None
    assert "copy that Outfitter created" in status["message"]


async def test_a_shared_claim_outlives_the_scope() -> None:
    """A namespace that leaves the scope keeps its volume, also with reclaimPolicy Delete; the status says so."""
    pvc = {"path": "/d", "claimInfo": {"size": "1Gi"}}
    shared = asset(
        "DataSource", "models", {"scope": {"type": "cluster"}, "reclaimPolicy": "Delete", "pvc": pvc}, SYSTEM
    )
    world = World(shared)
    await world.settle()
    assert world.find("PersistentVolumeClaim", "models") is not None
    world.cluster.user_apply(asset("DataSource", "models", {"nfs": {"server": "s", "path": "/p", "mountPath": "/m"}}))
    await world.settle()
    assert world.find("PersistentVolumeClaim", "models") is not None
    assert "ClaimLeft" in issues(world.status("DataSource", "models", SYSTEM))


async def test_data_of_a_deleted_owner_is_not_deleted_with_the_next() -> None:
    """Who may create a DataSource, but not delete claims, cannot have the retained data of another deleted."""
    pvc = {"path": "/d", "claimInfo": {"size": "1Gi"}}
    world = World(asset("DataSource", "models", {"pvc": pvc}))
    await world.settle()
    world.cluster.user_delete("DataSource", TEAM, "models")
    claim = world.get("PersistentVolumeClaim", "models")
    claim["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    world.cluster.user_replace(claim)
    world.cluster.user_apply(asset("DataSource", "models", {"pvc": pvc, "reclaimPolicy": "Delete"}))
    await world.settle()
    await world.settle()
    live = world.get("PersistentVolumeClaim", "models")["metadata"]
    assert (live["labels"]["outfitter.dev/retained"], "ownerReferences" in live) == ("true", False)
    world.cluster.user_delete("DataSource", TEAM, "models")
    await world.settle()
    assert world.find("PersistentVolumeClaim", "models") is not None


async def test_ephemeral_does_not_delete_data_that_is_there() -> None:
    """Who may edit a Workspace, but not delete claims, cannot have its volume deleted by a later `ephemeral`."""
    volume = {"name": "d", "path": "/d", "claimInfo": {"size": "1Gi"}}
    world = World(workspace(storage={"pvc": [volume]}))
    await world.settle()
    (claim,) = world.all("PersistentVolumeClaim")
    world.edit("Workspace", "w", storage={"pvc": [{**volume, "ephemeral": True}]})
    await world.settle()
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    (kept,) = world.all("PersistentVolumeClaim")
    assert kept["metadata"]["uid"] == claim["metadata"]["uid"]
    assert kept["metadata"]["labels"]["outfitter.dev/retained"] == "true"
    world.cluster.user_delete("Workspace", TEAM, "w")
    assert world.all("PersistentVolumeClaim")


async def test_a_child_whose_owner_label_was_changed_is_repaired() -> None:
    world = World(workspace())
    await world.settle()
    body = world.get("StatefulSet", "w")
    body["metadata"]["labels"][LABEL_OWNER_UID] = "x"
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "evil.example.com/x:1"
    world.cluster.user_replace(body)
    world.edit("Workspace", "w", description="look again")
    await world.settle()
    live = world.get("StatefulSet", "w")
    assert live["metadata"]["labels"][LABEL_OWNER_UID] != "x"
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE


async def test_a_living_namesake_keeps_its_claim() -> None:
    """A tenant's DataSource cannot take up the retained claim of a shared one that is alive, and then delete it."""
    pvc = {"path": "/d", "claimInfo": {"size": "1Gi"}}
    world = World(asset("DataSource", "models", {"scope": {"type": "cluster"}, "pvc": pvc}, SYSTEM))
    await world.settle()
    before = world.get("PersistentVolumeClaim", "models")["metadata"]["labels"][LABEL_OWNER_UID]
    world.cluster.user_apply(asset("DataSource", "models", {"reclaimPolicy": "Delete", "pvc": pvc}))
    await world.settle()
    claim = world.get("PersistentVolumeClaim", "models")["metadata"]
    assert claim["labels"][LABEL_OWNER_UID] == before
    assert "ownerReferences" not in claim
    assert reason(world.status("DataSource", "models")) == "NameTaken"


async def test_revocation_needs_no_source() -> None:
    """A copy goes from a namespace that left the scope although its source is missing."""
    spec = {"scope": {"type": "cluster"}, "type": "genericSecret", "secretRef": {"name": "src"}}
    world = World(secret("src", {"a": "1"}, SYSTEM), asset("Credential", "reg", spec, SYSTEM))
    await world.settle()
    assert world.find("Secret", "cred-reg") is not None
    world.cluster.user_delete("Secret", SYSTEM, "src")
    world.cluster.user_apply(namespace(TEAM, {}))
    await world.settle()
    assert world.find("Secret", "cred-reg") is None


async def test_one_namespace_that_fails_holds_up_no_other() -> None:
    """The other namespaces get their copies, and the status names the one that does not answer."""
    spec = {"scope": {"type": "cluster"}, "type": "genericSecret", "secretRef": {"name": "src"}}
    world = World(
        namespace("team-b", {LABEL_PROJECT: "team-b"}),
        secret("src", {"a": "1"}, SYSTEM),
        asset("Credential", "reg", spec, SYSTEM),
    )
    world.cluster.fail_next("create", "Secret", Unavailable("no answer", status=503))
    await world.once("Credential", "reg", SYSTEM)
    status = world.status("Credential", "reg", SYSTEM)
    assert status["targets"] == {"desired": 2, "synced": 1}
    assert issues(status) == ["Unavailable"]
    await world.settle()
    assert world.status("Credential", "reg", SYSTEM)["targets"] == {"desired": 2, "synced": 2}


async def test_no_pod_mounts_a_strangers_claim() -> None:
    """A claim name that somebody has is told, and nothing starts on their data."""
    theirs = complete(
        {
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "postgres"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
    )
    volume = {"name": "d", "path": "/d", "claimName": "postgres", "claimInfo": {"size": "1Gi"}}
    world = World(theirs, workspace(storage={"pvc": [volume]}))
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "NameTaken"
    assert world.find("StatefulSet", "w") is None


async def test_elevation_is_judged_again_on_resume() -> None:
    """Also where the StatefulSet that would tell of the suspension was deleted meanwhile."""
    world = World(workspace(security={"hostNetwork": True}))
    world.cluster.user_apply(namespace(TEAM, {LABEL_PROJECT: TEAM, LABEL_ELEVATION: "allowed"}))
    await world.settle()
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    world.cluster.user_apply(namespace(TEAM, {LABEL_PROJECT: TEAM}))
    world.cluster.user_delete("StatefulSet", TEAM, "w")
    world.edit("Workspace", "w", suspend=False)
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "ElevationForbidden"
    found = world.find("StatefulSet", "w")
    assert found is None or found["spec"]["replicas"] == 0


@pytest.mark.parametrize("paused", [False, True])
async def test_a_revoked_elevation_shows_and_brings_nothing_back(paused: bool) -> None:
    """What runs is told of; once its StatefulSet is gone it does not come back, also not after a pause."""
    world = World(workspace(security={"hostNetwork": True}))
    world.cluster.user_apply(namespace(TEAM, {LABEL_PROJECT: TEAM, LABEL_ELEVATION: "allowed"}))
    await world.settle()
    if paused:
        world.annotate("Workspace", "w", reconcile="disabled")
        await world.settle()
    world.cluster.user_apply(namespace(TEAM, {LABEL_PROJECT: TEAM}))
    await world.settle()
    if not paused:
        status = world.status("Workspace", "w")
        assert issues(status) == ["ElevationRevoked"]
        assert condition(status, "Ready")["status"] == "True"
    world.cluster.user_delete("StatefulSet", TEAM, "w")
    await world.settle()
    if paused:
        world.annotate("Workspace", "w", reconcile="")
        await world.settle()
    assert reason(world.status("Workspace", "w")) == "ElevationForbidden"
    assert world.find("StatefulSet", "w") is None
    world.cluster.user_apply(namespace(TEAM, {LABEL_PROJECT: TEAM, LABEL_ELEVATION: "allowed"}))
    await world.settle()
    assert issues(world.status("Workspace", "w")) == []
    assert world.find("StatefulSet", "w") is not None


async def test_data_that_an_edit_keeps_is_kept() -> None:
    """Suspended and made lasting in one edit: the claim that was ephemeral stays."""
    volume = {"name": "d", "path": "/d", "ephemeral": True, "claimInfo": {"size": "1Gi"}}
    world = World(workspace(storage={"pvc": [volume]}))
    await world.settle()
    name = world.all("PersistentVolumeClaim")[0]["metadata"]["name"]
    world.edit("Workspace", "w", suspend=True, storage={"pvc": [{**volume, "ephemeral": False}]})
    await world.settle()
    assert world.find("PersistentVolumeClaim", name) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://*.apps.example.com/",
        "https://[x",
        "javascript://x.apps.example.com/%0aalert(1)",
        "https://evil.example.org\\@x.apps.example.com/",
        "https://user@x.apps.example.com/",
        "https://x.apps.example.com.evil.org/",
    ],
)
async def test_urls_that_read_two_ways_are_refused(url: str) -> None:
    world = World(workspace(connections=[link(url)]), settings=DOMAIN)
    await world.settle()
    status = world.status("Workspace", "w")
    assert condition(status, "Stalled") is not None
    assert world.all("Ingress") == []
    assert "connections" not in status


async def test_an_older_ingress_cannot_take_a_host_that_was_given() -> None:
    """A tenant re-hosts an old Ingress of its own and labels it as ours: the victim keeps host and Ingress."""
    world = World(workspace(connections=[link("https://mine.apps.example.com")]), settings=DOMAIN)
    await world.settle()
    old = {
        "kind": "Ingress",
        "metadata": {
            "name": "a-old",
            "creationTimestamp": "2000-01-01T00:00:00Z",
            "labels": {LABEL_OWNER_UID: "made-up"},
        },
        "spec": {"rules": [{"host": "mine.apps.example.com"}]},
    }
    world.cluster.user_apply(complete(old))
    await world.settle()
    assert world.find("Ingress", "w-lab") is not None
    assert reason(world.status("Workspace", "w")) == "Running"


@pytest.mark.parametrize(
    "spec",
    [
        {"annotations": [{"name": "container.apparmor.security.beta.kubernetes.io/main", "value": "unconfined"}]},
        {"probes": {"readiness": {"handler": {"httpGet": {"port": 80, "host": "169.254.169.254"}}}}},
    ],
)
async def test_elevation_by_other_doors(spec: dict[str, Any]) -> None:
    world = World(workspace(**spec))
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "ElevationForbidden"


async def test_a_status_stays_within_what_the_server_stores() -> None:
    """More keys than the CRD lists do not freeze the status."""
    many = {f"k{number:03}": "v" for number in range(80)}
    spec = {"type": "genericSecret", "secretRef": {"name": "src"}}
    world = World(secret("src", many), asset("Credential", "c", spec))
    await world.settle()
    assert len(world.status("Credential", "c")["keys"]) == 64
    assert reason(world.status("Credential", "c")) == "Synced"


async def test_a_key_that_another_writer_adds_to_a_copy_is_left_alone() -> None:
    """A policy may add one to every Secret; to remove it would end in a contest."""
    spec = {"type": "genericSecret", "secretRef": {"name": "src"}}
    world = World(secret("src", {"a": "1"}), asset("Credential", "c", spec))
    await world.settle()
    copy = world.get("Secret", "cred-c")
    world.cluster.user_apply({**copy, "data": {"extra": "eA=="}})
    await world.settle()
    found = world.get("Secret", "cred-c")
    assert found["data"] == {"a": copy["data"]["a"], "extra": "eA=="}
    assert found["metadata"]["uid"] == copy["metadata"]["uid"]


async def test_a_refused_status_leaves_its_conditions() -> None:
    """A status that the server does not store as a whole is told in short, instead of never."""
    world = World(workspace())
    world.cluster.fail_next("status", "Workspace", Invalid("too long", status=422))
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "Running"
