"""The example files and the examples of the reference pages are right, offline and on a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.api.v1alpha1 import API_VERSION, KINDS, kind_of
from outfitter.api.validation import strict_errors
from outfitter.codegen.examples import EXAMPLES, example
from outfitter.codegen.reference_pages import all_pages

from .conftest import Server
from .references import references

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "deploy" / "examples").rglob("*.yaml"))
OURS = [kind.name for kind in KINDS]


def _objects(path: Path) -> list[dict[str, Any]]:
    return [entry for entry in yaml.safe_load_all(path.read_text(encoding="utf-8")) if entry]


def test_there_are_examples() -> None:
    """Every kind is shown."""
    shown = {entry["kind"] for path in FILES for entry in _objects(path)}
    assert shown >= set(OURS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_example_files(server: Server, path: Path) -> None:
    """Each object of ours is accepted by Python and by the server."""
    for body in _objects(path):
        if body.get("apiVersion") == API_VERSION and body["kind"] in OURS:
            assert [str(error) for error in strict_errors(body)] == []
            trial = {**body, "metadata": {**body["metadata"], "namespace": "team-a"}}
            status, answer = server.create(trial)
            assert status == 201, answer


def test_examples_hold_what_they_refer_to() -> None:
    """No example names a Secret, ConfigMap or asset that the examples do not make."""
    objects = [entry for path in FILES for entry in _objects(path)]
    made = {(entry["kind"], entry["metadata"]["name"]) for entry in objects}
    sources = [entry for entry in objects if entry["kind"] == "DataSource" and "pvc" in entry["spec"]]
    made |= {("PersistentVolumeClaim", entry["metadata"]["name"]) for entry in sources}
    for body in objects:
        if body["kind"] in OURS:
            for ref in references(kind_of(body["kind"]).model.parse(body).spec):
                assert (ref.kind, ref.name) in made, (body["metadata"]["name"], ref)


@pytest.mark.parametrize("kind", OURS)
def test_reference_examples(kind: str) -> None:
    """What opens the page of a kind is valid."""
    assert strict_errors(yaml.safe_load(example(kind))) == []


def test_reference_shows_every_field() -> None:
    """A few that matter, with type, default and words."""
    page = all_pages()["environment.md"]
    assert "| `run.replicas` | integer 0..1 | 1 | 1 runs, 0 stops. Default: 1. |" in page
    assert "| `connections[].name` | string | required |" in page
    assert "tty needs stdin. Set stdin to true, or remove tty." in page


def test_a_kind_without_a_row_takes_its_example_from_the_examples() -> None:
    """So that a new kind needs its example once."""
    for kind in EXAMPLES:
        assert yaml.safe_load(example(kind))["kind"] == kind
    with pytest.raises(LookupError, match="has no example"):
        example("Nothing")
    assert yaml.safe_load(example("Namespace"))["kind"] == "Namespace"
