"""Every reference in a spec: to assets, and to Secrets, ConfigMaps and claims that it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic.alias_generators import to_camel

from outfitter.api.base import Model
from outfitter.api.refs import AssetRef, ObjectRef, ScopeType
from outfitter.api.v1alpha1.volumes import PvcFields
from outfitter.api.v1alpha1.workload import ImagePullSecret


@dataclass(frozen=True)
class Reference:
    """`field` is its path in the spec: `assets.dataSources[0]`."""

    kind: str
    name: str
    scope: ScopeType | None
    field: str


def references(spec: Model) -> list[Reference]:
    """In the order of the fields."""
    return list(_walk(spec, ""))


def _walk(value: object, path: str) -> Iterator[Reference]:
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")
    if not isinstance(value, Model):
        return
    if isinstance(value, ObjectRef) and value.TARGET:
        yield Reference(value.TARGET, value.name, value.scope if isinstance(value, AssetRef) else None, path)
    prefix = f"{path}." if path else ""
    for field, kind in value.REFERS.items():
        name = getattr(value, field)
        if name and _must_exist(value):
            yield Reference(kind, name, None, prefix + to_camel(field))
    for field in type(value).model_fields:
        yield from _walk(getattr(value, field), prefix + to_camel(field))


def _must_exist(value: Model) -> bool:
    """A claim may be one that Outfitter creates; a pull secret may be excluded, or belong to a user."""
    if isinstance(value, PvcFields):
        return value.existing_pvc
    return not (isinstance(value, ImagePullSecret) and (value.exclude or value.user_credential))
