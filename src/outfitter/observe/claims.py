"""State of PersistentVolumeClaims, and why one is not bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outfitter.observe.causes import Cause, Source, explain
from outfitter.observe.events import newest_causes
from outfitter.observe.fields import INLINE
from outfitter.observe.state import READY, Observation, failed, progressing
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject, Reader

_NO_CLASS: Final = 'storageclass.storage.k8s.io "{}" not found'


def observe_claim(body: Mapping[str, Any]) -> Observation:
    """Whether a claim is bound."""
    phase = (body.get("status") or {}).get("phase", "Pending")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        meta = body["metadata"]
        return failed(
            Reason.LOST_PHASE,
            f"PersistentVolumeClaim {meta.get('namespace', '')}/{meta['name']} is in phase Lost. The PersistentVolume "
            "no longer exists. Restore the volume, or delete the claim to get a new, empty one.",
        )
    return progressing(Reason.PENDING, "No volume is bound yet.")


def diagnose_claim(reader: Reader, claim: CachedObject) -> Observation:
    """The state of a claim; for one that is not bound, the cause that the cluster names.

    A claim whose StorageClass binds only once a pod uses it is ready before. What began less than the hold time ago is
    progress.
    """
    state = observe_claim(claim.body)
    if state.reason is not Reason.PENDING or claim.deleting:
        return state
    cause = _cause(reader, claim)
    if cause is not None:
        return state if reader.held(cause.since) else cause
    return READY if reader.binds_late(claim) else state


def _cause(reader: Reader, claim: CachedObject) -> Observation | None:
    """Why a claim is not bound: its newest Event, else its StorageClass."""
    found = next(newest_causes(reader, claim, Source.CLAIM, INLINE), None) or _class_cause(reader, claim)
    if found is None:
        return None
    cause, since = found
    where = f"PersistentVolumeClaim {claim.namespace}/{claim.name} is not bound"
    return failed(cause.reason, f"{where}: {cause.text}. {cause.remedy}", since)


def _class_cause(reader: Reader, claim: CachedObject) -> tuple[Cause, str] | None:
    """The cause that the volume controller reports in an Event, which ends after an hour or can be dropped."""
    body = claim.body
    spec = body.get("spec") or {}
    name = spec.get("storageClassName", "")
    if not name or spec.get("volumeName") or reader.settings.watch_namespaces or reader.get("StorageClass", "", name):
        return None
    cause = explain(Source.CLAIM, "ProvisioningFailed", _NO_CLASS.format(name), INLINE)
    return (cause, str(body["metadata"].get("creationTimestamp", ""))) if cause else None
