"""The existing children of a workload."""

from __future__ import annotations

from dataclasses import dataclass

from outfitter.api.v1alpha1.running import Phase
from outfitter.backends import controller_kinds
from outfitter.naming import (
    ANNOTATION_REVISION,
    ANNOTATION_STOPPED_REVISION,
    LABEL_CONTAINER_GROUP,
    LABEL_OWNER_NAME,
    clone_snapshot,
)
from outfitter.observe import condition, phase
from outfitter.plan.workload import revision as revisions
from outfitter.plan.workload.revision import Revision
from outfitter.resolve.groups import PlacedGroup
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
    def running(self) -> bool:
        """Return whether a pod has not ended yet."""
        return any(phase(pod) not in ("Failed", "Succeeded") for pod in self.pods)

    @property
    def revision(self) -> Revision | None:
        """Return the revision that the status names."""
        return revisions.read(self.published) if self.published else None

    @property
    def groups(self) -> tuple[PlacedGroup, ...]:
        """Return the container groups that run, the main group first; without a revision, as the Deployments say."""
        if self.published is not None:
            return tuple(PlacedGroup(group.name, group.key) for group in revisions.read(self.published).groups)
        if not any(live.name == live.body["metadata"]["labels"].get(LABEL_OWNER_NAME) for live in self.controllers):
            return ()  # the Deployment of the main group is gone
        selectors = [live.body["spec"]["selector"].get("matchLabels") or {} for live in self.controllers]
        keys = [labels[LABEL_CONTAINER_GROUP] for labels in selectors if LABEL_CONTAINER_GROUP in labels]
        return tuple(PlacedGroup(key, key) for key in keys)

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


def has_started(pod: CachedObject) -> bool:
    """Return whether the program of a pod has run."""
    return phase(pod) in ("Succeeded", "Failed") or condition(pod, "Ready").get("status") == "True"


def observe_workload(reader: Reader, resource: Resource) -> ObservedState:
    """Return the existing children of a workload."""
    live = resource.live
    status = resource.body.get("status") or {}
    children = [child for child in reader.children(live) if child.namespace == live.namespace]
    own = [child for child in children if child.controller == live.uid]
    snapshot = clone_snapshot(live.name)
    found = [child for child in own if child.kind == "ControllerRevision" and child.name != snapshot]
    starts = controller_kinds()
    controllers = [child for child in own if child.kind in starts]
    named = (_annotation(child, ANNOTATION_REVISION) for child in controllers)
    revision = status.get("revision") or next(filter(None, named), "")  # without a status, as the Job says
    return ObservedState(
        tuple(sorted(controllers, key=lambda child: child.name != live.name)),
        tuple(sorted(found, key=lambda child: child.body["revision"])),
        tuple(child for child in children if child.kind == "Pod"),
        next((child for child in found if revisions.trusted(child, live.name, revision)), None),
        status.get("runPhase") or status.get("phase", ""),
    )


def _annotation(live: CachedObject, name: str) -> str:
    return str((live.body["metadata"].get("annotations") or {}).get(name, ""))
