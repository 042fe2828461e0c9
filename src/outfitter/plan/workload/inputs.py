"""What of a workload's own spec makes its revision, and who wrote that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from outfitter.naming import short_hash
from outfitter.resolve.identity import Author, author
from outfitter.resolve.request import WorkloadRequest
from outfitter.snapshot import Reader

# A change of these makes no new revision.
_NOT_INPUTS: Final = (
    "suspend", "replicas", "autoscaling", "description", "displayName", "tags", "locked", "version", "repositoryRef",
    "templateId",
)  # fmt: skip


def inputs(request: WorkloadRequest) -> str:
    """Return the digest of the own spec of a workload, with restarts and without the number of pods."""
    return _digest([_spec(request), request.restarted_at])


def author_of(reader: Reader, request: WorkloadRequest, record: Mapping[str, Any] | None) -> Author:
    """Return who wrote what a workload is to run. `record`: that of its revision.

    A user who changes nothing of it, but restarts or stops the workload or describes it, does not become its author:
    his ids and credentials are not for the commands of somebody else.
    """
    if record is not None and record["spec"] == _digest(_spec(request)):
        return Author(record["name"], record["runAs"])
    return author(reader, request.resource.live)


def author_record(request: WorkloadRequest) -> dict[str, Any] | None:
    """Return the author of a workload for its revision, with a digest of what he wrote; None for an unknown one."""
    who = request.author
    return {"name": who.name, "runAs": dict(who.run_as), "spec": _digest(_spec(request))} if who.name else None


def _digest(value: Any) -> str:
    return short_hash(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), 16)


def _spec(request: WorkloadRequest) -> dict[str, Any]:
    spec = _made_from(request.resource.body.get("spec") or {})
    if "run" in spec:
        spec["run"] = _made_from(spec["run"])
    return spec


def _made_from(spec: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in spec.items() if key not in _NOT_INPUTS}
    if "containerGroups" in kept:
        kept["containerGroups"] = [
            {key: value for key, value in group.items() if key not in ("replicas", "autoscaling")}
            for group in kept["containerGroups"]
        ]
    return kept
