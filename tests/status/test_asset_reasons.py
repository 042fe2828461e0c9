"""DataSources, Credentials, NimCaches and ArtifactRepositories show what keeps them from being ready."""

from __future__ import annotations

from typing import Any

import pytest
from reason_cases import POD_STATUSES

from outfitter.api.validation import strict_errors
from outfitter.errors import Unavailable
from outfitter.simulator.caches import OUR_KINDS
from world import SYSTEM, TEAM, Body, World, asset, complete, issues, namespace, reason, secret

NIM = "nvcr.io/nim/a:1"
KEY = asset("Credential", "k", {"type": "ngcApiKey", "secretRef": {"name": "s"}})
HALF = {"gpuDevicesRequest": 1, "gpuRequestType": "portion", "gpuPortionRequest": 0.5}
CLAIM = {"pvc": {"path": "/d", "claimInfo": {"size": "1Gi"}}}
SHARED = {"scope": {"type": "cluster"}, "configMapVolume": {"configMap": "c", "mountPath": "/m"}}
HOLD = ["example.com/hold"]


def cache(**spec: Any) -> Body:
    return asset("NimCache", "x", {"image": NIM, **spec})


def claim(name: str, phase: str = "Bound", **metadata: Any) -> Body:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    status = {"status": {"phase": phase}}
    return complete({"kind": "PersistentVolumeClaim", "metadata": {"name": name, **metadata}, "spec": spec, **status})


def config_map(name: str, space: str) -> Body:
    return complete({"kind": "ConfigMap", "metadata": {"name": name, "namespace": space}, "data": {"a": "b"}})


VARIABLE = {"environmentVariables": [{"name": "A", "credential": {"name": "k", "key": "nowhere"}}]}
PLAIN_KEY = {"environmentVariables": [{"name": "NGC_API_KEY", "value": "a"}]}

EXISTING = {"pvc": {"path": "/d", "existingPvc": True, "claimName": "c"}}
CREDENTIAL = asset("Credential", "x", {"type": "genericSecret", "secretRef": {"name": "s"}})

