"""Every field of the API, once: a change of the surface is seen in review.

`UPDATE_SURFACE=1 pytest tests/api/test_surface.py` writes the files again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import ALL_KINDS, Kind

SURFACE = Path(__file__).parent / "surface"


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.name)
def test_surface(kind: Kind) -> None:
    """The surface is the one that was reviewed; fields are only ever added."""
    path = SURFACE / f"{kind.singular}.yaml"
    schema = resource_schema(kind.model)
    lines = [f"{name}: {_shape(node)}" for name, node in _fields(schema, "")]
    text = f"# {kind.name}: every field, with type and bounds; * is required.\n" + "\n".join(lines) + "\n"
    if os.environ.get("UPDATE_SURFACE"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_no_surface_of_a_kind_that_is_gone() -> None:
    """One file per kind."""
    assert {path.stem for path in SURFACE.glob("*.yaml")} == {kind.singular for kind in ALL_KINDS}


def _fields(schema: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, node in schema.get("properties", {}).items():
        if not prefix and name not in ("spec", "status"):
            continue
        here = f"{prefix}{name}{'*' if name in schema.get('required', ()) else ''}"
        yield here, node
        inner = node.get("items", node)
        yield from _fields(inner, f"{here}{'[]' if 'items' in node else ''}.")


def _shape(node: dict[str, Any]) -> str:
    if node.get("x-kubernetes-preserve-unknown-fields"):
        return "anything"
    if "items" in node:
        keys = node.get("x-kubernetes-list-map-keys", [])
        kind = f"{node['x-kubernetes-list-type']}{f' by {keys[0]}' if keys else ''}"
        return f"list of {_shape(node['items'])} ({kind}, at most {node['maxItems']})"
    if "additionalProperties" in node:
        return f"map of {_shape(node['additionalProperties'])} (at most {node['maxProperties']})"
    shape = "quantity" if node.get("x-kubernetes-int-or-string") else str(node["type"])
    if "enum" in node:
        return " | ".join(node["enum"])
    bounds = [node.get("minimum", node.get("minLength")), node.get("maximum", node.get("maxLength"))]
    if shape != "quantity" and any(bound is not None for bound in bounds):
        low, high = ("" if bound is None else str(bound) for bound in bounds)
        shape += f" {low}..{high}"
    if "default" in node:
        shape += f", stored default {node['default']}"
    return shape


def test_surface_is_yaml() -> None:
    """The files can be read by tools as well."""
    for path in SURFACE.glob("*.yaml"):
        assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)
