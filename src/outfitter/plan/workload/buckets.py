"""The PersistentVolumes of a workload for buckets that a CSI driver mounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from outfitter.canonical import stamp
from outfitter.plan.diff import check_ownership
from outfitter.plan.shared_volume import binds, reserved_for_another
from outfitter.plan.workload.revision import Revision
from outfitter.plan.writes import Create, Delete, Write, WritePhase
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.render.buckets import BucketMount, claim, volume
from outfitter.snapshot import CachedObject, Reader, Resource


@dataclass
class Volumes:
    """The volumes that a workload keeps, the writes that create them or replace them, and what prevents some."""

    kept: list[Mapping[str, Any]] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def claims(reader: Reader, resource: Resource, revision: Revision) -> Iterator[dict[str, Any]]:
    """Yield the claims for buckets. One that the administrator no longer permits is kept, and not created again."""
    for mount in revision.buckets:
        if _permitted(reader, mount) or _claim(reader, resource, mount) is not None:
            yield claim(mount, resource)


def volumes(reader: Reader, resource: Resource, revision: Revision, wanted: Sequence[Mapping[str, Any]]) -> Volumes:
    """Compare the volumes of the wanted claims with those that exist.

    The settings decide each time, because a revision can be older than what the administrator permits now.
    """
    result = Volumes()
    names = {item["metadata"]["name"] for item in wanted if item["kind"] == "PersistentVolumeClaim"}
    for mount in revision.buckets:
        held = _claim(reader, resource, mount)
        if mount.claim in names:
            _compare(reader, resource, mount, held, result)
        if wanted and not _permitted(reader, mount) and (held is None or _phase(held) != "Bound"):
            text = (
                f"The administrator no longer permits to mount bucket {mount.full_name}. Restart the workload, so that "
                "a container copies the bucket."
            )
            result.problems.append(stalled(Reason.UNSUPPORTED, text))
    return result


def _compare(
    reader: Reader, resource: Resource, mount: BucketMount, held: CachedObject | None, result: Volumes
) -> None:
    manifest = volume(mount, resource.live, reader.settings.s3_driver)
    live = reader.get_untracked("PersistentVolume", "", manifest["metadata"]["name"])
    verdict = check_ownership(reader, live, resource) if live is not None else None
    result.kept.append(manifest)
    if held is not None and held.controller != resource.live.uid:
        return  # the claim of another owner would be bound to the volume
    if verdict is not None:
        deleted = live is not None and live.owner == resource.live.uid and binds(live, held)
        if deleted and held is not None and not held.deleting:
            verdict = _unbind(reader, held, verdict, result)
        result.problems.append(verdict)
    elif live is not None and reserved_for_another(live, held):
        result.writes.append(Delete(live))  # its claim was deleted; the next plan creates it again
    elif live is None and _permitted(reader, mount):
        if held is not None and _phase(held) == "Lost":
            result.writes.append(Delete(held))
        else:
            # Before its claim, which would otherwise look for it again only after some seconds.
            result.writes.append(Create(stamp(manifest), WritePhase.HANDOVER))


def _unbind(reader: Reader, held: CachedObject, deleted: Problem, result: Volumes) -> Problem:
    """Delete the claim of a volume that is being deleted, which exists until then; `deleted`: the problem of that."""
    if not reader.mounted(held.namespace, held.name):
        result.writes.append(Delete(held))
        return deleted
    text = (
        f"The PersistentVolume of claim {held.namespace}/{held.name} is being deleted, and pods still mount it. "
        "Suspend the workload, then resume it: Outfitter creates the volume again in between."
    )
    return replace(deleted, message=text)


def _permitted(reader: Reader, mount: BucketMount) -> bool:
    return reader.settings.mounts_bucket(mount.full_name)


def _claim(reader: Reader, resource: Resource, mount: BucketMount) -> CachedObject | None:
    return reader.get_untracked("PersistentVolumeClaim", resource.live.namespace, mount.claim)


def _phase(held: CachedObject) -> str:
    return str((held.body.get("status") or {}).get("phase", ""))
