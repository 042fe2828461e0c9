"""One port for requests: from `servingPort`, or from a connection of type ServingPort, with its protocol."""

from __future__ import annotations

from typing import Any

import pytest

from world import Body, World, asset, condition, issues

IMAGE = "registry.example.com/s:1"
LOCAL = {"container": 8000, "clusterLocalAccessOnly": True}
DOMAIN = {"domain": "apps.example.com", "ingress_class": "nginx"}
SERVED = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8000}]}]}


def connection(name: str = "api", port: int = 8000, **fields: Any) -> Body:
    """A connection of type ServingPort."""
    return {"name": name, "toolType": "custom", "connectionType": "ServingPort", "containerPort": port, **fields}


def objects(where: str, *connections: Body, **fields: Any) -> list[Body]:
    """An Inference with connections of its own, or of its Environment, or of an Artifact."""
    if where == "environment":
        lab = asset("Environment", "lab", {"image": IMAGE, "connections": list(connections)})
        return [lab, asset("Inference", "i", {"assets": {"environment": {"name": "lab"}}, **fields})]
    if where == "artifact":
        spec = {"artifact": {"name": "a"}, "connections": list(connections), **fields}
        return [asset("Artifact", "a", SERVED), asset("Inference", "i", spec)]
    return [asset("Inference", "i", {"image": IMAGE, "connections": list(connections), **fields})]


WHERE = pytest.mark.parametrize("where", ["inline", "environment", "artifact"])


@WHERE
@pytest.mark.parametrize("protocol", [None, "http", "grpc"])
async def test_the_protocol_of_a_connection_is_that_of_the_service(where: str, protocol: str | None) -> None:
    fields = {"protocol": protocol} if protocol else {}
    world = World(*objects(where, connection(**fields)))
    await world.settle()
    (port,) = world.get("Service", "i")["spec"]["ports"]
    expected = ("grpc", "kubernetes.io/h2c") if protocol == "grpc" else ("http", None)
    assert (port["name"], port.get("appProtocol")) == expected
    assert port["port"] == 8000


async def test_the_ingress_of_a_serving_port_has_the_protocol_of_the_connection() -> None:
    spec = {"image": IMAGE, "connections": [connection(protocol="grpc")], "servingPort": {"container": 8000}}
    world = World(asset("Inference", "i", spec), settings=DOMAIN)
    await world.settle()
    annotations = world.get("Ingress", "i")["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/backend-protocol"] == "GRPC"


async def test_a_workload_that_runs_keeps_its_service_until_it_restarts() -> None:
    """A revision of version 0.1 does not hold the protocol of a connection, and its Service is not touched."""
    world = World(*objects("inline", connection()))
    await world.settle()
    (before,) = world.all("ControllerRevision")
    assert all("protocol" not in group for group in before["data"]["groups"])


REFUSED: list[tuple[str, list[Body], Body, str]] = [
    ("another-port", [connection(port=9000)], {"servingPort": LOCAL}, "spec.connections[api].containerPort"),
    (
        "another-protocol",
        [connection(protocol="grpc")],
        {"servingPort": {**LOCAL, "protocol": "http"}},
        "spec.connections[api].protocol",
    ),
]


@pytest.mark.parametrize("where", ["inline", "environment"])
@pytest.mark.parametrize(("connections", "fields", "field"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED])
async def test_what_contradicts_is_refused(where: str, connections: list[Body], fields: Body, field: str) -> None:
    world = World(*objects(where, *connections, **fields))
    await world.settle()
    status = world.status("Inference", "i")
    assert condition(status, "Stalled") is not None
    (issue,) = (item for item in status["issues"] if item["issue"] == "Conflict")
    assert issue["message"].startswith(f"{field}: ")
    assert not world.all("Deployment")


@pytest.mark.parametrize("port", [8000, 9000])
async def test_a_second_port_for_requests_is_refused(port: int) -> None:
    """One is of the Environment, the other of the workload: each is valid alone."""
    lab = asset("Environment", "lab", {"image": IMAGE, "connections": [connection()]})
    spec = {"assets": {"environment": {"name": "lab"}}, "connections": [connection("other", port)]}
    world = World(lab, asset("Inference", "i", spec))
    await world.settle()
    (issue,) = (item for item in world.status("Inference", "i")["issues"] if item["issue"] == "InvalidSpec")
    assert issue["message"].startswith("spec.connections: Two connections have type ServingPort")
    assert not world.all("Deployment")


@pytest.mark.parametrize(
    ("serving", "settings", "noted"),
    [
        (LOCAL, DOMAIN, True),
        ({"container": 8000}, {"ingress_class": "nginx"}, True),
        ({"container": 8000}, DOMAIN, False),
        (None, DOMAIN, True),
    ],
)
async def test_a_timeout_without_an_ingress_is_noted(serving: Body | None, settings: Body, noted: bool) -> None:
    fields = {"servingPort": serving} if serving else {"connections": [connection()]}
    spec = {"image": IMAGE, "servingConfiguration": {"requestTimeoutSeconds": 30}, **fields}
    world = World(asset("Inference", "i", spec), settings=settings)
    await world.settle()
    field = "spec.servingConfiguration.requestTimeoutSeconds: "
    found = [item for item in world.status("Inference", "i").get("issues", ()) if item["message"].startswith(field)]
    assert len(found) == noted


async def test_another_port_than_that_of_the_artifact_is_refused() -> None:
    world = World(*objects("artifact", connection(port=9000)))
    await world.settle()
    (issue,) = (item for item in world.status("Inference", "i")["issues"] if item["issue"] == "Conflict")
    assert issue["message"].startswith("spec.connections[api].containerPort: ")
    assert "the Artifact has port 8000" in issue["message"]


@WHERE
async def test_a_serving_port_that_agrees_is_no_contradiction(where: str) -> None:
    serving = {"clusterLocalAccessOnly": True, **({} if where == "artifact" else {"container": 8000})}
    world = World(*objects(where, connection(protocol="grpc"), servingPort={**serving, "protocol": "grpc"}))
    await world.settle()
    assert "Conflict" not in issues(world.status("Inference", "i"))
    assert world.get("Service", "i")["spec"]["ports"][0]["appProtocol"] == "kubernetes.io/h2c"


NO_PORT: list[tuple[Body, bool]] = [
    ({}, True),
    ({"connections": [{"name": "w", "toolType": "wandb", "externalUrl": "https://wandb.example.com"}]}, True),
    ({"servingPort": LOCAL}, False),
    ({"connections": [connection()]}, False),
    ({"ports": [{"container": 8000}]}, False),
]


@pytest.mark.parametrize(("fields", "refused"), NO_PORT)
async def test_an_inference_without_any_port_is_refused(fields: Body, refused: bool) -> None:
    world = World(asset("Inference", "i", {"image": IMAGE, **fields}))
    await world.settle()
    status = world.status("Inference", "i")
    assert (condition(status, "Stalled") is not None) is refused
    assert bool(world.all("Deployment")) is not refused
    if refused:
        assert status["issues"][0]["message"].startswith("spec.servingPort: ")
