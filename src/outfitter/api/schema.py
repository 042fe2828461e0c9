"""Model -> structural OpenAPI schema of a CRD."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from outfitter.api.base import CustomResource, Model
from outfitter.api.shape import FREE_FORM, STORED_DEFAULT

_KEYWORDS = (
    "description", "type", "format", "default", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern",
    "minItems", "maxItems", "maxProperties", "required", "not", "x-kubernetes-int-or-string", "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
)  # fmt: skip
"""Keywords in the schema of one field, in their order; other keywords of pydantic are omitted."""

NAME_RULE = {
    "rule": "size(self.metadata.name) <= 50 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "message": "metadata.name is not valid. Use at most 50 lower case letters, digits and hyphens, with a letter "
    "first and a letter or digit last.",
    "reason": "FieldValueInvalid",
}


@cache  # pydantic takes tens of milliseconds, and `validate` calls it for each object
def schema_of(model: type[Model]) -> dict[str, Any]:
    """Return the structural schema of a model, all references inlined. Shared: do not modify it."""
    raw = model.model_json_schema(by_alias=True)
    return _structural(raw, raw.get("$defs", {}))


@cache
def resource_schema(model: type[CustomResource]) -> dict[str, Any]:
    """Return the schema of a whole object of a kind. Shared: do not modify it."""
    schema = schema_of(model)
    properties = {name: part for name, part in schema["properties"].items() if name in ("spec", "status")}
    if not properties["status"].get("properties"):
        del properties["status"]
    return {
        "description": schema["description"],
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": "Version of the API.", "type": "string", "maxLength": 253},
            "kind": {"description": "Kind of the object.", "type": "string", "maxLength": 63},
            "metadata": {"type": "object"},
            **properties,
        },
        "x-kubernetes-validations": [NAME_RULE, *schema.get("x-kubernetes-validations", ())],
    }


def _structural(node: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    node = _flatten(node, defs)
    out = {keyword: deepcopy(node[keyword]) for keyword in _KEYWORDS if node.get(keyword) is not None}
    out.pop("default", None)
    if STORED_DEFAULT in node:
        out["default"] = node[STORED_DEFAULT]
    if "const" in node:
        out["enum"] = [node["const"]]
    if FREE_FORM in node and "properties" not in node:
        return {**out, FREE_FORM: True}
    if "x-kubernetes-int-or-string" in out:
        out.pop("type", None)
    if "description" in out:
        out["description"] = " ".join(out["description"].split())
    if "properties" in node:
        out["properties"] = {name: _structural(child, defs) for name, child in node["properties"].items()}
    elif node.get("type") == "object":
        out["additionalProperties"] = _structural(_map_values(node), defs)
    if "items" in node:
        out["items"] = _structural(node["items"], defs)
    return out


def _flatten(node: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve references and optional fields, until the node describes one value."""
    flat = dict(node)
    while True:
        alternatives = [entry for entry in flat.get("anyOf") or () if entry.get("type") != "null"]
        if "$ref" in flat:
            target = defs[flat.pop("$ref").rsplit("/", 1)[1]]
        elif len(alternatives) == 1:
            del flat["anyOf"]
            target = alternatives[0]
        else:
            return flat
        flat = {**target, **flat}


def _map_values(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of the values of a map; CRDs support no patterns for keys."""
    values = node.get("additionalProperties")
    if isinstance(values, Mapping):
        return values
    patterns = node.get("patternProperties")
    return next(iter(patterns.values())) if patterns else {}
