"""The effective policy of one project and workload type: all that applying it to a submission needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outfitter.api.v1alpha1.policyfields import PolicyField
from outfitter.policy.imposed import ImposedAsset
from outfitter.policy.rule import CompiledRule, Source


@dataclass(frozen=True)
class Sourced:
    """A default, and the policy that it comes from."""

    value: Any
    source: Source


@dataclass(frozen=True)
class Fields:
    """Default and rules of one field that is not itemized."""

    table: PolicyField
    parts: tuple[str, ...]
    default: Sourced | None
    rule: CompiledRule | None


@dataclass(frozen=True)
class Item:
    """A default item, its fields by their paths, and the narrowest policy that set one of them."""

    key: str
    leaves: Mapping[str, Any]
    source: Source
    filled: Mapping[str, Source] = field(default_factory=dict)
    """The policies of those fields that come from defaults of attributes. Only a locked item is filled here."""


@dataclass(frozen=True)
class Items:
    """Defaults and rules of one itemized field."""

    table: PolicyField
    parts: tuple[str, ...]
    instances: Mapping[str, Item] = field(default_factory=dict)
    attributes: Mapping[str, Sourced] = field(default_factory=dict)
    rules: Mapping[str, CompiledRule] = field(default_factory=dict)
    """Rules of attributes, a source of a default before the attribute that it is for."""
    can_add: bool = True
    locked: frozenset[str] = frozenset()
    instances_source: Source | None = None
    """The policy that canAdd and locked come from."""


@dataclass(frozen=True)
class Section:
    """One section of an effective policy."""

    fields: tuple[Fields, ...] = ()
    """Fields with a default or rules; a source of a default before the field that it is for."""
    items: tuple[Items, ...] = ()
    imposed: tuple[ImposedAsset, ...] = ()


@dataclass(frozen=True, eq=False)
class EffectivePolicy:
    """What all policies of a project say about one workload type. Projects with equal policies share one."""

    workload_type: str
    sections: Mapping[str, Section]
    """Key is the section: empty, or worker and master of a distributed workload."""

    def only(self, section: str) -> EffectivePolicy:
        """Return what it says about one section, as a policy for that part of a workload alone."""
        return EffectivePolicy(self.workload_type, {"": self.sections[section]})
