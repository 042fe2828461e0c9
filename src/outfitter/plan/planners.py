"""plan(reader, asset) -> Plan: everything that is decided in a pass, without I/O, clock or randomness."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from outfitter.plan.artifact import plan_artifact
from outfitter.plan.artifactrepository import plan_repository
from outfitter.plan.assets import plan_compute_resource, plan_environment
from outfitter.plan.credential import plan_credential
from outfitter.plan.datasource import plan_data_source
from outfitter.plan.diff import Plan
from outfitter.plan.nimcache import plan_nim_cache
from outfitter.plan.workload.plan import plan_workload
from outfitter.resolve.request import request_for
from outfitter.snapshot import Reader, Resource


def _workload(reader: Reader, resource: Resource) -> Plan:
    request = request_for(resource)
    assert request is not None
    return plan_workload(reader, request)


PLANNERS: Mapping[str, Callable[[Reader, Resource], Plan]] = {
    "Environment": plan_environment,
    "ComputeResource": plan_compute_resource,
    "DataSource": plan_data_source,
    "Credential": plan_credential,
    "Workspace": _workload,
    "Inference": _workload,
    "Artifact": plan_artifact,
    "ArtifactRepository": plan_repository,
    "NimCache": plan_nim_cache,
}


def plan(reader: Reader, resource: Resource) -> Plan:
    """What to write, and what to say, for one of our objects."""
    return PLANNERS[resource.live.kind](reader, resource)
