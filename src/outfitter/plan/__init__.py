"""plan(view, asset) -> Plan: everything that is decided in a pass, without I/O, clock or randomness."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from outfitter.plan.base import Plan
from outfitter.plan.credential import plan_credential
from outfitter.plan.datasource import plan_data_source
from outfitter.plan.definition import plan_compute_resource, plan_environment
from outfitter.plan.workload import plan_workload
from outfitter.resolve.workload import subject_of
from outfitter.snapshot import Asset, View


def _workspace(view: View, asset: Asset) -> Plan:
    subject = subject_of(asset)
    assert subject is not None
    return plan_workload(view, subject)


PLANNERS: Mapping[str, Callable[[View, Asset], Plan]] = {
    "Environment": plan_environment,
    "ComputeResource": plan_compute_resource,
    "DataSource": plan_data_source,
    "Credential": plan_credential,
    "Workspace": _workspace,
}


def plan(view: View, asset: Asset) -> Plan:
    """What to write, and what to say, for one of our objects."""
    return PLANNERS[asset.live.kind](view, asset)
