"""Nonsense in policies and submissions: always an error or a verdict, never an exception."""

from __future__ import annotations

import random
from typing import Any

import pytest

from outfitter.api.v1alpha1.policyfields import RULE_WORDS, SECTIONS, policy_fields
from outfitter.policy.chain import Policy, effective_policy
from outfitter.policy.published import effective_spec
from outfitter.policy.rule import Source
from outfitter.policy.submission import apply_policy

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.1, 1e300, float("inf"), float("nan"), "", "a", "1Gi", "-1", [], ["a"], [None], [1],
    [{}], {}, {"name": "a"}, [{"name": "a"}], [{"value": "a"}], {"field": "image"}, {"field": "compute.cpuCoreLimit"},
)  # fmt: skip
ROUNDS = 300


def _words(workload_type: str, section: str) -> list[str]:
    paths = [part for path in policy_fields(workload_type, section) for part in path.split(".")]
    return [*dict.fromkeys(paths), *RULE_WORDS, "instances", "attributes", "worker", "master", "exclude", "name", "xyz"]


def _tree(chance: random.Random, words: list[str], depth: int) -> Any:
    if depth == 0 or chance.random() < 0.2:
        return chance.choice(VALUES)
    found = {word: _tree(chance, words, depth - 1) for word in chance.sample(words, chance.randint(1, 6))}
    return [found] if chance.random() < 0.15 else found


def _real(chance: random.Random, workload_type: str, section: str) -> Any:
    """A tree along the fields that exist, with a random end."""
    tree: dict[str, Any] = {}
    for path in chance.sample([*policy_fields(workload_type, section)], 12):
        node = tree
        *parents, last = path.split(".")
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = _tree(chance, [*RULE_WORDS, "instances", "attributes", "name", "path", "exclude"], 3)
    return tree


@pytest.mark.parametrize(
    ("workload_type", "section"), [(name, section) for name, sections in SECTIONS.items() for section in sections]
)
def test_nonsense(workload_type: str, section: str) -> None:
    chance = random.Random(11)
    words = _words(workload_type, section)

    def made() -> Any:
        found = _real(chance, workload_type, section) if chance.random() < 0.7 else _tree(chance, words, 4)
        return {section: found} if section and chance.random() < 0.9 else found

    for _ in range(ROUNDS):
        specs = [{"defaults": made(), "rules": made(), "imposedAssets": chance.choice(VALUES)} for _ in range(3)]
        scopes = ("tenant", "department", "project")
        chain = [
            Policy(Source(scope), workload_type, spec) for scope, spec in zip(scopes, specs, strict=True)
        ]  # fmt: skip
        policy, errors = effective_policy(chain, workload_type)
        assert all(error.field and error.message for error in errors if error.reason != "unknown")
        effective_spec(policy)
        given = made()
        submission = given if isinstance(given, dict) else {}
        if section:
            submission = {"spec": submission, "masterSpec": submission}
        for violation in apply_policy(policy, submission).violations:
            assert violation.message
