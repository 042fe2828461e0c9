"""`defaultFrom`: which field a default is computed from, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from outfitter.api.v1alpha1.policyfields import PolicyField
from outfitter.policy.rule import CompiledRule, DefaultFrom
from outfitter.policy.values import NUMBERS


def resolve_sources(
    rules: Mapping[str, CompiledRule], fields: Mapping[str, PolicyField], prefix: str
) -> tuple[dict[str, DefaultFrom], list[tuple[str, str, str]]]:
    """Return the source of each defaultFrom by the path of its rule, and the faults: path, reason, message.

    A source may be written with `prefix`, the section, in front.
    """
    found: dict[str, DefaultFrom] = {}
    edges: dict[str, str] = {}
    faults = []
    for path, rule in rules.items():
        declared = rule.declared.get("defaultFrom")
        if declared is None:
            continue
        target = _source_path(path, str(declared["field"]).removeprefix(prefix), fields)
        table = _at(target, fields) if target else None
        if target is None or table is None:
            text = f"defaultFrom names {declared['field']}, which is no field beside {path}."
            faults.append((path, "defaultFrom-source", text))
        elif not _convertible(rule.table, table):
            text = f"defaultFrom names {target} of type {table.type}, and {path} is of type {rule.table.type}."
            faults.append((path, "defaultFrom-source", text))
        else:
            factor = Decimal(str(declared.get("factor", 1)))
            found[path] = DefaultFrom(table, tuple(table.path.split(".")), factor)
            edges[path] = target
    for path in _in_cycles(edges):
        del found[path]
        faults.append((path, "defaultFrom-cycle", f"The default of {path} depends on itself by defaultFrom."))
    return found, faults


def in_order(paths: Iterable[str], rules: Mapping[str, CompiledRule]) -> list[str]:
    """Order fields so that the source of a default comes before the field that it is for."""
    known = list(paths)
    ordered: dict[str, None] = {}

    def add(path: str) -> None:
        rule = rules.get(path)
        source = ".".join(rule.default_from.parts) if rule and rule.default_from else None
        if path in ordered:
            return
        if source is not None and source in known:
            add(source)
        ordered[path] = None

    for path in known:
        add(path)
    return list(ordered)


def _source_path(path: str, given: str, fields: Mapping[str, PolicyField]) -> str | None:
    """Return the path of a source, written from the root of the section or from the group of the field."""
    base, mark, attribute = path.partition(".attributes.")
    if mark and base in fields:
        name = given.removeprefix(f"{base}.").removeprefix("attributes.")
        parent = attribute.rpartition(".")[0]
        options = (f"{parent}.{name}" if parent else name, name)
        return next((f"{base}.attributes.{option}" for option in options if option in fields[base].content), None)
    parent = path.rpartition(".")[0]
    group = path.partition(".")[0] if parent else ""
    for option in (f"{parent}.{given}", f"{group}.{given}", given):
        if option in fields and (option.partition(".")[0] if "." in option else "") == group:
            return option
    return None


def _at(path: str, fields: Mapping[str, PolicyField]) -> PolicyField | None:
    base, mark, attribute = path.partition(".attributes.")
    return fields[base].content.get(attribute) if mark else fields.get(path)


def _convertible(target: PolicyField, source: PolicyField) -> bool:
    return target.type == source.type or (target.type in NUMBERS and source.type in NUMBERS)


def _in_cycles(edges: Mapping[str, str]) -> list[str]:
    cyclic = []
    for start in edges:
        node, seen = edges[start], set()
        while node in edges and node != start and node not in seen:
            seen.add(node)
            node = edges[node]
        if node == start:
            cyclic.append(start)
    return cyclic
