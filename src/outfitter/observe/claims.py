"""Readiness of PersistentVolumeClaims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outfitter.observe.state import READY, Observation, failed, progressing
from outfitter.reasons import Reason


def observe_claim(body: Mapping[str, Any]) -> Observation:
    """Whether a claim is bound."""
    phase = (body.get("status") or {}).get("phase", "Pending")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return failed(
            Reason.LOST_PHASE,
            "The PersistentVolume no longer exists. Restore the volume, or delete the claim to get a new, empty one.",
        )
    return progressing(Reason.PENDING, "No volume is bound yet.")


def binding_late(state: Observation) -> Observation:
    """The state of a claim whose StorageClass binds only once a pod uses it: ready while no volume is bound."""
    return READY if state.reason is Reason.PENDING else state  # it must not keep that first pod waiting
