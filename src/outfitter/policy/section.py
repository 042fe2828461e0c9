"""One section of the policies of a chain -> the section of the effective policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from outfitter.api.v1alpha1.policyfields import PolicyField
from outfitter.policy.declared import Declared
from outfitter.policy.effective import Fields, Item, Items, Section, Sourced
from outfitter.policy.items import alternative_to, fill, overridden
from outfitter.policy.rule import OWNED, CompiledRule, Source, compile_rule
from outfitter.policy.sources import in_order, resolve_sources

LayerError = tuple[Source, str, str, str, str]
"""Policy, field, reason, message, and the wider policy in a conflict."""


@dataclass
class Layer:
    """One section of one policy of a chain."""

    number: int
    """Its place, from wide to narrow."""
    source: Source
    declared: Declared


@dataclass
class _Owned:
    """A rule object in force, and the layer that owns it."""

    layer: Layer
    table: PolicyField
    declared: Mapping[str, Any]

    @property
    def fixed(self) -> bool:
        return self.declared.get("canEdit") is False


class SectionMerge:
    """Merges one section of all layers."""

    def __init__(self, layers: list[Layer], fields: Mapping[str, PolicyField], prefix: str) -> None:
        self._layers = layers
        self._fields = fields
        self._prefix = prefix
        self.errors: list[LayerError] = []
        for layer in layers:
            for path, reason, message in layer.declared.faults:
                self._error(layer, path, reason, message)
        self._rules = self._own_rules()

    def section(self) -> Section:
        """Return the merged section."""
        rules = self._compiled_rules()
        defaults = self._merged_defaults(rules)
        items = tuple(self._items(table, rules) for table in self._fields.values() if table.type == "itemized")
        plain = [path for path, table in self._fields.items() if table.type != "itemized"]
        paths = [path for path in plain if path in rules or path in defaults]
        return Section(
            tuple(
                Fields(self._fields[path], tuple(path.split(".")), defaults.get(path), rules.get(path))
                for path in in_order(paths, rules)
            ),
            items,
        )

    def _error(self, layer: Layer, path: str, reason: str, message: str, owner: str = "") -> None:
        self.errors.append((layer.source, f"{self._prefix}{path}".rstrip("."), reason, message, owner))

    def _table(self, rule_path: str) -> PolicyField:
        """Return the field that a rule object is about."""
        path, mark, attribute = rule_path.partition(".attributes.")
        if mark and path in self._fields:
            return self._fields[path].content[attribute]
        return self._fields[rule_path.removesuffix(".instances")]

    def _own_rules(self) -> dict[str, _Owned]:
        owned: dict[str, _Owned] = {}
        for layer in self._layers:
            for path, rule in layer.declared.rules.items():
                owner = owned.get(path)
                if owner is None:
                    owned[path] = _Owned(layer, self._table(path), rule)
                else:
                    self._owned_error(layer, path, owner.layer, "has rules for this field")
        return owned

    def _owned_error(self, layer: Layer, path: str, owner: Layer, why: str) -> None:
        text = f"{owner.source} {why}, and the wider scope wins. Remove the field from this policy."
        self._error(layer, path, f"{OWNED}{owner.source.scope}", text, owner.source.policy)

    def _wider_fixed(self, path: str, layer: Layer) -> Layer | None:
        owned = self._rules.get(path)
        return owned.layer if owned and owned.fixed and owned.layer.number < layer.number else None

    def _compiled_rules(self) -> dict[str, CompiledRule]:
        rules = {
            path: compile_rule(owned.table, owned.declared, owned.layer.source) for path, owned in self._rules.items()
        }
        found, faults = resolve_sources(rules, self._fields, self._prefix)
        for path, reason, message in faults:
            self._error(self._rules[path].layer, path, reason, message)
        for path, owned in self._rules.items():
            if "defaultFrom" in owned.declared and self._static(path, owned.layer):
                text = f"{path} has a default and defaultFrom; the default wins. Remove one of them."
                self._error(owned.layer, path, "default-and-defaultFrom", text)
        return {path: replace(rule, default_from=found.get(path)) for path, rule in rules.items()}

    @staticmethod
    def _static(path: str, layer: Layer) -> bool:
        field_path, mark, attribute = path.partition(".attributes.")
        declared = layer.declared
        return path in declared.defaults or bool(mark and attribute in declared.attributes.get(field_path, {}))

    def _merged_defaults(self, rules: Mapping[str, CompiledRule]) -> dict[str, Sourced]:
        merged: dict[str, tuple[Layer, Any]] = {}
        for layer in self._layers:
            for path, value in layer.declared.defaults.items():
                if owner := self._wider_fixed(path, layer):
                    self._owned_error(layer, path, owner, "has canEdit: false for this field")
                    continue
                self._judge(layer, path, path, value, rules)
                merged[path] = (layer, value)
        for path, (layer, value) in merged.items():
            self._judge_below(layer, path, path, value, rules)
        return {path: Sourced(value, layer.source) for path, (layer, value) in merged.items()}

    def _judge(self, layer: Layer, rule_path: str, path: str, value: Any, rules: Mapping[str, CompiledRule]) -> None:
        """Judge a default by the rules of its own policy or a wider one."""
        owned = self._rules.get(rule_path)
        if owned is not None and owned.layer.number <= layer.number:
            self._violations(layer, path, value, rules[rule_path])

    def _judge_below(
        self, layer: Layer, rule_path: str, path: str, value: Any, rules: Mapping[str, CompiledRule]
    ) -> None:
        """Judge the default in force by the rules of a narrower policy, whose error it is."""
        owned = self._rules.get(rule_path)
        if owned is not None and owned.layer.number > layer.number:
            self._violations(owned.layer, path, value, rules[rule_path])

    def _violations(self, layer: Layer, path: str, value: Any, rule: CompiledRule) -> None:
        for word, allowed in rule.broken_by(value):
            text = f"The default {value} violates the rule {word} {allowed} of {rule.source}. Change one of them."
            self._error(layer, path, f"default-violates-{word}", text)

    def _items(self, table: PolicyField, rules: Mapping[str, CompiledRule]) -> Items:
        prefix = f"{table.path}.attributes."
        attributes = self._attribute_defaults(table, rules)
        instances = self._instances(table, rules)
        found = {path.removeprefix(prefix): rule for path, rule in rules.items() if path.startswith(prefix)}
        own_rules = {name: found[name] for name in in_order(list(found), found)}
        owned = self._rules.get(f"{table.path}.instances")
        locked = frozenset(owned.declared.get("locked", ())) if owned else frozenset()
        if owned and locked & instances.keys():
            instances = {**instances, **dict(self._locked(table, owned, instances, attributes, own_rules))}
        return Items(
            table,
            tuple(table.path.split(".")),
            instances,
            {name: history[-1] for name, history in attributes.items()},
            own_rules,
            can_add=owned is None or owned.declared.get("canAdd", True),
            locked=locked,
            instances_source=owned.layer.source if owned else None,
        )

    def _locked(
        self,
        table: PolicyField,
        lock: _Owned,
        instances: Mapping[str, Item],
        attributes: Mapping[str, list[Sourced]],
        rules: Mapping[str, CompiledRule],
    ) -> Iterator[tuple[str, Item]]:
        """Yield the locked items with the defaults of their attributes: policies below the lock do not change them."""
        known, computed = self._up_to(lock.layer, table, attributes, rules)
        layers = {layer.source: layer for layer in self._layers}
        for key in instances.keys() & set(lock.declared.get("locked", ())):
            leaves = dict(instances[key].leaves)
            filled = fill(table, leaves, known, computed)
            for name, source in filled.items():
                if name in known and known[name] is not attributes[name][-1]:
                    path = f"{table.path}.attributes.{name}"
                    self._judge_below(
                        layers[source],
                        path,
                        f"{path}[{key}]",
                        leaves[name],
                        {path: rules[name]} if name in rules else {},
                    )
            yield key, replace(instances[key], leaves=leaves, filled=filled)

    def _up_to(
        self,
        last: Layer,
        table: PolicyField,
        attributes: Mapping[str, list[Sourced]],
        rules: Mapping[str, CompiledRule],
    ) -> tuple[dict[str, Sourced], dict[str, CompiledRule]]:
        """Return the defaults of attributes, and their rules, of a layer and the wider ones."""
        sources = {layer.source for layer in self._layers[: last.number + 1]}
        known = {
            name: [default for default in history if default.source in sources] for name, history in attributes.items()
        }
        owned = {name: self._rules[f"{table.path}.attributes.{name}"].layer.number for name in rules}
        return (
            {name: history[-1] for name, history in known.items() if history},
            {name: rule for name, rule in rules.items() if owned[name] <= last.number},
        )

    def _attribute_defaults(self, table: PolicyField, rules: Mapping[str, CompiledRule]) -> dict[str, list[Sourced]]:
        """Return the defaults of each attribute from wide to narrow; the last one counts."""
        merged: dict[str, list[tuple[Layer, Any]]] = {}
        for layer in self._layers:
            for name, value in layer.declared.attributes.get(table.path, {}).items():
                path = f"{table.path}.attributes.{name}"
                if owner := self._wider_fixed(path, layer):
                    self._owned_error(layer, path, owner, "has canEdit: false for this field")
                    continue
                self._judge(layer, path, path, value, rules)
                merged.setdefault(name, []).append((layer, value))
        for name, history in merged.items():
            path = f"{table.path}.attributes.{name}"
            self._judge_below(history[-1][0], path, path, history[-1][1], rules)
        return {name: [Sourced(value, layer.source) for layer, value in history] for name, history in merged.items()}

    def _instances(self, table: PolicyField, rules: Mapping[str, CompiledRule]) -> dict[str, Item]:
        merged: dict[str, tuple[Layer, dict[str, Any]]] = {}
        for layer in self._layers:
            for key, declared in layer.declared.instances.get(table.path, ()):
                if self._kept_by_wider(table, layer, key, declared, new=key not in merged):
                    continue
                if declared.get("exclude"):
                    merged.pop(key, None)
                    continue
                base = merged[key][1] if key in merged else {}
                own = dict(self._allowed_attributes(table, layer, key, declared, base, rules))
                merged[key] = (layer, overridden(table, base, own))
        for key, (layer, leaves) in merged.items():
            for name, value in leaves.items():
                path = f"{table.path}.attributes.{name}"
                self._judge_below(layer, path, f"{path}[{key}]", value, rules)
        return {key: Item(key, leaves, layer.source) for key, (layer, leaves) in merged.items()}

    def _kept_by_wider(
        self, table: PolicyField, layer: Layer, key: str, declared: Mapping[str, Any], *, new: bool
    ) -> bool:
        """Whether a wider policy allows no such default item, which is an error of the narrower one."""
        owned = self._rules.get(f"{table.path}.instances")
        if owned is None or owned.layer.number >= layer.number:
            return False
        if key in owned.declared.get("locked", ()):
            why = "locks this item"
        elif new and not declared.get("exclude") and owned.declared.get("canAdd") is False:
            why = "has canAdd: false for this field"
        else:
            return False
        self._owned_error(layer, f"{table.path}.instances[{key}]", owned.layer, why)
        return True

    def _allowed_attributes(
        self,
        table: PolicyField,
        layer: Layer,
        key: str,
        declared: Mapping[str, Any],
        base: Mapping[str, Any],
        rules: Mapping[str, CompiledRule],
    ) -> Iterator[tuple[str, Any]]:
        for name, value in declared.items():
            path = f"{table.path}.attributes.{name}"
            if owner := self._wider_fixed(path, layer) or self._replaces_fixed(table, layer, name, base):
                self._owned_error(layer, f"{path}[{key}]", owner, "has canEdit: false for this field")
                continue
            self._judge(layer, path, f"{path}[{key}]", value, rules)
            yield name, value

    def _replaces_fixed(self, table: PolicyField, layer: Layer, name: str, base: Mapping[str, Any]) -> Layer | None:
        """Return the wider layer that fixes an alternative of a field, which an item with that field loses."""
        defaults = {
            path for wider in self._layers[: layer.number] for path in wider.declared.attributes.get(table.path, {})
        }
        alternatives = (path for path in {*base, *defaults} if alternative_to(table, name, path))
        found = (self._wider_fixed(f"{table.path}.attributes.{path}", layer) for path in sorted(alternatives))
        return next((owner for owner in found if owner), None)
