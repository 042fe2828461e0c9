"""The table of an effective policy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from outfitter.cli import console
from outfitter.cli.policy.files import InForce
from outfitter.policy.effective import EffectivePolicy, Section
from outfitter.policy.items import nested
from outfitter.policy.rule import Source

Row = tuple[str, str, str, Source]


def print_table(namespace: str, found: Mapping[str, InForce]) -> None:
    """Print one table for each workload type: field, default or rule, and the policy that it comes from."""
    out = console.stdout_console()
    for name, item in found.items():
        table = Table("FIELD", "PART", "VALUE", "SCOPE", "POLICY", box=None, pad_edge=False, title_justify="left")
        table.title = f"{name} in {namespace}"
        for field, part, value, source in policy_rows(item.policy):
            table.add_row(field, part, value, f"{source.scope} {source.name}".strip(), source.policy)
        out.print(table)


def policy_rows(policy: EffectivePolicy) -> Iterator[Row]:
    """Yield field, part (default, rule or imposed), value and source of all that an effective policy says."""
    for section, content in policy.sections.items():
        prefix = f"{section}." if section else ""
        for field, part, value, source in _rows(content):
            yield f"{prefix}{field}", part, value, source


def _rows(section: Section) -> Iterator[Row]:
    for found in section.fields:
        if found.default:
            yield found.table.path, "default", _text(found.default.value), found.default.source
        if found.rule:
            yield found.table.path, "rule", _text(found.rule.declared), found.rule.source
    for items in section.items:
        path = items.table.path
        for key, item in items.instances.items():
            yield f"{path}[{key}]", "default", _text(nested(item.leaves)), item.source
        if items.instances_source:
            rules: dict[str, Any] = {"canAdd": items.can_add}
            if items.locked:
                rules["locked"] = sorted(items.locked)
            yield f"{path}.instances", "rule", _text(rules), items.instances_source
        for name, default in items.attributes.items():
            yield f"{path}.attributes.{name}", "default", _text(default.value), default.source
        for name, rule in items.rules.items():
            yield f"{path}.attributes.{name}", "rule", _text(rule.declared), rule.source
    for asset in section.imposed:
        yield f"storage.{asset.storage}[{asset.name}]", "imposed", asset.name, asset.source


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
