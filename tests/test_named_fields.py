"""Every field and every setting that a message names exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from outfitter.api.registry_hosts import RegistryHost
from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import ALL_KINDS
from outfitter.settings import Settings

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "outfitter"
NO_MESSAGES = ("codegen", "simulator", "cli")
NAME = re.compile(r"(?<![\w./:-])[a-z]+[A-Z]\w*")
"""A word in camel case, as fields and settings are written."""
OF_KUBERNETES = {
    "matchLabels", "ownerReferences", "managedFields", "resourceVersion", "runAsUser", "fsGroup", "apiVersion",
    "stringData", "oldSelf", "generateName",
}  # fmt: skip


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _properties(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "properties":
                yield from value
            if key == "enum":
                yield from map(str, value)
            yield from _properties(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _properties(item)


def _keys(values: Any) -> Iterator[str]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield str(key)
            yield from _keys(value)


def _sentences(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module that are more than one word; no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in statements else None
        if isinstance(text, str) and " " in text.strip():
            yield node.lineno, text


def test_names_in_messages_exist() -> None:
    """A name that exists nowhere sends users on a search."""
    values = yaml.safe_load((ROOT / "deploy" / "chart" / "values.yaml").read_text(encoding="utf-8"))
    known = {name for kind in ALL_KINDS for name in _properties(resource_schema(kind.model))}
    known |= (
        {_camel(name) for model in (Settings, RegistryHost) for name in model.model_fields}
        | set(_keys(values))
        | OF_KUBERNETES
    )
    unknown = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).parts[0] not in NO_MESSAGES
        for line, text in _sentences(path)
        for name in NAME.findall(text)
        if name not in known
    ]
    assert unknown == []


def test_settings_in_messages_exist() -> None:
    """They are called as in the values of the chart."""
    known = {_camel(name) for name in Settings.model_fields}
    found = {
        name
        for path in SOURCE.rglob("*.py")
        for _, text in _sentences(path)
        for name in re.findall(r"settings\.(\w+)", text)
    }
    assert found
    assert found - known - {"md", "py"} == set()
