"""What of a workload's own spec makes its revision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from outfitter.api.v1alpha1.inputs import GROUP_SIZE, NOT_INPUTS
from outfitter.naming import short_hash
from outfitter.resolve.request import WorkloadRequest


def inputs(request: WorkloadRequest) -> str:
    """Return the digest of the own spec of a workload, with restarts and without the number of pods."""
    spec = made_from(request.resource.body.get("spec") or {})
    return short_hash(orjson.dumps([spec, request.restarted_at], option=orjson.OPT_SORT_KEYS), 16)


def made_from(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a spec decides what runs. Who changes it becomes the author of the workload."""
    kept = _kept(spec)
    return {**kept, "run": _kept(kept["run"])} if kept.get("run") is not None else kept


def _kept(spec: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in spec.items() if key not in NOT_INPUTS}
    if kept.get("containerGroups") is not None:
        kept["containerGroups"] = [
            {key: value for key, value in group.items() if key not in GROUP_SIZE} for group in kept["containerGroups"]
        ]
    return kept
