"""The claim by which another namespace mounts the volume of a DataSource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outfitter.api.v1alpha1.datasource import DataPhase, DataSourceSpec
from outfitter.naming import data_source_claim
from outfitter.problems import Problem, under_way, waiting
from outfitter.reasons import Reason
from outfitter.resolve.causes import first_cause, serious_issue
from outfitter.resolve.references import other_object
from outfitter.snapshot import Reader, Resource


def shared_claim(asset: Resource) -> str:
    """Return the name of the claim by which other namespaces mount the volume of a DataSource."""
    spec = asset.model.spec
    assert isinstance(spec, DataSourceSpec)
    read_only = spec.data_volume is not None or (spec.pvc is not None and spec.pvc.read_only)
    return data_source_claim(asset.live.name, asset.live.uid, read_only=read_only)


def claim_elsewhere(asset: Resource, namespace: str) -> str:
    """Return the name of the claim in a namespace that shares the volume of a DataSource; "" in its own one."""
    return "" if asset.live.namespace == namespace else shared_claim(asset)


def shared_claim_problem(reader: Reader, asset: Resource, namespace: str, field: str) -> Problem | None:
    """Return why the volume of a DataSource cannot be mounted in another namespace now."""
    name, status = claim_elsewhere(asset, namespace), asset.body.get("status") or {}
    claim = reader.get("PersistentVolumeClaim", namespace, name)
    if claim is not None and claim.owner != asset.live.uid:
        return waiting(Reason.NOT_CREATED, other_object(claim, asset), field)
    there = claim is not None and not claim.deleting and (claim.body.get("status") or {}).get("phase") == "Bound"
    if there and status.get("phase", DataPhase.READY) == DataPhase.READY:
        return None
    text = f"The volume of {asset.key} is not available in namespace {namespace} yet."
    if not _troubled(status, namespace, asset.live.namespace):
        return under_way(Reason.NOT_CREATED, f"{text} Outfitter creates a claim for it.", field)
    return waiting(Reason.NOT_CREATED, f"{text} {first_cause(asset, namespace)}".rstrip(), field)


def _troubled(status: Mapping[str, Any], *namespaces: str) -> bool:
    """Return whether a DataSource reports what keeps its volume from a namespace."""
    issues = status.get("issues") or ()
    return any(serious_issue(issue) and issue.get("scopeId") in namespaces for issue in issues)
