"""Findings about policies in files: errors of the policies themselves, and workloads that violate them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.api.shape import Path
from outfitter.api.v1alpha1 import kind_of
from outfitter.api.v1alpha1.policyfields import SECTIONS, policy_fields
from outfitter.cli.documents import Document, Finding, dotted, position
from outfitter.cli.policy.files import PolicyFiles
from outfitter.cli.policy.layers import submitted
from outfitter.policy.chain import Policy, PolicyError, effective_policy
from outfitter.policy.declared import item_key
from outfitter.policy.rule import Source
from outfitter.policy.submission import apply_policy
from outfitter.policy.values import get
from outfitter.policy.violation import Violation

_ITEM: Final = re.compile(r"(?P<path>[^\[]+?)(\.instances|\.attributes\.(?P<attribute>[^\[]+))?\[(?P<key>.*)\]$")


@dataclass(frozen=True)
class PolicyFinding(Finding):
    """A finding that comes from a policy, not from the schema."""


def policy_findings(document: Document) -> Iterator[Finding]:
    """Yield the errors of a WorkloadPolicy that its schema does not find; wider policies are not considered."""
    spec = document.body["spec"]
    policy = Policy(Source("project"), spec["workloadType"], spec)
    for error in effective_policy([policy], spec["workloadType"])[1]:
        yield _finding(document, _error_path(error, spec), error.message)


def workload_findings(documents: Iterable[Document], policies: PolicyFiles) -> Iterator[Finding]:
    """Yield each violation of workloads, with the templates and assets among the files.

    Values of other objects are judged when the workload starts.
    """
    for document in documents:
        kind = kind_of(str(document.body["kind"]))
        if not kind.workload or kind.runs is None:
            continue
        namespace = document.body["metadata"].get("namespace") or policies.default_namespace
        found = policies.in_force(str(namespace), kind.runs.name)
        spec = document.body["spec"]
        given = submitted(document, policies)
        for violation in apply_policy(found.policy, given.fields).violations:
            if violation.rule == "required" and not given.complete:
                continue  # an object that is not among the files may set it
            path, origin = given.elsewhere(_own_field(violation.field))
            if path:
                message = f"{origin} sets {violation.field}: {violation.message}"
                yield _finding(document, path, message)
            else:
                yield _finding(document, _violation_path(violation, spec, kind.runs.name), violation.message)


def _own_field(field: str) -> str:
    """Return the path of a violated field, or of the item with it: `compute.gpuDevicesRequest`, `labels[cost]`."""
    match = _ITEM.match(field)
    return f"{match['path']}[{match['key']}]" if match else field


def _finding(document: Document, path: Path, message: str) -> Finding:
    line, column = position(document.node, path)
    return PolicyFinding(document.file, line, column, document.title, dotted(path), message)


def _error_path(error: PolicyError, spec: Mapping[str, Any]) -> Path:
    """Return the place of an error: in the rules, or in the defaults that violate them."""
    if error.field.partition("[")[0].endswith("imposedAssets"):
        return ("spec", "imposedAssets")
    parts = error.field.partition("[")[0].split(".")
    given = get(spec.get("rules") or {}, parts) is not None
    in_rules = given and not error.reason.startswith("default-violates")
    return ("spec", "rules" if in_rules else "defaults", *parts)


def _violation_path(violation: Violation, spec: Mapping[str, Any], workload_type: str) -> Path:
    """Return the place of a violation in the spec of a workload, with the position of an item in its list."""
    section, field, start = "", violation.field, ["spec"]
    if "" not in SECTIONS[workload_type]:
        section, _, field = field.partition(".")
        start += ["masterSpec"] if section == "master" and spec.get("masterSpec") is not None else []
    match = _ITEM.match(field)
    if match is None:
        return (*start, *field.split("."))
    table = policy_fields(workload_type, section)[match["path"]]
    path: Path = (*start, *match["path"].split("."))
    items = get({"spec": spec}, [*start, *match["path"].split(".")]) or []
    keys = [item_key(table, item) for item in items]
    if match["key"] not in keys:
        return path
    place = len(keys) - 1 - keys[::-1].index(match["key"])  # the second one of two
    return (*path, place, *(match["attribute"].split(".") if match["attribute"] else ()))
