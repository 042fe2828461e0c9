"""Each kind that runs pods shows what is wrong with its spec, its assets and its namespace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from reason_cases import IMAGE, NAME, RUNNING, TOOLS, with_environment, workload

from outfitter.api.validation import strict_errors
from outfitter.simulator.caches import OUR_KINDS
from world import TEAM, Body, World, asset, issues, namespace, reason, secret

INLINE = ("Workspace", "Inference")
SERVING = ("Inference", "Artifact")
LIMITED = {"connections": [{"name": "c", "authorizedUsers": ["ann"]}]}
DOMAIN = {"domain": "apps.example.com"}
HALF = {"gpuDevicesRequest": 1, "gpuRequestType": "portion", "gpuPortionRequest": 0.5}
QUEUED = {"outfitter.dev/project": TEAM, "outfitter.dev/queue": "own"}
RESTRICTED = {"outfitter.dev/project": TEAM, "pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True)
class Case:
    """Objects that make a workload of each of these kinds show a reason."""

    reason: str
    kinds: tuple[str, ...]
    objects: Callable[[str], list[Body]]
    settings: Body = field(default_factory=dict)


def with_compute(spec: Body, **metadata: Any) -> Callable[[str], list[Body]]:
    return lambda kind: [workload(kind, compute="c"), asset("ComputeResource", "c", spec, **metadata)]


def with_data(*specs: Body, mount: str | None = None) -> Callable[[str], list[Body]]:
    def objects(kind: str) -> list[Body]:
        refs = [{"name": f"d{n}", **({"mountPath": mount} if mount else {})} for n in range(len(specs))]
        sources = [asset("DataSource", f"d{n}", spec) for n, spec in enumerate(specs)]
        return [workload(kind, data_sources=refs), *sources]

    return objects


def environment(fields: Body, **run: Any) -> Callable[[str], list[Body]]:
    return lambda kind: with_environment(kind, fields, **run)


def connection(type_: str = "ExternalUrl", tool: str = "custom", **more: Any) -> Body:
    port = {} if tool == "wandb" else {"connectionType": type_, "containerPort": 8888}
    return {"connections": [{"name": "c", "toolType": tool, **port, **more}]}


def variable(kind: str, key: str) -> list[Body]:
    """A workload that reads a key of Credential k."""
    source = {"name": "k", "key": key}
    if kind == "Artifact":
        container = {"imageUri": IMAGE, "port": 8080}
        container["environmentVars"] = [{"name": "A", "source": "credential", "credential": source}]
        return [asset(kind, NAME, {"containerGroups": [{"containers": [container]}], "run": {}})]
    return with_environment(kind, {"environmentVariables": [{"name": "A", "credential": source}]})


CREDENTIAL = asset("Credential", "k", {"type": "genericSecret", "secretRef": {"name": "s"}})
NFS = {"nfs": {"server": "nfs.example.com", "path": "/m", "mountPath": "/m"}}
HOST = {"hostPath": {"path": "/m", "mountPath": "/m"}}
EPHEMERAL = {"pvc": {"path": "/d", "ephemeral": True, "claimInfo": {"size": "1Gi"}}}


def scaled(kind: str, **scaling: Any) -> list[Body]:
    autoscaling = {"minReplicas": 1, "maxReplicas": 3, "metric": "cpu", "metricThreshold": 10, **scaling}
    extra = {"servingPort": {"container": 8080}} if kind == "Inference" else {}
    return [workload(kind, autoscaling=autoscaling, **extra)]


def by_policy(**defaults: Any) -> Callable[[str], list[Body]]:
    """A workload, and a policy of its project with these defaults."""

    def objects(kind: str) -> list[Body]:
        spec = {"workloadType": "inference" if kind in SERVING else "workspace", "defaults": defaults}
        return [namespace(TEAM, QUEUED), asset("WorkloadPolicy", "rules", spec), workload(kind)]

    return objects


CASES = [
    Case("PriorityUnknown", RUNNING, by_policy(priorityClass="urgent")),
    Case("QueueForbidden", RUNNING, by_policy(queue="other"), {"queue_backend": "kai"}),
    Case("FractionsUnsupported", RUNNING, with_compute(HALF)),
    Case("ReferenceNotFound", RUNNING, lambda kind: [workload(kind, compute="nowhere")]),
    Case("ReferenceInvalid", RUNNING, with_compute({"scope": {"type": "cluster"}})),
    Case("NotCreated", RUNNING, with_data({"configMapVolume": {"configMap": "nowhere", "mountPath": "/m"}})),
    Case("Conflict", RUNNING, with_data(NFS, NFS)),
    Case("ElevationForbidden", RUNNING, with_data(HOST)),
    Case("NfsOutsideRestricted", RUNNING, lambda kind: [*with_data(NFS)(kind), namespace(TEAM, RESTRICTED)]),
    Case("CredentialNotReady", RUNNING, lambda kind: [*variable(kind, "a"), CREDENTIAL]),
    Case("KeyNotFound", RUNNING, lambda kind: [*variable(kind, "b"), CREDENTIAL, secret("s", {"a": "1"})]),
    Case("DomainMissing", TOOLS, environment(connection())),
    Case("HostForbidden", TOOLS, environment(connection(customUrl=True, externalUrl="https://x.example.org")), DOMAIN),
    Case("UrlMissing", TOOLS, environment(connection(customUrl=True)), DOMAIN),
    Case("NodePortMissing", TOOLS, environment(connection("NodePort", customNodePort=True))),
    Case("PlaceholderUnresolved", TOOLS, environment(connection(tool="wandb", externalUrl="https://x.org/${NO}"))),
    Case("PromptUnset", TOOLS, environment({"environmentVariables": [{"name": "A"}]})),
    Case("Reserved", INLINE, environment({}, labels=[{"name": "helm.sh/chart", "value": "c"}])),
    Case("TypeNotSupported", INLINE, environment({"supportedTypes": ["training"]})),
    Case(
        "OverrideForbidden",
        INLINE,
        environment({"security": {"uidGidSource": "custom", "runAsUid": 1000}}, security={"runAsUid": 0}),
    ),
    Case("Unsupported", TOOLS, environment(connection("NodePort"), **LIMITED)),
    Case(
        "Unsupported",
        ("Artifact",),
        lambda kind: [workload(kind, servingPort={"authorizationType": "authenticatedUsers"})],
    ),
    Case("ClusterLocal", SERVING, lambda kind: [workload(kind, servingPort={})]),
    Case("ScaleToZeroUnsupported", SERVING, lambda kind: scaled(kind, minReplicas=0, metric="concurrency")),
    Case("NotEnforced", SERVING, lambda kind: scaled(kind, concurrencyHardLimit=5)),
]


PAIRS = [pytest.param(case, kind, id=f"{case.reason}-{kind}") for case in CASES for kind in case.kinds]


@pytest.mark.parametrize(("case", "kind"), PAIRS)
async def test_reasons(case: Case, kind: str) -> None:
    """The status says so once nothing changes any more."""
    objects = case.objects(kind)
    for body in objects:
        if body["kind"] in OUR_KINDS:
            assert [str(error) for error in strict_errors(body)] == []
    world = World(*objects, settings=case.settings)
    if case.reason == "CredentialNotReady":
        await world.once(kind, NAME)
    else:
        await world.settle()
    status = world.status(kind, NAME)
    assert case.reason in {reason(status), *issues(status)}


@pytest.mark.parametrize("kind", RUNNING)
async def test_a_host_of_another_workload(kind: str) -> None:
    """The first one keeps it."""
    if kind == "Artifact":
        objects, host = [workload(kind, servingPort={})], f"w-{TEAM}"
    else:
        objects, host = with_environment(kind, connection()), f"w-c-{TEAM}"
    custom = connection(customUrl=True, externalUrl=f"https://{host}.apps.example.com")
    world = World(*objects, asset("Environment", "first", {"image": IMAGE, **custom, "run": {}}), settings=DOMAIN)
    await world.once("Environment", "first")
    await world.settle()
    assert "HostTaken" in issues(world.status(kind, NAME))


@pytest.mark.parametrize("kind", RUNNING)
async def test_an_asset_that_is_being_deleted(kind: str) -> None:
    """A finalizer of another tool holds it."""
    world = World(*with_compute({"cpuCoreRequest": 1}, finalizers=["example.com/hold"])(kind))
    world.cluster.user_delete("ComputeResource", TEAM, "c")
    await world.settle()
    assert reason(world.status(kind, NAME)) == "ReferenceDeleting"


def with_claim(kind: str) -> list[Body]:
    """A workload with a claim of its own."""
    if kind == "Artifact":
        spec = workload(kind)["spec"]
        return [asset(kind, NAME, {**spec, "type": "nim", "storage": {"pvcSize": "1Gi"}})]
    if kind == "Inference":
        claim = {"name": "data", "path": "/data", "claimInfo": {"size": "1Gi"}}
        return [workload(kind, storage={"pvc": [claim]})]
    return with_data(EPHEMERAL)(kind)


@pytest.mark.parametrize("kind", RUNNING)
async def test_a_claim_without_its_volume(kind: str) -> None:
    """Only the user can restore the data."""
    world = World(*with_claim(kind))
    await world.settle()
    claim = next(body["metadata"]["name"] for body in world.all("PersistentVolumeClaim"))
    world.cluster.user_status("PersistentVolumeClaim", TEAM, claim, {"phase": "Lost"})
    await world.once(kind, NAME)
    assert "LostPhase" in issues(world.status(kind, NAME))


async def test_an_artifact_that_nothing_can_be_cloned_from() -> None:
    """Of a clone without its source, and of a source without container groups."""
    world = World(asset("Artifact", "clone", {"cloneFrom": {"name": "nowhere"}}), asset("Artifact", "empty", {}))
    world.load(
        [
            asset("Artifact", "w", {"cloneFrom": {"name": "empty"}, "locked": True}),
            asset("Inference", "a", {"artifact": {"name": "clone"}}),
            asset("Inference", "b", {"artifact": {"name": "empty"}}),
        ]
    )
    await world.settle()
    assert reason(world.status("Artifact", "w")) == "NothingToLock"
    assert reason(world.status("Inference", "a")) == "SourceNotReady"
    assert reason(world.status("Inference", "b")) == "Waiting"


async def test_a_model_cache_that_is_not_filled() -> None:
    """Neither the Artifact nor an Inference of it starts before the model is downloaded."""
    groups = [{"containers": [{"imageUri": IMAGE, "port": 8000}]}]
    spec = {"type": "nim", "containerGroups": groups, "storage": {"mode": "nimCache"}, "run": {}}
    world = World(asset("Artifact", "a", spec), asset("Inference", "b", {"artifact": {"name": "a"}}), jobs="")
    await world.settle()
    assert reason(world.status("Artifact", "a")) == "CacheNotReady"
    assert reason(world.status("Inference", "b")) == "CacheNotReady"


async def test_a_number_of_a_repository_that_is_being_deleted() -> None:
    """No number can be reserved in it."""
    groups = [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]
    spec = {"repositoryRef": {"name": "r"}, "containerGroups": groups}
    repository = asset("ArtifactRepository", "r", {}, finalizers=["example.com/hold"])
    world = World(repository, asset("Artifact", "a", spec))
    await world.settle()
    world.cluster.user_delete("ArtifactRepository", TEAM, "r")
    world.edit("Artifact", "a", locked=True, version=7)
    await world.settle()
    assert reason(world.status("Artifact", "a")) == "RepositoryDeleting"
