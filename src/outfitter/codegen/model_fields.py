"""Every field of the models below a spec, by its path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from outfitter.api.base import Model
from outfitter.api.patterns import IMAGE_PATTERN
from outfitter.api.refs import ObjectRef
from outfitter.api.v1alpha1 import Kind
from outfitter.api.v1alpha1.variables import UserCredentialRef

Path = tuple[str, ...]
LIST: Final = "[]"
"""Ends the name of a list in a path."""


@dataclass(frozen=True)
class ModelField:
    """One field: its path, and the model that has it under `name`."""

    path: Path
    model: type[Model]
    name: str

    @property
    def target(self) -> str:
        """The kind of the object that the field names; empty for any other field."""
        if issubclass(self.model, ObjectRef) and self.name == "name":
            return self.model.TARGET
        if self.model is UserCredentialRef and self.name == "name":
            return "Credential"  # no dependency of the workload (decision 0042), but a name all the same
        return self.model.REFERS.get(self.name, "")

    @property
    def is_image(self) -> bool:
        """Whether the value is the name of an image, with tag or digest."""
        info = self.model.model_fields[self.name]
        return any(getattr(mark, "pattern", None) == IMAGE_PATTERN for mark in _marks(info))


def spec_fields(kind: Kind) -> Iterator[ModelField]:
    """Yield all fields of the models below `spec` of a kind, without those of the policies in it."""
    return model_fields(kind.model.model_fields["spec"].annotation)


def model_fields(model: Any, prefix: Path = (), *, policy: bool = False) -> Iterator[ModelField]:
    """Yield all fields of a model and of the models in it.

    `policy`: as in the defaults of a policy, where a list whose items have names is an object with `instances` and
    `attributes`.
    """
    for name, info in model.model_fields.items():
        if name in model.without():
            continue
        path = (*prefix, to_camel(name))
        yield ModelField(path, model, name)
        for inner, in_list in _models(info.annotation, in_list=False):
            for place in _places(path, inner, in_list=in_list, policy=policy):
                yield from model_fields(inner, place, policy=policy)


def _places(path: Path, model: type[Model], *, in_list: bool, policy: bool) -> Iterator[Path]:
    """Yield the paths of the objects in a field."""
    if not in_list:
        yield path
    elif policy and "exclude" in model.model_fields:
        yield (*path, f"instances{LIST}")
        yield (*path, "attributes")
    else:
        yield (*path[:-1], f"{path[-1]}{LIST}")


def _models(annotation: Any, *, in_list: bool) -> Iterator[tuple[type[Model], bool]]:
    """Yield the models in an annotation, and whether each is that of a list's items."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation, in_list
        return
    in_list = in_list or getattr(annotation, "__origin__", None) is tuple
    for part in get_args(annotation):
        yield from _models(part, in_list=in_list)


def _marks(value: Any) -> Iterator[Any]:
    """Yield the constraints in an annotation."""
    if isinstance(value, FieldInfo):
        yield from value.metadata
        yield from _marks(value.annotation)
    for part in get_args(value):
        yield from _marks(part)
    for mark in getattr(value, "__metadata__", ()):
        yield from mark.metadata if isinstance(mark, FieldInfo) else (mark,)
