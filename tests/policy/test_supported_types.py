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


FRAMEWORK = {"distributedFramework": "PyTorch", "supportedTypes": ["distributed", "workspace"]}


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Environment", {"image": IMAGE}),
        ("Environment", {"image": IMAGE, "run": {}}),
        ("ComputeResource", {"cpuCoreRequest": 1}),
        ("DataSource", NFS),
        ("DataSource", {"pvc": {"path": "/d", "claimInfo": {"size": "1Gi"}}}),
        ("Credential", GENERIC),
    ],
)
async def test_a_framework_is_refused_where_it_is_set(kind: str, spec: Body) -> None:
    """And what the asset made before goes on as before."""
    world = World(SECRET, asset(kind, "a", {**spec, **FRAMEWORK}))
    await world.settle()
    (issue,) = world.status(kind, "a")["issues"]
    assert issue["issue"] == "Unsupported"
    assert issue["message"].startswith("spec.distributedFramework: ")
    assert issue["message"].endswith("Remove the field.")
    mark = len(world.cluster.writes)
    world.edit(kind, "a", distributedFramework=None)
    await world.settle()
    assert [item for item in world.writes(mark) if item[1] not in (kind, "ControllerRevision")] == []
    assert condition(world.status(kind, "a"), "Stalled") is None
