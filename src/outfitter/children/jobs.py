"""The Job of a workload that ends: what it cannot change, and whether anything of it has run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from outfitter.naming import short_hash

Body = Mapping[str, Any]

FIXED: Final = ("template", "completions", "completionMode", "podFailurePolicy", "selector", "successPolicy")
"""Fields that a Job that has started never changes."""
_PLACEMENT: Final = ("nodeSelector", "affinity", "tolerations", "schedulingGates")


def digest(spec: Body) -> str:
    """Return a digest of everything that a Job cannot change after its start."""
    return _digest(_fixed(spec))


def program(spec: Body) -> str:
    """Return a digest of what a Job cannot change while it is stopped: not where its pods run and what they ask for.

    Resources of a stopped Job can change since Kubernetes 1.36.
    """
    return _digest({**_fixed(spec), "template": _without_placement(spec["template"])})


def _fixed(spec: Body) -> dict[str, Any]:
    return {name: spec.get(name) for name in FIXED if name != "successPolicy" or spec.get(name)}


def has_run(job: Body) -> bool:
    """Return whether a program of a Job has run, so that its progress would be lost with it."""
    status = job.get("status") or {}
    if any(status.get(name) for name in ("ready", "succeeded", "failed")):
        return True
    containers = job["spec"]["template"]["spec"]["containers"]
    probed = any(name in item for item in containers for name in ("readinessProbe", "startupProbe"))
    return bool(probed and status.get("active"))


def _without_placement(template: Body) -> dict[str, Any]:
    pod = {name: value for name, value in template["spec"].items() if name not in _PLACEMENT}
    for name in ("containers", "initContainers"):
        if name in pod:
            pod[name] = [{key: value for key, value in item.items() if key != "resources"} for item in pod[name]]
    return {"spec": pod}


def _digest(value: Any) -> str:
    return short_hash(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), 16)
