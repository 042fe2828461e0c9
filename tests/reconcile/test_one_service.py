"""One Service per workload for what is inside the cluster; what runs with several keeps them until it restarts."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from doors import Deadly, Door, Killed, Refusing

from outfitter import naming
from outfitter.cluster.protocol import Cluster
from outfitter.errors import Forbidden
from world import TEAM, Body, World, asset, condition, reason

IMAGE = "registry.example.com/u:1"
SETTINGS = {"domain": "apps.example.com"}
LAB = {"name": "lab", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8888}
NODE = {"name": "node", "toolType": "custom", "connectionType": "NodePort", "containerPort": 9999}
METRICS = {"name": "metrics", "container": 9090}
SPEC: Body = {"image": IMAGE, "connections": [LAB, NODE], "ports": [METRICS]}
SERVED: Body = {**SPEC, "servingPort": {"container": 8000, "clusterLocalAccessOnly": True}}
Ports = dict[str, list[tuple[str, int, int]] | None]
OLD: dict[str, Ports] = {
    "Workspace": {
        "w": None,
        "w-lab": [("lab", 8888, 8888)],
        "w-metrics": [("metrics", 9090, 9090)],
        "w-node": [("node", 9999, 9999)],
    },
    "Inference": {
        "w": [("http", 8000, 8000)],
        "w-lab": [("lab", 8888, 8888)],
        "w-metrics": [("metrics", 9090, 9090)],
        "w-node": [("node", 9999, 9999)],
    },
}
NEW: dict[str, Ports] = {
    "Workspace": {
        "w": [("lab", 8888, 8888), ("metrics", 9090, 9090)],
        "w-node": [("node", 9999, 9999)],
    },
    "Inference": {
        "w": [("http", 8000, 8000), ("lab", 8888, 8888), ("metrics", 9090, 9090)],
        "w-node": [("node", 9999, 9999)],
    },
}
KINDS = pytest.mark.parametrize(("kind", "spec"), [("Workspace", SPEC), ("Inference", SERVED)])


def services(world: World) -> Ports:
    """Name -> name, port and container port of each of its ports; None for a headless Service without ports."""
    found: Ports = {}
    for body in world.all("Service"):
        ports = [(port["name"], port["port"], port["targetPort"]) for port in body["spec"].get("ports", ())]
        assert (body["spec"].get("clusterIP") == "None") is (not ports)
        found[body["metadata"]["name"]] = ports or None
    return found


def backend(world: World, name: str) -> tuple[str, int]:
    """Service and port of an Ingress."""
    (rule,) = world.get("Ingress", name)["spec"]["rules"]
    service = rule["http"]["paths"][0]["backend"]["service"]
    return service["name"], service["port"]["number"]


async def started(kind: str, **spec: Any) -> World:
    world = World(asset(kind, "w", spec), settings=SETTINGS)
    await world.settle()
    return world


async def former(kind: str, spec: Body, wanted: Ports | None = None) -> World:
    """A workload that runs with a revision of version 0.1, and with the children that follow from it."""
    world = await started(kind, **spec)
    (revision,) = world.all("ControllerRevision")
    data = {key: value for key, value in revision["data"].items() if key != "oneService"}
    name = naming.former_revision("w", orjson.dumps(data, option=orjson.OPT_SORT_KEYS))
    meta = {**revision["metadata"], "name": name}
    world.cluster.user_delete("ControllerRevision", TEAM, revision["metadata"]["name"])
    world.cluster.user_apply({**revision, "metadata": meta, "data": data})
    world.cluster.user_status(kind, TEAM, "w", {**world.status(kind, "w"), "revision": name})
    await world.settle()
    assert services(world) == (wanted or OLD[kind])
    assert world.status(kind, "w")["revision"] == name
    return world


class Reachable(Door):
    """Checks after each write that every Ingress points at a port of a Service."""

    def __init__(self, world: World, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.world = world

    def after(self, verb: str, kind: str, name: str) -> None:
        """Check."""
        ports = {name: [port for _, port, _ in found or ()] for name, found in services(self.world).items()}
        for ingress in self.world.all("Ingress"):
            service, port = backend(self.world, ingress["metadata"]["name"])
            assert port in ports.get(service, ()), f"{verb} {kind} {name}"


@KINDS
async def test_a_new_workload_has_one_service_inside_the_cluster(kind: str, spec: Body) -> None:
    world = await started(kind, **spec)
    assert services(world) == NEW[kind]
    assert backend(world, "w-lab") == ("w", 8888)
    connections = {item["name"]: item for item in world.status(kind, "w")["connections"]}
    assert connections["lab"]["url"] == f"https://w-lab-{TEAM}.apps.example.com"
    assert connections["node"]["nodePort"] >= 30000
    assert connections["metrics"]["containerPort"] == 9090


@KINDS
async def test_what_runs_keeps_its_services(kind: str, spec: Body) -> None:
    """An upgrade writes nothing, also where the operator starts again."""
    world = await former(kind, spec)
    mark = len(world.cluster.writes)
    await world.restart()
    await world.settle()
    assert world.writes(mark) == []
    assert backend(world, "w-lab") == ("w-lab", 8888)


CHANGES = pytest.mark.parametrize("change", ["edit", "restart", "resume"])


async def _change(world: World, kind: str, change: str) -> None:
    if change == "restart":
        world.annotate(kind, "w", restartedAt="2026-01-02T00:00:00Z")
    elif change == "edit":
        world.edit(kind, "w", args="serve")
    else:
        world.edit(kind, "w", suspend=True)
        await world.settle()
        assert services(world) == OLD[kind]
        world.edit(kind, "w", suspend=None)


@KINDS
@CHANGES
async def test_the_next_revision_moves_them(kind: str, spec: Body, change: str) -> None:
    """Each Ingress points at a port that exists after every write, and the node port stays where it is."""
    world = await former(kind, spec)
    node = world.get("Service", "w-node")
    world.connect(Reachable(world, world.cluster))
    await _change(world, kind, change)
    await world.settle()
    assert services(world) == NEW[kind]
    assert backend(world, "w-lab") == ("w", 8888)
    assert world.get("Service", "w-node")["spec"] == node["spec"]
    assert reason(world.status(kind, "w")) == "Running"
    mark = len(world.cluster.writes)
    await world.restart()
    await world.settle()
    assert world.writes(mark) == []


@KINDS
@pytest.mark.parametrize("answered", [False, True])
async def test_killed_at_every_write_of_the_move(kind: str, spec: Body, answered: bool) -> None:
    number, died = 0, True
    while died:
        number += 1
        world = await former(kind, spec)
        world.connect(Deadly(world.cluster, number, answered=answered))
        world.edit(kind, "w", args="serve")
        try:
            await world.settle()
        except Killed:
            await world.restart(Reachable(world, world.cluster))
            await world.settle()
        else:
            died = False
        assert services(world) == NEW[kind], f"killed at write {number}"
        assert backend(world, "w-lab") == ("w", 8888)
    assert number > 6


async def test_an_ingress_stays_where_it_is_while_the_new_service_has_no_name() -> None:
    """Somebody takes the name of the Service between its deletion and its creation."""
    world = await former("Workspace", SPEC)
    world.cluster.user_delete("Service", TEAM, "w")
    theirs = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "w", "namespace": TEAM}}
    world.cluster.user_apply({**theirs, "spec": {"ports": [{"port": 80}], "selector": {"app": "theirs"}}})
    world.edit("Workspace", "w", args="serve")
    await world.settle()
    status = world.status("Workspace", "w")
    assert reason(status) == "NameTaken"
    assert condition(status, "Stalled") is not None
    text = f"Service {TEAM}/w exists, and Outfitter does not manage it. Delete or rename it"
    assert any(text in item["message"] for item in status["issues"])
    assert backend(world, "w-lab") == ("w-lab", 8888)
    assert world.find("Service", "w-lab") is not None
    world.cluster.user_delete("Service", TEAM, "w")
    await world.restart()  # or once a minute: it carries no label that is watched
    await world.settle()
    assert services(world) == NEW["Workspace"]
    assert backend(world, "w-lab") == ("w", 8888)


async def test_a_quota_that_is_used_up_leaves_urls_as_they_are() -> None:
    """Without a port for requests, an Inference needs one Service more for the time of the move."""
    world = await former("Inference", {"image": IMAGE, "connections": [LAB]}, {"w-lab": [("lab", 8888, 8888)]})
    world.edit("Inference", "w", args="serve")
    error = Forbidden("exceeded quota: tight", status=403, reason="Forbidden")
    world.connect(Refusing(world.cluster, "create", error, kind="Service"))
    for _ in range(5):
        await world.step()
    assert reason(world.status("Inference", "w")) == "QuotaExceeded"
    assert services(world) == {"w-lab": [("lab", 8888, 8888)]}
    assert backend(world, "w-lab") == ("w-lab", 8888)
    world.connect(Reachable(world, world.cluster))
    await world.settle()
    assert services(world) == {"w": [("lab", 8888, 8888)]}
    assert backend(world, "w-lab") == ("w", 8888)


async def test_without_a_port_inside_the_pod_has_a_headless_service() -> None:
    """The name of the pod resolves, and adding a first port or removing the last one replaces the Service."""
    world = await started("Workspace", image=IMAGE, connections=[NODE])
    assert services(world) == {"w": None, "w-node": [("node", 9999, 9999)]}
    assert world.get("Service", "w")["spec"]["publishNotReadyAddresses"] is True
    assert world.get("StatefulSet", "w")["spec"]["serviceName"] == "w"
    world.edit("Workspace", "w", ports=[METRICS])
    await world.settle()
    assert services(world)["w"] == [("metrics", 9090, 9090)]
    assert "publishNotReadyAddresses" not in world.get("Service", "w")["spec"]
    world.edit("Workspace", "w", ports=None)
    await world.settle()
    assert services(world) == {"w": None, "w-node": [("node", 9999, 9999)]}


async def test_a_port_comes_and_goes_in_place() -> None:
    world = await started("Workspace", **SPEC)
    uid = world.get("Service", "w")["metadata"]["uid"]
    world.edit("Workspace", "w", ports=[METRICS, {"name": "extra", "container": 7000, "external": 80}])
    await world.settle()
    assert services(world)["w"] == [*(NEW["Workspace"]["w"] or ()), ("extra", 80, 7000)]
    world.edit("Workspace", "w", ports=None)
    await world.settle()
    assert services(world)["w"] == [("lab", 8888, 8888)]
    assert world.get("Service", "w")["metadata"]["uid"] == uid


def url(name: str, port: int) -> Body:
    return {"name": name, "container": port}


def port(name: str, container: int, external: int) -> Body:
    return {"name": name, "container": container, "external": external}


SHARED: list[tuple[str, Body, Ports]] = [
    (
        "a connection and a URL for one port",
        {"image": IMAGE, "connections": [LAB], "exposedUrls": [url("ui", 8888)]},
        {"w": [("lab", 8888, 8888)]},
    ),
    (
        "two names for one port",
        {"image": IMAGE, "ports": [port("a", 8080, 80), port("b", 8080, 80)]},
        {"w": [("a", 80, 8080)]},
    ),
    (
        "two container ports behind one port",
        {"image": IMAGE, "ports": [port("a", 8080, 80), port("b", 9090, 80), port("c", 9091, 80)]},
        {"w": [("a", 80, 8080)], "w-b": [("b", 80, 9090)], "w-c": [("c", 80, 9091)]},
    ),
    (
        "a port in the way of a connection",
        {"image": IMAGE, "connections": [LAB], "ports": [port("a", 80, 8888)]},
        {"w": [("lab", 8888, 8888)], "w-a": [("a", 8888, 80)]},
    ),
    (
        "two ports for one container port",
        {"image": IMAGE, "ports": [port("a", 8080, 80), port("b", 8080, 8080)]},
        {"w": [("a", 80, 8080), ("b", 8080, 8080)]},
    ),
    (
        "a name of more than 15 characters",
        {"image": IMAGE, "ports": [port("p" * 63, 8080, 80)]},
        {"w": [("p" * 63, 80, 8080)]},
    ),
]


@pytest.mark.parametrize(("spec", "wanted"), [row[1:] for row in SHARED], ids=[row[0] for row in SHARED])
async def test_one_port_serves_what_agrees(spec: Body, wanted: Ports) -> None:
    """What does not fit has a Service of its own, as before."""
    world = await started("Workspace", **spec)
    assert reason(world.status("Workspace", "w")) == "Running"
    assert services(world) == wanted
    for item in world.all("Ingress"):
        service, number = backend(world, item["metadata"]["name"])
        assert number in [port for _, port, _ in wanted[service] or ()]


SERVING: list[tuple[str, Body, Ports]] = [
    (
        "a URL for the port for requests",
        {"exposedUrls": [url("ui", 8000)]},
        {"w": [("http", 8000, 8000)]},
    ),
    (
        "another container port behind it",
        {"ports": [port("a", 9000, 8000)]},
        {"w": [("http", 8000, 8000)], "w-a": [("a", 8000, 9000)]},
    ),
    (
        "its name, at another port",
        {"ports": [port("http", 9000, 9000)]},
        {"w": [("http", 8000, 8000)], "w-http": [("http", 9000, 9000)]},
    ),
    (
        "its name, at the same port",
        {"ports": [port("http", 8000, 8000)]},
        {"w": [("http", 8000, 8000)]},
    ),
    (
        "the name that it has with another protocol",
        {"ports": [port("grpc", 9000, 9000)]},
        {"w": [("http", 8000, 8000)], "w-grpc": [("grpc", 9000, 9000)]},
    ),
]


@pytest.mark.parametrize(("spec", "wanted"), [row[1:] for row in SERVING], ids=[row[0] for row in SERVING])
async def test_the_port_for_requests_comes_first(spec: Body, wanted: Ports) -> None:
    serving = {"container": 8000, "clusterLocalAccessOnly": True}
    world = await started("Inference", image=IMAGE, servingPort=serving, **spec)
    assert reason(world.status("Inference", "w")) == "Running"
    assert services(world) == wanted


async def test_an_inference_that_serves_no_requests() -> None:
    world = await started("Inference", image=IMAGE, ports=[port("http", 8000, 80)])
    assert services(world) == {"w": [("http", 80, 8000)]}


async def test_other_container_groups_have_services_of_their_own() -> None:
    """A connection may have the name of another group: its port is on the Service of the main one."""
    groups = [
        {"name": name, "containers": [{"imageUri": IMAGE, "port": 8000, "primary": True}]} for name in ("front", "back")
    ]
    repository = asset("Artifact", "a", {"containerGroups": groups})
    spec = {"artifact": {"name": "a"}, "connections": [{**LAB, "name": "back"}]}
    world = World(repository, asset("Inference", "w", spec), settings=SETTINGS)
    await world.settle()
    assert reason(world.status("Inference", "w")) == "Running"
    assert services(world) == {
        "w": [("http", 8000, 8000), ("back", 8888, 8888)],
        "w-back": [("http", 8000, 8000)],
    }
    world.edit("Inference", "w", connections=[{**NODE, "name": "back"}])
    await world.settle()
    status = world.status("Inference", "w")
    assert "needs Service w-back, which belongs to container group back" in str(status["issues"])


async def test_names_that_met_in_one_service_each_do_not_meet_any_more() -> None:
    """Workspace a-b, and connection b of Workspace a."""
    rows = [("a", [{**LAB, "name": "b"}]), ("a-b", [])]
    world = World(*(asset("Workspace", name, {"image": IMAGE, "connections": items}) for name, items in rows),
                  settings=SETTINGS)  # fmt: skip
    await world.settle()
    assert services(world) == {"a": [("b", 8888, 8888)], "a-b": None}
