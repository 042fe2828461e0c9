"""Itemized fields: default items, the items of a submission, and the rules of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from outfitter.api.v1alpha1.policyfields import EXPLAINS, PolicyField
from outfitter.policy.declared import item_key, object_paths
from outfitter.policy.effective import Items, Sourced
from outfitter.policy.imposed import ImposedAsset
from outfitter.policy.rule import CompiledRule, Source
from outfitter.policy.values import is_empty, put, same, scaled, shown
from outfitter.policy.violation import Violation

Leaves = dict[str, Any]
"""The fields of an item by their paths in it."""


@dataclass
class AppliedItems:
    """The items of one field after its policies, in order."""

    items: dict[str, Leaves] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    sources: dict[tuple[str, str], Source] = field(default_factory=dict)
    """Key of an item, and field or nothing for the item itself -> the policy that it comes from."""

    def to_list(self) -> list[dict[str, Any]]:
        """Return the items as the workload has them."""
        return [nested(leaves) for leaves in self.items.values()]


def leaves_of(table: PolicyField, item: Mapping[str, Any]) -> Leaves:
    """Return the fields of an item that are set, without `exclude`."""
    return dict(_leaves(object_paths(tuple(table.content)), item, ""))


def _leaves(objects: frozenset[str], tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if value is None or path == "exclude":
            continue
        if path in objects and isinstance(value, Mapping):
            yield from _leaves(objects, value, f"{path}.")
        else:
            yield path, value


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item from its fields by path."""
    item: dict[str, Any] = {}
    for path, value in leaves.items():
        put(item, path.split("."), value)
    return item


def overridden(table: PolicyField, base: Mapping[str, Any], own: Mapping[str, Any]) -> Leaves:
    """Return an item whose given fields are replaced; a field of which an item has one replaces the others whole."""
    heads = {path.partition(".")[0] for path in own}
    gone = {name for group in table.alternatives if heads & {*group} for name in group}
    kept = {path: value for path, value in base.items() if path.partition(".")[0] not in gone}
    return {**kept, **own}


def apply_items(policy: Items, given: Iterable[Any], imposed: Mapping[str, ImposedAsset]) -> AppliedItems:
    """Merge the items of a submission into the default items, and judge the result.

    `imposed` are items that nothing can change, by their keys; they are not part of the result.
    """
    result = AppliedItems()
    result.items = {key: dict(item.leaves) for key, item in policy.instances.items() if key not in imposed}
    result.sources = {(key, ""): item.source for key, item in policy.instances.items() if key not in imposed}
    own = _merge_given(policy, given, imposed, result)
    for key, leaves in result.items.items():
        if key in policy.locked and key in policy.instances:
            filled = policy.instances[key].filled
        else:
            filled = fill(policy.table, leaves, policy.attributes, policy.rules)
        result.sources |= {(key, path): source for path, source in filled.items()}
        judge(policy, key, leaves, own.get(key), result.violations)
    return result


def _merge_given(
    policy: Items, given: Iterable[Any], imposed: Mapping[str, ImposedAsset], result: AppliedItems
) -> dict[str, Leaves]:
    """Merge the given items; return the fields that the submission sets, by the key of the item."""
    table, items = policy.table, result.items
    own: dict[str, Leaves] = {}
    seen: set[str] = set()
    for item in given:
        if not isinstance(item, Mapping):
            continue
        key, leaves = item_key(table, item), leaves_of(table, item)
        excluded = item.get("exclude") is True

        def broken(rule: str, source: Source | None = None, key: str = key, leaves: Leaves = leaves) -> None:
            where = f"{table.path}.instances[{key}]"
            result.violations.append(Violation(where, rule, shown(nested(leaves)), "", source))

        if key in seen:
            broken("duplicate")
        elif key in imposed:
            if excluded or _differs(table, leaves, leaves_of(table, imposed[key].volume)):
                broken("locked", imposed[key].source)
        elif key in items and key in policy.locked:
            if excluded or _differs(table, leaves, items[key]):
                broken("locked", policy.instances_source)
        elif excluded:
            items.pop(key, None)
            result.sources.pop((key, ""), None)
        elif key in items:
            items[key] = overridden(table, items[key], leaves)
            own[key] = leaves
        elif not policy.can_add:
            broken("canAdd", policy.instances_source)
        else:
            items[key] = leaves
            own[key] = dict(leaves)
        seen.add(key)
    return own


def _differs(table: PolicyField, own: Mapping[str, Any], fixed: Mapping[str, Any]) -> bool:
    return any(
        path not in fixed or path not in table.content or not same(table.content[path], value, fixed[path])
        for path, value in own.items()
        if path not in (table.key, EXPLAINS)
    )


def fill(
    table: PolicyField, leaves: Leaves, attributes: Mapping[str, Sourced], rules: Mapping[str, CompiledRule]
) -> dict[str, Source]:
    """Set the defaults of attributes that an item does not have; return the policy of each."""
    sources: dict[str, Source] = {}
    for path, default in attributes.items():
        if path not in leaves and not _has_alternative(table, path, leaves):
            leaves[path] = default.value
            sources[path] = default.source
    for path, rule in rules.items():
        if rule.default_from and path not in leaves and not _has_alternative(table, path, leaves):
            value = _computed(rule, leaves)
            if value is not None:
                leaves[path] = value
                sources[path] = rule.source
    return sources


def alternative_to(table: PolicyField, path: str, other: str) -> bool:
    """Whether an item has either a field or another one, such as `credential.name` or `secretRef.name`."""
    head, name = path.partition(".")[0], other.partition(".")[0]
    return head != name and any(head in group and name in group for group in table.alternatives)


def _has_alternative(table: PolicyField, path: str, leaves: Leaves) -> bool:
    return any(alternative_to(table, path, other) for other in leaves)


def _computed(rule: CompiledRule, leaves: Mapping[str, Any]) -> Any:
    assert rule.default_from is not None
    source = rule.default_from
    return scaled(rule.table, leaves.get(source.source.path), source.source, source.factor)


def judge(policy: Items, key: str, leaves: Leaves, own: Leaves | None, violations: list[Violation]) -> None:
    """Judge the attributes of one item; `own` are the fields that the submission sets."""
    for path, rule in policy.rules.items():
        value = leaves.get(path)
        where = f"{policy.table.path}.attributes.{path}[{key}]"
        if rule.required and is_empty(value):
            violations.append(Violation(where, "required", source=rule.source))
        if not rule.can_edit and own is not None:
            default = _default(policy, key, path, rule, leaves)
            changed = path in own or default is not None
            if changed and (default is None or value is None or not same(rule.table, value, default)):
                given = "no value" if value is None else shown(value)
                allowed = "" if default is None else shown(default)
                violations.append(Violation(where, "canEdit", given, allowed, rule.source))
        if value is not None:
            for word, allowed in rule.broken_by(value):
                violations.append(Violation(where, word, shown(value), allowed, rule.source))


def _default(policy: Items, key: str, path: str, rule: CompiledRule, leaves: Leaves) -> Any:
    """Return what an attribute of an item would be without the submission."""
    instance = policy.instances.get(key)
    base = dict(instance.leaves) if instance is not None else {}
    fill(policy.table, base, policy.attributes, {})
    return base[path] if path in base else _computed(rule, leaves) if rule.default_from else None
