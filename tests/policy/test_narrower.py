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


SCOPES = ("tenant", "cluster", "department", "project")
FILLED = [
    (workload_type, section, path, name)
    for workload_type, section, path in ITEMIZED
    for name, attribute in policy_fields(workload_type, section)[path].attributes.items()
    if attribute.path != policy_fields(workload_type, section)[path].key
]


def bare(table: PolicyField, attribute: str) -> dict[str, Any]:
    """An item without one attribute and its alternatives."""
    head = attribute.partition(".")[0]
    gone = {head, *(name for group in table.alternatives if head in group for name in group)}
    return {name: value for name, value in item(table, "d").items() if name not in gone}


@pytest.mark.parametrize(("workload_type", "section", "path", "name"), FILLED)
def test_narrower_attributes_do_not_fill_a_locked_item(workload_type: str, section: str, path: str, name: str) -> None:
    """Those of the scope that locks it, and of wider ones, do; every other item is filled by all of them."""
    table = policy_fields(workload_type, section)[path]
    value = value_of(table.attributes[name])
    for lock in SCOPES:
        for default in SCOPES:
            items = [bare(table, name), {**bare(table, name), table.key: "e"}]
            first = policy(section, path, None, items, scope="system")
            owner = policy(section, path, {"instances": {"locked": ["d"]}}, scope=lock)
            filling = policy(section, path, None, None, tree(name, value), scope=default)
            chain = [first, {**filling, **owner, **filling} if lock == default else owner]
            chain += [] if lock == default else [filling]
            found = _applied(workload_type, section, path, {}, *chain)
            counts = SCOPES.index(default) <= SCOPES.index(lock)
            assert tree_at(found["d"], name) == (value if counts else None), (lock, default)
            assert tree_at(found["e"], name) == value


def _applied(
    workload_type: str, section: str, path: str, submission: dict[str, Any], *chain: dict[str, Any]
) -> dict[str, Any]:
    given = {"masterSpec" if section == "master" else "spec": submission} if section else submission
    effective = judge(given, *chain, workload_type=workload_type).effective
    found = effective["masterSpec" if section == "master" else "spec"] if section else effective
    return {str(each.get("name", each.get("resource", each.get("id")))): each for each in tree_at(found, path)}


COMPUTED = [
    (workload_type, section, path, name, source)
    for workload_type, section, path, name in FILLED
    for source, other in policy_fields(workload_type, section)[path].attributes.items()
    if source != name
    and "defaultFrom" in policy_fields(workload_type, section)[path].attributes[name].rules
    and other.type == policy_fields(workload_type, section)[path].attributes[name].type
]


@pytest.mark.parametrize(("workload_type", "section", "path", "name", "source"), COMPUTED)
def test_a_narrower_default_from_does_not_fill_a_locked_item(
    workload_type: str, section: str, path: str, name: str, source: str
) -> None:
    table = policy_fields(workload_type, section)[path]
    items = [{table.key: key, source: 3} for key in ("d", "e")]
    for lock in SCOPES:
        for scope in SCOPES:
            owner = policy(section, path, {"instances": {"locked": ["d"]}}, items, scope=lock)
            rules = {"attributes": tree(name, {"defaultFrom": {"field": source}})}
            filling = policy(section, path, rules, scope=scope)
            both = policy(section, path, {"instances": {"locked": ["d"]}, **rules}, items, scope=lock)
            chain = [both] if lock == scope else [owner, filling]
            found = _applied(workload_type, section, path, {}, *chain)
            counts = SCOPES.index(scope) <= SCOPES.index(lock)
            assert found["d"].get(name) == (3 if counts else None)
            assert found["e"][name] == 3


def test_a_locked_item_is_judged_as_it_is_filled() -> None:
    """A workload that repeats it is accepted; one that has the narrower default of the attribute is not."""
    nfs = {"name": "d", "server": "s", "path": "/p", "mountPath": "/m"}
    wide = policy("", "storage.nfs", {"instances": {"locked": ["d"]}}, [nfs], {"server": "x"}, scope="tenant")
    narrow = policy("", "storage.nfs", None, None, {"readOnly": False, "server": "y"})
    for given, refused in ((nfs, False), ({**nfs, "readOnly": False}, True), ({**nfs, "readOnly": True}, True),
                           ({"name": "d"}, False), ({"name": "d", "exclude": True}, True)):  # fmt: skip
        assert bool(judge({"storage": {"nfs": [given]}}, wide, narrow).violations) is refused, given
    narrow["rules"] = {"storage": {"nfs": {"attributes": {"readOnly": {"required": True}}}}}
    assert [item.rule for item in judge({}, wide, narrow).violations] == ["required"]


@pytest.mark.parametrize(("workload_type", "section", "path"), ITEMIZED)
def test_only_what_changes_a_locked_item_breaks_it(workload_type: str, section: str, path: str) -> None:
    """Its description does not; every other field does."""
    table = policy_fields(workload_type, section)[path]
    owner = policy(section, path, {"instances": {"locked": ["d"]}}, [{table.key: "d"}])
    for name, content in table.content.items():
        if name == table.key:
            continue
        given = tree(path, [{table.key: "d", **tree(name, value_of(content))}])
        submission = {"spec": given, "masterSpec": given} if section else given
        found = {item.rule for item in judge(submission, owner, workload_type=workload_type).violations}
        assert found == (set() if name == "description" else {"locked"}), name


def test_a_default_that_fills_a_locked_item_violates_a_narrower_rule() -> None:
    """Although another default of the attribute counts for all other items."""
    wide = policy("", "ports", {"instances": {"locked": ["d"]}}, [{"name": "d"}], {"container": 90}, scope="tenant")
    rule = {"attributes": {"container": {"max": 80}}}
    narrow = policy("", "ports", rule, None, {"container": 80})
    assert reasons(wide, narrow) == [("project", "ports.attributes.container[d]", "default-violates-max")]


@pytest.mark.parametrize(("path", "fixed", "other"), ALTERNATIVES)
def test_a_fixed_attribute_that_an_item_does_not_have_is_not_lost(path: str, fixed: str, other: str) -> None:
    """A default item with another login has none of the fixed one: to change its path is no edit of the login."""
    table = policy_fields("workspace")[path]
    login = tree(fixed, value_of(table.content[fixed]))
    own = tree(other, value_of(table.content[other]))
    wide = policy("", path, {"attributes": tree(fixed, {"canEdit": False})}, [{"name": "a", **own}], login)
    assert judge(tree(path, [{"name": "a", "path": "/x"}]), wide).violations == ()
    (lost,) = judge(tree(path, [{"name": "b", **own}]), wide).violations
    assert (lost.field, lost.rule) == (f"{path}.attributes.{fixed}[b]", "canEdit")


def tree_at(node: Any, path: str) -> Any:
    for step in path.split("."):
        node = node.get(step) if isinstance(node, Mapping) else None
    return node
