"""An asset that does not support the type of a workload is refused, whatever its kind and whoever names it."""

from __future__ import annotations

from typing import Any

import pytest

from world import Body, World, asset, condition, issues, secret

IMAGE = "registry.example.com/u:1"
SECRET = secret("keys", {"token": "t", "User": "u", "Password": "p"})
GENERIC = {"type": "genericSecret", "secretRef": {"name": "keys"}}
NFS = {"nfs": {"server": "nfs.example.com", "path": "/d", "mountPath": "/d"}}
FROM_KEY = {"environmentVariables": [{"name": "T", "credential": {"name": "a", "key": "token"}}]}
MOUNTED = {"secretVolume": {"credential": {"name": "a"}, "mountPath": "/keys"}}
SERVED = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]}
LAB = {"image": IMAGE, **FROM_KEY}
IN_CONTAINER = {"name": "T", "source": "credential", "credential": {"name": "a", "key": "token"}}

# The kind of the asset, its spec, fields of the workload, other objects, and the field that names the asset.
USES: list[tuple[str, Body, Body, list[Body], str]] = [
    ("Environment", {"image": IMAGE}, {"assets": {"environment": {"name": "a"}}}, [], "spec.assets.environment"),
    ("ComputeResource", {"cpuCoreRequest": 1}, {"assets": {"compute": {"name": "a"}}}, [], "spec.assets.compute"),
    ("DataSource", NFS, {"assets": {"dataSources": [{"name": "a"}]}}, [], "spec.assets.dataSources[0]"),
    ("Credential", GENERIC, FROM_KEY, [], "spec.environmentVariables[T].credential"),
    (
        "Credential",
        GENERIC,
        {"assets": {"environment": {"name": "lab"}}},
        [asset("Environment", "lab", LAB)],
        "spec.environmentVariables[T].credential",
    ),
    (
        "Credential",
        GENERIC,
        {"assets": {"dataSources": [{"name": "d"}]}},
        [asset("DataSource", "d", MOUNTED)],
        "spec.assets.dataSources[0]",
    ),
]
IDS = ["environment", "compute", "data-source", "variable", "variable-of-environment", "volume-of-data-source"]


def workload(kind: str, fields: Body) -> Body:
    serving = {"servingPort": {"container": 8080}} if kind == "Inference" else {}
    return asset(kind, "w", {"image": IMAGE, **serving, **fields})


def controller(kind: str) -> str:
    return "Deployment" if kind == "Inference" else "StatefulSet"


@pytest.mark.parametrize("kind", ["Workspace", "Inference"])
@pytest.mark.parametrize(("used", "spec", "fields", "others", "field"), USES, ids=IDS)
async def test_an_asset_of_another_type_is_refused(
    used: str, spec: Body, fields: Body, others: list[Body], field: str, kind: str
) -> None:
    body = {**spec, "supportedTypes": ["training"]}
    world = World(SECRET, asset(used, "a", body), *others, workload(kind, fields))
    await world.settle()
    status = world.status(kind, "w")
    assert condition(status, "Stalled") is not None
    (issue,) = (item for item in status["issues"] if item["issue"] == "TypeNotSupported")
    text = f"{used} team-a/a supports training, not {kind.lower()}. Use another {used}."
    assert issue["message"] == f"{field}: {text}"
    assert world.find(controller(kind), "w") is None
    world.edit(used, "a", supportedTypes=[kind.lower(), "training"])
    await world.settle()
    assert world.find(controller(kind), "w") is not None
    assert condition(world.status(kind, "w"), "Stalled") is None


async def test_an_asset_that_is_named_twice_is_refused_once() -> None:
    fields = {**FROM_KEY, "assets": {"dataSources": [{"name": "d"}]}}
    credential = asset("Credential", "a", {**GENERIC, "supportedTypes": ["inference"]})
    world = World(SECRET, credential, asset("DataSource", "d", MOUNTED), workload("Workspace", fields))
    await world.settle()
    assert issues(world.status("Workspace", "w")).count("TypeNotSupported") == 1


@pytest.mark.parametrize("own", [True, False])
async def test_what_an_artifact_uses_is_refused_too(own: bool) -> None:
    """Whether it runs itself or in an Inference."""
    groups = [{"containers": [{"imageUri": IMAGE, "port": 8080, "environmentVars": [IN_CONTAINER]}]}]
    artifact = {"containerGroups": groups, **({"run": {}} if own else {})}
    credential = asset("Credential", "a", {**GENERIC, "supportedTypes": ["workspace"]})
    others = [] if own else [asset("Inference", "w", {"artifact": {"name": "x"}})]
    world = World(SECRET, credential, asset("Artifact", "x", artifact), *others)
    await world.settle()
    assert "TypeNotSupported" in issues(world.status(*(("Artifact", "x") if own else ("Inference", "w"))))
    assert not world.all("Deployment")


