"""The containers of an artifact under the policies of a project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from decimal import Decimal
from typing import Any, Final

from outfitter.api.v1alpha1.inference import OF_THE_ARTIFACT
from outfitter.policy.effective import Section
from outfitter.policy.rule import CompiledRule
from outfitter.policy.submission import Verdict
from outfitter.policy.values import NUMBERS, amount, get, put, shown
from outfitter.policy.violation import Violation

OF_CONTAINERS: Final = frozenset({*OF_THE_ARTIFACT, "compute"})
"""Fields that belong to the containers of an artifact."""
_LIMITS: Final = ("compute.cpuCoreLimit", "compute.cpuMemoryLimit")
"""A pod is bounded only if each of its containers is."""


def of_container(path: str) -> bool:
    """Whether a field belongs to the containers of an artifact."""
    return path.partition(".")[0].partition("[")[0] in OF_CONTAINERS


def required_of_all(violation: Violation) -> bool:
    """Whether a violation counts in every container, not only in the main one."""
    return violation.rule != "required" or violation.field in _LIMITS


def with_fixed(section: Section, fields: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    """Return the fields of a container with the defaults that are fixed; compute is that of the main container."""
    result = deepcopy(dict(fields))
    for found in section.fields:
        path = found.table.path
        if path.startswith("probes.") and "probes" not in fields:
            continue  # requests go to the main container
        if of_container(path) and not path.startswith("compute.") and found.rule and not found.rule.can_edit:
            value = get(verdict.effective, found.parts)
            if value is not None:
                put(result, found.parts, value)
    for items in section.items:
        if not of_container(items.table.path) or items.table.path.startswith("compute."):
            continue
        own = list(get(result, items.parts) or ())
        names = {item.get(items.table.key) for item in own}
        effective = get(verdict.effective, items.parts) or ()
        own += [item for item in effective if (key := item.get(items.table.key)) in items.locked and key not in names]
        if own:
            put(result, items.parts, own)
    return result


def violations_of_pod(section: Section, containers: Sequence[Mapping[str, Any]]) -> Iterator[Violation]:
    """Yield the amounts of which the containers of a pod ask for more together than policies allow for a pod."""
    for found in section.fields:
        group, _, name = found.table.path.partition(".")
        rule = found.rule
        if group == "compute" and rule is not None and found.table.type in (*NUMBERS, "quantity"):
            values = [item[name] for item in containers if item.get(name) is not None]
            yield from _too_much(rule, values, found.table.path)
    for items in section.items:
        rule = items.rules.get("quantity")
        if items.table.path == "compute.extendedResources" and rule is not None:
            asked: dict[str, list[Any]] = {}
            for container in containers:
                for item in container.get("extendedResources") or ():
                    asked.setdefault(str(item.get("resource")), []).append(item.get("quantity"))
            for resource, values in asked.items():
                yield from _too_much(rule, values, f"{items.table.path}.attributes.quantity[{resource}]")


def _too_much(rule: CompiledRule, values: Sequence[Any], path: str) -> Iterator[Violation]:
    amounts = [found for value in values if (found := amount(rule.table, value)) is not None]
    if len(amounts) < 2:
        return
    total, text = sum(amounts, Decimal(0)), " + ".join(map(shown, values))
    if rule.most is not None and total > rule.most and all(each <= rule.most for each in amounts):
        yield Violation(path, "max", text, shown(rule.declared["max"]), rule.source)
    elif not rule.can_edit:
        yield Violation(path, "canEdit", text, "what one container gets", rule.source)
