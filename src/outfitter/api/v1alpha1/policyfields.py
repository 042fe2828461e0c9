"""The fields of each workload type that policies can set and judge, derived from the models of the workloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

from pydantic.alias_generators import to_camel

from outfitter.api.base import Model
from outfitter.api.types import PolicyType
from outfitter.api.v1alpha1.inference import InferenceSpec
from outfitter.api.v1alpha1.training import MasterFields, TrainingFields, WorkerFields
from outfitter.api.v1alpha1.workload import WorkloadFields
from outfitter.api.v1alpha1.workspace import WorkspaceSpec

RULES: Final[Mapping[str, tuple[str, ...]]] = {
    "boolean": ("required", "canEdit"),
    "string": ("required", "canEdit", "options"),
    "integer": ("required", "canEdit", "min", "max", "step", "defaultFrom"),
    "number": ("required", "canEdit", "min", "max", "step", "defaultFrom"),
    "quantity": ("required", "canEdit", "min", "max", "defaultFrom"),
    "array": ("required", "canEdit", "options"),
    "arbitrary": ("required", "canEdit"),
    "itemized": ("canAdd", "locked"),
}
"""Value type -> rules that a field of this type has; those of an itemized field are rules of its instances."""
RULE_WORDS: Final = tuple(dict.fromkeys(word for words in RULES.values() for word in words))
NOT_IN_POLICIES: Final = frozenset(
    (
        "artifact", "assets", "connections", "containerGroups", "description", "displayName", "replicas", "suspend",
        "template",
    )
)  # fmt: skip
"""Fields of workloads without policies: names, references, and what decides whether and how often it runs."""
INSTANCES_ONLY: Final = ("environmentVariables", "labels", "annotations")
"""Itemized fields whose items only have a name and a value: one default or rule for all values has no use."""
EXPLAINS: Final = "description"
"""The field of an item that only explains it: an Environment asks by it for a value. No difference to a locked item."""
_LOCK: Final = "locked in the rules of instances, or exclude in an instance"
_INSTEAD: Final[Mapping[tuple[str, str], str]] = {
    ("storage.git", "passwordSecret"): "secretRef.name",
    ("storage.git", "secretName"): "secretRef.name",
    ("storage.git", "username"): "secretRef.secretKeyOfUser",
    ("storage.git", "secretKeyOfUser"): "secretRef.secretKeyOfUser",
    ("storage.git", "secretKeyOfPassword"): "secretRef.secretKeyOfPassword",
    ("ports", "customExternalPort"): "canEdit: false in the rules of external",
    ("exposedUrls", "customUrl"): "canEdit: false in the rules of url",
    ("autoscaling", "initializationTimeoutSeconds"): "servingConfiguration.initializationTimeoutSeconds",
}
"""Field or group, and a name in it that the reference prints and that does not exist -> what to write instead."""
SOURCE_OF_IDS: Final = "security.uidGidSource"
IDS: Final = ("runAsUid", "runAsGid", "supplementalGroups")
"""Fields of `security` whose source is `custom` where none is given."""
_ModelClass: TypeAlias = type[Model]
_IDENTITY: Final = ("server", "path", "mountPath")
_SCALARS: Final = {bool: "boolean", str: "string", int: "integer", float: "number"}

SECTIONS: Final[Mapping[str, Mapping[str, type[WorkloadFields]]]] = {
    "workspace": {"": WorkspaceSpec},
    "training": {"": TrainingFields},
    "distributed": {"worker": WorkerFields, "master": MasterFields},
    "inference": {"": InferenceSpec},
}
"""Workload type -> the sections of its policies; only a distributed workload has named ones."""


@dataclass(frozen=True)
class PolicyField:
    """A field that policies can set and judge; for an itemized one, the fields of its items."""

    path: str
    """Dotted path in the workload; in an item, the path in the item."""
    type: str
    """One of the keys of RULES."""
    rules: tuple[str, ...]
    """Rules that it can have; those of an itemized field belong to its instances."""
    enum: tuple[str, ...] = ()
    """The only values of a string, or of the items of an array."""
    model: _ModelClass | None = None
    """The model of an arbitrary object."""
    many: bool = False
    """It is a list of such objects."""
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Other spellings of a value, with the one that they mean."""
    key: str = ""
    """The field of an item that identifies it."""
    keyed: bool = False
    """Every item must have the key. Else an item without one is identified by what it mounts or exposes."""
    content: Mapping[str, PolicyField] = field(default_factory=dict, hash=False)
    """All fields of an item except `exclude`."""
    attributes: Mapping[str, PolicyField] = field(default_factory=dict, hash=False)
    """The fields of an item that can have a default and rules of their own."""
    alternatives: tuple[tuple[str, ...], ...] = ()
    """Groups of fields of which an item has one."""

    @property
    def identity(self) -> tuple[str, ...]:
        """The fields that identify an item without a key."""
        return tuple(name for name in _IDENTITY if name in self.content) or ("container",)

    @property
    def mount_path(self) -> str:
        """The field of an item with its mount path."""
        return self.identity[-1]


