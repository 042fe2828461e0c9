"""The plan of kinds without children: ComputeResource, and Environment without `run`. They check themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from outfitter.api.v1alpha1.computeresource import ComputeResource
from outfitter.api.v1alpha1.environment import Environment
from outfitter.api.v1alpha1.workspace import WorkspaceSpec
from outfitter.api.validation import runtime_violations
from outfitter.backends import child_kinds
from outfitter.plan.compliance import compliance
from outfitter.plan.diff import prune
from outfitter.plan.used_by import uses
from outfitter.plan.workload.plan import combined, plan_workload
from outfitter.plan.writes import Plan
from outfitter.policy.capabilities import SUBMISSION, unsupported
from outfitter.problems import Problem, stalled
from outfitter.reasons import Level, Reason
from outfitter.render import computeresource, environment, gpu
from outfitter.resolve.layers import given_fields
from outfitter.resolve.references import key_problem
from outfitter.resolve.request import request_for
from outfitter.resolve.scope import find, is_wide, scope_problem
from outfitter.resolve.workload import field_text
from outfitter.snapshot import Reader, Resource
from outfitter.status import StatusInput

_SHARED = frozenset(field.alias for field in WorkspaceSpec.model_fields.values())


def plan_compute_resource(reader: Reader, asset: Resource) -> Plan:
    """Plan a ComputeResource: report requests that cannot be granted."""
    assert isinstance(asset.model, ComputeResource)
    spec = asset.model.spec
    problems = _scope(reader, asset) + gpu.check(spec, reader.settings, "spec") + computeresource.check(spec, "spec")
    return _report(reader, asset, problems, compliance(reader, asset, {"compute": given_fields(asset)}))


def plan_environment(reader: Reader, asset: Resource) -> Plan:
    """Plan an Environment: check its references; with `run`, also plan its workload."""
    assert isinstance(asset.model, Environment)
    request = request_for(asset)
    if request is None:
        ended = prune(reader, asset, (*child_kinds(), "ControllerRevision", "Secret"), ())  # `run` was removed
        facts = compliance(reader, asset, given_fields(asset))
        report = _report(reader, asset, _scope(reader, asset) + _definition(reader, asset), facts)
        return replace(report, writes=tuple(ended))
    facts = {**uses(reader, asset), **compliance(reader, asset, given_fields(asset))}
    if is_wide(asset, reader.settings.system_namespace):
        problem = stalled(
            Reason.SCOPE_FORBIDDEN,
            f"{asset.key} is shared and cannot run. Create a Workspace that uses the Environment.",
            "spec.run",
        )
        return Plan(StatusInput(False, problem.reason, "", (*_scope(reader, asset), problem), facts, (0, 1)))
    return combined(plan_workload(reader, request), facts, _scope(reader, asset))


def _scope(reader: Reader, asset: Resource) -> list[Problem]:
    problem = scope_problem(asset, reader.settings.system_namespace)
    return [problem] if problem else []


def _report(reader: Reader, asset: Resource, problems: list[Problem], more: dict[str, Any]) -> Plan:
    facts = {**uses(reader, asset), **more}
    serious = any(problem.level > Level.NOTE for problem in problems)
    return Plan(StatusInput(not serious, Reason.VALID, "", tuple(problems), facts, (0 if serious else 1, 1)))


def _definition(reader: Reader, asset: Resource) -> list[Problem]:
    spec = asset.model.spec
    fields = {key: value for key, value in asset.body.get("spec", {}).items() if key in _SHARED}
    problems = [
        stalled(Reason.INVALID_SPEC, error.message, field_text(error.path)) for error in runtime_violations(fields)
    ]
    problems += unsupported(fields, SUBMISSION, reader.settings)
    problems += environment.pod_patch(WorkspaceSpec.model_validate(fields), asset.live.name, reader.settings)[1]
    if is_wide(asset, reader.settings.system_namespace):
        return problems  # its references are resolved in the namespaces that use it
    namespace = asset.live.namespace
    for variable in getattr(spec, "environment_variables", ()):
        field = f"spec.environmentVariables[{variable.name}]"
        if variable.credential:
            found = find(reader, "Credential", namespace, variable.credential, f"{field}.credential")
            problems += [found] if isinstance(found, Problem) else []
        if variable.config_map:
            named = variable.config_map
            missing = key_problem(reader, "ConfigMap", namespace, named.name, named.key, f"{field}.configMap")
            problems += [missing] if missing else []
    return problems
