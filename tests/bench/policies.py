"""`python -m tests.bench.policies`: the time to judge one submission by a chain of four policies.

The bar is 1 ms for each: a chain with rules, defaults and items as a large company would have them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from outfitter.policy.chain import Policy, effective_policy
from outfitter.policy.rule import Source
from outfitter.policy.submission import apply_policy

ROUNDS = 2000
LARGE = 200
SCOPES = ("tenant", "cluster", "department", "project")


def chain(items: int = 8) -> list[Policy]:
    """Four policies, each with a part of the rules, and with default variables and labels of its own."""
    compute = ("cpuCoreRequest", "cpuMemoryRequest", "gpuDevicesRequest", "cpuMemoryLimit")
    policies = []
    for scope, field in zip(SCOPES, compute, strict=True):
        names = [f"{scope.upper()}_{number}" for number in range(items)]
        variables = {"instances": [{"name": name, "value": "x"} for name in names]}
        labels = {"instances": [{"name": name.lower().replace("_", "-"), "value": "x"} for name in names]}
        spec: dict[str, Any] = {
            "defaults": {"environmentVariables": variables, "labels": labels, "category": scope},
            "rules": {"compute": {field: {"max": "64Gi" if "Memory" in field else 8, "required": False}}},
        }
        if scope == "tenant":
            spec["rules"] |= {
                "image": {"required": True, "options": [{"value": f"registry/image:{n}"} for n in range(64)]},
                "environmentVariables": {"instances": {"locked": names}},
                "storage": {"hostPath": {"instances": {"canAdd": False}}, "pvc": {"attributes": _claims()}},
            }
        policies.append(Policy(Source(scope, "", f"outfitter-system/{scope}"), "workspace", spec))
    return policies


def _claims() -> dict[str, Any]:
    return {"claimInfo": {"size": {"max": "100Gi"}, "storageClass": {"options": [{"value": "fast"}]}}}


def submission(items: int = 8) -> dict[str, Any]:
    """A workspace with variables, labels and volumes."""
    claim = {"path": "/data", "claimInfo": {"size": "10Gi", "storageClass": "fast"}}
    return {
        "image": "registry/image:1",
        "compute": {"cpuCoreRequest": 4, "cpuMemoryRequest": "16Gi", "gpuDevicesRequest": 1},
        "environmentVariables": [{"name": f"MINE_{number}", "value": "y"} for number in range(items)],
        "labels": [{"name": f"mine-{number}", "value": "y"} for number in range(items)],
        "storage": {"pvc": [{"name": "data", **claim}, {"name": "more", **claim, "path": "/more"}]},
        "security": {"runAsUid": 1000, "runAsNonRoot": True},
    }


def median(act: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the median time of a call in milliseconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        act()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def main() -> None:
    """Print one line for each figure."""
    policy, errors = effective_policy(chain(), "workspace")
    assert not errors
    given = submission()
    assert not apply_policy(policy, given).violations
    large, _ = effective_policy(chain(LARGE // 4), "workspace")
    many = submission(64)
    print(f"judge one submission, chain of four: {median(lambda: apply_policy(policy, given)):.3f} ms (bar 1 ms)")
    print(f"the same with {LARGE} default items: {median(lambda: apply_policy(large, many), 200):.3f} ms")
    print(f"merge the chain, once per project: {median(lambda: effective_policy(chain(), 'workspace'), 200):.3f} ms")


if __name__ == "__main__":
    main()
