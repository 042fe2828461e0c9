"""`outfitter trace`: the tree of an object, and the sentence with what fails."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from outfitter.api.v1alpha1 import kind_of
from outfitter.cli.references import Reference, references
from outfitter.cli.trace_nodes import Node, Trace, child_nodes, conclusion, failing, pod_node, reference_node
from outfitter.cluster.resources import RESOURCES
from outfitter.cluster.transport import METADATA_LIST, METADATA_ONLY
from outfitter.settings import Settings
from outfitter.simulator.simulation import Simulation

from .conftest import Invoke
from .fake_api import FakeApi, Object
from .test_logs import CRASHED, pod, state
from .test_policy_diff import SYSTEM, made, project
from .test_verbs import body

LAB = {"name": "lab", "toolType": "jupyter-notebook", "connectionType": "NodePort", "containerPort": 8888}
OBJECTS = [
    project("team-a"),
    made("ComputeResource", "small", {"cpuCoreRequest": 1}, SYSTEM),
    made("DataSource", "sets", {"nfs": {"server": "s", "path": "/p", "mountPath": "/data"}}),
    made("Environment", "torch", {"image": "a:1", "connections": [LAB]}),
    made("Credential", "key", {"type": "dockerRegistry", "secretRef": {"name": "login"}}),
    made(
        "Workspace",
        "box",
        {
            "assets": {
                "environment": {"name": "torch"},
                "compute": {"name": "small"},
                "dataSources": [{"name": "sets"}],
            }
        },
    ),
    made("Workspace", "broken", {"image": "a", "assets": {"compute": {"name": "none"}}}),
]


@pytest.fixture(scope="module")
def settled() -> list[Object]:
    """The objects of a cluster, with their statuses, children and pods."""

    async def run() -> list[Object]:
        simulation = Simulation(Settings(), pod_objects=True)
        simulation.load(OBJECTS)
        await simulation.settle()
        return [dict(item) for item in simulation.cluster.objects()]

    return [item for item in asyncio.run(run()) if item["kind"] in RESOURCES]


@pytest.fixture
def api(settled: list[Object]) -> Iterator[FakeApi]:
    fake = FakeApi(copy.deepcopy(settled))
    yield fake
    fake.close()


@pytest.fixture
def trace(api: FakeApi, invoke: Invoke, tmp_path: Path) -> Callable[..., Any]:
    kubeconfig = api.kubeconfig(tmp_path)
    return lambda *arguments: invoke("trace", *arguments, "--kubeconfig", kubeconfig)


def test_the_tree_of_a_workload(trace: Callable[..., Any]) -> None:
    seen = trace("workspace/box")
    assert seen.exit_code == 0, seen.output
    lines = seen.stdout.splitlines()
    assert lines[0] == "Workspace team-a/box  No issues found, Running"
    for line in (
        "│   ├── Environment team-a/torch  ready",
        "│   ├── ComputeResource outfitter-system/small  ready",
        "│   └── DataSource team-a/sets  ready",
        "    ├── StatefulSet box  ready",
        "    │   └── Pod box-0  Running",
        "    │       └── Container main  waiting",
        "    ├── Service box  ready",
        "Workspace team-a/box is ready.",
    ):
        assert line in lines, seen.stdout


def test_a_missing_reference_with_the_cause_of_the_status(trace: Callable[..., Any]) -> None:
    seen = trace("wsp", "broken")
    assert seen.exit_code == 1
    assert "ComputeResource none  missing" in seen.stdout
    last = seen.stdout.splitlines()[-1]
    assert last.startswith("spec.assets.compute: ComputeResource none does not exist")


def test_a_crash_in_a_pod_as_data(api: FakeApi, trace: Callable[..., Any]) -> None:
    """The issue of the status is the cause; without one, the container itself is."""
    text = "Its program ended with exit code 1. Read its log."
    workspace = api.need("Workspace", "box")
    ready = {"type": "Ready", "status": "False", "reason": "CrashLoop", "message": text}
    workspace["status"] |= {"conditions": [ready], "issues": [{"issue": "CrashLoop", "message": text}]}
    end = {"terminated": {"exitCode": 1, "message": "no such file"}}
    api.need("Pod", "box-0")["status"]["containerStatuses"] = [
        {"name": "main", "state": CRASHED, "lastState": end, "restartCount": 2}
    ]
    seen = trace("workspace/box", "-o", "json")
    data = json.loads(seen.stdout)
    assert seen.exit_code == 1
    assert [item["name"] for item in data["failing"]] == ["box", "box-0", "main"]
    assert data["conclusion"] == f"Container main of Pod box-0 fails: {text}"
    (box,) = [item for item in data["children"] if item["kind"] == "StatefulSet"]
    (main,) = box["nodes"][0]["nodes"]
    assert (main["state"], main["message"]) == ("CrashLoopBackOff, 2 restarts", "no such file")
    workspace["status"]["issues"] = []
    seen = trace("workspace/box")
    assert seen.stdout.splitlines()[-1] == (
        "Container main of Pod box-0 fails: CrashLoopBackOff, 2 restarts: no such file"
    )


def test_what_the_user_may_not_read(api: FakeApi, trace: Callable[..., Any]) -> None:
    """A part of the tree is better than none. Of Secrets, only metadata is asked for."""
    api.forbidden |= {"outfitter-system", "services", "jobsets"}
    seen = trace("workspace/box")
    assert seen.exit_code == 0
    assert "ComputeResource small  not readable" in seen.stdout
    assert seen.stderr == "You may not list these kinds: Service.\n"
    trace("credential/key")
    assert api.accepts["/api/v1/namespaces/team-a/secrets/login"] == METADATA_ONLY
    assert api.accepts["/api/v1/namespaces/team-a/secrets"] == METADATA_LIST


def test_of_no_object(trace: Callable[..., Any]) -> None:
    seen = trace("workspace/none")
    assert (seen.exit_code, seen.stderr[:42]) == (1, "Workspace team-a/none does not exist. To l")


def test_references_of_each_kind_of_field() -> None:
    spec = {
        "artifact": {"name": "scorer"},
        "assets": {"dataSources": [{"name": "sets", "scope": "cluster"}]},
        "environmentVariables": [{"name": "A", "secret": {"name": "s", "key": "k"}}],
    }
    status = {"nimCache": {"name": "nim", "namespace": SYSTEM}, "imposedDataSources": ["more"]}
    assert set(references(kind_of("Inference"), body("Inference", spec, **status))) == {
        Reference("Artifact", "scorer"),
        Reference("DataSource", "sets", "cluster"),
        Reference("DataSource", "more"),
        Reference("Secret", "s"),
        Reference("NimCache", "nim", namespace=SYSTEM),
    }
    assert references(kind_of("Inference"), body("Inference", {"replicas": "many"})) == []


def test_pods_by_their_owner() -> None:
    deployment = {**body("Deployment", {}), "status": {}}
    deployment["metadata"] |= {"resourceVersion": "1"}
    (node, other) = child_nodes(
        [deployment], [pod("a", owner=("ReplicaSet", "box-5f")), pod("b", owner=("ReplicaSet", "box-two-5f"))]
    )
    assert ([each.name for each in node.nodes], other.name) == (["a"], "b")


@pytest.mark.parametrize(
    ("status", "expected", "bad"),
    [
        ({"phase": "Running"}, "Running", False),
        ({"phase": "Failed", "reason": "Evicted", "message": "full"}, "Evicted", True),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "m"}]},
            "Unschedulable",
            True,
        ),
    ],
)
def test_states_of_pods(status: Object, expected: str, bad: bool) -> None:
    node = pod_node({**pod("a"), "status": status})
    assert (node.state, node.bad) == (expected, bad)


def test_states_of_containers() -> None:
    item = pod("a", "one", "two", "three", "four")
    state(item, "one", {"running": {}}, ready=False, restartCount=1)
    state(item, "two", {"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
    state(item, "three", {"terminated": {"exitCode": 0}})
    state(item, "four", {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}})
    assert [(node.state, node.bad) for node in pod_node(item).nodes] == [
        ("running, not ready, 1 restart", False),
        ("OOMKilled, exit code 137", True),
        ("completed", False),
        ("ImagePullBackOff", True),
    ]


def test_the_conclusion_without_a_leaf() -> None:
    """What only waits does not fail."""
    waits = body("Workspace", {}, message="The pod starts.")
    trace = Trace(waits, (reference_node("Environment", "e", None, readable=False),), (Node("Pod", "a", "Pending"),))
    assert failing(trace) == ()
    assert conclusion(trace) == "Workspace team-a/box is not ready: The pod starts."
    assert reference_node("Secret", "s", None).message == "It does not exist."
