"""The version of a CustomResourceDefinition that a kind has: schema, columns and subresources. Pure."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from outfitter.api.base import Column
from outfitter.api.schema import resource_schema
from outfitter.api.states import NOT_OBSERVED
from outfitter.api.v1alpha1 import VERSION, Kind
from outfitter.api.v1alpha1.asset import Status
from outfitter.api.v1alpha1.policyschema import POLICY_TREES
from outfitter.naming import ANNOTATION_RECONCILE


def crd_version(kind: Kind) -> dict[str, Any]:
    """Return the entry of `spec.versions` for a kind."""
    schema = _stored_schema(kind)
    subresources: dict[str, Any] = {"status": {}} if "status" in schema["properties"] else {}
    if kind.model.SCALE:
        subresources["scale"] = {
            "specReplicasPath": kind.model.SCALE,
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": subresources,
        "additionalPrinterColumns": [*map(_column, _columns(kind)), _AGE],
        "selectableFields": [{"jsonPath": path} for path in kind.model.SELECTABLE],
        "schema": {"openAPIV3Schema": schema},
    }


def _stored_schema(kind: Kind) -> dict[str, Any]:
    """Return the schema of a kind, with a spec whose optional fields may be null, and a first status."""
    schema = resource_schema(kind.model)
    spec = deepcopy(schema["properties"]["spec"])
    _accept_nulls(spec)
    properties = {**schema["properties"], "spec": spec}
    if "observedGeneration" in properties.get("status", {}).get("properties", {}):
        properties["status"] = {**properties["status"], "default": dict(NOT_OBSERVED)}
    return {**schema, "properties": properties}


def _accept_nulls(schema: dict[str, Any]) -> None:
    """Make the optional fields below a schema nullable, in place (decision 0033).

    A field with a stored default stays as it is: the API server replaces a null by the default. The trees of a policy
    keep their types alone: the annotation of a client-side apply has no room for more.
    """
    for name, child in schema.get("properties", {}).items():
        if name not in schema.get("required", ()) and "default" not in child:
            _nullable(child)
        if name not in POLICY_TREES:
            _accept_nulls(child)
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            _accept_nulls(schema[keyword])
    if "additionalProperties" in schema:
        _nullable(schema["additionalProperties"])


def _nullable(schema: dict[str, Any]) -> None:
    schema["nullable"] = True
    if "enum" in schema:
        # `kubectl explain` does not list the words of an enum inside anyOf.
        if not all(f"`{word}`" in schema["description"] for word in schema["enum"]):
            schema["description"] += f" One of {', '.join(schema['enum'])}."
        # The API server rejects a null that meets an enum, even one that lists null. Only texts have a length.
        schema.update(minLength=1, maxLength=63, anyOf=[{"enum": schema.pop("enum")}, {"maxLength": 0}])


# "disabled" while the object is paused: its status is the one from before.
_PAUSED = Column(name="Reconcile", path=".metadata.annotations." + ANNOTATION_RECONCILE.replace(".", "\\."), wide=True)
_AUTHORS = (
    Column(name="Created by", path=".status.createdBy", wide=True),
    Column(name="Updated by", path=".status.updatedBy", wide=True),
)
_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def _columns(kind: Kind) -> tuple[Column, ...]:
    status = kind.model.model_fields["status"].default
    return (*kind.model.COLUMNS, *(_AUTHORS if isinstance(status, Status) else ()), _PAUSED)


def _column(column: Column) -> dict[str, Any]:
    printed = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return {**printed, "priority": 1} if column.wide else printed
