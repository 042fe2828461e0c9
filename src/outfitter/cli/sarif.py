"""Findings as SARIF 2.1.0, which code hosts show beside the lines of a change."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

from outfitter.cli.documents import Finding
from outfitter.cli.policy.checks import PolicyFinding

_RULES: Final = {
    "schema": "The API server would reject the object.",
    "policy": "The object violates a WorkloadPolicy, or is one with an error.",
}


def sarif(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return the log of one run; every finding is an error."""
    rules = [{"id": name, "shortDescription": {"text": text}} for name, text in _RULES.items()]
    driver = {"name": "outfitter", "semanticVersion": version("outfitter"), "rules": rules}
    return {
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(finding) for finding in findings]}],
    }


def _result(finding: Finding) -> dict[str, Any]:
    where = " ".join(part for part in (finding.object, finding.field) if part)
    text = f"{where}: {finding.message}" if where else finding.message
    region = {"startLine": finding.line, "startColumn": finding.column}
    location = {"artifactLocation": {"uri": finding.file}, "region": region}
    return {
        "ruleId": "policy" if isinstance(finding, PolicyFinding) else "schema",
        "level": "error",
        "message": {"text": f"{text} ({finding.hint})" if finding.hint else text},
        "locations": [{"physicalLocation": location}],
    }
