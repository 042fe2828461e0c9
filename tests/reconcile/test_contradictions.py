"""Fields that are valid one by one and could have no effect in the merged workload are refused at the field."""

from __future__ import annotations

from typing import Any

import pytest

from world import Body, World, asset, condition, secret

IMAGE = "registry.example.com/u:1"
SETTINGS = {"domain": "apps.example.com"}
LOCAL = {"container": 8080, "clusterLocalAccessOnly": True}
ROOT = {"uidGidSource": "custom", "runAsUid": 0}
OWN_GROUP = {"uidGidSource": "custom", "runAsUid": 1000, "runAsGid": 1000}
OWN_IDS = {"uidGidSource": "custom", "overrideUidGidInWorkspace": True}
CLAIM = {"name": "c", "path": "/c", "claimName": "c", "dataSharing": True, "claimInfo": {"size": "1Gi"}}


def inside(type_: str, **fields: Any) -> Body:
    return {"name": "tool", "toolType": "mlflow", "connectionType": type_, "containerPort": 5000, **fields}


def home(**source: Any) -> list[Body]:
    return [{"name": "HOME", **source}]


URL = {"connections": [{"name": "tool", "externalUrl": "https://x.apps.example.com"}]}
URL_FIELD = "spec.connections[0].externalUrl"
HOME_FIELD = "spec.createHomeDir"
TOKEN = {"secret": {"name": "keys", "key": "home"}}
SCALED = {"maxReplicas": 3, "metric": "requests", "metricThreshold": 4}
# Fields of the Environment, fields of the workload, and the field that is refused; "" where nothing is.
CASES: dict[str, tuple[Body, Body, str]] = {
    "url-of-generated": ({"connections": [inside("ExternalUrl")]}, URL, URL_FIELD),
    "url-of-node-port": ({"connections": [inside("NodePort")]}, URL, URL_FIELD),
    "url-of-load-balancer": ({"connections": [inside("LoadBalancer")]}, URL, URL_FIELD),
    "url-of-custom": ({"connections": [inside("ExternalUrl", customUrl=True)]}, URL, ""),
    "affinity-without-key": ({}, {"podAffinity": {"type": "Required"}}, "spec.podAffinity.key"),
    "affinity": ({}, {"podAffinity": {"key": "topology.kubernetes.io/zone"}}, ""),
    "inline-data-sharing": ({}, {"storage": {"pvc": [CLAIM]}}, "spec.storage.pvc[c].dataSharing"),
    "inline-no-data-sharing": ({"security": OWN_GROUP}, {"storage": {"pvc": [{**CLAIM, "dataSharing": False}]}}, ""),
    "home-of-secret": ({}, {"createHomeDir": True, "environmentVariables": home(**TOKEN)}, HOME_FIELD),
    "home-empty": ({}, {"createHomeDir": True, "environmentVariables": home(value="")}, HOME_FIELD),
    "home-relative": ({}, {"createHomeDir": True, "environmentVariables": home(value="home")}, HOME_FIELD),
    "home-root": ({}, {"createHomeDir": True, "environmentVariables": home(value="/")}, HOME_FIELD),
    "home-of-variable": ({}, {"createHomeDir": True, "environmentVariables": home(value="/$(A)")}, HOME_FIELD),
    "home-of-environment": ({"environmentVariables": home(value="")}, {"createHomeDir": True}, HOME_FIELD),
    "home-in-environment": ({"createHomeDir": True}, {"environmentVariables": home(**TOKEN)}, HOME_FIELD),
    "home": ({}, {"createHomeDir": True, "environmentVariables": home(value="/home/ann")}, ""),
    "home-unset": ({}, {"createHomeDir": True}, ""),
    "no-home": ({}, {"createHomeDir": False, "environmentVariables": home(**TOKEN)}, ""),
    "root-by-default": ({"security": OWN_IDS}, {"security": ROOT}, "spec.security.runAsUid"),
    "root-of-environment": (
        {"security": {**OWN_IDS, "runAsNonRoot": True}}, {"security": {"runAsUid": 0}}, "spec.security.runAsUid",
    ),
    "root-allowed": ({"security": {**OWN_IDS, "runAsNonRoot": False}}, {"security": {"runAsUid": 0}}, ""),
    "root-asked-for": ({"security": OWN_IDS}, {"security": {**ROOT, "runAsNonRoot": False}}, ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["Workspace", "Inference"])
@pytest.mark.parametrize(("definition", "fields", "field"), CASES.values(), ids=CASES)
async def test_refused_at_the_field(kind: str, definition: Body, fields: Body, field: str) -> None:
    serving = {"servingPort": LOCAL} if kind == "Inference" else {}
    lab = asset("Environment", "lab", {"image": IMAGE, **definition})
    body = asset(kind, "w", {"assets": {"environment": {"name": "lab"}}, **serving, **fields})
    world = World(secret("keys", {"home": "/h"}), lab, body, settings=SETTINGS)
    await world.settle()
    status = world.status(kind, "w")
    controllers = world.all("Deployment") + world.all("StatefulSet")
    assert [item["message"].partition(": ")[0] for item in status.get("issues", ())] == ([field] if field else [])
    assert bool(controllers) is not bool(field)


async def test_a_running_workload_runs_on() -> None:
    """What was accepted before is refused at the next change of its own spec, and not earlier."""
    lab = {"image": IMAGE, "connections": [inside("ExternalUrl", customUrl=True)]}
    world = World(
        asset("Environment", "lab", lab),
        asset("Workspace", "w", {"assets": {"environment": {"name": "lab"}}, **URL}),
        settings=SETTINGS,
    )
    await world.settle()
    mark = len(world.cluster.writes)
    world.edit("Environment", "lab", connections=[inside("ExternalUrl")])
    await world.settle()
    assert {item[1] for item in world.writes(mark)} <= {"Workspace", "Environment"}
    assert condition(world.status("Workspace", "w"), "Stalled") is None
    world.annotate("Workspace", "w", restartedAt="now")
    await world.settle()
    assert condition(world.status("Workspace", "w"), "Stalled") is not None
    assert world.get("StatefulSet", "w")["spec"]["replicas"] == 1


SERVED = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]}


