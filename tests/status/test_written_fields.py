"""Every field of a status is written by some code. Values of enumerations are guarded by `test_dead_code.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

import outfitter
from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import KINDS
from outfitter.api.v1alpha1.asset import UsedBy
from outfitter.api.v1alpha1.policyfields import SECTIONS
from outfitter.simulator.caches import OUR_KINDS

ROOT = Path(outfitter.__file__).parent
WRITERS = ("plan", "render", "resolve", "status")


@cache
def texts() -> frozenset[str]:
    """Every string in the code of the packages that make a status, with the names that follow from kinds."""
    files = (path for package in WRITERS for path in (ROOT / package).rglob("*.py"))
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plurals = {kind.plural for kind in KINDS}
    users = {name for field in UsedBy.model_fields if (name := to_camel(field)).lower() in plurals}
    return (
        frozenset({node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)})
        | users
        | set(SECTIONS)
    )


def names(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the name of every field, at any depth."""
    for name, inner in (schema.get("properties") or {}).items():
        yield name
        yield from names(inner)
    if "items" in schema:
        yield from names(schema["items"])


@pytest.mark.parametrize("kind", OUR_KINDS)
def test_every_field_is_written(kind: str) -> None:
    model = next(item.model for item in KINDS if item.name == kind)
    status = resource_schema(model)["properties"]["status"]
    assert [name for name in names(status) if name not in texts()] == []
