"""crds/: the CustomResourceDefinition of each kind."""

from copy import deepcopy
from typing import Any

from outfitter.api.base import Column
from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import GROUP, KINDS, VERSION, Kind
from outfitter.codegen.yaml_text import dump, header
from outfitter.naming import ANNOTATION_RECONCILE


def crd_files() -> dict[str, str]:
    """Return the text of every CRD by the name of its file."""
    return {f"{GROUP}_{kind.plural}.yaml": header("src/outfitter/api") + dump(crd_for(kind)) for kind in KINDS}


def crd_for(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    subresources: dict[str, Any] = {"status": {}}
    if kind.model.SCALE:
        subresources["scale"] = {
            "specReplicasPath": kind.model.SCALE,
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": subresources,
        "additionalPrinterColumns": [*map(_column, (*kind.model.COLUMNS, _PAUSED)), _AGE],
        "selectableFields": [{"jsonPath": path} for path in kind.model.SELECTABLE],
        "schema": {"openAPIV3Schema": _stored_schema(kind)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
                "categories": list(kind.categories),
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def _stored_schema(kind: Kind) -> dict[str, Any]:
    """Return the schema of a kind, with a spec whose optional fields may be null."""
    schema = resource_schema(kind.model)
    spec = deepcopy(schema["properties"]["spec"])
    _accept_nulls(spec)
    return {**schema, "properties": {**schema["properties"], "spec": spec}}


def _accept_nulls(schema: dict[str, Any]) -> None:
    """Make the optional fields below a schema nullable, in place (decision 0033).

    A field with a stored default stays as it is: the API server replaces a null by the default.
    """
    for name, child in schema.get("properties", {}).items():
        if name not in schema.get("required", ()) and "default" not in child:
            _nullable(child)
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
_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def _column(column: Column) -> dict[str, Any]:
    printed = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return {**printed, "priority": 1} if column.wide else printed
