"""Every kind shows what the API server answers, its own deletion, and a spec that cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from reason_cases import IMAGE, NAME, RUNNING, workload

from outfitter.errors import ApiError, Forbidden, Invalid, NotFound, Unavailable
from outfitter.simulator.caches import OUR_KINDS
from world import SYSTEM, TEAM, Body, World, asset, complete, issues, namespace, reason, secret

ROLES = [{"subject": {"kind": "User", "name": "ann"}, "role": "OWNER"}]
SECRET = {"type": "genericSecret", "secretRef": {"name": "s"}}
BUILT = asset(
    "Artifact",
    "built",
    {
        "containerGroups": [
            {
                "containers": [
                    {"port": 8080, "imageUri": IMAGE, "imageBuildConfig": {"codeRef": {"oci": {"ref": IMAGE}}}}
                ]
            }
        ]
    },
)
OBJECTS: dict[str, list[Body]] = {
    **{kind: [workload(kind)] for kind in (*RUNNING, "Training", "DistributedTraining")},
    "ComputeResource": [asset("ComputeResource", NAME, {"cpuCoreRequest": 1})],
    "WorkloadPolicy": [asset("WorkloadPolicy", NAME, {"workloadType": "workspace"})],
    "Registry": [asset("Registry", NAME, {"url": "registry.example.com"})],
    "ImageQuery": [asset("ImageQuery", NAME, {"registry": {"name": "images"}})],
    "WorkloadTemplate": [asset("WorkloadTemplate", NAME, {"workloadType": "workspace"})],
    "DataSource": [asset("DataSource", NAME, {"pvc": {"path": "/d", "claimInfo": {"size": "1Gi"}}})],
    "Credential": [asset("Credential", NAME, SECRET), secret("s", {"a": "b"})],
    "ArtifactRepository": [asset("ArtifactRepository", NAME, {"sharedRoles": ROLES})],
    "NimCache": [asset("NimCache", NAME, {"image": IMAGE})],
    "ImageBuild": [asset("ImageBuild", NAME, {"artifact": {"name": "built"}}), BUILT],
}

WITHOUT_CHILDREN = ("ComputeResource", "ImageQuery", "Registry", "WorkloadTemplate", "WorkloadPolicy")
WIDE = {"scope": {"type": "cluster"}}
CONFIG_MAP = {"configMapVolume": {"configMap": "c", "mountPath": "/m"}}
SHARED: dict[str, list[Body]] = {
    "DataSource": [
        asset("DataSource", NAME, {**WIDE, **CONFIG_MAP}, SYSTEM),
        complete({"kind": "ConfigMap", "metadata": {"name": "c", "namespace": SYSTEM}, "data": {"a": "b"}}),
    ],
    "Credential": [asset("Credential", NAME, {**WIDE, **SECRET}, SYSTEM), secret("s", {"a": "b"}, SYSTEM)],
}

ANSWERS: list[tuple[str, ApiError]] = [
    ("Forbidden", Forbidden("denied by a policy", status=403)),
    ("QuotaExceeded", Forbidden("exceeded quota: q", status=403)),
    ("NamespaceTerminating", Forbidden("namespace team-a is being terminated", status=403)),
    ("Refused", Invalid("spec: Invalid value", status=422)),
    ("NotCreated", NotFound("namespaces not found", status=404)),
]


class Rejecting:
    """A cluster whose API server answers every creation with an error."""

    def __init__(self, world: World, error: ApiError) -> None:
        self._cluster, self._error = world.cluster, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    async def create(self, manifest: Any) -> Body:
        raise self._error


@pytest.mark.parametrize(("expected", "error"), ANSWERS, ids=[word for word, _ in ANSWERS])
@pytest.mark.parametrize("kind", [kind for kind in OUR_KINDS if kind not in WITHOUT_CHILDREN])
async def test_answers_to_a_creation(kind: str, expected: str, error: ApiError) -> None:
    """Of every kind that creates child objects."""
    world = World(*OBJECTS[kind], settings={"shared_roles": True, "buildkit_address": "tcp://b:1"})
    world.connect(Rejecting(world, error))
    for _ in range(2):  # an ImageBuild first gets in line
        await world.once(kind, NAME)
    status = world.status(kind, NAME)
    assert expected in {reason(status), *issues(status)}


@pytest.mark.parametrize("kind", SHARED)
async def test_one_namespace_that_does_not_answer(kind: str) -> None:
    """The others get their copies."""
    world = World(*SHARED[kind], namespace("team-b"))
    world.connect(Rejecting(world, Unavailable("busy", status=503)))
    await world.once(kind, NAME, SYSTEM)
    assert "Unavailable" in issues(world.status(kind, NAME, SYSTEM))


@pytest.mark.parametrize("kind", OUR_KINDS)
async def test_a_deletion_that_a_finalizer_holds(kind: str) -> None:
    """The object says so, and keeps its facts."""
    first, *others = OBJECTS[kind]
    world = World({**first, "metadata": {**first["metadata"], "finalizers": ["example.com/hold"]}}, *others)
    await world.once(kind, NAME)
    world.cluster.user_delete(kind, TEAM, NAME)
    await world.once(kind, NAME)
    status = world.status(kind, NAME)
    assert reason(status) == "Deleting"
    assert status.get("phase", "Deleting") == "Deleting"


@pytest.mark.parametrize("kind", OUR_KINDS)
async def test_a_spec_that_cannot_be_read(kind: str) -> None:
    """An older or laxer CRD let it in."""
    world = World(asset(kind, NAME, {"type": [], "image": [], "assets": [], "cpuCoreRequest": [], "scope": []}))
    await world.once(kind, NAME)
    assert reason(world.status(kind, NAME)) == "InvalidSpec"


CLAIMS = {
    "Workspace": {"image": IMAGE, "storage": {"pvc": [{"name": "d", "path": "/d", "claimInfo": {"size": "10Gi"}}]}},
    "DataSource": {"pvc": {"path": "/d", "claimInfo": {"size": "10Gi"}}},
    "NimCache": {"image": IMAGE},
}


@pytest.mark.parametrize(
    "bound",
    [
        "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 10Gi",
        "minimum storage usage per PersistentVolumeClaim is 20Gi, but request is 10Gi",
    ],
)
@pytest.mark.parametrize("kind", CLAIMS)
async def test_a_claim_beyond_a_limit_range(kind: str, bound: str) -> None:
    """The message has the bound, and the size is what to change."""
    world = World(asset(kind, NAME, CLAIMS[kind]))
    answer = Forbidden(f'persistentvolumeclaims "d" is forbidden: {bound}.', status=403)
    for _ in range(3):
        world.cluster.fail_next("create", "PersistentVolumeClaim", answer)
    await world.once(kind, NAME)
    status = world.status(kind, NAME)
    assert reason(status) == "LimitRangeViolation"
    assert f": {bound}. Set a size within it" in status["message"]
