"""PersistentVolumeClaims: of a DataSource, of a NimCache, and those that a workload creates itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from outfitter.api.quantities import quantity_text
from outfitter.api.v1alpha1.volumes import ClaimInfo
from outfitter.naming import LABEL_RETAINED, owner_labels
from outfitter.problems import Problem, note
from outfitter.reasons import Reason
from outfitter.render.buckets import mount_of
from outfitter.render.owner import owner_reference
from outfitter.render.reserved import left_out
from outfitter.resolve.volumes import PvcVolume, S3Volume
from outfitter.resolve.workload import Resolved
from outfitter.settings import Settings


def persistent_volume_claim(
    info: ClaimInfo, name: str, namespace: str, labels: Mapping[str, str], *, retain: bool
) -> dict[str, Any]:
    """Return a new claim. A retained claim has a label instead of an owner: its data outlives the object."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**labels, LABEL_RETAINED: "true" if retain else "false"},
            "annotations": {item.key: item.value for item in info.added_attr_values if not left_out(item.key)},
        },
        "spec": {
            "accessModes": access_modes(info),
            "resources": {"requests": {"storage": quantity_text(info.size or "")}},
            "storageClassName": info.storage_class,
            "volumeMode": info.volume_mode,
        },
    }


def access_modes(info: ClaimInfo | None) -> list[str]:
    """Return the access modes of a new claim."""
    requested = info.access_modes if info is not None else None
    modes = [
        mode
        for mode, wanted in (
            ("ReadWriteOnce", requested and requested.read_write_once),
            ("ReadOnlyMany", requested and requested.read_only_many),
            ("ReadWriteMany", requested and requested.read_write_many),
        )
        if wanted
    ]
    return modes or ["ReadWriteOnce"]


def reserved_attributes(info: ClaimInfo, field: str) -> Iterator[Problem]:
    """Yield a note for each annotation that a new claim does not get."""
    for item in info.added_attr_values:
        if why := left_out(item.key):
            yield note(Reason.RESERVED, f"Annotation {item.key} {why}", f"{field}.addedAttrValues[{item.key}]")


def claims(resolved: Resolved, settings: Settings) -> list[dict[str, Any]]:
    """Return the claims that the workload creates: inline ones, ephemeral ones of DataSources, copies, its model.

    The workload owns its ephemeral claims, its copies and the claim of its model. The others hold user data: they have
    no owner.
    """
    live = resolved.request.resource.live
    labels = owner_labels(live.kind, live.name, live.uid)
    result = []
    for volume, info in (*_all_claims(resolved), *_copies(resolved, settings)):
        claim = persistent_volume_claim(info, volume.claim_name, live.namespace, labels, retain=not volume.owned)
        if volume.owned:
            claim["metadata"]["ownerReferences"] = [owner_reference(resolved.request.resource)]
        result.append(claim)
    return result


def reserved(resolved: Resolved) -> Iterator[Problem]:
    """Yield a note for each annotation that a claim of the workload does not get."""
    for volume, info in _new_claims(resolved):
        yield from reserved_attributes(info, f"{volume.use.field}.claimInfo")


def short_lived(resolved: Resolved) -> tuple[str, ...]:
    """Return the names of the claims that are deleted when the workload stops."""
    return tuple(volume.claim_name for volume, _ in _all_claims(resolved) if volume.ephemeral)


def _all_claims(resolved: Resolved) -> Iterator[tuple[PvcVolume, ClaimInfo]]:
    """Yield the new claims of all pods. Master and workers share a claim of one name: that of the workers."""
    found: dict[str, tuple[PvcVolume, ClaimInfo]] = {}
    for part in (resolved, resolved.master):
        for volume, info in _new_claims(part) if part is not None else ():
            found.setdefault(volume.claim_name, (volume, info))
    yield from found.values()


def _copies(resolved: Resolved, settings: Settings) -> Iterator[tuple[PvcVolume, ClaimInfo]]:
    """Yield the claims that keep copies of buckets."""
    for volume in resolved.volumes:
        if isinstance(volume, S3Volume) and mount_of(volume, resolved, settings) is None:
            claim = volume.claim
            if claim is not None and claim.info is not None:
                yield claim, claim.info


def _new_claims(resolved: Resolved) -> Iterator[tuple[PvcVolume, ClaimInfo]]:
    for volume in resolved.volumes:
        if isinstance(volume, PvcVolume) and volume.new_claim is not None:
            yield volume, volume.new_claim
