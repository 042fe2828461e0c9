"""Chains of policies and their verdicts, for tests."""

from __future__ import annotations

from typing import Any

from outfitter.policy.chain import Policy, PolicyError, effective_policy
from outfitter.policy.effective import EffectivePolicy
from outfitter.policy.rule import Source
from outfitter.policy.submission import Verdict, apply_policy


def chain_of(*policies: dict[str, Any], workload_type: str = "workspace") -> tuple[EffectivePolicy, list[PolicyError]]:
    """The effective policy of `{scope: ..., defaults: ..., rules: ...}`, and the errors."""
    chain = [Policy(Source(entry.get("scope", "project")), workload_type, entry) for entry in policies]
    policy, errors = effective_policy(chain, workload_type)
    return policy, list(errors)


def reasons(*policies: dict[str, Any], workload_type: str = "workspace") -> list[tuple[str, str, str]]:
    """Scope, field and reason of each error."""
    return [
        (error.source.scope, error.field, error.reason) for error in chain_of(*policies, workload_type=workload_type)[1]
    ]


def judge(submission: dict[str, Any], *policies: dict[str, Any], workload_type: str = "workspace") -> Verdict:
    """The verdict on a submission."""
    return apply_policy(chain_of(*policies, workload_type=workload_type)[0], submission)


def broken(submission: dict[str, Any], *policies: dict[str, Any], workload_type: str = "workspace") -> list[str]:
    """`field rule` of each violation."""
    verdict = judge(submission, *policies, workload_type=workload_type)
    return [f"{violation.field} {violation.rule}" for violation in verdict.violations]


def tree(path: str, leaf: Any) -> dict[str, Any]:
    """Nested objects with a value at a dotted path."""
    for part in reversed(path.split(".")):
        leaf = {part: leaf}
    return leaf
