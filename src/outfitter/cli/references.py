"""The objects that a custom resource names in its spec, found by the types of its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from outfitter.api.base import Model
from outfitter.api.refs import ObjectRef
from outfitter.api.v1alpha1 import Kind


@dataclass(frozen=True)
class Reference:
    """A reference of a field. `scope`: the only one to search; `namespace`: where it is, if that is known."""

    kind: str
    name: str
    scope: str = ""
    namespace: str = ""


def references(kind: Kind, body: Mapping[str, Any]) -> list[Reference]:
    """Return what an object refers to, each once: by its spec, and what Outfitter added to it."""
    try:
        spec = kind.model.parse(body).spec
    except ValidationError:  # an object of another version
        return []
    found = list(_of_model(spec))
    status = body.get("status") or {}
    found += [Reference("DataSource", name) for name in status.get("imposedDataSources") or ()]
    if cache := status.get("nimCache"):
        found.append(Reference("NimCache", cache["name"], namespace=cache.get("namespace") or ""))
    return list(dict.fromkeys(found))


def _of_model(model: Model) -> Iterator[Reference]:
    if isinstance(model, ObjectRef) and model.TARGET:
        yield Reference(model.TARGET, model.name, str(getattr(model, "scope", None) or ""))
    given = model.to_dict()
    for name, kind in model.REFERS.items():
        if isinstance(value := given.get(to_camel(name)), str):
            yield Reference(kind, value)
    for name in type(model).model_fields:
        yield from _of_value(getattr(model, name))


def _of_value(value: Any) -> Iterator[Reference]:
    if isinstance(value, Model):
        yield from _of_model(value)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _of_value(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _of_value(item)
