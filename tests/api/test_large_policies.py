"""The largest policies that anybody should need are stored by a real API server."""

from __future__ import annotations

from typing import Any

from outfitter.api.v1alpha1 import API_VERSION
from outfitter.policy.chain import Policy, effective_policy
from outfitter.policy.published import effective_spec
from outfitter.policy.rule import Source

from .conftest import NAMESPACE, Server

LOCKED = 200
SCOPES = ("tenant", "cluster", "department", "project")


def _body(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "x", "namespace": NAMESPACE}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def test_many_locked_items(server: Server) -> None:
    """64 defaults with 200 locked items, in a policy of each scope, and what they add up to."""
    chain = []
    for scope in SCOPES:
        names = [f"{scope}_{number}" for number in range(LOCKED)]
        spec = {
            "workloadType": "workspace",
            "defaults": {
                "environmentVariables": {"instances": [{"name": name, "value": "x" * 64} for name in names]},
                "labels": {"instances": [{"name": f"{scope}-{number}", "value": "x"} for number in range(64)]},
            },
        }
        if scope == "tenant":
            spec["rules"] = {"environmentVariables": {"instances": {"locked": names}}}
        assert server.create(_body("WorkloadPolicy", spec))[0] == 201
        chain.append(Policy(Source(scope, "", f"outfitter-system/{scope}"), "workspace", spec))
    policy, errors = effective_policy(chain, "workspace")
    assert errors == ()
    merged = effective_spec(policy)
    assert len(merged["defaults"]["environmentVariables"]["instances"]) == 4 * LOCKED
    status, answer = server.create(_body("EffectivePolicy", merged))
    assert status == 201, answer
    assert answer["spec"] == merged
