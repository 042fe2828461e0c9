"""The order of the writes of a workload: which are early, which wait, which are held back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from outfitter.backends import controller_kinds
from outfitter.naming import ANNOTATION_SCALED
from outfitter.plan.diff import Diff
from outfitter.plan.workload.observed import ObservedState
from outfitter.plan.workload.revision import HISTORY, Revision
from outfitter.plan.writes import Apply, Create, Delete, Write, WritePhase, in_phase
from outfitter.snapshot import CachedObject, Reader

REPLICAS_MANAGER: Final = "outfitter-replicas"


def ordered(reader: Reader, observed: ObservedState, diff: Diff, wanted: Sequence[Mapping[str, Any]]) -> list[Write]:
    """Return the writes of the revision and the children, each in its phase."""
    revision = [write for write in diff.writes if write.kind == "ControllerRevision"]
    if any(isinstance(write, Delete) for write in revision):
        return list(in_phase(WritePhase.REVISION, revision))  # it is created again first, everything else after it
    children = _startable([write for write in diff.writes if write.kind != "ControllerRevision"], wanted, diff)
    children = _reachable(children, diff)
    if not diff.live and not observed.revisions:
        # Where objects exist already, an address must not reach pods that their revision does not describe.
        children = [*in_phase(WritePhase.EARLY, filter(_only_an_address, children)),
                    *(write for write in children if not _only_an_address(write))]  # fmt: skip
    return [*in_phase(WritePhase.REVISION, revision), *_handed_over(reader, children), *children]


def _only_an_address(write: Write) -> bool:
    """Return whether the write creates a cluster-internal Service, the slowest request of the API server."""
    if not isinstance(write, Create) or write.kind != "Service":
        return False
    return bool(write.manifest["spec"].get("type", "ClusterIP") == "ClusterIP")


def _startable(writes: list[Write], wanted: Iterable[Mapping[str, Any]], diff: Diff) -> list[Write]:
    """Return the writes, without those that start pods while a claim of the workload belongs to another object."""
    created = {write.manifest["metadata"]["name"] for write in writes if not isinstance(write, Delete)}
    claims = [item["metadata"]["name"] for item in wanted if item["kind"] == "PersistentVolumeClaim"]
    ours = {name for kind, _, name in diff.live if kind == "PersistentVolumeClaim"}
    if all(name in ours or name in created for name in claims):
        return writes
    starts = controller_kinds()
    return [write for write in writes if isinstance(write, Delete) or write.kind not in starts]


def _reachable(writes: list[Write], diff: Diff) -> list[Write]:
    """Return the writes, without those that move an Ingress to a Service that is still to be written."""
    written = {_name(write) for write in writes if write.kind == "Service"}
    there = {name for kind, _, name in diff.live if kind == "Service"} - written
    return [write for write in writes if _moves_to(write, diff) <= there]


def _moves_to(write: Write, diff: Diff) -> set[str]:
    """Return the Services that an existing Ingress gets by the write, and does not have yet."""
    if not isinstance(write, Apply) or write.kind != "Ingress":
        return set()
    meta = write.manifest["metadata"]
    return _backends(write.manifest) - _backends(diff.live["Ingress", meta["namespace"], meta["name"]].body)


def unused(deletions: Iterable[Delete], diff: Diff) -> Iterator[Delete]:
    """Yield the deletions, without those of Services that a wanted Ingress still points at."""
    used = {name for (kind, _, _), live in diff.live.items() if kind == "Ingress" for name in _backends(live.body)}
    return (write for write in deletions if write.kind != "Service" or write.live.name not in used)


def _backends(ingress: Mapping[str, Any]) -> set[str]:
    """Return the names of the Services that an Ingress points at."""
    rules = ingress["spec"].get("rules") or ()
    paths = [path for rule in rules for path in (rule.get("http") or {}).get("paths") or ()]
    return {path["backend"]["service"]["name"] for path in paths if "service" in path["backend"]}


def _name(write: Write) -> str:
    """Return the name of the object."""
    return write.live.name if isinstance(write, Delete) else str(write.manifest["metadata"]["name"])


def _handed_over(reader: Reader, writes: Iterable[Write]) -> Iterator[Write]:
    """Yield the writes that keep the number of pods when an autoscaler takes over.

    The API server resets a field that its last owner drops; a second owner keeps it until the autoscaler sets it.
    """
    for write in writes:
        if not isinstance(write, Apply):
            continue
        meta = write.manifest["metadata"]
        if ANNOTATION_SCALED not in (meta.get("annotations") or {}):
            continue
        live = reader.get_untracked(write.kind, meta["namespace"], meta["name"])
        if live is not None and (count := _own_count(live)) > 1:
            kept = {
                "apiVersion": write.manifest["apiVersion"],
                "kind": write.kind,
                "metadata": {"namespace": meta["namespace"], "name": meta["name"]},
                "spec": {"replicas": count},
            }
            yield Apply(kept, write.uid, REPLICAS_MANAGER, WritePhase.HANDOVER)


def _own_count(live: CachedObject) -> int:
    """Return the number of pods that we asked for; 0 where an autoscaler sets it already."""
    body = live.body
    scaled = ANNOTATION_SCALED in (body["metadata"].get("annotations") or {})
    return 0 if scaled else int(body["spec"].get("replicas", 1))


def old_revisions(observed: ObservedState, revision: Revision) -> list[Write]:
    """Return the deletions of revisions beyond the history."""
    older = [live for live in observed.revisions if live.name != revision.name and not live.deleting]
    return [Delete(live, phase=WritePhase.CLEANUP) for live in older[: max(0, len(older) - (HISTORY - 1))]]


def stuck_pods(pods: Iterable[CachedObject], *, pending: bool) -> list[Write]:
    """Return the deletions of pods that block a rollout, once nothing else is to be written."""
    return [] if pending else [Delete(pod, phase=WritePhase.CLEANUP) for pod in pods]