@pytest.mark.parametrize("own", [True, False])
async def test_a_limit_below_the_request_of_a_compute_resource(own: bool) -> None:
    """In a container of an Artifact, where neither object is wrong alone."""
    small = {"name": "main", "compute": {"cpuMemoryLimit": "1Gi"}}
    sizes = {"containerGroups": [{"name": "default", "containers": [small]}]}
    if own:
        bodies = [asset("Artifact", "w", {**SERVED, "run": {"compute": {"name": "big"}, **sizes}})]
    else:
        spec = {"artifact": {"name": "a"}, "assets": {"compute": {"name": "big"}}, **sizes}
        bodies = [asset("Artifact", "a", SERVED), asset("Inference", "w", spec)]
    world = World(asset("ComputeResource", "big", {"cpuMemoryRequest": "2Gi"}), *bodies)
    await world.settle()
    prefix = "spec.run" if own else "spec"
    field = f"{prefix}.containerGroups[default].containers[main].compute.cpuMemoryLimit"
    status = world.status("Artifact" if own else "Inference", "w")
    assert any(item["message"].startswith(f"{field}: ") for item in status["issues"])
    assert not world.all("Deployment")


@pytest.mark.parametrize("scope", [None, {"type": "project"}])
async def test_sharing_with_one_namespace_is_noted(scope: Body | None) -> None:
    """The claim is made as without the field: one namespace has one volume anyway."""
    pvc = {"path": "/d", "dataSharing": True, "claimInfo": {"size": "1Gi"}}
    world = World(asset("DataSource", "d", {"pvc": pvc, **({"scope": scope} if scope else {})}))
    await world.settle()
    (issue,) = world.status("DataSource", "d")["issues"]
    assert issue["issue"] == "NotEnforced"
    assert issue["message"].startswith("spec.pvc.dataSharing: ")
    assert world.find("PersistentVolumeClaim", "d") is not None


@pytest.mark.parametrize("kind", ["Workspace", "Inference"])
async def test_the_name_of_a_tool_is_shown(kind: str) -> None:
    fields = {
        "ports": [{"name": "metrics", "container": 9090, "toolType": "prometheus", "toolName": "Metrics"}],
        "exposedUrls": [{"name": "ui", "container": 7860, "toolName": "My UI"}],
    }
    world = World(asset(kind, "w", {"image": IMAGE, **fields}), settings=SETTINGS)
    await world.settle()
    shown = {item["name"]: item for item in world.status(kind, "w")["connections"]}
    assert shown["metrics"]["toolName"] == "Metrics"
    assert shown["metrics"]["toolType"] == "prometheus"
    assert shown["ui"]["toolName"] == "My UI"
    assert "toolType" not in shown["ui"]
