"""`outfitter render`: the operator's own manifests, no secret in them, and what cannot be rendered told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.errors import Conflict, OutfitterError
from outfitter.settings import Settings
from outfitter.simulator.cluster import SimulatedCluster
from outfitter.simulator.simulation import Simulation

from .conftest import EXAMPLES, Invoke, process

Write = Callable[..., Path]
WORKSPACE = "apiVersion: outfitter.dev/v1alpha1\nkind: Workspace\nmetadata: {name: a}\nspec:\n"


def test_the_examples_give_what_the_operator_would_write(invoke: Invoke) -> None:
    seen = invoke("render", "-f", EXAMPLES, "--domain", "apps.example.com")
    assert (seen.exit_code, seen.stderr) == (0, "")
    made = [(each["kind"], each["metadata"]["name"]) for each in yaml.safe_load_all(seen.stdout)]
    assert sorted(made) == sorted(set(made))
    for expected in [
        ("Secret", "cred-bucket"),
        ("Secret", "cred-registry"),
        ("Secret", "cred-ngc"),
        ("Secret", "cred-ngc-pull"),
        ("PersistentVolumeClaim", "imagenet"),
        ("StatefulSet", "alice"),
        ("StatefulSet", "jupyter"),
        ("Service", "alice-board"),
        ("Ingress", "jupyter-lab"),
    ]:
        assert expected in made
    assert not {kind for kind, _ in made} & {"Namespace", "Workspace", "ConfigMap"}


def test_yaml_and_json_hold_the_same(invoke: Invoke) -> None:
    stream = list(yaml.safe_load_all(invoke("render", "-f", EXAMPLES).stdout))
    data = json.loads(invoke("render", "-f", EXAMPLES, "-o", "json").stdout)
    assert data["items"] == stream


def test_it_is_the_same_every_time(invoke: Invoke) -> None:
    assert invoke("render", "-f", EXAMPLES).stdout == invoke("render", "-f", EXAMPLES).stdout


def test_values_of_secrets_are_never_printed(invoke: Invoke) -> None:
    import base64

    seen = invoke("render", "-f", EXAMPLES)
    inputs = [
        item for item in yaml.safe_load_all((EXAMPLES / "20-platform.yaml").read_text()) if item["kind"] == "Secret"
    ]
    values = [
        value for item in inputs for key, value in item["stringData"].items() if key in ("password", "secret", "id")
    ]
    assert len(values) >= 3
    for value in values:
        for text in (value, base64.b64encode(value.encode()).decode()):
            assert text not in seen.stdout + seen.stderr
    secrets = [item for item in yaml.safe_load_all(seen.stdout) if item["kind"] == "Secret"]
    assert {value for item in secrets for value in item["data"].values()} == {"(hidden)"}


def test_what_is_missing_is_told_and_the_rest_rendered(invoke: Invoke, write: Write) -> None:
    missing = write(WORKSPACE + "  assets: {environment: {name: nowhere}}\n")
    seen = invoke("render", "-f", EXAMPLES, "-f", missing, "-n", "team-a")
    assert seen.exit_code == 1
    assert (
        "Workspace team-a/a: spec.assets.environment: Environment nowhere does not exist in namespace team-a"
        in seen.stderr
    )
    assert "name: alice" in seen.stdout


def test_what_is_only_worth_knowing_is_no_failure(invoke: Invoke, write: Write) -> None:
    text = WORKSPACE + "  image: x\n  environmentVariables: [{name: TOKEN, description: Paste it}]\n"
    seen = invoke("render", "-f", write(text))
    assert (seen.exit_code, "Paste it" in seen.stderr) == (0, True)
    assert "kind: StatefulSet" in seen.stdout


def test_what_the_server_would_refuse_is_not_rendered(invoke: Invoke, write: Write) -> None:
    seen = invoke("render", "-f", write(WORKSPACE + "  imge: x\n"))
    assert (seen.exit_code, seen.stdout) == (1, "")
    assert "spec.imge: The field is unknown." in seen.stderr


def test_namespace_and_environment_are_the_operator_s(write: Write) -> None:
    connection = (
        "  connections: [{name: lab, toolType: jupyter-notebook, connectionType: ExternalUrl, containerPort: 1}]\n"
    )
    file = write(WORKSPACE + "  image: x\n" + connection)
    seen = process("render", "-f", file, "-n", "red", "-o", "json", env={"OUTFITTER_DOMAIN": "apps.example.com"})
    items = json.loads(seen.stdout)["items"]
    assert {item["metadata"]["namespace"] for item in items} == {"red"}
    hosts = [item["spec"]["rules"][0]["host"] for item in items if item["kind"] == "Ingress"]
    assert hosts == ["a-lab-red.apps.example.com"]
    assert process("render", "-f", file).returncode == 1  # no domain: no URL for the connection
    assert process("render").returncode == 2


def test_kinds_that_nobody_here_knows_are_counted(invoke: Invoke, write: Write) -> None:
    file = write("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: a}\n")
    seen = invoke("render", "-f", file)
    assert (seen.exit_code, seen.stdout) == (0, "")
    assert "Skipped 1 object of kinds that Outfitter does not use." in seen.stderr


async def test_a_conflict_is_looked_at_again_and_an_endless_one_is_told() -> None:
    body: dict[str, Any] = yaml.safe_load(WORKSPACE + "  image: x\n")
    body["metadata"]["namespace"] = "a"
    simulation = Simulation(Settings())
    simulation.load([body])
    simulation.cluster.fail_next("create", "StatefulSet", Conflict("meanwhile"))
    await simulation.settle()
    assert {item["kind"] for item in simulation.manifests()} == {"ControllerRevision", "StatefulSet", "Service"}
    stuck = Simulation(Settings())
    stuck.load([body])
    for _ in range(100):
        stuck.cluster.fail_next("create", "ControllerRevision", Conflict("always"))
    with pytest.raises(OutfitterError, match="does not settle: always"):
        await stuck.settle()


def test_a_settled_simulation_writes_nothing_more(invoke: Invoke) -> None:
    import asyncio

    from outfitter.cli.render import simulate

    simulation = simulate([str(EXAMPLES)], "default")
    assert isinstance(simulation.cluster, SimulatedCluster)
    before = len(simulation.cluster.writes)
    asyncio.run(simulation.settle())
    assert len(simulation.cluster.writes) == before
