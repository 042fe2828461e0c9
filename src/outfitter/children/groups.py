"""JobSets and MPIJobs: what such an object cannot change, and whether anything of it has run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from outfitter.naming import short_hash
from outfitter.observe import groups

Body = Mapping[str, Any]


def digest(spec: Body) -> str:
    """Return a digest of everything that such an object cannot change after its start."""
    return short_hash(orjson.dumps(without_suspend(spec), option=orjson.OPT_SORT_KEYS), 16)


def without_suspend(spec: Body) -> dict[str, Any]:
    """Return the spec without whether it is stopped."""
    kept = {name: value for name, value in spec.items() if name != "suspend"}
    if "runPolicy" in kept:
        kept["runPolicy"] = {name: value for name, value in kept["runPolicy"].items() if name != "suspend"}
    return kept


def with_suspend(spec: Body, asked: Body) -> dict[str, Any]:
    """Return the spec, stopped or not as in `asked`."""
    if "runPolicy" in asked:
        return {**spec, "runPolicy": {**spec.get("runPolicy", {}), "suspend": groups.suspended(asked)}}
    return {**spec, "suspend": groups.suspended(asked)}


def has_run(body: Body) -> bool:
    """Return whether a program of the object has run, so that its progress would be lost with it."""
    found = groups.counts(body)
    return bool(found["ready"] or found["succeeded"] or found["failed"] or (body.get("status") or {}).get("restarts"))


def settled(body: Body) -> bool:
    """Return whether its controller has handled a stop: no pod is left."""
    found = groups.counts(body)
    stopped = groups.suspended(body["spec"]) and bool(groups.condition(body, "Suspended"))
    return stopped and not (found["active"] or found["ready"])
