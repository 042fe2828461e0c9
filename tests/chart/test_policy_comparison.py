"""Random policies and workloads: the API server refuses each field for the rules for which the operator does."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest

from outfitter.api.v1alpha1.policyfields import PolicyField
from outfitter.api.validation import strict_errors

from .projects import SUBJECTS, Projects, fields_of, joined, tree, workload
from .test_policy_admission import ITEMS, KEYS, projects, samples_of

__all__ = ["projects"]  # a fixture
pytestmark = pytest.mark.cluster
POLICIES: Final = 30
"""For each type of workload."""
SUBMISSIONS: Final = 12
SCOPES: Final = ("tenant", "department", "project")
NAMES: Final = ("d", "e", "n")
BOUNDS: Final = {
    "integer": [0, 1, 3, 5, 8080],
    "number": [0.1, 0.3, 0.5, 1],
    "quantity": ["1G", "1000M", "2Gi", "5", 7],
}
STEPS: Final = {"integer": [1, 2, 3], "number": [0.1, 0.5]}


def _sample(chance: Random, table: PolicyField) -> Any:
    more = BOUNDS.get(table.type, [])
    return chance.choice([*samples_of(table), *more])


def _rule(chance: Random, table: PolicyField, others: list[PolicyField]) -> dict[str, Any]:
    """Some rules of a field, often satisfiable."""
    found: dict[str, Any] = {}
    for word in table.rules:
        if chance.random() > 0.35:
            continue
        if word in ("required", "canEdit"):
            found[word] = chance.random() < 0.5
        elif word == "options":
            item = table.type == "array"
            given = [_sample(chance, table) for _ in range(chance.randint(1, 3))]
            values = [each for value in given for each in value] if item else given
            if values:
                found[word] = [{"value": value} for value in values]
        elif word in ("min", "max"):
            found[word] = chance.choice(BOUNDS[table.type])
        elif word == "step":
            found[word] = chance.choice(STEPS[table.type])
        elif word == "defaultFrom":
            fields = [other.path for other in others if other.type == table.type and other.path != table.path]
            if fields and chance.random() < 0.4:
                found[word] = {"field": chance.choice(fields), "factor": chance.choice([0.5, 1, 2])}
    return found


def _item(chance: Random, table: PolicyField, *, whole: float) -> dict[str, Any]:
    """An item with a common name: complete, or with some of its fields."""
    name = chance.choice(NAMES)
    key = f"example.com/{name}" if table.path in KEYS else name
    item = {table.key: key, **(ITEMS.get(table.path, {}) if chance.random() < whole else {})}
    for path, content in table.content.items():
        if path != table.key and chance.random() < 0.3:
            item = joined([item, tree(path, _sample(chance, content))])
    for group in table.alternatives:
        given = [part for part in group if part in item]
        for part in given[1:]:
            del item[part]
    return item


def _instances(chance: Random, table: PolicyField) -> list[dict[str, Any]]:
    items = [_item(chance, table, whole=0.7) for _ in range(chance.randint(0, 3))]
    return list({item[table.key]: item for item in items}.values())


def _spec(chance: Random, subject: str) -> dict[str, Any]:
    fields = list(fields_of(subject).values())
    rules: list[dict[str, Any]] = []
    defaults: list[dict[str, Any]] = []
    for table in chance.sample(fields, 14):
        if table.type != "itemized":
            rules.append(
                tree(
                    table.path,
                    _rule(
                        chance,
                        table,
                        [each for each in fields if each.path.rpartition(".")[0] == table.path.rpartition(".")[0]],
                    ),
                )
            )
            defaults += [tree(table.path, _sample(chance, table))] if chance.random() < 0.5 else []
            continue
        keys = [f"example.com/{name}" if table.path in KEYS else name for name in NAMES]
        instances: dict[str, Any] = {"canAdd": False} if chance.random() < 0.3 else {}
        instances |= {"locked": chance.sample(keys, 1)} if chance.random() < 0.4 else {}
        rules += [tree(f"{table.path}.instances", instances)] if instances else []
        defaults.append(tree(f"{table.path}.instances", _instances(chance, table)))
        for name, attribute in table.attributes.items():
            own = _rule(chance, attribute, list(table.attributes.values())) if chance.random() < 0.4 else {}
            rules += [tree(f"{table.path}.attributes.{name}", own)] if own else []
            if chance.random() < 0.2:
                defaults.append(tree(f"{table.path}.attributes.{name}", _sample(chance, attribute)))
    return {"rules": joined(rules), "defaults": joined(defaults)}


def _chains(chance: Random, subject: str) -> Iterator[dict[str, dict[str, Any]]]:
    while True:
        scopes = [scope for scope in SCOPES if chance.random() < 0.6] or ["project"]
        yield {scope: _spec(chance, subject) for scope in scopes}


def _submission(chance: Random, subject: str) -> dict[str, Any]:
    """Return a spec that the schema accepts: fields join while it does."""
    spec: dict[str, Any] = {}
    for table in chance.sample(list(fields_of(subject).values()), 24):
        for _ in range(4):
            more = joined([spec, tree(table.path, _value(chance, table))])
            if not strict_errors(workload(subject, "x", more)):
                spec = more
                break
    return spec


def _value(chance: Random, table: PolicyField) -> Any:
    if table.type != "itemized":
        return _sample(chance, table)
    given = [_item(chance, table, whole=0.8) for _ in range(chance.randint(1, 3))]
    items = {each[table.key]: each for each in given}
    for key in items:
        if chance.random() < 0.15:
            items[key] = {table.key: key, "exclude": True}
    return list(items.values())


@pytest.mark.parametrize("subject", SUBJECTS)
def test_random_policies(projects: Projects, subject: str) -> None:
    chance = Random(f"{subject} 1")
    names: list[str] = []
    for number, specs in enumerate(_chains(chance, subject)):
        name = f"random-{subject}-{number}"
        if projects.make_chain(name, subject, specs):
            names.append(name)
        if len(names) == POLICIES:
            break
    projects.wait(subject, "random")
    seen = []
    for name in names:
        for _ in range(SUBMISSIONS):
            seen.append(projects.compare_rules(name, subject, _submission(chance, subject)))
    assert seen.count(True) > 200
    assert seen.count(False) > 10
