"""A WorkloadTemplate -> the fields and assets that a workload starts from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from outfitter.api.v1alpha1.inference import OF_THE_ARTIFACT
from outfitter.api.v1alpha1.serving import InlineAutoscaling
from outfitter.api.v1alpha1.workloadtemplate import MASTER_FIELDS, TEMPLATE_FIELDS, WorkloadTemplate
from outfitter.api.v1alpha1.workspace import Assets
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.resolve.merge import merge
from outfitter.resolve.references import Found
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scope import find
from outfitter.snapshot import Reader, Resource

FIELD = "spec.template"
MASTER = "masterSpec"


def with_template(reader: Reader, request: WorkloadRequest, found: Found) -> WorkloadRequest:
    """Return the request with what its template gives; what the workload sets itself wins."""
    if request.template is None:
        return request
    template = found.keep(find(reader, "WorkloadTemplate", request.namespace, request.template, FIELD), named_by=FIELD)
    if template is None:
        return request
    assert isinstance(template.model, WorkloadTemplate)
    problems = list(_problems(request, template))
    found.problems += problems
    if problems:
        return request
    assets = assets_of(template.model, of_master=request.of_master)
    own = {ref.name for ref in request.data_sources}
    inherited = tuple(ref for ref in assets.data_sources if ref.name not in own)
    return replace(
        request,
        from_template=given(template, of_master=request.of_master),
        environment=request.environment or assets.environment,
        compute=request.compute or assets.compute,
        data_sources=(*request.data_sources, *inherited),
        template_assets=frozenset(
            (
                *(("environment",) if request.environment is None and assets.environment else ()),
                *(("compute",) if request.compute is None and assets.compute else ()),
                *(ref.name for ref in inherited),
            )
        ),
    )


def given(template: Resource, *, of_master: bool = False) -> dict[str, Any]:
    """Return the fields that a template gives to a submission: to the master of a distributed one, or to all else."""
    spec: Mapping[str, Any] = template.body["spec"]
    fields = (spec.get(MASTER) or {}) if of_master else spec
    known = MASTER_FIELDS if of_master else TEMPLATE_FIELDS
    return {key: value for key, value in fields.items() if key in known}


def master_of(reader: Reader, request: WorkloadRequest) -> bool:
    """Return whether the template of a distributed workload has a master of its own."""
    if request.template is None:
        return False
    template = find(reader, "WorkloadTemplate", request.namespace, request.template, FIELD)
    return not isinstance(template, Problem) and getattr(template.model.spec, "master_spec", None) is not None


def assets_of(template: WorkloadTemplate, *, of_master: bool) -> Assets:
    """Return the assets that a template gives, to the master of a distributed workload or to all else."""
    master = template.spec.master_spec
    return template.spec.assets if not of_master else master.assets if master is not None else Assets()


def _problems(request: WorkloadRequest, template: Resource) -> Iterator[Problem]:
    spec: Any = template.model.spec
    if spec.workload_type != request.type:
        text = f"{template.key} is for {spec.workload_type}, not {request.type}. Use another WorkloadTemplate."
        yield stalled(Reason.TYPE_NOT_SUPPORTED, text, FIELD)
        return
    if request.artifact is None:
        return
    fields = [name for name in OF_THE_ARTIFACT if template.body["spec"].get(name)]
    fields += ["assets.environment"] if spec.assets.environment else []
    if fields:
        text = f"The Artifact sets {', '.join(fields)}, and so does {template.key}. Use another WorkloadTemplate."
        yield stalled(Reason.INVALID_SPEC, text, FIELD)


def with_scaling(request: WorkloadRequest, submission: Mapping[str, Any]) -> WorkloadRequest:
    """Return the request with the autoscaling of the template, as a merged submission holds it.

    The fields that the workload sets itself win.
    """
    inherited = submission.get("autoscaling")
    if not inherited or not request.traits.scales:
        return request
    own = request.autoscaling.to_dict() if request.autoscaling else {}
    both = merge([("", {"autoscaling": inherited}), ("", {"autoscaling": own})]).fields["autoscaling"]
    return replace(request, autoscaling=InlineAutoscaling.model_validate(both))
