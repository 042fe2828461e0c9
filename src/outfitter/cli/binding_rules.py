"""The rules of an EffectivePolicy that bind a field of a submission."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outfitter.api.v1alpha1.policyfields import PolicyField, policy_fields
from outfitter.policy.values import get, shown

_WITHOUT_EFFECT: Final = {"required": False, "canEdit": True, "canAdd": True, "locked": []}
_NO_BOUND: Final = ("defaultFrom",)
_ITEM: Final = re.compile(r"(?P<field>[^\[]+)\[(?P<key>.*)\]")


@dataclass(frozen=True)
class BindingRule:
    """One rule: `field` of the policy, the rule's name and value, and the policy that it comes from."""

    field: str
    rule: str
    value: Any
    policy: str = ""
    """Namespace and name of the WorkloadPolicy."""
    scope: str = ""
    """`cluster`, `department research`."""

    def __str__(self) -> str:
        """Return rule and value: `max 2`, `required`."""
        if self.rule == "options":
            return f"options {shown([item['value'] for item in self.value])}"
        return self.rule if self.value is True else f"{self.rule} {shown(self.value)}"


def binding_rules(effective: Mapping[str, Any], fields: Sequence[str], section: str = "") -> list[BindingRule]:
    """Return the rules of the spec of an EffectivePolicy that bind any of these fields, or a part of them.

    A field is `compute.gpuDevicesRequest`, or one item of a list: `environmentVariables[HOME]`. `section`: worker or
    master of a distributed workload.
    """
    table = policy_fields(str(effective["workloadType"]), section)
    prefix, rules = (f"{section}." if section else ""), effective.get("rules") or {}
    sources = {item["field"]: item["source"] for item in effective.get("sources") or () if item["part"] == "rule"}
    found: dict[tuple[str, str], BindingRule] = {}
    for field in fields:
        for path, declared in _rules((rules.get(section) or {}) if section else rules, table, field):
            policy, scope = _policy(sources.get(f"{prefix}{path}") or {})
            for rule, value in declared.items():
                if rule not in _NO_BOUND and _WITHOUT_EFFECT.get(rule) != value:
                    found[path, rule] = BindingRule(f"{prefix}{path}", rule, value, policy, scope)
    return list(found.values())


def imposed_by(effective: Mapping[str, Any], data_source: str, section: str = "") -> list[BindingRule]:
    """Return `imposed`, where the effective policy mounts this DataSource into every workload."""
    return [
        BindingRule(f"imposedAssets[{item['name']}]", "imposed", True, *_policy(item["source"]))
        for item in effective.get("imposedAssets") or ()
        if item["name"] == data_source and item.get("section", "") == section
    ]


def _policy(source: Mapping[str, str]) -> tuple[str, str]:
    return source.get("policy", ""), f"{source.get('scope', '')} {source.get('name', '')}".strip()


def _rules(
    rules: Mapping[str, Any], table: Mapping[str, PolicyField], field: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    match = _ITEM.fullmatch(field)
    if match is None:
        for path in table:
            if path == field or path.startswith(f"{field}."):
                declared = get(rules, path.split("."))
                if declared and table[path].type != "itemized":
                    yield path, declared
        return
    base = match["field"]
    if base not in table or table[base].type != "itemized":
        return
    given = get(rules, base.split(".")) or {}
    instances = given.get("instances") or {}
    yield f"{base}.instances", _of_one(instances, match["key"])
    for name in table[base].content:
        declared = get(given.get("attributes") or {}, name.split("."))
        if declared:
            yield f"{base}.attributes.{name}", declared


def _of_one(instances: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the rules of all items as they bind one."""
    found = {name: value for name, value in instances.items() if name != "locked"}
    return {**found, "locked": True} if key in (instances.get("locked") or ()) else found
