"""One rule object: whether it makes sense, and what a value does to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from outfitter.api.v1alpha1.policyfields import PolicyField
from outfitter.policy.values import amount, canonical, fits_step, number, shown, wrong_value

OWNED: Final = "rule-owned-by-"
"""Reason of a conflict, before the scope of the wider policy."""


@dataclass(frozen=True)
class Source:
    """The policy that a default or a rule comes from."""

    scope: str
    """project, department, cluster, tenant or system."""
    name: str = ""
    """Name of the project or department."""
    policy: str = ""
    """Namespace and name of the WorkloadPolicy."""

    def __str__(self) -> str:
        """Name the policy, and its scope."""
        unit = f"{self.scope} {self.name}".strip()
        return f"WorkloadPolicy {self.policy} ({unit})" if self.policy else f"the policy of {unit}"

    def to_dict(self) -> dict[str, str]:
        """Return the fields that are set."""
        found = {"scope": self.scope, "name": self.name, "policy": self.policy}
        return {key: value for key, value in found.items() if value}


def rule_errors(table: PolicyField, rule: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (word, reason, message) for each rule that makes no sense; an empty word keeps what can be enforced."""
    for word in ("required", "canEdit", "canAdd"):
        if word in rule and not isinstance(rule[word], bool):
            yield word, "rule-unsupported", f"{word} is true or false."
    if "locked" in rule and not _texts(rule["locked"]):
        yield "locked", "rule-unsupported", "locked is a list of keys."
    if "options" in rule:
        yield from _option_errors(table, rule["options"])
    if table.type != "itemized":
        yield from _bound_errors(table, rule)
    if "defaultFrom" in rule:
        yield from _default_from_errors(rule["defaultFrom"])


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _option_errors(table: PolicyField, options: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(options, list) or not all(isinstance(entry, Mapping) and "value" in entry for entry in options):
        yield "options", "rule-unsupported", "options is a list of objects with value, and with displayed if you like."
        return
    if not options:
        yield "", "options-empty", "options is empty, so no value is allowed. Add an option, or remove the rule."
    for entry in options:
        for key in entry.keys() - {"value", "displayed"}:
            yield "", "unknown", f"An option has value and displayed, not {key}."
        if wrong := wrong_value(table, entry["value"], item=True):
            yield "options", "rule-unsupported", wrong
            return


def _bound_errors(table: PolicyField, rule: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    bounds = {}
    for word in ("min", "max"):
        if word in rule:
            bounds[word] = amount(table, rule[word])
            if bounds[word] is None or wrong_value(table, rule[word]):
                yield word, "rule-unsupported", f"{word} is not of type {table.type}: {shown(rule[word])}."
                bounds[word] = None
    least, most = bounds.get("min"), bounds.get("max")
    if least is not None and most is not None and least > most:
        yield "", "min-above-max", f"min {shown(rule['min'])} is more than max {shown(rule['max'])}."
    if "step" in rule:
        step = amount(table, rule["step"])
        if step is None or wrong_value(table, rule["step"]):
            yield "step", "rule-unsupported", f"step is not of type {table.type}: {shown(rule['step'])}."
        elif step <= 0:
            yield "step", "step", f"step is {shown(rule['step'])}, and must be more than 0."


def _default_from_errors(value: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(value, Mapping) or not isinstance(value.get("field"), str):
        yield "defaultFrom", "rule-unsupported", "defaultFrom is an object with field, and with factor if you like."
        return
    for key in value.keys() - {"field", "factor"}:
        yield "", "unknown", f"defaultFrom has field and factor, not {key}."
    factor = number(value.get("factor", 1))
    if factor is None or factor < 0:
        yield "defaultFrom", "rule-unsupported", "factor is a number of 0 or more."


@dataclass(frozen=True)
class DefaultFrom:
    """A default that is computed from another field."""

    source: PolicyField
    parts: tuple[str, ...]
    factor: Decimal


@dataclass(frozen=True)
class CompiledRule:
    """The rules of one field, ready to judge values."""

    table: PolicyField
    declared: Mapping[str, Any]
    source: Source
    required: bool
    can_edit: bool
    options: tuple[Any, ...] | None
    least: Decimal | None
    most: Decimal | None
    step: Decimal | None
    default_from: DefaultFrom | None = None

    def broken_by(self, value: Any) -> Iterator[tuple[str, str]]:
        """Yield each of options, min, max and step that a value violates, with what is allowed."""
        if self.options is not None:
            items = value if self.table.type == "array" and isinstance(value, list | tuple) else [value]
            if any(_option(self.table, item) not in self.options for item in items):
                yield "options", shown([entry["value"] for entry in self.declared["options"]])
        if self.least is None and self.most is None and self.step is None:
            return
        exact = amount(self.table, value)
        if self.least is not None and (exact is None or exact < self.least):
            yield "min", shown(self.declared["min"])
        if self.most is not None and (exact is None or exact > self.most):
            yield "max", shown(self.declared["max"])
        if self.step is not None and (exact is None or not fits_step(exact, self.least or Decimal(0), self.step)):
            yield "step", shown(self.declared["step"])


def compile_rule(table: PolicyField, declared: Mapping[str, Any], source: Source) -> CompiledRule:
    """Return a rule object ready to judge values; its defaultFrom is resolved by the caller."""
    options = declared.get("options")
    bounds = {word: amount(table, declared[word]) if word in declared else None for word in ("min", "max", "step")}
    return CompiledRule(
        table=table,
        declared=declared,
        source=source,
        required=declared.get("required", False),
        can_edit=declared.get("canEdit", True),
        options=None if options is None else tuple(_option(table, entry["value"]) for entry in options),
        least=bounds["min"],
        most=bounds["max"],
        step=bounds["step"],
    )


def _option(table: PolicyField, value: Any) -> Any:
    """Return a value as options compare it: quantities as they are written, 1Gi is not 1024Mi."""
    return str(value) if table.type == "quantity" else canonical(table, value)
