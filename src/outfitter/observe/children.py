"""Readiness of any child object, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from outfitter.observe.claims import observe_claim
from outfitter.observe.controllers import observe_deployment, observe_job, observe_stateful_set
from outfitter.observe.state import READY, Observation
from outfitter.snapshot import CachedObject

_READINESS: Mapping[str, Callable[[Mapping[str, Any]], Observation]] = {
    "Deployment": observe_deployment,
    "Job": observe_job,
    "StatefulSet": observe_stateful_set,
}


def observe(live: CachedObject, *, first_consumer: bool = False) -> Observation:
    """The state of a child; a kind without a readiness function is ready as soon as it exists.

    `first_consumer`: the StorageClass of a claim binds only once a pod uses the claim.
    """
    if live.kind == "PersistentVolumeClaim":
        return observe_claim(live.body, first_consumer=first_consumer)
    readiness = _READINESS.get(live.kind)
    return readiness(live.body) if readiness else READY
