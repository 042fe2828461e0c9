"""One policy as it is declared: its fields, read against the field table, and what is wrong with each.

One module: each function reads one level of the same tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from outfitter.api.shape import did_you_mean
from outfitter.api.v1alpha1.policyfields import (
    RULE_WORDS,
    SECTIONS,
    PolicyField,
    instead_of,
    known_anywhere,
    policy_fields,
)
from outfitter.policy.imposed import reference_faults, shape_faults
from outfitter.policy.rule import rule_errors
from outfitter.policy.values import get, shown, without_absent, wrong_value

Fault = tuple[str, str, str]
"""Field, reason and message."""
_HARMLESS: Final = {("storage.pvc", "ephemeral"): False}
"""Defaults of items that a type lacks, and that say what is true of it anyway."""


@dataclass
class Declared:
    """One section of one policy: what was understood, and the faults of the rest."""

    defaults: dict[str, Any] = field(default_factory=dict)
    """Path of a field -> its default."""
    instances: dict[str, list[tuple[str, dict[str, Any]]]] = field(default_factory=dict)
    """Path of an itemized field -> its default items with their keys."""
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Path of an itemized field -> default of each attribute."""
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Path of a rule object -> its rules: `image`, `labels.instances`, `storage.nfs.attributes.readOnly`."""
    faults: list[Fault] = field(default_factory=list)


def declared_sections(workload_type: str, spec: Mapping[str, Any]) -> tuple[dict[str, Declared], list[Fault]]:
    """Read `defaults` and `rules` of a policy by section, empty where a type has none; and the faults of no section."""
    given = spec.get("imposedAssets")
    outside = [*shape_faults(workload_type, given), *reference_faults(spec, workload_type)]
    found = {section: Declared() for section in SECTIONS[workload_type]}
    for part in ("defaults", "rules"):
        tree = spec.get(part)
        for section, inner, faults in _by_section(workload_type, tree):
            if section is None:
                outside += faults
            else:
                reader = _Reader(workload_type, section, found[section])
                (reader.defaults if part == "defaults" else reader.rules)(inner)
    return found, outside


def item_key(table: PolicyField, item: Mapping[str, Any]) -> str:
    """Return the key of an item; one without a key is identified by what it mounts or exposes."""
    if item.get(table.key) is not None:
        return str(item[table.key])
    return "|".join("" if get(item, (name,)) is None else str(item[name]) for name in table.identity)


def _by_section(workload_type: str, tree: Any) -> Iterator[tuple[str | None, Mapping[str, Any], list[Fault]]]:
    sections = SECTIONS[workload_type]
    if tree is None:
        return
    if not isinstance(tree, Mapping):
        yield None, {}, [("", "unknown", "defaults and rules are objects with the fields of a workload.")]
    elif "" in sections:
        yield "", tree, []
    else:
        for key, inner in tree.items():
            if key not in sections:
                why = f"{key} is no section of a {workload_type} policy. Use {' or '.join(sections)}."
                yield None, {}, [(key, "unsupported" if known_anywhere(key) else "unknown", why)]
            elif inner is not None and not isinstance(inner, Mapping):
                yield None, {}, [(key, "unsupported", f"{key} is an object with the fields of a workload.")]
            elif inner is not None:
                yield key, inner, []


def _use(field: str, name: str, *, attribute: bool = False) -> str:
    """Return what to write instead of a name, as a sentence to append."""
    instead = instead_of(field, name, attribute=attribute)
    return f" Use {instead}." if instead else ""


@cache
def _groups(workload_type: str, section: str) -> frozenset[str]:
    return object_paths(tuple(policy_fields(workload_type, section)))


@cache
def object_paths(paths: tuple[str, ...]) -> frozenset[str]:
    """Return the paths of the objects above some fields."""
    found = set()
    for path in paths:
        parts = path.split(".")
        found |= {".".join(parts[:end]) for end in range(1, len(parts))}
    return frozenset(found)


@cache
def _every_field() -> frozenset[str]:
    """Return the paths of the fields of all workload types."""
    tables = [policy_fields(name, section) for name, sections in SECTIONS.items() for section in sections]
    return frozenset(path for table in tables for path in table) | {"worker", "master"}


@cache
def _content_anywhere(path: str) -> frozenset[str]:
    tables = [policy_fields(name, section) for name, sections in SECTIONS.items() for section in sections]
    return frozenset(name for table in tables if path in table for name in table[path].content)


class _Reader:
    """Reads one section; every key that it does not understand becomes a fault."""

    def __init__(self, workload_type: str, section: str, into: Declared) -> None:
        self._type = workload_type
        self._fields = policy_fields(workload_type, section)
        self._groups = _groups(workload_type, section)
        self._into = into

    def defaults(self, tree: Mapping[str, Any]) -> None:
        for path, value in self._leaves(tree, ""):
            table = self._fields[path]
            if table.type == "itemized":
                self._itemized_defaults(table, value)
            elif wrong := wrong_value(table, value):
                self._fault(path, "unsupported", wrong)
            else:
                self._into.defaults[path] = without_absent(value)

    def rules(self, tree: Mapping[str, Any]) -> None:
        for path, value in self._leaves(tree, ""):
            table = self._fields[path]
            if table.type != "itemized":
                self._rule(path, table.rules, value, table)
                continue
            if not isinstance(value, Mapping):
                self._fault(
                    path, "rule-unsupported", "The rules of an itemized field are below instances and attributes."
                )
                continue
            for key, inner in value.items():
                if inner is None:
                    continue
                if key == "instances":
                    self._rule(f"{path}.instances", table.rules, inner, table)
                elif key == "attributes" and table.attributes:
                    self._attribute_rules(table, inner)
                else:
                    self._not_itemized(path, key)

    def _leaves(self, tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        """Yield the given fields of a tree."""
        for key, value in tree.items():
            path = f"{prefix}{key}"
            if value is None:
                continue
            if path in self._fields:
                yield path, value
            elif path in self._groups:
                if isinstance(value, Mapping):
                    yield from self._leaves(value, f"{path}.")
                else:
                    self._fault(path, "unsupported", f"{path} is an object with fields of its own.")
            elif known_anywhere(path) and path not in _every_field() and isinstance(value, Mapping):
                yield from self._leaves(value, f"{path}.")
            elif known_anywhere(path):
                self._fault(path, "unsupported", f"A workload of type {self._type} has no field {path}.")
            else:
                parent, _, name = path.rpartition(".")
                self._fault(path, "unknown", f"No workload has a field {path}.{_use(parent, name) or self._hint(path)}")

    def _hint(self, path: str) -> str:
        """Suggest a field of the same group, else one of the same name elsewhere."""
        parent, _, name = path.rpartition(".")
        known = (*self._fields, *self._groups)
        siblings = [other.rpartition(".")[2] for other in known if other.rpartition(".")[0] == parent]
        if close := did_you_mean(name, siblings):
            return close
        named = [other for other in known if other.rpartition(".")[2].lower() == name.lower()]
        return f" Did you mean {named[0]}?" if named else ""

    def _itemized_defaults(self, table: PolicyField, value: Any) -> None:
        if not isinstance(value, Mapping):
            self._fault(
                table.path, "unsupported", "The defaults of an itemized field are below instances and attributes."
            )
            return
        for key, inner in value.items():
            if inner is None:
                continue
            if key == "instances":
                self._instances(table, inner)
            elif key == "attributes" and table.attributes:
                where = f"{table.path}.attributes"
                found = dict(self._item_leaves(table, table.attributes, inner, where, ""))
                if found:
                    self._into.attributes[table.path] = found
            else:
                self._not_itemized(table.path, key)

    def _not_itemized(self, path: str, key: str) -> None:
        if key in RULE_WORDS:
            self._fault(
                path,
                "rule-unsupported",
                f"An itemized field has no rule {key}. Its rules are below instances and attributes.",
            )
        else:
            hint = did_you_mean(key, ("instances", "attributes"))
            self._fault(f"{path}.{key}", "unknown", f"{path} has no part {key}.{hint}")

    def _instances(self, table: PolicyField, items: Any) -> None:
        if not isinstance(items, list):
            self._fault(f"{table.path}.instances", "unsupported", "The default instances are a list of items.")
            return
        found = self._into.instances.setdefault(table.path, [])
        for item in items:
            if not isinstance(item, Mapping):
                self._fault(f"{table.path}.instances", "unsupported", "A default instance is an object.")
                continue
            key = item_key(table, item)
            if table.keyed and item.get(table.key) is None:
                self._fault(
                    f"{table.path}.instances", "unknown", f"A default instance of {table.path} needs {table.key}."
                )
                continue
            given = {name: value for name, value in item.items() if name != "exclude"}
            exclude = item.get("exclude")
            if exclude is not None and not isinstance(exclude, bool):
                self._fault(f"{table.path}.instances[{key}]", "unsupported", "exclude is true or false.")
            leaves = dict(self._item_leaves(table, table.content, given, f"{table.path}.attributes", f"[{key}]"))
            found.append((key, {**leaves, "exclude": True} if exclude is True else leaves))

    def _item_leaves(
        self, table: PolicyField, known: Mapping[str, PolicyField], tree: Any, where: str, mark: str, prefix: str = ""
    ) -> Iterator[tuple[str, Any]]:
        """Yield the given fields of an item, by their paths in the item."""
        if not isinstance(tree, Mapping):
            self._fault(f"{where}{mark}", "unsupported", f"{where} is an object with the fields of an item.")
            return
        for key, value in tree.items():
            name = f"{prefix}{key}"
            path = f"{where}.{name}{mark}"
            if value is None:
                continue
            if name in known:
                if wrong := wrong_value(known[name], value):
                    self._fault(path, "unsupported", wrong)
                else:
                    yield name, without_absent(value)
            elif name in object_paths(tuple(known)):
                yield from self._item_leaves(table, known, value, where, mark, f"{name}.")
            elif name in _content_anywhere(table.path) - table.content.keys():
                if value is not _HARMLESS.get((table.path, name)):
                    text = f"In a workload of type {self._type}, {table.path} has no {name} {shown(value)}."
                    self._fault(path, "unsupported", text)
            else:
                hint = _use(table.path, name, attribute=not mark) or did_you_mean(key, known)
                self._fault(path, "unknown", f"An item of {table.path} has no field {name}.{hint}")

    def _attribute_rules(self, table: PolicyField, tree: Any, prefix: str = "") -> None:
        where = f"{table.path}.attributes"
        if not isinstance(tree, Mapping):
            self._fault(where, "rule-unsupported", f"{where} is an object with the fields of an item.")
            return
        for key, value in tree.items():
            name = f"{prefix}{key}"
            path = f"{where}.{name}"
            if value is None:
                continue
            if name in table.attributes:
                found = table.attributes[name]
                self._rule(path, found.rules, value, found)
            elif name in object_paths(tuple(table.attributes)):
                self._attribute_rules(table, value, f"{name}.")
            elif name in _content_anywhere(table.path) - table.content.keys():
                self._fault(path, "unsupported", f"In a workload of type {self._type}, {table.path} has no {name}.")
            else:
                hint = _use(table.path, name, attribute=True) or did_you_mean(key, table.attributes)
                self._fault(path, "unknown", f"An item of {table.path} has no field {name} with rules.{hint}")

    def _rule(self, path: str, words: tuple[str, ...], value: Any, table: PolicyField) -> None:
        if not isinstance(value, Mapping):
            self._fault(path, "rule-unsupported", f"The rules of {path} are an object, such as {{{words[0]}: true}}.")
            return
        understood = {}
        for word, inner in value.items():
            if inner is None:
                continue
            if word in words:
                understood[word] = without_absent(inner)
            elif word in RULE_WORDS:
                text = f"{path} is of type {table.type}, which has no rule {word}. It has {', '.join(words)}."
                self._fault(path, "rule-unsupported", text)
            else:
                self._fault(f"{path}.{word}", "unknown", f"There is no rule {word}.{did_you_mean(word, words)}")
        for word, reason, text in rule_errors(table, understood):
            self._fault(path, reason, text)
            if word:
                understood.pop(word, None)
        if understood:
            self._into.rules[path] = understood

    def _fault(self, path: str, reason: str, message: str) -> None:
        self._into.faults.append((path, reason, message))
