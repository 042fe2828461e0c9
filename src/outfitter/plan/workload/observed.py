"""The existing children of a workload."""

from __future__ import annotations

from dataclasses import dataclass

from outfitter.api.v1alpha1.running import Phase
from outfitter.backends import controller_kinds
from outfitter.naming import ANNOTATION_STOPPED_REVISION, clone_snapshot
from outfitter.plan.workload import revision as revisions
from outfitter.plan.workload.revision import Revision
from outfitter.snapshot import CachedObject, Reader, Resource


@dataclass(frozen=True)
class ObservedState:
    """The existing children of a workload."""

    controllers: tuple[CachedObject, ...]
    revisions: tuple[CachedObject, ...]  # oldest first
    pods: tuple[CachedObject, ...]
    published: CachedObject | None  # the revision that the status names, if its content fits its name
    phase: str  # of the last status

    @property
    def revision(self) -> Revision | None:
        """Return the revision that the status names."""
        return revisions.read(self.published) if self.published else None

    @property
    def newest(self) -> int:
        """Return the number of the newest revision, 0 without one."""
        return max((int(live.body["revision"]) for live in self.revisions), default=0)

    @property
    def was_stopped(self) -> bool:
        """Return whether it was suspended before this reconciliation."""
        if not self.controllers:  # their annotations are gone with them
            return self.phase in (Phase.STOPPED, Phase.STOPPING)
        return self.published is not None and self.stopped_at == self.published.name

    @property
    def stopped_at(self) -> str:
        """Return the revision that was current when the workload was suspended; "" while it runs."""
        for live in self.controllers:
            annotations = live.body["metadata"].get("annotations") or {}
            if ANNOTATION_STOPPED_REVISION in annotations:
                return str(annotations[ANNOTATION_STOPPED_REVISION])
        return ""


def observe_workload(reader: Reader, resource: Resource) -> ObservedState:
    """Return the existing children of a workload."""
    live = resource.live
    status = resource.body.get("status") or {}
    children = [child for child in reader.children(live) if child.namespace == live.namespace]
    own = [child for child in children if child.controller == live.uid]
    snapshot = clone_snapshot(live.name)
    found = [child for child in own if child.kind == "ControllerRevision" and child.name != snapshot]
    revision = status.get("revision", "")
    starts = controller_kinds()
    return ObservedState(
        tuple(child for child in own if child.kind in starts),
        tuple(sorted(found, key=lambda child: child.body["revision"])),
        tuple(child for child in children if child.kind == "Pod"),
        next((child for child in found if revisions.trusted(child, live.name, revision)), None),
        status.get("runPhase") or status.get("phase", ""),
    )
