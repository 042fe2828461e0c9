"""The plan of a WorkloadTemplate: check it, and report whether a workload of it alone could run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from outfitter.api.v1alpha1 import traits_of
from outfitter.api.v1alpha1.asset import LISTED_REASONS
from outfitter.api.v1alpha1.workloadtemplate import WorkloadTemplate
from outfitter.api.validation import runtime_violations
from outfitter.plan.compliance import compliance
from outfitter.plan.used_by import uses
from outfitter.plan.writes import Plan
from outfitter.policy.beside import data_source_items
from outfitter.policy.capabilities import SUBMISSION, unsupported
from outfitter.policy.project import lacks_asset, submission
from outfitter.problems import Problem, serious, stalled
from outfitter.reasons import Reason
from outfitter.resolve.layers import asset_layers, environment_of
from outfitter.resolve.merge import merge
from outfitter.resolve.references import Found
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scope import scope_problem
from outfitter.resolve.template import given as template_fields
from outfitter.resolve.volumes import asset_volumes
from outfitter.resolve.workload import field_text, read_submission, repeated, shape_problems
from outfitter.snapshot import Reader, Resource
from outfitter.status import StatusInput


def plan_template(reader: Reader, template: Resource) -> Plan:
    """Plan a WorkloadTemplate: check its fields and its assets. A shared one is read with the shared assets."""
    assert isinstance(template.model, WorkloadTemplate)
    spec, fields = template.model.spec, template_fields(template)
    assets = spec.assets
    request = WorkloadRequest(
        template,
        traits_of(spec.workload_type),
        fields,
        stopped=True,
        restarted_at="",
        environment=assets.environment,
        compute=assets.compute,
        data_sources=assets.data_sources,
    )
    found = Found()
    merged = merge(asset_layers(reader, request, environment_of(reader, request, found), found))
    read_submission(request.traits, merged, found)
    volumes = tuple(asset_volumes(reader, request, found))
    problems: list[Problem] = [*found.problems]
    scope = scope_problem(template, reader.settings.system_namespace)
    problems += [scope] if scope else []
    problems += [
        stalled(Reason.INVALID_SPEC, error.message, field_text(error.path)) for error in runtime_violations(fields)
    ]
    problems += repeated(request)
    problems += unsupported(fields, SUBMISSION, reader.settings)
    lacking = () if serious(problems) else tuple(shape_problems(request.traits, merged, complete=True))
    first = next((problem for problem in (*problems, *lacking) if serious([problem])), None)
    facts: dict[str, Any] = {
        **uses(reader, template),
        "runnable": {"isRunnable": first is None, **({"issue": first.text} if first else {})},
        "combinedSpec": merged.fields,
    }
    if not lacks_asset(found):  # it may set what a rule is about
        submitted = submission(request, merged)
        facts |= compliance(reader, template, submitted, tuple(data_source_items(volumes)))
        facts["complianceIssues"] = _issues(facts.get("compliance") or ())
    valid = not serious(problems)
    return Plan(StatusInput(valid, Reason.VALID, "", tuple(problems), facts, (1 if valid else 0, 1)))


def _issues(rows: Iterable[Mapping[str, Any]]) -> list[Any] | None:
    """Return the reasons of all rows, each once; None without any."""
    found: list[Any] = []
    for reason in (reason for row in rows for reason in row["reasons"]):
        if reason not in found:
            found.append(reason)
    return found[:LISTED_REASONS] or None
