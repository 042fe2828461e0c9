"""The plan of a WorkloadTemplate: check it, and report whether a workload of it alone could run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from outfitter.api.v1alpha1 import traits_of
from outfitter.api.v1alpha1.asset import LISTED_REASONS
from outfitter.api.v1alpha1.workloadtemplate import WorkloadTemplate
from outfitter.api.v1alpha1.workspace import Assets
from outfitter.api.validation import runtime_violations
from outfitter.plan.compliance import compliance
from outfitter.plan.used_by import uses
from outfitter.plan.writes import Plan
from outfitter.policy.beside import BesideItem, data_source_items
from outfitter.policy.capabilities import SUBMISSION, unsupported
from outfitter.policy.project import lacks_asset, submission
from outfitter.problems import Problem, serious, stalled
from outfitter.reasons import Reason
from outfitter.resolve.distributed import as_master, needs_master, of_the_whole, placed
from outfitter.resolve.layers import asset_layers, environment_of
from outfitter.resolve.merge import Merged, merge
from outfitter.resolve.references import Found
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scope import scope_problem
from outfitter.resolve.template import MASTER
from outfitter.resolve.template import given as template_fields
from outfitter.resolve.volumes import asset_volumes
from outfitter.resolve.workload import field_text, read_submission, repeated, shape_problems
from outfitter.snapshot import Reader, Resource
from outfitter.status import StatusInput


@dataclass(frozen=True)
class _Part:
    """The pods of one role: what the template gives them, with its assets, and what is wrong with it."""

    request: WorkloadRequest
    merged: Merged
    problems: tuple[Problem, ...]
    lacking: tuple[Problem, ...]
    """What a workload has to add."""
    beside: tuple[BesideItem, ...]
    complete: bool
    """Whether no asset is missing."""

    def submission(self) -> dict[str, Any]:
        """Return what the rules of policies are about."""
        return submission(self.request, self.merged)


def plan_template(reader: Reader, template: Resource) -> Plan:
    """Plan a WorkloadTemplate: check its fields and its assets. A shared one is read with the shared assets."""
    assert isinstance(template.model, WorkloadTemplate)
    traits, own = traits_of(template.model.spec.workload_type), template.model.spec.master_spec
    request = WorkloadRequest(template, traits, template_fields(template), stopped=True, restarted_at="")
    if traits.grouped:
        request = replace(request, traits=replace(traits, part="WorkersSpec"))
    parts = [_part(reader, _with_assets(request, template.model.spec.assets))]
    if own is not None:
        request = as_master(replace(request, inline=template_fields(template, of_master=True)))
        parts.append(_in_place(_part(reader, _with_assets(request, own.assets))))
    problems = [problem for part in parts for problem in part.problems]
    scope = scope_problem(template, reader.settings.system_namespace)
    problems += [scope] if scope else []
    lacking = [problem for part in parts for problem in part.lacking] if not serious(problems) else []
    fields = parts[0].merged.fields
    if traits.grouped and own is None and not fields.get("masterSpecSameAsWorker"):
        lacking += needs_master(fields.get("distributedFramework"))
    first = next((problem for problem in (*problems, *lacking) if serious([problem])), None)
    facts: dict[str, Any] = {
        **uses(reader, template),
        "runnable": {"isRunnable": first is None, **({"issue": first.text} if first else {})},
        "combinedSpec": {**fields, **({MASTER: parts[1].merged.fields} if own is not None else {})},
    }
    if all(part.complete for part in parts):  # it may set what a rule is about
        given = [(part.submission(), part.beside) for part in parts]
        facts |= compliance(reader, template, *given[0], of_master=given[1] if own is not None else None)
        facts["complianceIssues"] = _issues(facts.get("compliance") or ())
    valid = not serious(problems)
    return Plan(StatusInput(valid, Reason.VALID, "", tuple(problems), facts, (1 if valid else 0, 1)))


def _with_assets(request: WorkloadRequest, assets: Assets) -> WorkloadRequest:
    return replace(request, environment=assets.environment, compute=assets.compute, data_sources=assets.data_sources)


def _part(reader: Reader, request: WorkloadRequest) -> _Part:
    found = Found()
    merged = merge(asset_layers(reader, request, environment_of(reader, request, found), found))
    read_submission(request.traits, merged, found)
    volumes = tuple(asset_volumes(reader, request, found))
    problems = [*found.problems]
    problems += [
        stalled(Reason.INVALID_SPEC, error.message, field_text(error.path))
        for error in runtime_violations(request.inline)
    ]
    problems += repeated(request)
    problems += unsupported(request.inline, SUBMISSION, reader.settings)
    problems += of_the_whole(request.inline) if request.of_master else ()
    lacking = tuple(shape_problems(request.traits, merged, complete=True))
    complete = not lacks_asset(found)
    return _Part(request, merged, tuple(problems), lacking, tuple(data_source_items(volumes)), complete)


def _in_place(part: _Part) -> _Part:
    """Return the part of a master of its own, whose fields are below masterSpec."""
    return replace(part, problems=tuple(placed(part.problems)), lacking=tuple(placed(part.lacking)))


def _issues(rows: Iterable[Mapping[str, Any]]) -> list[Any] | None:
    """Return the reasons of all rows, each once; None without any."""
    found: list[Any] = []
    for reason in (reason for row in rows for reason in row["reasons"]):
        if reason not in found:
            found.append(reason)
    return found[:LISTED_REASONS] or None
