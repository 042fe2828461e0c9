"""The schema of defaults and rules, from the field table: types and choices, no patterns and few descriptions.

It is repeated for the sections of distributed workloads, and `kubectl apply` stores the whole CRD in an annotation of
at most 262144 bytes. Values are bounded only as far as the cost of CEL needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final, get_args

from outfitter.api.patterns import NAME_PATTERN
from outfitter.api.refs import ScopeType
from outfitter.api.schema import schema_of
from outfitter.api.v1alpha1.policyfields import SECTIONS, PolicyField, policy_fields

Schema = dict[str, Any]
POLICY_TREES: Final = ("defaults", "rules")
"""Fields whose schemas come from here."""
_KEPT: Final = (
    "type",
    "enum",
    "required",
    "maxItems",
    "maxLength",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
)
_TEXT: Final = 32768
_ITEMS: Final = 256


@cache
def defaults_schema() -> Schema:
    """Return the schema of `spec.defaults`: the fields of every type, and the sections of distributed workloads."""
    return _all_types(_default)


@cache
def rules_schema() -> Schema:
    """Return the schema of `spec.rules`, of the same shape as `spec.defaults`."""
    return _all_types(_rules)


def imposed_schema() -> Schema:
    """Return the schema of `spec.imposedAssets`: a list, or lists in the sections of distributed workloads.

    No type covers both. The fields are checked in either form; unknown ones are kept, and found by the operator. Bounds
    that exclude each other leave no text and no number.
    """
    scopes = [*get_args(ScopeType)]
    reference: Schema = {
        "type": "object",
        "required": ["name"],
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {
            "name": {
                "description": "Name of the DataSource.",
                "type": "string",
                "minLength": 1,
                "maxLength": 253,
                "pattern": NAME_PATTERN,
            },
            "scope": {"description": "Search only this scope.", "type": "string", "enum": scopes},
        },
    }
    sections = {
        name: {"description": f"DataSources for each {name}. Only for distributed.", **_list(reference, _ITEMS)}
        for name in SECTIONS["distributed"]
    }
    return {
        "x-kubernetes-preserve-unknown-fields": True,
        "minLength": 1,
        "maxLength": 0,
        "minimum": 1,
        "maximum": 0,
        "not": {"enum": [True, False]},
        "maxItems": _ITEMS,
        "properties": sections,
        "items": reference,
    }


def _all_types(leaf: Callable[[PolicyField], Schema]) -> Schema:
    plain: dict[str, PolicyField] = {}
    for name, sections in SECTIONS.items():
        if "" in sections:
            for path, table in policy_fields(name).items():
                known = plain.get(path)
                plain[path] = table if known is None or len(table.content) > len(known.content) else known
    schema = _tree(plain.values(), leaf)
    for section in SECTIONS["distributed"]:
        schema["properties"][section] = _tree(policy_fields("distributed", section).values(), leaf)
        schema["properties"][section]["description"] = f"The {section} of a distributed workload. Only for that type."
    return schema


def _tree(fields: Iterable[PolicyField], leaf: Callable[[PolicyField], Schema]) -> Schema:
    """Return the schema of nested objects with a leaf at the path of each field."""
    root: Schema = {"type": "object", "properties": {}}
    for table in fields:
        node = root
        *parents, name = table.path.split(".")
        for parent in parents:
            node = node["properties"].setdefault(parent, {"type": "object", "properties": {}})
        node["properties"][name] = leaf(table)
    return root


def _default(table: PolicyField) -> Schema:
    if table.type != "itemized":
        return _value(table)
    item = _tree(table.content.values(), _value)
    if table.key in item["properties"] and table.keyed:
        item["required"] = [table.key]
    item["properties"]["exclude"] = {"type": "boolean"}
    properties = {"instances": _list(item, _ITEMS)}
    if table.attributes:
        properties["attributes"] = _tree(table.attributes.values(), _value)
    return {"type": "object", "properties": properties}


def _rules(table: PolicyField) -> Schema:
    if table.type != "itemized":
        return _rule(table)
    locked = {"canAdd": {"type": "boolean"}, "locked": _list({"type": "string", "maxLength": 317}, _ITEMS)}
    properties: Mapping[str, Schema] = {"instances": {"type": "object", "properties": locked}}
    if table.attributes:
        properties = {**properties, "attributes": _tree(table.attributes.values(), _rule)}
    return {"type": "object", "properties": dict(properties)}


def _rule(table: PolicyField) -> Schema:
    return {"type": "object", "properties": {word: _word(word, table) for word in table.rules}}


def _word(word: str, table: PolicyField) -> Schema:
    if word in ("required", "canEdit"):
        return {"type": "boolean"}
    if word in ("min", "max", "step"):
        return _value(table)
    if word == "defaultFrom":
        properties = {"field": {"type": "string", "maxLength": 253}, "factor": {"type": "number", "minimum": 0}}
        return {"type": "object", "required": ["field"], "properties": properties}
    assert word == "options"
    item = table.type == "array"
    value = _choice(table) if item else _value(table)
    option = {"value": value, "displayed": {"type": "string", "maxLength": 253}}
    return _list({"type": "object", "required": ["value"], "properties": option}, _ITEMS)


def _value(table: PolicyField) -> Schema:
    if table.type == "string":
        return _choice(table)
    if table.type == "quantity":
        return {"x-kubernetes-int-or-string": True, "maxLength": 32}
    if table.type == "array":
        return _list(_choice(table), _ITEMS)
    if table.model is not None:
        inner = _bare(schema_of(table.model))
        return _list(inner, _ITEMS) if table.many else inner
    return {"type": table.type}


def _bare(schema: Mapping[str, Any]) -> Schema:
    """Return the schema of a model without descriptions, patterns and rules."""
    found = {key: value for key, value in schema.items() if key in _KEPT}
    if "properties" in schema:
        found["properties"] = {name: _bare(child) for name, child in schema["properties"].items()}
    if "items" in schema:
        found["items"] = _bare(schema["items"])
    return found


def _choice(table: PolicyField) -> Schema:
    if table.enum:
        return {"type": "string", "enum": [*table.enum, *table.aliases]}
    return {"type": "string", "maxLength": _TEXT}


def _list(items: Schema, at_most: int) -> Schema:
    return {"type": "array", "maxItems": at_most, "x-kubernetes-list-type": "atomic", "items": items}