CASES: list[tuple[str, str, list[Body], Body]] = [
    ("NimCache", "CredentialNotReady", [cache(credential={"name": "k"}), KEY], {}),
    ("NimCache", "ReferenceNotFound", [cache(credential={"name": "k"})], {}),
    ("NimCache", "KeyNotFound", [cache(**VARIABLE), KEY, secret("s", {"NGC_API_KEY": "a"})], {}),
    ("NimCache", "FractionsUnsupported", [cache(compute=HALF)], {"jobs": ""}),
    ("NimCache", "ScopeForbidden", [cache(scope={"type": "cluster"})], {}),
    ("NimCache", "NameTaken", [cache(), claim("x")], {}),
    ("NimCache", "LostPhase", [cache(claimName="c"), claim("c", "Lost")], {"binding": False}),
    ("NimCache", "NotCreated", [cache(claimName="c")], {}),
    ("NimCache", "DownloadFailed", [cache()], {"jobs": "connection reset"}),
    ("NimCache", "DeadlineExceeded", [cache()], {"jobs": "DeadlineExceeded"}),
    ("NimCache", "NoSpace", [cache()], {"jobs": "no space left on device"}),
    ("NimCache", "KeyRejected", [cache(**PLAIN_KEY)], {"jobs": "401 Unauthorized"}),
    ("NimCache", "DownloadFailed", [cache()], {"jobs": "401 Unauthorized"}),
    ("NimCache", "MovingTag", [asset("NimCache", "x", {"image": "nvcr.io/nim/a"})], {}),
    ("DataSource", "Synced", [asset("DataSource", "x", SHARED, SYSTEM), config_map("c", SYSTEM)], {}),
    ("DataSource", "LostPhase", [asset("DataSource", "x", EXISTING), claim("c", "Lost")], {"binding": False}),
    ("DataSource", "Pending", [asset("DataSource", "x", CLAIM)], {"binding": False}),
    ("Credential", "NameTaken", [CREDENTIAL, secret("s", {"a": "b"}), secret("cred-x", {"a": "b"})], {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "expected", "objects", "options"), CASES, ids=[f"{kind}-{word}" for kind, word, _, _ in CASES]
)
async def test_reasons(kind: str, expected: str, objects: list[Body], options: Body) -> None:
    """The status says so once nothing changes any more."""
    for body in objects:
        if body["kind"] in OUR_KINDS:
            assert [str(error) for error in strict_errors(body)] == []
    world = World(*objects, **options)
    await world.settle()
    subject = next(body for body in objects if body["kind"] == kind)
    status = world.status(kind, "x", subject["metadata"]["namespace"])
    assert expected in {reason(status), *issues(status)}


def add_download_pod(world: World, status: Body) -> None:
    """The pod of the download Job."""
    job = world.all("Job")[0]
    meta = job["metadata"]
    labels = {**job["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": meta["name"]}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
    pod = {"name": "p", "namespace": TEAM, "labels": labels, "ownerReferences": [owner]}
    world.cluster.user_apply(complete({"kind": "Pod", "metadata": pod, "spec": {"nodeName": "n"}, "status": status}))


@pytest.mark.parametrize("expected", [word for word in POD_STATUSES if word != "PodFailed"])
async def test_pods_of_a_download(expected: str) -> None:
    """A failed pod ends its Job; every other failure is shown while the Job runs."""
    world = World(cache(), jobs="")
    await world.settle()
    add_download_pod(world, POD_STATUSES[expected])
    await world.once("NimCache", "x")
    assert reason(world.status("NimCache", "x")) == expected


async def test_a_download_that_runs_out_of_memory() -> None:
    """From the pod of a failed Job."""
    world = World(cache(), jobs="")
    await world.settle()
    terminated = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    add_download_pod(world, {"phase": "Failed", "containerStatuses": [{"name": "main", "state": terminated}]})
    failed = {"type": "Failed", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    world.cluster.user_status("Job", TEAM, world.all("Job")[0]["metadata"]["name"], {"conditions": [failed]})
    await world.once("NimCache", "x")
    assert reason(world.status("NimCache", "x")) == "OutOfMemory"


REFUSALS = [
    ("exceeded quota: q, requested: pods=1", "QuotaExceeded"),
    ('violates PodSecurity "restricted:latest": runAsNonRoot', "PodSecurityViolation"),
    ("admission webhook denied the request", "PodRefused"),
]


@pytest.mark.parametrize(("message", "expected"), REFUSALS)
async def test_rejected_pods_of_a_download(message: str, expected: str) -> None:
    """From an Event about the Job."""
    world = World(cache(), jobs="")
    await world.settle()
    job = world.all("Job")[0]["metadata"]
    about = {"kind": "Job", "name": job["name"], "namespace": TEAM, "uid": job["uid"]}
    event = {"kind": "Event", "metadata": {"name": "e"}, "involvedObject": about, "reason": "FailedCreate"}
    world.cluster.user_apply(complete({**event, "message": message, "lastTimestamp": "2026-01-01T00:00:00Z"}))
    await world.once("NimCache", "x")
    assert reason(world.status("NimCache", "x")) == expected


async def test_assets_that_are_being_deleted() -> None:
    """A finalizer of another tool holds a Credential that a NimCache reads."""
    key = asset("Credential", "k", {"type": "ngcApiKey", "secretRef": {"name": "s"}}, finalizers=HOLD)
    world = World(cache(credential={"name": "k"}), key)
    world.cluster.user_delete("Credential", TEAM, "k")
    await world.settle()
    assert reason(world.status("NimCache", "x")) == "ReferenceDeleting"


async def test_an_invalid_asset() -> None:
    """Its scope is valid only in the system namespace."""
    wide = asset("Credential", "k", {"type": "ngcApiKey", "secretRef": {"name": "s"}, "scope": {"type": "cluster"}})
    world = World(cache(credential={"name": "k"}), wide)
    await world.settle()
    assert reason(world.status("NimCache", "x")) == "ReferenceInvalid"


async def test_children_of_a_former_owner() -> None:
    """They are replaced once they are gone."""
    source = asset("DataSource", "d", CLAIM)
    world = World(CREDENTIAL, source, cache(), secret("s", {"a": "b"}), jobs="")
    await world.settle()
    for kind in ("Secret", "PersistentVolumeClaim"):
        for body in world.all(kind):
            if body["metadata"].get("labels"):
                world.cluster.user_replace({**body, "metadata": {**body["metadata"], "finalizers": HOLD}})
                world.cluster.user_delete(kind, TEAM, body["metadata"]["name"])
    await world.settle()
    world.tick(60)  # a loss of readiness is held back for a while
    await world.settle()
    for kind, name in (("Credential", "x"), ("DataSource", "d"), ("NimCache", "x")):
        assert "Replacing" in issues(world.status(kind, name)), kind


@pytest.mark.parametrize("kind", ["DataSource", "Credential"])
async def test_a_copy_whose_name_is_taken(kind: str) -> None:
    """In a namespace of its scope."""
    if kind == "DataSource":
        objects = [asset(kind, "x", SHARED, SYSTEM), config_map("c", SYSTEM)]
    else:
        spec = {"type": "genericSecret", "secretRef": {"name": "s"}, "scope": {"type": "cluster"}}
        objects = [asset(kind, "x", spec, SYSTEM), secret("s", {"a": "b"}, SYSTEM)]
    world = World(*objects, namespace("team-b"))
    await world.settle()
    copy = next(
        body for child in ("ConfigMap", "Secret") for body in world.all(child) if body["metadata"]["namespace"] == TEAM
    )
    other = World(*objects, complete({"kind": copy["kind"], "metadata": {"name": copy["metadata"]["name"]}}))
    await other.settle()
    assert "ReplicationError" in issues(other.status(kind, "x", SYSTEM))


SETTINGS = {"static_pv_drivers": "file.csi.example.com"}
VOLUME = complete(
    {
        "kind": "PersistentVolume",
        "metadata": {"name": "v"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "csi": {"driver": "file.csi.example.com", "volumeHandle": "h"},
        },
    }
)


def shared_cache(**claim_spec: Any) -> list[Body]:
    """A NimCache for the whole cluster, and an Artifact of a team that uses its volume."""
    weights = claim("weights", namespace=SYSTEM)
    weights["spec"].update(claim_spec)
    spec = {"image": NIM, "claimName": "weights", "sharing": "staticPV", "scope": {"type": "cluster"}}
    groups = [{"containers": [{"imageUri": NIM, "port": 8000}]}]
    artifact = {"type": "nim", "containerGroups": groups, "storage": {"mode": "nimCache"}, "run": {}}
    return [weights, asset("NimCache", "x", spec, SYSTEM), asset("Artifact", "a", artifact)]


async def test_a_shared_volume() -> None:
    """Its claim is not bound yet; then the namespace of a user does not accept its copy."""
    world = World(*shared_cache(), settings=SETTINGS)
    await world.settle()
    assert "Pending" in issues(world.status("NimCache", "x", SYSTEM))
    world = World(VOLUME, *shared_cache(volumeName="v"), settings=SETTINGS)
    world.controllers.run()
    for kind, name in (("Artifact", "a"), ("NimCache", "x")):
        world.cluster.fail_next("create", "PersistentVolumeClaim", Unavailable("busy", status=503))
        await world.once(kind, name, TEAM if kind == "Artifact" else SYSTEM)
    assert "Unavailable" in issues(world.status("NimCache", "x", SYSTEM))


async def test_a_repository_in_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full, or with a Role that is being deleted."""
    monkeypatch.setattr("outfitter.plan.artifactrepository.LISTED_VERSIONS", 1)
    groups = [{"containers": [{"imageUri": NIM, "port": 8080}]}]
    version = {"locked": True, "repositoryRef": {"name": "x"}, "containerGroups": groups}
    roles = [{"subject": {"kind": "User", "name": "ann"}, "role": "OWNER"}]
    repository = asset("ArtifactRepository", "x", {"sharedRoles": roles})
    world = World(repository, *(asset("Artifact", name, version) for name in "ab"), settings={"shared_roles": True})
    await world.settle()
    assert "RepositoryFull" in issues(world.status("ArtifactRepository", "x"))
    role = world.all("Role")[0]
    world.cluster.user_replace({**role, "metadata": {**role["metadata"], "finalizers": HOLD}})
    world.cluster.user_delete("Role", TEAM, role["metadata"]["name"])
    await world.settle()
    assert "Replacing" in issues(world.status("ArtifactRepository", "x"))
