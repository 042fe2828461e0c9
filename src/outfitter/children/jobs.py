"""What the API server lets change in the pod template of a stopped Job: where its pods run, what they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outfitter.canonical import covers

Body = Mapping[str, Any]

_FIXED: Final = ("selector", "completions", "completionMode", "podFailurePolicy")
_PLACEMENT: Final = ("nodeSelector", "affinity", "tolerations", "schedulingGates")


def mutable(asked: Body, live: Body) -> bool:
    """Return whether a live Job can become what is asked for: it is stopped, and its pods are gone.

    Resources can change since Kubernetes 1.36, and an older API server rejects that.
    """
    spec, status = live.get("spec") or {}, live.get("status") or {}
    if not spec.get("suspend") or status.get("startTime") or status.get("active"):
        return False
    if any(asked.get(name) is not None and not covers(asked.get(name), spec.get(name), name) for name in _FIXED):
        return False
    return bool(covers(_kept(asked["template"]), _kept(spec["template"]), "template"))


def _kept(template: Body) -> dict[str, Any]:
    """Return a pod template without what can change."""
    pod = {name: value for name, value in template["spec"].items() if name not in _PLACEMENT}
    for name in ("containers", "initContainers"):
        if name in pod:
            pod[name] = [{key: value for key, value in item.items() if key != "resources"} for item in pod[name]]
    return {"spec": pod}
