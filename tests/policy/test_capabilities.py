"""The table of fields that need what the operator does not have."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import kind_of
from outfitter.policy import capabilities
from outfitter.policy.capabilities import Field, unsupported
from outfitter.settings import Settings

TABLES = {
    "Workspace": capabilities.SUBMISSION,
    "Inference": capabilities.SCALING,
    "Artifact": capabilities.ARTIFACT,
    "ArtifactRepository": capabilities.REPOSITORY,
}


@pytest.mark.parametrize(
    ("kind", "field"), [pytest.param(kind, field, id=field.path) for kind, table in TABLES.items() for field in table]
)
def test_every_row_names_a_field_of_the_api(kind: str, field: Field) -> None:
    """A row whose field was renamed would never report anything."""
    candidates = [kind, "Inference"]
    assert any(_has(kind_of(name).model, field.path) for name in candidates), field.path


def _has(model: Any, path: str) -> bool:
    node: Any = resource_schema(model)["properties"]["spec"]
    for step in path.split("."):
        node = (node.get("properties") or {}).get(step.removesuffix("[]"))
        if node is None:
            return False
        node = node.get("items", node) if step.endswith("[]") else node
    return True


def test_values_are_reported_with_their_place() -> None:
    """Items by name, else by number; every value, not only the first."""
    spec = {
        "connections": [{"name": "lab", "authorizedUsers": ["ann"]}, {"authorizedGroups": ["ml"]}],
        "servingPort": {"authorizationType": "authorizedUsers"},
    }
    found = [problem.field for problem in unsupported(spec, capabilities.SUBMISSION, Settings())]
    assert found == [
        "spec.connections[lab].authorizedUsers",
        "spec.connections[1].authorizedGroups",
        "spec.servingPort.authorizationType",
    ]


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_an_empty_value_needs_nothing(value: Any) -> None:
    """Written out or left out is the same."""
    spec = {"connections": [{"name": "lab", "authorizedUsers": value}], "servingPort": {"authorizationType": value}}
    assert list(unsupported(spec, capabilities.SUBMISSION, Settings())) == []


def test_a_setting_switches_a_capability_on() -> None:
    """As an administrator asked for it."""
    spec = {"sharedRoles": [{"role": "OWNER"}]}
    assert list(unsupported(spec, capabilities.REPOSITORY, Settings(shared_roles=True))) == []
    (problem,) = unsupported(spec, capabilities.REPOSITORY, Settings())
    assert "OUTFITTER_SHARED_ROLES" in problem.text
