"""DataSources: claims made, kept, grown and taken up again; existing things checked; what a namespace forbids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .conftest import Stack
from .harness.client import Object, message, ready, stalls, waits
from .harness.rights import SYSTEM
from .harness.space import Space

CLAIM: dict[str, Any] = {"path": "/data", "claimInfo": {"size": "5Gi"}}


def size(claim: Object | None) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"]) if claim else ""


def test_a_new_claim_is_made_at_once_and_outlives_its_data_source(space: Space) -> None:
    space.make("DataSource", "data", {"pvc": CLAIM})
    status = space.ready("DataSource", "data")["status"]
    assert (status["type"], status["claimName"], status["targets"]) == ("pvc", "data", {"desired": 1, "synced": 1})
    claim = space.need("PersistentVolumeClaim", "data")
    assert claim["status"]["phase"] == "Bound"
    assert "ownerReferences" not in claim["metadata"]
    # Deleted: the data stays. Made again: the same claim is taken up.
    space.delete("DataSource", "data")
    space.gone("DataSource", "data")
    again = space.make("DataSource", "data", {"pvc": CLAIM})
    space.ready("DataSource", "data")
    kept = space.need("PersistentVolumeClaim", "data")
    assert kept["metadata"]["uid"] == claim["metadata"]["uid"]
    assert kept["metadata"]["labels"]["outfitter.dev/owner-uid"] == again["metadata"]["uid"]


def test_reclaim_policy_delete_takes_the_claim_along(space: Space) -> None:
    space.make("DataSource", "data", {"reclaimPolicy": "Delete", "pvc": CLAIM})
    space.ready("DataSource", "data")
    space.delete("DataSource", "data")
    space.gone("PersistentVolumeClaim", "data")


def test_a_claim_grows_but_never_shrinks(space: Space) -> None:
    space.make("DataSource", "data", {"pvc": CLAIM})
    space.ready("DataSource", "data")
    space.spec("DataSource", "data", pvc={"claimInfo": {"size": "8Gi"}})
    space.wait("PersistentVolumeClaim", "data", lambda item: size(item) == "8Gi")
    space.ready("DataSource", "data")
    space.spec("DataSource", "data", pvc={"claimInfo": {"size": "6Gi"}})
    kept = space.wait("DataSource", "data", lambda item: item["status"]["issues"][0]["issue"] == "SizeKept")
    assert ready(kept)
    assert size(space.need("PersistentVolumeClaim", "data")) == "8Gi"
    space.spec("DataSource", "data", pvc={"claimInfo": {"size": "8Gi"}})
    space.wait("DataSource", "data", lambda item: ready(item) and not item["status"].get("issues"))
    # Grown by somebody else: left alone.
    space.edit("PersistentVolumeClaim", "data", {"spec": {"resources": {"requests": {"storage": "9Gi"}}}})
    space.touch("DataSource", "data", "1")
    space.spec("DataSource", "data", description="looked at again")
    space.ready("DataSource", "data")
    assert size(space.need("PersistentVolumeClaim", "data")) == "9Gi"


def test_an_existing_claim_is_checked_and_never_touched(space: Space) -> None:
    space.make("DataSource", "data", {"pvc": {"path": "/data", "existingPvc": True, "claimName": "theirs"}})
    said = space.wait("DataSource", "data", waits("NotCreated"))
    assert said["status"]["issues"][0]["issue"] == "NotCreated"
    assert f"{space.name}/theirs" in message(said)
    body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    made = space.native("PersistentVolumeClaim", "theirs", spec=body)
    space.ready("DataSource", "data")
    assert space.need("PersistentVolumeClaim", "theirs")["metadata"].get("labels") == made["metadata"].get("labels")
    space.delete("DataSource", "data")
    space.gone("DataSource", "data")
    assert space.get("PersistentVolumeClaim", "theirs") is not None


def test_a_lost_volume_is_told(space: Space) -> None:
    space.make("DataSource", "data", {"pvc": CLAIM})
    space.ready("DataSource", "data")
    claim = space.need("PersistentVolumeClaim", "data")
    space.api.delete("PersistentVolume", "", claim["spec"]["volumeName"])
    volume = {"metadata": {"finalizers": None}}
    space.api.patch("PersistentVolume", "", claim["spec"]["volumeName"], volume)
    said = space.wait("DataSource", "data", stalls("LostPhase"))["status"]
    assert said["issues"][0]["issue"] == "LostPhase"
    assert said["issues"][0]["scopeId"] == space.name


def test_a_claim_that_is_not_bound_yet_is_in_progress(spaces: Callable[..., Space]) -> None:
    space = spaces(annotations={"sandbox.outfitter.dev/volumes": "hang"})
    space.make("DataSource", "data", {"pvc": CLAIM})
    space.wait("DataSource", "data", waits("Pending"))
    space.api.patch("Namespace", "", space.name, {"metadata": {"annotations": {"sandbox.outfitter.dev/volumes": None}}})
    space.ready("DataSource", "data")


def test_waiting_for_the_first_consumer_is_ready(stack: Stack, space: Space) -> None:
    manifest = {
        "kind": "StorageClass",
        "metadata": {"name": "late"},
        "provisioner": "sandbox.outfitter.dev/none",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    stack.api.apply(manifest)
    space.make("DataSource", "data", {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi", "storageClass": "late"}}})
    assert space.ready("DataSource", "data")["status"]["claimName"] == "data"
    assert space.need("PersistentVolumeClaim", "data")["status"]["phase"] == "Pending"
    space.running("box", assets={"dataSources": [{"name": "data"}]})
    assert space.need("PersistentVolumeClaim", "data")["status"]["phase"] == "Bound"


def test_a_name_that_is_taken_is_never_adopted(space: Space) -> None:
    body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    theirs = space.native("PersistentVolumeClaim", "data", spec=body)
    space.make("DataSource", "data", {"pvc": CLAIM})
    said = space.wait("DataSource", "data", stalls("NameTaken"))
    assert "exists, and Outfitter does not manage it" in message(said)
    assert size(space.need("PersistentVolumeClaim", "data")) == size(theirs)
    # Every claim is watched, so its going is seen at once.
    space.delete("PersistentVolumeClaim", "data")
    space.ready("DataSource", "data")
    assert size(space.need("PersistentVolumeClaim", "data")) == "5Gi"


def test_shared_claims_are_one_per_project(stack: Stack, spaces: Callable[..., Space]) -> None:
    home, one, two = Space(stack.api, SYSTEM), spaces(department="data"), spaces(department="data")
    scope = {"type": "department", "name": "data"}
    home.make("DataSource", "scratch", {"scope": scope, "pvc": {"path": "/s", "claimInfo": {"size": "1Gi"}}})
    try:
        assert home.ready("DataSource", "scratch")["status"]["targets"] == {"desired": 2, "synced": 2}
        one.need("PersistentVolumeClaim", "scratch")
        two.running("box", assets={"dataSources": [{"name": "scratch", "mountPath": "/mine"}]})
        mounts = two.template()["containers"][0]["volumeMounts"]
        assert [each["mountPath"] for each in mounts] == ["/mine"]
    finally:
        home.delete("DataSource", "scratch")
    home.gone("DataSource", "scratch")
    assert one.get("PersistentVolumeClaim", "scratch") is not None


def test_nfs_is_refused_where_pod_security_would_refuse_it(spaces: Callable[..., Space]) -> None:
    strict, relaxed = spaces(), spaces(restricted=False)
    for space in (strict, relaxed):
        space.make("DataSource", "models", {"nfs": {"server": "nfs.example.com", "path": "/m", "mountPath": "/models"}})
        assert space.ready("DataSource", "models")["status"]["type"] == "nfs"
        space.make("Workspace", "box", {"image": "i", "assets": {"dataSources": [{"name": "models"}]}})
    said = message(strict.wait("Workspace", "box", stalls("NfsOutsideRestricted")))
    assert "nfsBackend" in said
    assert "baseline" in said
    assert strict.get("StatefulSet", "box") is None
    relaxed.ready("Workspace", "box")
    volume = relaxed.template()["volumes"][0]
    assert volume["nfs"] == {"server": "nfs.example.com", "path": "/m", "readOnly": True}


def test_host_paths_need_the_admins_label(spaces: Callable[..., Space]) -> None:
    space = spaces(restricted=False)
    space.make("DataSource", "scratch", {"hostPath": {"path": "/scratch", "mountPath": "/scratch"}})
    assert space.ready("DataSource", "scratch")["status"]["type"] == "hostPath"
    space.make("Workspace", "box", {"image": "i", "assets": {"dataSources": [{"name": "scratch"}]}})
    said = message(space.wait("Workspace", "box", stalls("ElevationForbidden")))
    assert "hostPath /scratch" in said
    assert "outfitter.dev/elevation=allowed" in said
    assert space.get("StatefulSet", "box") is None
    space.label(elevation="allowed")
    space.ready("Workspace", "box")
    assert space.template()["volumes"][0]["hostPath"]["path"] == "/scratch"


def test_config_map_volume_waits_for_its_config_map(space: Space) -> None:
    space.make("DataSource", "config", {"configMapVolume": {"configMap": "theirs", "mountPath": "/etc/app"}})
    said = space.wait("DataSource", "config", waits("NotCreated"))
    assert f"ConfigMap {space.name}/theirs" in message(said)
    space.native("ConfigMap", "theirs", data={"a": "1"})
    space.ready("DataSource", "config")
    space.running("box", assets={"dataSources": [{"name": "config"}]})
    assert space.template()["volumes"][0]["configMap"]["name"] == "theirs"


def test_shared_config_maps_are_copied_to_projects(stack: Stack, spaces: Callable[..., Space]) -> None:
    home, space, taken = Space(stack.api, SYSTEM), spaces(department="conf"), spaces(department="conf")
    home.native("ConfigMap", "site", data={"a": "1"})
    taken.native("ConfigMap", "dsrc-site", data={"theirs": "1"})
    scope = {"type": "department", "name": "conf"}
    home.make(
        "DataSource", "site", {"scope": scope, "configMapVolume": {"configMap": "site", "mountPath": "/etc/site"}}
    )
    try:
        home.wait("DataSource", "site", lambda item: ready(item) and item["status"].get("issues"))
        taken.make("Workspace", "box", {"image": "busybox", "assets": {"dataSources": [{"name": "site"}]}})
        said = taken.wait("Workspace", "box", waits("NotCreated"))
        assert f"ConfigMap {taken.name}/dsrc-site exists and is not the copy" in message(said)
        assert taken.need("ConfigMap", "dsrc-site")["data"] == {"theirs": "1"}
        taken.delete("ConfigMap", "dsrc-site")
        both = {"desired": 2, "synced": 2}
        assert ready(home.wait("DataSource", "site", lambda item: item["status"]["targets"] == both))
        assert space.need("ConfigMap", "dsrc-site")["data"] == {"a": "1"}
        space.running("box", assets={"dataSources": [{"name": "site"}]})
        assert space.template()["volumes"][0]["configMap"]["name"] == "dsrc-site"
        home.edit("ConfigMap", "site", {"data": {"a": "2"}})
        space.wait("ConfigMap", "dsrc-site", lambda item: item and item["data"] == {"a": "2"})
        space.edit("ConfigMap", "dsrc-site", {"data": {"a": "3"}})
        space.wait("ConfigMap", "dsrc-site", lambda item: item and item["data"] == {"a": "2"})
    finally:
        home.delete("DataSource", "site")
    space.gone("ConfigMap", "dsrc-site")
    home.delete("ConfigMap", "site")


def test_secret_volume_mounts_what_a_credential_publishes(space: Space) -> None:
    space.make("DataSource", "keys", {"secretVolume": {"credential": {"name": "ssh"}, "mountPath": "/keys"}})
    space.wait("DataSource", "keys", waits("NotCreated"))
    space.secret("source", ssh="x")
    space.make("Credential", "ssh", {"type": "genericSecret", "secretRef": {"name": "source"}})
    space.ready("DataSource", "keys")
    space.running("box", assets={"dataSources": [{"name": "keys"}]})
    assert space.template()["volumes"][0]["secret"]["secretName"] == "cred-ssh"
    running = [{"namespace": space.name, "name": "box", "phase": "Running"}]
    item = space.wait("Credential", "ssh", lambda item: item["status"]["usedBy"].get("workspaces") == running)
    used = item["status"]["usedBy"]
    assert used["dataSources"] == [{"namespace": space.name, "name": "keys", "type": "secretVolume"}]


def test_an_ephemeral_claim_goes_when_its_workload_stops(space: Space) -> None:
    space.make("DataSource", "scratch", {"pvc": {**CLAIM, "ephemeral": True}})
    assert ready(space.ready("DataSource", "scratch"))
    assert space.get("PersistentVolumeClaim", "scratch") is None
    space.running("box", assets={"dataSources": [{"name": "scratch"}]})
    (name,) = space.claims()
    assert name.startswith("box-scratch")
    space.need("PersistentVolumeClaim", name)
    space.spec("Workspace", "box", suspend=True)
    space.gone("PersistentVolumeClaim", name)
    space.wait("Workspace", "box", lambda item: item["status"]["phase"] == "Stopped")
    space.spec("Workspace", "box", suspend=False)
    space.wait("PersistentVolumeClaim", name, bool)
    space.wait("Workspace", "box", lambda item: ready(item) and item["status"]["phase"] == "Running")


def test_what_is_not_built_says_so(space: Space) -> None:
    copy = {"originPvcName": "origin", "mountPath": "/data", "useOriginalVolume": False}
    space.make("DataSource", "data", {"dataVolume": copy})
    space.wait("DataSource", "data", stalls("Unsupported"))


def test_repositories_buckets_and_images_run(space: Space) -> None:
    """The API server takes the pods: in a namespace that enforces restricted, with logins in the first containers."""
    space.secret("login", User="ann", Password="pa")
    space.secret("keys", AccessKeyId="id", SecretKey="key")
    space.secret("deploy", ssh="key", known_hosts="git.example.com ssh-ed25519 AAAA")
    for name, kind in (("login", "password"), ("keys", "accessKey"), ("deploy", "genericSecret")):
        space.make("Credential", name, {"type": kind, "secretRef": {"name": name}})
    sources = {
        "code": {"git": {"repository": "https://g.example.com/r.git", "path": "/a", "credential": {"name": "login"}}},
        "mine": {"git": {"repository": "git@g.example.com:r.git", "path": "/b", "credential": {"name": "deploy"}}},
        "bucket": {"s3": {"bucket": "data", "path": "/c", "credential": {"name": "keys"}}},
        "model": {"image": {"reference": "registry.example.com/models/bert:3", "mountPath": "/d"}},
    }
    for name, spec in sources.items():
        space.make("DataSource", name, spec)
        assert ready(space.ready("DataSource", name))
    item = space.running("box", assets={"dataSources": [{"name": name} for name in sources]})
    assert [row["path"] for row in item["status"]["data"]] == ["/a", "/b", "/c"]


def test_what_contradicts_an_existing_claim_is_reported(space: Space) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    space.native("PersistentVolumeClaim", "lake", spec=claim)
    same = {"size": "1Gi", "accessModes": {"readWriteOnce": True}}
    pvc = {"path": "/d", "existingPvc": True, "claimName": "lake"}
    space.make("DataSource", "same", {"pvc": {**pvc, "claimInfo": same}})
    item = space.ready("DataSource", "same")
    assert "issues" not in item["status"]
    space.make("DataSource", "more", {"pvc": {**pvc, "claimInfo": {**same, "size": "2Gi"}}})
    item = space.ready("DataSource", "more")
    assert [row["issue"] for row in item["status"]["issues"]] == ["ClaimDiffers"]
    volume = {"name": "v", **pvc, "claimInfo": {"accessModes": {"readWriteMany": True}}}
    item = space.running(storage={"pvc": [volume]})
    assert [row["issue"] for row in item["status"]["issues"]] == ["ClaimDiffers"]
