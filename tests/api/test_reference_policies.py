"""The policies of the published reference: accepted as printed, or refused where that page contradicts itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.api.v1alpha1 import API_VERSION
from outfitter.api.validation import strict_errors
from outfitter.cli.policy.vectors import differences
from outfitter.policy.chain import Policy, effective_policy
from outfitter.policy.rule import Source
from outfitter.policy.submission import apply_policy

from .conftest import NAMESPACE, Server

POLICIES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("reference_policies.yaml").read_text())
EACH = pytest.mark.parametrize("given", POLICIES, ids=[str(policy["id"]) for policy in POLICIES])


def _body(given: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "x", "namespace": NAMESPACE}
    spec = {"workloadType": "workspace", **given["spec"]}
    return {"apiVersion": API_VERSION, "kind": "WorkloadPolicy", "metadata": metadata, "spec": spec}


@EACH
def test_python_judges_it(given: dict[str, Any]) -> None:
    """The errors are at the listed fields, each with a reason why."""
    found = sorted({str(error).split(": ", 1)[0] for error in strict_errors(_body(given))})
    assert found == sorted(given.get("errors", ()))
    assert bool(found) == ("why" in given)


@EACH
def test_server_judges_it(server: Server, given: dict[str, Any]) -> None:
    """The server agrees."""
    status, answer = server.create(_body(given))
    assert (status == 201) == ("errors" not in given), answer


@EACH
def test_it_does_what_it_says(given: dict[str, Any]) -> None:
    """Every accepted policy is valid, and its cases come out as the page says."""
    if "errors" in given:
        return
    policy, errors = effective_policy([Policy(Source("project"), "workspace", given["spec"])], "workspace")
    assert errors == ()
    for case in given.get("cases", ()):
        assert list(differences(case, apply_policy(policy, case["submit"]))) == []
