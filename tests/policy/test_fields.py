"""The field table: complete over the models, and the one of the published policies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml

from outfitter.api.schema import schema_of
from outfitter.api.types import PolicyType, Quantity
from outfitter.api.v1alpha1 import policyfields
from outfitter.api.v1alpha1.policyfields import NOT_IN_POLICIES, RULES, SECTIONS, policy_fields
from outfitter.api.v1alpha1.workspace import WorkspaceSpec

TABLE = yaml.safe_load(Path(__file__).with_name("reference_fields.yaml").read_text())
LETTERS = {
    "W": ("workspace", ""), "T": ("training", ""), "M": ("distributed", "master"), "D": ("distributed", "worker"),
    "I": ("inference", ""),
}  # fmt: skip
ALL_SECTIONS = [(name, section) for name, sections in SECTIONS.items() for section in sections]


@pytest.mark.parametrize("letter", LETTERS)
def test_the_table_is_the_published_one(letter: str) -> None:
    """Every published field with its type and rules, and no other field."""
    found = policy_fields(*LETTERS[letter])
    expected = {}
    for row in TABLE["fields"]:
        rules = tuple(word for word in RULES[row["type"]] if word not in row.get("without", ()))
        expected |= {name: (row["type"], rules) for name in row["names"] if letter in row["in"]}
    plain = {path: (table.type, table.rules) for path, table in found.items() if table.type != "itemized"}
    assert plain == expected


@pytest.mark.parametrize("letter", LETTERS)
def test_itemized_fields_are_the_published_ones(letter: str) -> None:
    """With their keys, and all attributes; ours are more than the published ones."""
    found = {path: table for path, table in policy_fields(*LETTERS[letter]).items() if table.type == "itemized"}
    rows = {name: row for row in TABLE["items"] if letter in row["in"] for name in row["names"]}
    assert set(found) == set(rows)
    for path, table in found.items():
        row = rows[path]
        attributes = {name: attribute.type for name, attribute in table.attributes.items()}
        assert attributes == {**row["attributes"], **row.get("ours", {})}, path
        assert table.key == row["key"], path


def _leaves(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif "properties" in schema.get("items", {}):
        yield from _leaves(schema["items"], f"{path}[]")
    else:
        yield path, schema


def _type(schema: dict[str, Any]) -> str:
    return "quantity" if schema.get("x-kubernetes-int-or-string") else str(schema["type"])


@pytest.mark.parametrize(("workload_type", "section"), ALL_SECTIONS)
def test_every_field_of_a_workload_is_a_field_of_its_policies(workload_type: str, section: str) -> None:
    """The schema of the CRD has no leaf that the table lacks, and both have the same type."""
    fields = policy_fields(workload_type, section)
    for path, schema in _leaves(schema_of(SECTIONS[workload_type][section]), ""):
        if path.replace("[]", "").partition(".")[0] in NOT_IN_POLICIES:
            continue
        if path.endswith(".metricThresholdPercentage"):  # a number in policies
            continue
        if any(path == field or path.startswith((f"{field}.", f"{field}[")) for field in ("nodeAffinityRequired",)):
            assert fields["nodeAffinityRequired"].type == "arbitrary"
        elif "[]" in path:
            base, _, rest = path.partition("[].")
            if rest != "exclude" and not rest.startswith("claimInfo.addedAttrValues"):
                assert fields[base].content[rest].type == _type(schema), path
        else:
            assert fields[path].type == _type(schema), path


def test_a_new_field_has_its_rules_without_code() -> None:
    """Its type decides, in an object and in an item."""

    class Item(WorkspaceSpec.__base__.__base__):  # type: ignore[name-defined, misc]
        """An item."""

        name: str
        """Name."""
        size: Quantity | None = None
        """Size."""
        exclude: bool | None = None
        """Drop it."""

    class NewSpec(WorkspaceSpec):
        """A workload with new fields."""

        new_quantity: Quantity | None = None
        """An amount."""
        new_id: Annotated[int, PolicyType(without=("required",))] | None = None
        """An id."""
        new_items: tuple[Item, ...] = ()
        """Items."""

    found = {table.path: table for table in policyfields._walk(NewSpec, "", NOT_IN_POLICIES)}
    assert found["newQuantity"].rules == RULES["quantity"]
    assert found["newId"].rules == ("canEdit", "min", "max", "step", "defaultFrom")
    assert found["newItems"].type == "itemized"
    assert found["newItems"].attributes["size"].rules == (*RULES["quantity"], "options")
