"""The policies of one project, from wide to narrow -> the effective policy, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from outfitter.api.v1alpha1.policyfields import SECTIONS, PolicyField, policy_fields
from outfitter.policy.declared import Declared, declared_sections
from outfitter.policy.effective import EffectivePolicy, Fields, Item, Items, Section, Sourced
from outfitter.policy.imposed import ImposedAsset, imposed_fault
from outfitter.policy.items import overridden
from outfitter.policy.rule import CompiledRule, Source, compile_rule
from outfitter.policy.sources import in_order, resolve_sources

OWNED: Final = "rule-owned-by-"
SCOPES: Final = ("system", "tenant", "cluster", "department", "project")
"""Scopes from wide to narrow."""


@dataclass(frozen=True)
class Policy:
    """One WorkloadPolicy of a chain."""

    source: Source
    workload_type: str
    spec: Mapping[str, Any]
    """Its `defaults` and `rules`."""
    imposed: tuple[ImposedAsset, ...] = ()
    """Its imposed assets, resolved by the caller."""


@dataclass(frozen=True)
class PolicyError:
    """One thing that is wrong with a policy, by itself or below the wider ones."""

    source: Source
    field: str
    reason: str
    message: str
    owner: str = ""
    """In a conflict, namespace and name of the wider policy."""

    @property
    def conflict(self) -> bool:
        """Whether a wider policy wins. The rest of the policy counts; any other error makes the policy invalid."""
        return self.reason.startswith(OWNED)

    def __str__(self) -> str:
        """Name the policy, the field, the error."""
        return f"{self.source}: {self.field}: {self.message}" if self.field else f"{self.source}: {self.message}"


def effective_policy(chain: Iterable[Policy], workload_type: str) -> tuple[EffectivePolicy, tuple[PolicyError, ...]]:
    """Merge the policies of a chain for a workload type; the errors say which parts of them do not count."""
    policies = sorted(
        (policy for policy in chain if policy.workload_type == workload_type),
        key=lambda policy: SCOPES.index(policy.source.scope),
    )
    declared = [declared_sections(workload_type, policy.spec) for policy in policies]
    errors = [
        PolicyError(policy.source, *fault)
        for policy, (_, faults) in zip(policies, declared, strict=True)
        for fault in faults
    ]
    sections = {}
    for section in SECTIONS[workload_type]:
        layers = [
            _Layer(number, policy.source, found[section])
            for number, (policy, (found, _)) in enumerate(zip(policies, declared, strict=True))
        ]
        merge = _Merge(layers, policy_fields(workload_type, section), f"{section}." if section else "")
        compiled = merge.section()
        errors += merge.errors
        imposed, found_errors = _imposed(policies, section)
        errors += found_errors
        sections[section] = replace(compiled, imposed=imposed)
    unique = {(error.source, error.field, error.reason): error for error in reversed(errors)}
    ordered = sorted(unique.values(), key=lambda error: (SCOPES.index(error.source.scope), error.field, error.reason))
    return EffectivePolicy(workload_type, sections), tuple(ordered)


def _imposed(policies: list[Policy], section: str) -> tuple[tuple[ImposedAsset, ...], list[PolicyError]]:
    """Return the imposed assets; of two with the same name or mount path, that of the wider policy counts."""
    found: list[ImposedAsset] = []
    errors = []
    where = f"{section}.imposedAssets" if section else "imposedAssets"
    for policy in policies:
        for asset in policy.imposed:
            if asset.section != section:
                continue
            own = replace(asset, source=policy.source)
            other = next((item for item in found if item.name == own.name or item.mount_path == own.mount_path), None)
            fault = imposed_fault(asset) or (_in_the_way(own, other) if other else None)
            if fault:
                owner = other.source.policy if other and fault[0].startswith(OWNED) else ""
                errors.append(PolicyError(policy.source, f"{where}[{asset.name}]", *fault, owner))
            elif other is None:
                found.append(own)
    return tuple(found), errors


def _in_the_way(own: ImposedAsset, other: ImposedAsset) -> tuple[str, str] | None:
    """Return why an asset cannot be imposed beside another one; None if both are the same."""
    if (own.name, own.storage, own.volume) == (other.name, other.storage, other.volume):
        return None
    same = f"DataSource {own.name}" if own.name == other.name else f"mount path {own.mount_path}"
    if own.source == other.source:
        text = f"{same} is imposed twice. Remove one of the entries."
        return "rule-unsupported", text
    text = f"{other.source} imposes another DataSource with the same {'name' if own.name == other.name else 'path'}, "
    return f"{OWNED}{other.source.scope}", f"{text}and the wider scope wins. Remove the entry from this policy."


@dataclass
class _Layer:
    number: int
    source: Source
    declared: Declared


@dataclass
class _Owned:
    """A rule object in force, and the layer that owns it."""

    layer: _Layer
    table: PolicyField
    declared: Mapping[str, Any]

    @property
    def fixed(self) -> bool:
        return self.declared.get("canEdit") is False


class _Merge:
    """Merges one section of all layers."""

    def __init__(self, layers: list[_Layer], fields: Mapping[str, PolicyField], prefix: str) -> None:
        self._layers = layers
        self._fields = fields
        self._prefix = prefix
        self.errors: list[PolicyError] = []
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

    def _error(self, layer: _Layer, path: str, reason: str, message: str, owner: str = "") -> None:
        self.errors.append(PolicyError(layer.source, f"{self._prefix}{path}".rstrip("."), reason, message, owner))

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

    def _owned_error(self, layer: _Layer, path: str, owner: _Layer, why: str) -> None:
        text = f"{owner.source} {why}, and the wider scope wins. Remove the field from this policy."
        self._error(layer, path, f"{OWNED}{owner.source.scope}", text, owner.source.policy)

    def _wider_fixed(self, path: str, layer: _Layer) -> _Layer | None:
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
    def _static(path: str, layer: _Layer) -> bool:
        field_path, mark, attribute = path.partition(".attributes.")
        declared = layer.declared
        return path in declared.defaults or bool(mark and attribute in declared.attributes.get(field_path, {}))

    def _merged_defaults(self, rules: Mapping[str, CompiledRule]) -> dict[str, Sourced]:
        merged: dict[str, tuple[_Layer, Any]] = {}
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

    def _judge(self, layer: _Layer, rule_path: str, path: str, value: Any, rules: Mapping[str, CompiledRule]) -> None:
        """Judge a default by the rules of its own policy or a wider one."""
        owned = self._rules.get(rule_path)
        if owned is not None and owned.layer.number <= layer.number:
            self._violations(layer, path, value, rules[rule_path])

    def _judge_below(
        self, layer: _Layer, rule_path: str, path: str, value: Any, rules: Mapping[str, CompiledRule]
    ) -> None:
        """Judge the default in force by the rules of a narrower policy, whose error it is."""
        owned = self._rules.get(rule_path)
        if owned is not None and owned.layer.number > layer.number:
            self._violations(owned.layer, path, value, rules[rule_path])

    def _violations(self, layer: _Layer, path: str, value: Any, rule: CompiledRule) -> None:
        for word, allowed in rule.broken_by(value):
            text = f"The default {value} violates the rule {word} {allowed} of {rule.source}. Change one of them."
            self._error(layer, path, f"default-violates-{word}", text)

    def _items(self, table: PolicyField, rules: Mapping[str, CompiledRule]) -> Items:
        prefix = f"{table.path}.attributes."
        attributes = self._attribute_defaults(table, rules)
        instances = self._instances(table, rules)
        own_rules = {path.removeprefix(prefix): rule for path, rule in rules.items() if path.startswith(prefix)}
        order = in_order(list(own_rules), own_rules)
        owned = self._rules.get(f"{table.path}.instances")
        return Items(
            table,
            tuple(table.path.split(".")),
            instances,
            attributes,
            {name: own_rules[name] for name in order},
            can_add=owned is None or owned.declared.get("canAdd", True),
            locked=frozenset(owned.declared.get("locked", ())) if owned else frozenset(),
            instances_source=owned.layer.source if owned else None,
        )

    def _attribute_defaults(self, table: PolicyField, rules: Mapping[str, CompiledRule]) -> dict[str, Sourced]:
        merged: dict[str, tuple[_Layer, Any]] = {}
        for layer in self._layers:
            for name, value in layer.declared.attributes.get(table.path, {}).items():
                path = f"{table.path}.attributes.{name}"
                if owner := self._wider_fixed(path, layer):
                    self._owned_error(layer, path, owner, "has canEdit: false for this field")
                    continue
                self._judge(layer, path, path, value, rules)
                merged[name] = (layer, value)
        for name, (layer, value) in merged.items():
            path = f"{table.path}.attributes.{name}"
            self._judge_below(layer, path, path, value, rules)
        return {name: Sourced(value, layer.source) for name, (layer, value) in merged.items()}

    def _instances(self, table: PolicyField, rules: Mapping[str, CompiledRule]) -> dict[str, Item]:
        merged: dict[str, tuple[_Layer, dict[str, Any]]] = {}
        lock = self._rules.get(f"{table.path}.instances")
        locked = lock.declared.get("locked", ()) if lock else ()
        for layer in self._layers:
            for key, declared in layer.declared.instances.get(table.path, ()):
                if lock and key in locked and lock.layer.number < layer.number:
                    self._owned_error(layer, f"{table.path}.instances[{key}]", lock.layer, "locks this item")
                    continue
                if declared.get("exclude"):
                    merged.pop(key, None)
                    continue
                own = dict(self._allowed_attributes(table, layer, key, declared, rules))
                base = merged[key][1] if key in merged else {}
                merged[key] = (layer, overridden(table, base, own))
        for key, (layer, leaves) in merged.items():
            for name, value in leaves.items():
                path = f"{table.path}.attributes.{name}"
                self._judge_below(layer, path, f"{path}[{key}]", value, rules)
        return {key: Item(key, leaves, layer.source) for key, (layer, leaves) in merged.items()}

    def _allowed_attributes(
        self,
        table: PolicyField,
        layer: _Layer,
        key: str,
        declared: Mapping[str, Any],
        rules: Mapping[str, CompiledRule],
    ) -> Iterator[tuple[str, Any]]:
        for name, value in declared.items():
            path = f"{table.path}.attributes.{name}"
            if owner := self._wider_fixed(path, layer):
                self._owned_error(layer, f"{path}[{key}]", owner, "has canEdit: false for this field")
                continue
            self._judge(layer, path, f"{path}[{key}]", value, rules)
            yield name, value
