"""An effective policy as the spec of an EffectivePolicy, which users and admission policies read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from outfitter.api.v1alpha1.effectivepolicy import LISTED_SOURCES
from outfitter.policy.effective import EffectivePolicy, Items, Section
from outfitter.policy.items import nested
from outfitter.policy.rule import Source
from outfitter.policy.values import put


def effective_spec(policy: EffectivePolicy) -> dict[str, Any]:
    """Return the spec of the EffectivePolicy: what is not set is absent, and sources are in the order of the fields."""
    defaults: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    imposed = []
    for name, section in policy.sections.items():
        prefix = (name,) if name else ()
        for path, value in _defaults(section):
            put(defaults, (*prefix, *path), value)
        for path, value in _rules(section):
            put(rules, (*prefix, *path), dict(value))
        for asset in section.imposed:
            entry: dict[str, Any] = {"name": asset.name, "kind": asset.storage}
            imposed.append({**entry, **({"section": name} if name else {}), "source": asset.source.to_dict()})
    sources = [
        {"field": field, "part": part, "source": source.to_dict()} for field, part, source in policy_sources(policy)
    ]
    spec = {"defaults": defaults, "rules": rules, "imposedAssets": imposed, "sources": sources[:LISTED_SOURCES]}
    return {"workloadType": policy.workload_type, **{key: value for key, value in spec.items() if value}}


def policy_sources(policy: EffectivePolicy) -> Iterator[tuple[str, str, Source]]:
    """Yield field, part (default or rule) and source of all that the policies say, in the order of the fields."""
    for name, section in policy.sections.items():
        prefix = f"{name}." if name else ""
        for field, part, source in _sources(section):
            yield f"{prefix}{field}", part, source


def _sources(section: Section) -> Iterator[tuple[str, str, Source]]:
    for found in section.fields:
        if found.default:
            yield found.table.path, "default", found.default.source
        if found.rule:
            yield found.table.path, "rule", found.rule.source
    for items in section.items:
        path = items.table.path
        if items.instances_source:
            yield f"{path}.instances", "rule", items.instances_source
        for key, item in items.instances.items():
            yield f"{path}.instances[{key}]", "default", item.source
        for name, default in items.attributes.items():
            yield f"{path}.attributes.{name}", "default", default.source
        for name, rule in items.rules.items():
            yield f"{path}.attributes.{name}", "rule", rule.source


def _defaults(section: Section) -> Iterator[tuple[tuple[str, ...], Any]]:
    for found in section.fields:
        if found.default:
            yield found.parts, found.default.value
    for items in section.items:
        if items.instances:
            yield (*items.parts, "instances"), [nested(item.leaves) for item in items.instances.values()]
        for name, default in items.attributes.items():
            yield (*items.parts, "attributes", *name.split(".")), default.value


def _rules(section: Section) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    for found in section.fields:
        if found.rule:
            yield found.parts, found.rule.declared
    for items in section.items:
        if items.instances_source:
            yield (*items.parts, "instances"), _instance_rules(items)
        for name, rule in items.rules.items():
            yield (*items.parts, "attributes", *name.split(".")), rule.declared


def _instance_rules(items: Items) -> dict[str, Any]:
    rules: dict[str, Any] = {} if items.can_add else {"canAdd": False}
    return {**rules, "locked": sorted(items.locked)} if items.locked else rules


def policy_warnings(policy: EffectivePolicy) -> Iterator[tuple[str, str, Source]]:
    """Yield field, text and source of what a policy says without effect."""
    for name, section in policy.sections.items():
        prefix = f"{name}." if name else ""
        for items in section.items:
            for key in sorted(items.locked - items.instances.keys()):
                if items.instances_source:
                    text = f"{key} is locked and has no default, so every workload may set it. Add a default instance."
                    yield f"{prefix}{items.table.path}.instances[{key}]", text, items.instances_source