async def test_a_login_of_another_type_is_not_attached() -> None:
    """It is not named, so there is nothing to refuse."""
    login: dict[str, Any] = {"type": "dockerRegistry", "secretRef": {"name": "login"}}
    given = {"url": "registry.example.com", "user": "u", "password": "p"}
    world = World(
        secret("login", given),
        asset("Credential", "serving", {**login, "supportedTypes": ["inference"]}),
        asset("Credential", "all", login),
        workload("Workspace", {}),
        workload("Inference", {}),
    )
    await world.settle()
    for kind, names in (("Workspace", {"cred-all"}), ("Inference", {"cred-all", "cred-serving"})):
        pod = world.get(controller(kind), "w")["spec"]["template"]["spec"]
        assert {item["name"] for item in pod["imagePullSecrets"]} == names


async def test_a_running_workload_keeps_its_revision() -> None:
    world = World(asset("Environment", "a", {"image": IMAGE}), workload("Workspace", USES[0][2]))
    await world.settle()
    mark = len(world.cluster.writes)
    world.edit("Environment", "a", supportedTypes=["training"])
    await world.settle()
    assert [item for item in world.writes(mark) if item[1] not in ("Workspace", "Environment")] == []
    assert world.status("Workspace", "w")["phase"] == "Running"


def training(framework: str, fields: Body) -> Body:
    rank_0 = {} if framework == "JAX" else {"masterSpecSameAsWorker": True}
    spec = {"image": IMAGE, "distributedFramework": framework, "backend": "native", **rank_0, **fields}
    return asset("DistributedTraining", "w", spec)


@pytest.mark.parametrize(("used", "spec", "fields", "others", "field"), USES, ids=IDS)
async def test_an_asset_of_another_framework_is_refused(
    used: str, spec: Body, fields: Body, others: list[Body], field: str
) -> None:
    """Once, also where master and workers use it."""
    world = World(
        SECRET, asset(used, "a", {**spec, "distributedFramework": "TF"}), *others, training("PyTorch", fields)
    )
    await world.settle()
    status = world.status("DistributedTraining", "w")
    assert condition(status, "Stalled") is not None
    (issue,) = status["issues"]
    assert issue["issue"] == "TypeNotSupported"
    assert issue["message"] == f"{field}: {used} team-a/a is for TF, not PyTorch. Use another {used}."
    assert world.all("Job") == []
    world.edit(used, "a", distributedFramework="PyTorch")
    await world.settle()
    assert condition(world.status("DistributedTraining", "w"), "Stalled") is None
    assert world.all("Job") != []


@pytest.mark.parametrize(("used", "spec", "fields", "others", "field"), USES, ids=IDS)
async def test_an_asset_of_a_master_is_for_the_framework_of_the_workers(
    used: str, spec: Body, fields: Body, others: list[Body], field: str
) -> None:
    master = {"masterSpecSameAsWorker": False, "masterSpec": {"image": IMAGE, **fields}}
    world = World(
        SECRET, asset(used, "a", {**spec, "distributedFramework": "TF"}), *others, training("PyTorch", master)
    )
    await world.settle()
    (issue,) = world.status("DistributedTraining", "w")["issues"]
    place = field.replace("spec.", "spec.masterSpec.", 1)
    assert issue["message"] == f"{place}: {used} team-a/a is for TF, not PyTorch. Use another {used}."


@pytest.mark.parametrize("framework", ["MPI", "PyTorch", "TF", "XGBoost", "JAX"])
async def test_an_asset_of_the_same_framework_is_used(framework: str) -> None:
    only = asset("ComputeResource", "a", {"cpuCoreRequest": 1, "distributedFramework": framework})
    fields = {"assets": {"compute": {"name": "a"}}, **({"backend": "auto"} if framework == "MPI" else {})}
    world = World(only, training(framework, fields))
    await world.settle()
    assert condition(world.status("DistributedTraining", "w"), "Stalled") is None
    assert world.all("MPIJob" if framework == "MPI" else "Job") != []


async def test_a_workload_without_a_framework_may_use_an_asset_of_one() -> None:
    """Types are for it, not frameworks."""
    only = asset("ComputeResource", "a", {"cpuCoreRequest": 1, "distributedFramework": "PyTorch"})
    world = World(only, workload("Workspace", {"assets": {"compute": {"name": "a"}}}))
    await world.settle()
    assert condition(world.status("ComputeResource", "a"), "Stalled") is None
    assert world.status("Workspace", "w")["phase"] == "Running"
