"""The children that a workload is to have: all that its revision renders, or fewer where it does not run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outfitter.api.v1alpha1 import traits_of
from outfitter.backends import Backend, Run, backend_of
from outfitter.observe import phase
from outfitter.plan.workload import buckets
from outfitter.plan.workload.ending import Ending, failed_and_stopped
from outfitter.plan.workload.inputs import inputs
from outfitter.plan.workload.observed import ObservedState
from outfitter.plan.workload.revision import Revision
from outfitter.render.gpu import claim_templates
from outfitter.render.owner import child_meta, labelled, labelled_by_user
from outfitter.render.scheduling import kueue_owned
from outfitter.snapshot import Reader

Manifest = Mapping[str, Any]


def wanted(
    reader: Reader, run: Run, revision: Revision, observed: ObservedState, ending: Ending | None, *, refused: bool
) -> Sequence[Manifest]:
    """Return all children but the revision; none of a workload that was never started, or that ended long ago.

    `refused`: what the user asks for now cannot run.
    """
    idle = run.request.stopped and not observed.controllers
    if (idle and ending is None) or (ending is not None and ending.expired):
        return []
    # An edit may keep what was ephemeral.
    ephemeral = run.request.stopped and revision.inputs == inputs(run.request)
    gone = revision.short_lived if ephemeral else ()
    claims = [item for item in revision.claims if item["metadata"]["name"] not in gone]
    claims += buckets.claims(reader, run.request.resource, revision)
    meta = child_meta(run.request.resource)
    devices = [item for group in run.pods for item in claim_templates(group.devices, meta, run.settings)]
    backend = backend_of(run.request.traits, revision.spec)
    found: list[Manifest] = [*backend.render(run), *claims, *devices]
    if idle:  # a failed run that was stopped keeps its addresses, and gets none again
        found = [item for item in found if _exists(reader, run, item)]
    if idle or not _may_run(run, revision, backend, observed, ending, refused=refused):
        found = [item for item in found if item["kind"] not in backend.controllers]
    if revision.metadata:
        found = [labelled_by_user(item, revision.metadata) for item in found]
    return [labelled(item, run.request.labels) for item in found] if run.request.labels else found


def _exists(reader: Reader, run: Run, item: Manifest) -> bool:
    live = run.request.resource.live
    found = reader.get_untracked(item["kind"], live.namespace, item["metadata"]["name"])
    return found is not None and found.controller in ("", live.uid)


def _may_run(
    run: Run, revision: Revision, backend: Backend, observed: ObservedState, ending: Ending | None, *, refused: bool
) -> bool:
    """Return whether the controllers of a workload are to exist."""
    if not run.request.traits.grouped and _another_runs(backend, observed):
        return False
    if ending is None:
        return True
    if ending.result or failed_and_stopped(run.request, observed.controllers):
        return False
    if run.request.stopped and kueue_owned(run.pods):
        return False  # Kueue would start a Job that we suspend
    # A new run needs a revision of its own: the one before was for another run, which may not be allowed any more.
    made = any(live.kind in backend.controllers for live in observed.controllers)
    made = made or (run.request.traits.grouped and bool(observed.controllers)) or ending.between_attempts
    return made or not (refused or revision.restarted_at != run.request.restarted_at)


def _another_runs(backend: Backend, observed: ObservedState) -> bool:
    """Return whether a controller of another kind, or a pod of one, is still there: two would use the same volumes."""
    if any(live.kind not in backend.controllers for live in observed.controllers):
        return True
    pods = (pod for pod in observed.pods if phase(pod) not in ("Failed", "Succeeded"))
    kinds = {"StatefulSet", "Job"} - set(backend.controllers)
    references = (ref for pod in pods for ref in pod.body["metadata"].get("ownerReferences") or ())
    return any(ref.get("controller") and ref["kind"] in kinds for ref in references)


def kept(observed: ObservedState, revision: Revision, ending: Ending | None) -> Iterator[Manifest]:
    """Yield the controllers of a run that is over: they stay as they are for a while, with their pods and logs.

    Those of a group stay as cleanPodPolicy says.
    """
    if ending is None or not ending.result or ending.expired:
        return
    policy = getattr(revision.spec, "clean_pod_policy", None) or "Running"
    grouped = traits_of(revision.type).grouped
    for live in observed.controllers:
        active = live.kind == "Job" and bool((live.body.get("status") or {}).get("active"))
        goes = (policy == "Running" and active) or (policy == "All" and not ending.unwritten)
        if not (grouped and goes):
            yield {"kind": live.kind, "metadata": live.body["metadata"]}
