"""The planner of each kind: all decisions of one reconciliation, without I/O, clock or randomness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from outfitter.api.v1alpha1 import KINDS, kind_of
from outfitter.plan.artifact import plan_artifact
from outfitter.plan.artifactrepository import plan_repository
from outfitter.plan.assets import plan_compute_resource, plan_environment
from outfitter.plan.credential import plan_credential
from outfitter.plan.datasource import plan_data_source
from outfitter.plan.imagebuild import plan_image_build
from outfitter.plan.imagequery import plan_image_query
from outfitter.plan.nimcache import plan_nim_cache
from outfitter.plan.policy import plan_policy
from outfitter.plan.registry import plan_registry
from outfitter.plan.template import plan_template
from outfitter.plan.workload.plan import plan_workload
from outfitter.plan.writes import Plan
from outfitter.render.placement import user_labels
from outfitter.resolve.identity import identity_facts
from outfitter.resolve.request import request_for
from outfitter.resolve.scope import reaches_nothing
from outfitter.snapshot import Reader, Resource


def _workload(reader: Reader, resource: Resource) -> Plan:
    request = request_for(resource)
    assert request is not None
    return plan_workload(reader, request)


_PLANNERS: Mapping[str, Callable[[Reader, Resource], Plan]] = {
    "Environment": plan_environment,
    "ComputeResource": plan_compute_resource,
    "DataSource": plan_data_source,
    "Credential": plan_credential,
    "Registry": plan_registry,
    "ImageQuery": plan_image_query,
    "ImageBuild": plan_image_build,
    "WorkloadTemplate": plan_template,
    "WorkloadPolicy": plan_policy,
    "Artifact": plan_artifact,
    "ArtifactRepository": plan_repository,
    "NimCache": plan_nim_cache,
}
# A kind that only runs needs no planner of its own.
PLANNERS: Mapping[str, Callable[[Reader, Resource], Plan]] = {
    kind.name: _workload if kind.workload else _PLANNERS[kind.name] for kind in KINDS
}


def plan(reader: Reader, resource: Resource) -> Plan:
    """Return what to write, and which status, for one of our objects. Raises NeedsData."""
    planned = PLANNERS[resource.live.kind](reader, resource)
    facts = {**planned.status.facts, **identity_facts(reader, resource.live, resource.body)}
    planned = replace(planned, status=replace(planned.status, facts=facts))
    problems = [*reaches_nothing(reader, resource)]
    if kind_of(resource.live.kind).asset:
        problems += user_labels(getattr(resource.model.spec, "labels", ()), reader.settings)[1]
    if not problems:
        return planned
    return replace(planned, status=replace(planned.status, problems=(*planned.status.problems, *problems)))
