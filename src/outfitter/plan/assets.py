"""plan() of what renders nothing by itself: ComputeResource, and Environment without run. They check themselves."""

from __future__ import annotations

from dataclasses import replace

from outfitter.api.v1alpha1.computeresource import ComputeResource
from outfitter.api.v1alpha1.environment import Environment
from outfitter.api.v1alpha1.workspace import WorkspaceSpec
from outfitter.api.validation import runtime_violations
from outfitter.plan.diff import Plan, surplus
from outfitter.plan.used_by import used_by
from outfitter.plan.workload.plan import KINDS, combined, plan_workload
from outfitter.problems import Level, Problem, stalled
from outfitter.render import computeresource, environment
from outfitter.resolve.references import key_problem
from outfitter.resolve.request import subject_of
from outfitter.resolve.scope import find, is_wide, scope_problem
from outfitter.resolve.workload import field_text
from outfitter.snapshot import Asset, View
from outfitter.status import Draft

_SHARED = frozenset(field.alias for field in WorkspaceSpec.model_fields.values())


def plan_compute_resource(view: View, asset: Asset) -> Plan:
    """Report what could never be granted as asked."""
    assert isinstance(asset.model, ComputeResource)
    problems = _scope(view, asset) + computeresource.check(asset.model.spec, "spec")
    return _report(view, problems)


def plan_environment(view: View, asset: Asset) -> Plan:
    """Check the definition's own references; with run, also be the workspace that it describes."""
    assert isinstance(asset.model, Environment)
    subject = subject_of(asset)
    if subject is None:
        ended = surplus(view, asset, (*KINDS, "ControllerRevision"), ())  # `run` was taken out
        report = _report(view, _scope(view, asset) + _definition(view, asset))
        return replace(report, steps=(tuple(ended),)) if ended else report
    facts = {"usedBy": used_by(view.users)}
    if is_wide(asset, view.settings.system_namespace):
        problem = stalled(
            "ScopeForbidden",
            "run is refused on an environment of wide scope: make a Workspace that refers to it",
            "spec.run",
        )
        return Plan(Draft(False, problem.reason, "", (*_scope(view, asset), problem), facts, (0, 1)))
    return combined(plan_workload(view, subject), facts, _scope(view, asset))


def _scope(view: View, asset: Asset) -> list[Problem]:
    problem = scope_problem(asset, view.settings.system_namespace)
    return [problem] if problem else []


def _report(view: View, problems: list[Problem]) -> Plan:
    facts = {"usedBy": used_by(view.users)}
    serious = any(problem.level > Level.NOTE for problem in problems)
    return Plan(Draft(not serious, "Valid", "", tuple(problems), facts, (0 if serious else 1, 1)))


def _definition(view: View, asset: Asset) -> list[Problem]:
    spec = asset.model.spec
    fields = {key: value for key, value in asset.body.get("spec", {}).items() if key in _SHARED}
    problems = [
        stalled("InvalidSpec", error.message, field_text(error.path)) for error in runtime_violations("", fields)
    ]
    problems += environment.contribution(WorkspaceSpec.model_validate(fields), asset.live.name, view.settings)[1]
    if is_wide(asset, view.settings.system_namespace):
        return problems  # its references are looked up where it is used
    namespace = asset.live.namespace
    for variable in getattr(spec, "environment_variables", ()):
        field = f"spec.environmentVariables[{variable.name}]"
        if variable.credential:
            found = find(view, "Credential", namespace, variable.credential, f"{field}.credential")
            problems += [found] if isinstance(found, Problem) else []
        if variable.config_map:
            named = variable.config_map
            missing = key_problem(view, "ConfigMap", namespace, named.name, named.key, f"{field}.configMap")
            problems += [missing] if missing else []
    return problems