@cache
def policy_fields(workload_type: str, section: str = "") -> Mapping[str, PolicyField]:
    """Return the fields of a section of a workload type by their paths; KeyError for an unknown type or section."""
    return {found.path: found for found in _walk(SECTIONS[workload_type][section], "", NOT_IN_POLICIES)}


@cache
def known_anywhere(path: str) -> bool:
    """Whether some workload type has a field, a group of fields or a section of this path."""
    sections = [(name, section) for name, parts in SECTIONS.items() for section in parts]
    paths = {known for name, section in sections for known in policy_fields(name, section)}
    return path in ("worker", "master") or any(known == path or known.startswith(f"{path}.") for known in paths)


def instead_of(field: str, name: str, *, attribute: bool) -> str:
    """Return what to write instead of a name that published policies use; empty for any other name."""
    return _LOCK if attribute and name == "exclude" else _INSTEAD.get((field, name), "")


def _walk(model: type[Model], prefix: str, skipped: frozenset[str] = frozenset()) -> Iterator[PolicyField]:
    without = model.without()
    for name, info in model.model_fields.items():
        key = to_camel(name)
        if name in without or key in skipped:
            continue
        marks = [mark for mark in info.metadata if isinstance(mark, PolicyType)]
        yield from _fields(info.annotation, f"{prefix}{key}", marks)


def _fields(annotation: Any, path: str, marks: list[PolicyType]) -> Iterator[PolicyField]:
    """Yield the field of an annotation, or the fields of the object that it is."""
    plain, inner = _plain(annotation)
    mark = next(iter([*inner, *marks]), PolicyType())
    if isinstance(plain, type) and issubclass(plain, Model):
        found = list(_walk(plain, f"{path}."))
        if all(item.type == "arbitrary" for item in found):
            yield PolicyField(path, "arbitrary", RULES["arbitrary"], model=plain)
        else:
            yield from found
    elif get_origin(plain) is tuple:
        yield _list(_plain(get_args(plain)[0])[0], path)
    else:
        enum = tuple(map(str, get_args(plain))) if get_origin(plain) is Literal else ()
        value_type = mark.type or ("string" if enum else _scalar(plain))
        rules = tuple(word for word in RULES[value_type] if word not in mark.without)
        yield PolicyField(path, value_type, rules, enum, aliases=dict(mark.aliases))


def _plain(annotation: Any) -> tuple[Any, list[PolicyType]]:
    """Return an annotation without None and metadata, and how policies treat it."""
    if get_origin(annotation) is Annotated:
        plain, marks = _plain(annotation.__origin__)
        return plain, [*marks, *(mark for mark in annotation.__metadata__ if isinstance(mark, PolicyType))]
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        if len(parts) == 1:
            return _plain(parts[0])
    return annotation, []


def _scalar(plain: Any) -> str:
    if plain in _SCALARS:
        return _SCALARS[plain]
    parts = {_plain(part)[0] for part in get_args(plain)}
    return {frozenset({int, float}): "number", frozenset({int, str}): "quantity"}[frozenset(parts)]


def _list(item: Any, path: str) -> PolicyField:
    if not (isinstance(item, type) and issubclass(item, Model)):
        enum = tuple(map(str, get_args(item))) if get_origin(item) is Literal else ()
        return PolicyField(path, "array", RULES["array"], enum)
    if "exclude" not in item.model_fields:
        return PolicyField(path, "arbitrary", RULES["arbitrary"], model=item, many=True)
    (key,) = (name for name in ("name", "resource", "id") if name in item.model_fields)
    content = {found.path: _in_item(found) for found in _walk(item, "", frozenset({"exclude"}))}
    # A key that names another object can be limited to some of them; any other key is a free name.
    free = () if key in item.REFERS else (key,)
    attributes = {name: found for name, found in content.items() if name not in free}
    return PolicyField(
        path,
        "itemized",
        RULES["itemized"],
        key=key,
        keyed=item.model_fields[key].is_required(),
        content=content,
        attributes={} if path in INSTANCES_ONLY else attributes,
        alternatives=tuple(rule.alternatives for rule in item.rules() if rule.alternatives),
    )


def _in_item(found: PolicyField) -> PolicyField:
    """Return a field of an item: a quantity there is a choice between sizes as well."""
    return replace(found, rules=(*found.rules, "options")) if found.type == "quantity" else found
