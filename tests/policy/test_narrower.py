"""A narrower policy cannot undo what a wider one fixes: over every itemized field of every type and section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from chains import chain_of, judge, reasons, tree

from outfitter.api.v1alpha1.policyfields import SECTIONS, PolicyField, policy_fields

ITEMIZED = [
    (workload_type, section, path)
    for workload_type, sections in SECTIONS.items()
    for section in sections
    for path, table in policy_fields(workload_type, section).items()
    if table.type == "itemized"
]
VALUES = {"boolean": True, "string": "x", "integer": 1, "number": 1, "quantity": "1", "array": ["a"]}


def value_of(table: PolicyField) -> Any:
    if table.type == "array":
        return [table.enum[0]] if table.enum else ["a"]
    if table.model is not None:
        return [] if table.many else {}
    return table.enum[0] if table.enum else VALUES[table.type]


def item(table: PolicyField, key: str, **more: Any) -> dict[str, Any]:
    name = next(path for path in table.content if path != table.key and "." not in path)
    return {table.key: key, name: value_of(table.content[name]), **more}


def within(section: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {section: dict(content)} if section else dict(content)


def policy(
    section: str, path: str, rules: Any = None, instances: Any = None, attributes: Any = None, scope: str = "project"
) -> dict[str, Any]:
    result: dict[str, Any] = {"scope": scope}
    if rules is not None:
        result["rules"] = within(section, tree(path, rules))
    defaults = {key: each for key, each in (("instances", instances), ("attributes", attributes)) if each is not None}
    if defaults:
        result["defaults"] = within(section, tree(path, defaults))
    return result


def defaults_of(section: str, path: str, *policies: dict[str, Any], workload_type: str) -> dict[str, Any]:
    """Key -> default item."""
    effective, _ = chain_of(*policies, workload_type=workload_type)
    (items,) = (items for items in effective.sections[section].items if items.table.path == path)
    return {key: dict(found.leaves) for key, found in items.instances.items()}


@pytest.mark.parametrize(("workload_type", "section", "path"), ITEMIZED)
@pytest.mark.parametrize("owner", ["tenant", "cluster", "department"])
def test_can_add_of_a_wider_scope_binds_default_instances(
    workload_type: str, section: str, path: str, owner: str
) -> None:
    """New ones are a conflict and do not count. Those of wider scopes may be changed or excluded."""
    table = policy_fields(workload_type, section)[path]
    kept, other, new = item(table, "kept"), item(table, "other"), item(table, "new")
    changed = {**kept, next(name for name in kept if name != table.key): None}
    wide = policy(section, path, {"instances": {"canAdd": False}}, [kept, other], scope=owner)
    narrow = policy(section, path, None, [new, changed, {table.key: "other", "exclude": True}])
    where = f"{section}.{path}" if section else path
    found = reasons(wide, narrow, workload_type=workload_type)
    assert found == [("project", f"{where}.instances[new]", f"rule-owned-by-{owner}")]
    assert [*defaults_of(section, path, wide, narrow, workload_type=workload_type)] == ["kept"]
    (error,) = chain_of(wide, narrow, workload_type=workload_type)[1]
    assert error.conflict
    assert "canAdd: false" in error.message


@pytest.mark.parametrize(("workload_type", "section", "path"), ITEMIZED)
def test_who_owns_can_add_may_add(workload_type: str, section: str, path: str) -> None:
    """And scopes that are wider than the owner."""
    table = policy_fields(workload_type, section)[path]
    wide = policy(section, path, None, [item(table, "a")], scope="tenant")
    owner = policy(section, path, {"instances": {"canAdd": False}}, [item(table, "b")], scope="department")
    last = policy(section, path, None, [item(table, "c")])
    assert len(reasons(wide, owner, last, workload_type=workload_type)) == 1
    assert [*defaults_of(section, path, wide, owner, last, workload_type=workload_type)] == ["a", "b"]


ALTERNATIVES = [
    (path, one, other)
    for path, table in policy_fields("workspace").items()
    for one in table.attributes
    for other in table.attributes
    for group in table.alternatives
    if {one.partition(".")[0], other.partition(".")[0]} <= {*group} and one.partition(".")[0] != other.partition(".")[0]
]


@pytest.mark.parametrize(("path", "fixed", "other"), ALTERNATIVES)
@pytest.mark.parametrize("of", ["instances", "attributes"])
def test_an_alternative_does_not_replace_a_fixed_attribute(path: str, fixed: str, other: str, of: str) -> None:
    """An instance with another login would lose the one that the wider scope fixes."""
    table = policy_fields("workspace")[path]
    login = tree(fixed, value_of(table.content[fixed]))
    default: dict[str, Any] = {of: [{"name": "a", **login}] if of == "instances" else login}
    wide = policy("", path, {"attributes": tree(fixed, {"canEdit": False})}, scope="tenant", **default)
    narrow = policy("", path, None, [{"name": "a", **tree(other, value_of(table.content[other]))}])
    assert reasons(wide, narrow) == [("project", f"{path}.attributes.{other}[a]", "rule-owned-by-tenant")]
    (given,) = tree_at(judge({}, wide, narrow).effective, path)
    assert tree_at(given, fixed) == value_of(table.content[fixed])
    assert tree_at(given, other) is None


def tree_at(node: Any, path: str) -> Any:
    for step in path.split("."):
        node = node.get(step) if isinstance(node, Mapping) else None
    return node
