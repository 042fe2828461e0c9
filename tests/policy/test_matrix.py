"""Each rule x each value type x each state of default and submission, judged by a second, plain implementation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from chains import broken, judge, reasons, tree

from outfitter.api.shape import shape_errors
from outfitter.api.v1alpha1.policyfields import RULE_WORDS, SECTIONS, PolicyField, policy_fields
from outfitter.api.v1alpha1.policyschema import defaults_schema, rules_schema
from outfitter.cli.policy.vectors import without_empty_objects

ALL_SECTIONS = [(name, section) for name, sections in SECTIONS.items() for section in sections]
FIELDS = {
    "boolean": "createHomeDir",
    "string": "image",
    "integer": "compute.gpuDevicesRequest",
    "number": "compute.cpuCoreRequest",
    "quantity": "compute.cpuMemoryRequest",
    "array": "nodePools",
    "arbitrary": "nodeAffinityRequired",
}
SAMPLES: dict[str, list[Any]] = {
    "boolean": [True, False],
    "string": ["a", "b", ""],
    "integer": [0, 1, 2, 3, 5],
    "number": [0, 0.1, 0.3, 1, 1.5],
    "quantity": ["1G", "1000M", "1Gi", 1000000000, "2Gi"],
    "array": [["a"], ["a", "b"], ["b", "a"], []],
    "arbitrary": [{"nodeSelectorTerms": []}, {"nodeSelectorTerms": [{"matchExpressions": []}]}],
}
BYTES = {"1G": 10**9, "1000M": 10**9, "1Gi": 2**30, 1000000000: 10**9, "2Gi": 2**31}
OTHER = {"boolean": False, "string": "b", "integer": 2, "number": 1, "quantity": "2Gi", "array": ["b"]}
WORDS: dict[str, dict[str, list[Any]]] = {
    "required": {value_type: [True, False] for value_type in FIELDS},
    "canEdit": {value_type: [True, False] for value_type in FIELDS},
    "options": {
        "string": [[{"value": "a"}], [{"value": "a", "displayed": "b"}, {"value": "c"}]],
        "array": [[{"value": "a"}], [{"value": "a"}, {"value": "b"}]],
    },
    "min": {"integer": [1, 2], "number": [0.1, 1], "quantity": ["1G", "1Gi"]},
    "max": {"integer": [1, 2], "number": [0.3, 1], "quantity": ["1G", 1073741824]},
    "step": {"integer": [1, 2], "number": [0.1, 0.5]},
}


def _value(value_type: str, value: Any) -> Any:
    if value_type in ("integer", "number"):
        return Decimal(str(value))
    return BYTES[value] if value_type == "quantity" and value in BYTES else value


def _amount(value_type: str, value: Any) -> Decimal:
    return Decimal(BYTES.get(value, value)) if value_type == "quantity" else Decimal(str(value))


def _oracle(value_type: str, rules: dict[str, Any], default: Any, given: Any) -> Iterator[str]:
    """Section 4.4, as plainly as it can be written."""
    final = given if given is not None else default
    if rules.get("required") and final in (None, "", []):
        yield "required"
    fixed = rules.get("canEdit") is False and given is not None
    if fixed and (default is None or _value(value_type, given) != _value(value_type, default)):
        yield "canEdit"
    if final is None:
        return
    if "options" in rules:
        allowed = [entry["value"] for entry in rules["options"]]
        if not all(item in allowed for item in (final if value_type == "array" else [final])):
            yield "options"
    if "min" in rules and _amount(value_type, final) < _amount(value_type, rules["min"]):
        yield "min"
    if "max" in rules and _amount(value_type, final) > _amount(value_type, rules["max"]):
        yield "max"
    if "step" in rules:
        start = _amount(value_type, rules.get("min", 0))
        if (_amount(value_type, final) - start) % _amount(value_type, rules["step"]) != 0:
            yield "step"


@pytest.mark.parametrize("value_type", FIELDS)
def test_scalar_fields(value_type: str) -> None:
    """Every pair of rules, with and without a default, with and without a given value."""
    path = FIELDS[value_type]
    words = [(word, value) for word, values in WORDS.items() for value in values.get(value_type, ())]
    values = [None, *SAMPLES[value_type]]
    for rules in ({}, *({word: value} for word, value in words), *map(dict, itertools.combinations(words, 2))):
        for default, given in itertools.product(values, values):
            policy = {"rules": tree(path, rules), "defaults": tree(path, default)}
            found = judge(tree(path, given), policy)
            expected = [(path, word) for word in sorted(_oracle(value_type, rules, default, given))]
            assert [(item.field, item.rule) for item in found.violations] == expected, (rules, default, given)
            final = given if given is not None else default
            expected_tree = tree(path, final) if final is not None else {}
            assert without_empty_objects(found.effective) == without_empty_objects(expected_tree), (rules, given)


def _sample(table: PolicyField) -> Any:
    if table.enum:
        return [table.enum[0]] if table.type == "array" else table.enum[0]
    if table.model is not None:
        return [] if table.many else {}
    return {"boolean": True, "string": "a", "integer": 1, "number": 0.5, "quantity": "1Gi", "array": ["a"]}[table.type]


def _rule_sample(word: str, table: PolicyField) -> Any:
    if word == "options":
        found = _sample(table) if table.type != "itemized" else "a"
        return [{"value": found[0] if isinstance(found, list) and found else found}]
    if word in ("min", "max", "step"):
        return _sample(table) if table.type in ("integer", "number", "quantity") else 1
    return {"locked": [], "defaultFrom": {"field": "x"}}.get(word, False)


def _all_fields(workload_type: str, section: str) -> Iterator[tuple[str, PolicyField]]:
    """Path of the rule object, and the field, of everything that can have rules."""
    for path, table in policy_fields(workload_type, section).items():
        yield (f"{path}.instances" if table.type == "itemized" else path), table
        for name, attribute in table.attributes.items():
            yield f"{path}.attributes.{name}", attribute


@pytest.mark.parametrize(("workload_type", "section"), ALL_SECTIONS)
def test_each_rule_of_each_field(workload_type: str, section: str) -> None:
    """A rule that the type of a field has is accepted; any other is refused by name, by the schema as well."""
    prefix = f"{section}." if section else ""
    for path, table in _all_fields(workload_type, section):
        for word in RULE_WORDS:
            rules = tree(f"{prefix}{path}", {word: _rule_sample(word, table)})
            known = word in table.rules
            found = reasons({"rules": rules}, workload_type=workload_type)
            expected = [] if known else [("project", f"{prefix}{path}", "rule-unsupported")]
            if known and word == "defaultFrom":
                expected = [("project", f"{prefix}{path}", "defaultFrom-source")]
            assert found == expected, (path, word)
            assert (not list(shape_errors(rules_schema(), rules, ()))) == known, (path, word)


@pytest.mark.parametrize(("workload_type", "section"), ALL_SECTIONS)
def test_each_default(workload_type: str, section: str) -> None:
    """Each field and each attribute can have a default, which a submission without it gets."""
    prefix = f"{section}." if section else ""
    name = {"": "", "worker": "spec.", "master": "masterSpec."}[section]
    for path, table in _all_fields(workload_type, section):
        base, mark, attribute = path.partition(".attributes.")
        if table.type == "itemized":
            continue
        value = _sample(table)
        defaults = tree(f"{prefix}{path}", value)
        assert reasons({"defaults": defaults}, workload_type=workload_type) == [], path
        assert list(shape_errors(defaults_schema(), defaults, ())) == [], path
        given: dict[str, Any] = {"masterSpec": {}} if section == "master" else {}
        if mark:
            item = {policy_fields(workload_type, section)[base].key: "k"}
            if attribute in item:
                continue
            given = {**given, **tree(f"{name}{base}", [item])}
            expected: Any = tree(f"{name}{base}", [{**item, **tree(attribute, value)}])
        else:
            expected = tree(f"{name}{path}", value)
        found = judge(given, {"defaults": defaults}, workload_type=workload_type)
        assert found.violations == ()
        if section:
            expected.setdefault("spec", {})
        assert found.effective == expected, path


ITEMIZED = [
    (workload_type, section, path)
    for workload_type, section in ALL_SECTIONS
    for path, table in policy_fields(workload_type, section).items()
    if table.type == "itemized" and section == ""
]


@pytest.mark.parametrize(("workload_type", "section", "path"), ITEMIZED)
def test_itemized_fields(workload_type: str, section: str, path: str) -> None:
    """canAdd and locked x an item that is a default or not x given, changed, excluded, identical."""
    table = policy_fields(workload_type, section)[path]
    name, attribute = next((name, found) for name, found in table.content.items() if name != table.key)
    one = _sample(attribute)
    other = attribute.enum[1] if attribute.enum else OTHER[attribute.type]
    default = {table.key: "d", **tree(name, one)}
    states: dict[str, dict[str, Any] | None] = {
        "absent": None,
        "identical": default,
        "key alone": {table.key: "d"},
        "changed": {table.key: "d", **tree(name, other)},
        "excluded": {table.key: "d", "exclude": True},
        "new": {table.key: "n", **tree(name, one)},
        "new excluded": {table.key: "n", "exclude": True},
    }
    for can_add, locked, (state, item) in itertools.product((None, True, False), (None, ["d"], ["n"]), states.items()):
        rules = {word: value for word, value in (("canAdd", can_add), ("locked", locked)) if value is not None}
        policy = {"defaults": tree(path, {"instances": [default]}), "rules": tree(path, {"instances": rules})}
        found = judge(tree(path, [item] if item else None), policy, workload_type=workload_type)
        wrong = [(violation.field, violation.rule) for violation in found.violations]
        if state in ("changed", "excluded") and locked == ["d"]:
            assert wrong == [(f"{path}.instances[d]", "locked")], (rules, state)
        elif state == "new" and can_add is False:
            assert wrong == [(f"{path}.instances[n]", "canAdd")], (rules, state)
        else:
            assert wrong == [], (rules, state)
            items = [] if state == "excluded" else [item if state == "changed" else default]
            items += [item] if state == "new" else []
            assert found.effective == (tree(path, items) if items else {}), (rules, state)


@pytest.mark.parametrize("word", ["required", "canEdit", "options", "min", "max", "step"])
@pytest.mark.parametrize("path", ["ports", "storage.pvc", "compute.extendedResources", "exposedUrls"])
def test_attributes(path: str, word: str) -> None:
    """Rules of attributes hold for default items and given ones, and name the item."""
    table = policy_fields("workspace")[path]
    for name, attribute in table.attributes.items():
        if word not in attribute.rules or attribute.enum:
            continue
        where = f"{path}.attributes.{name}"
        rule = {
            "required": True,
            "canEdit": False,
            "options": [{"value": "z" if attribute.type != "quantity" else "7"}],
            "min": "8Gi" if attribute.type == "quantity" else 8,
            "max": "1" if attribute.type == "quantity" else 0,
            "step": 2,
        }[word]
        rules = {"rules": tree(where, {word: rule})}
        item = {table.key: "k"}
        given = {} if word == "required" else tree(name, _sample(attribute))
        assert broken(tree(path, [{**item, **given}]), rules) == [f"{where}[k] {word}"]
        if word not in ("canEdit", "required"):
            both = {**rules, "defaults": tree(path, {"instances": [{**item, **given}]})}
            assert broken({}, both) == [f"{where}[k] {word}"]
