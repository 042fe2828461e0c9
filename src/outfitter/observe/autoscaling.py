"""Why a HorizontalPodAutoscaler does not scale."""

from __future__ import annotations

from outfitter.observe.causes import Source, explain
from outfitter.observe.fields import FieldNames
from outfitter.observe.state import READY, Observation, failed
from outfitter.snapshot import CachedObject

_DISABLED = "ScalingDisabled"  # the target has 0 replicas, as its owner set


def observe_autoscaler(live: CachedObject, names: FieldNames) -> Observation:
    """READY for one that scales, or that is at its limit; else the cause, with the time of its condition."""
    for condition in (live.body.get("status") or {}).get("conditions") or ():
        works = condition.get("status") != "False" or condition.get("reason") == _DISABLED
        if condition["type"] not in ("ScalingActive", "AbleToScale") or works:
            continue
        cause = explain(Source.AUTOSCALER, condition.get("reason", ""), condition.get("message", ""), names)
        if cause is not None:
            where = f"HorizontalPodAutoscaler {live.namespace}/{live.name} does not scale"
            text = f"{where}: {cause.text or condition.get('reason', '')}. {cause.remedy}"
            return failed(cause.reason, text, condition.get("lastTransitionTime") or "")
    return READY
