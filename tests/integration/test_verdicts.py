"""`outfitter validate`, client-side and server-side apply give one verdict, and what they accept can run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.api.shape import without_nulls
from outfitter.cli.documents import read
from outfitter.cluster.client import path_of
from outfitter.settings import Settings
from outfitter.simulator.simulation import Simulation

from .conftest import Stack
from .harness import verdicts
from .harness.client import condition, resource_of
from .harness.space import OBJECTS, Space
from .harness.verdicts import NAMESPACE, Row, Verdict

ROWS = verdicts.rows()
CHILDREN = {"StatefulSet", "Deployment", "Service", "PersistentVolumeClaim", "HorizontalPodAutoscaler", "Ingress"}


@dataclass(frozen=True)
class Verdicts:
    """The three verdicts by the name of each row's object."""

    validate: dict[str, Verdict]
    client: dict[str, Verdict]
    server: dict[str, Verdict]


@pytest.fixture(scope="module")
def folder(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("verdicts")
    verdicts.write(folder, ROWS)
    stack.api.create({"kind": "Namespace", "metadata": {"name": NAMESPACE}})
    yield folder
    stack.api.delete("Namespace", "", NAMESPACE)


@pytest.fixture(scope="module")
def found(stack: Stack, folder: Path) -> Verdicts:
    client, server = verdicts.by_kubectl(folder, ROWS, stack.sandbox.kubeconfig, (), ("--server-side",))
    return Verdicts(verdicts.by_validate(folder, ROWS), client, server)


@pytest.mark.kubectl
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_one_verdict(found: Verdicts, row: Row) -> None:
    for name, all_of_them in vars(found).items():
        verdict = all_of_them[row.name]
        assert verdict.accepted == (row.accepted or name in row.lenient), f"{name}: {verdict.text}"
        assert verdict.accepted or row.field in verdict.text, f"{name} does not name {row.field}: {verdict.text}"


def test_stored_nulls_are_absent_fields(space: Space) -> None:
    """A server-side apply stores nulls; what runs is what runs without them, and a second apply changes nothing."""
    manifests = list(yaml.safe_load_all((OBJECTS / "nulls.yaml").read_text()))
    space.secret("nulls", User="u", Password="p")
    for manifest in manifests:
        manifest["metadata"]["namespace"] = space.name
        stored = space.api.apply(manifest)
        assert None in _values(stored["spec"]), manifest["kind"]
    for manifest in manifests:
        ready = space.ready(manifest["kind"], manifest["metadata"]["name"])
        again = space.api.apply(manifest)
        assert again["metadata"]["generation"] == ready["metadata"]["generation"]
    space.make("Workspace", "twin", without_nulls(manifests[0]["spec"]))
    space.ready("Workspace", "twin")
    ours, theirs = space.template("nulls"), space.template("twin")
    assert yaml.safe_dump(ours).replace("nulls", "twin") == yaml.safe_dump(theirs)


def _values(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield item
        yield from _values(item)


def test_what_is_accepted_can_run(stack: Stack, folder: Path) -> None:
    """The API server accepts every child that the operator makes of an accepted object."""
    simulation = Simulation(Settings(domain="apps.example.com"), pods=False, binding=False)
    accepted = [row for row in ROWS if row.accepted]
    documents, findings = read([str(folder / row.file) for row in accepted])
    assert not findings
    simulation.load(document.body for document in documents)
    asyncio.run(simulation.settle())
    stalled = [(live.name, condition(live.body, "Stalled")) for live in simulation.resources()]
    assert [item for item in stalled if item[1].get("reason") == "InvalidSpec"] == []
    children = [item for item in simulation.manifests() if item["kind"] in CHILDREN]
    assert {item["kind"] for item in children} == CHILDREN
    assert [text for item in children if (text := _refusal(stack, item))] == []


def _refusal(stack: Stack, manifest: Any) -> str:
    """What the API server says against a manifest; nothing is stored."""
    meta = {key: manifest["metadata"][key] for key in ("name", "namespace", "labels") if key in manifest["metadata"]}
    path = f"{path_of(resource_of(manifest['kind']), NAMESPACE)}?dryRun=All&fieldValidation=Strict"
    status, answer = stack.api.connection.answer("POST", path, {**manifest, "metadata": meta})
    return "" if status == 201 else yaml.safe_dump({meta["name"]: answer["message"]})
