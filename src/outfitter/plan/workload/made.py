"""The children of a workload with a revision: which it is to have, which exist, and what to write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from outfitter.backends import Run, backend_of, progress
from outfitter.plan.diff import Diff, diff
from outfitter.plan.workload import buckets, children, group_change, hosts, rollout
from outfitter.plan.workload import revision as revisions
from outfitter.plan.workload.buckets import Volumes
from outfitter.plan.workload.ending import Ending, attempt_of, disruptions_of, judge, recorded, seen_run
from outfitter.plan.workload.group_change import GroupChange
from outfitter.plan.workload.observed import ObservedState
from outfitter.plan.workload.renewal import Renewal
from outfitter.plan.workload.revision import Revision
from outfitter.plan.writes import Create, Delete, Write
from outfitter.problems import Problem, serious
from outfitter.render import connection
from outfitter.render.one_service import in_one_service
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.template import with_scaling
from outfitter.snapshot import CachedObject, Key, Reader
from outfitter.status import timestamp

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Made:
    """The children of a workload.

    `seen`: what is observed, with the controllers of a first run as they will be after the writes. `run_of`: whose uid
    the record of that run gets. `stays`: all that is not deleted. `foreseen`: the status after the writes is known.
    """

    run: Run
    conflicts: Mapping[str, Problem]
    changed: GroupChange
    result: Diff
    volumes: Volumes
    writes: tuple[Write, ...]
    otherwise: tuple[Delete, ...]
    stays: tuple[Manifest, ...]
    ending: Ending | None
    seen: ObservedState
    foreseen: bool
    run_of: Key | None = None


def make(
    reader: Reader, request: WorkloadRequest, observed: ObservedState, renewal: Renewal, revision: Revision
) -> Made:
    """Compare the children that a revision renders with those that exist."""
    run = _run(reader, request, observed, revision)
    request, ending = run.request, judge(reader, request, revision, seen_run(request, observed))
    conflicts = hosts.host_conflicts(reader, request.resource, hosts.hosts(reader, run))
    refused = serious(renewal.problems) and not renewal.new
    found = children.wanted(reader, run, revision, observed, ending, refused=refused)
    grouped = request.traits.grouped
    changed = group_change.change(reader, run, found, observed, ending) if grouped else GroupChange(found)
    if ending is not None and (changed.announce or changed.deletions):
        ending = ending.without_uid()
    wanted = [item for item in changed.wanted if not _in_conflict(item, conflicts)]
    manifest = [revisions.manifest(revision, request.resource)] if renewal.new else []
    result = diff(reader, request.resource, [*manifest, *wanted])
    volumes = buckets.volumes(reader, request.resource, revision, wanted)
    writes = [*rollout.ordered(reader, observed, result, wanted), *volumes.writes, *changed.deletions]
    otherwise: tuple[Delete, ...] = ()
    if grouped:
        group = group_change.all_or_none(writes, wanted, result, observed.controllers)
        writes, otherwise = group.writes, group.otherwise
    stays = (*wanted, *changed.stays(), *children.kept(observed, revision, ending), *volumes.kept)
    # Everything about a new workload is known in advance, except the node ports that the API server chooses.
    foreseen = not result.live and all(item.type != "NodePort" for item in run.exposure.inside)
    made = Made(run, conflicts, changed, result, volumes, tuple(writes), otherwise, stays, ending, observed, foreseen)
    return made if ending is None else _with_first_run(reader, made, ending, revision)


def _run(reader: Reader, request: WorkloadRequest, observed: ObservedState, revision: Revision) -> Run:
    request = with_scaling(request, revision.submission)
    attempt, disruptions = attempt_of(request, seen_run(request, observed)), disruptions_of(request)
    request = replace(request, attempt=attempt, disruptions=disruptions)
    exposed = getattr(revision.spec, "master_spec", None) or revision.spec
    exposure = connection.endpoints(exposed, request.name, request.namespace, reader.settings)
    if revision.one_service:
        exposure = in_one_service(exposure, revision.groups[0].port)
    return Run(request, revision.groups, revision.name, exposure, revision.spec, reader.settings)


def _with_first_run(reader: Reader, made: Made, ending: Ending, revision: Revision) -> Made:
    """Return the children of what ends: only a first run is known in advance, all but the uid of its controller.

    Instead of that, which the API server gives, a controller has its name, and so has the record of the run.
    """
    request = made.run.request
    if not made.foreseen or ending.record or recorded(request):
        return replace(made, foreseen=False)
    kinds = backend_of(request.traits, revision.spec).controllers
    created = [dict(write.manifest) for write in made.writes if isinstance(write, Create)]
    now = timestamp(reader.now)
    controllers = tuple(
        CachedObject.of(
            {**item, "metadata": {**item["metadata"], "uid": item["metadata"]["name"], "creationTimestamp": now}}
        )
        for item in created
        if item["kind"] in kinds
    )
    first = judge(reader, request, revision, progress(request.traits, controllers))
    if first is None or not first.record.get("uid"):
        return replace(made, foreseen=False)
    run_of = Key(controllers[0].kind, request.namespace, first.record["uid"])
    return replace(made, ending=first, seen=replace(made.seen, controllers=controllers), run_of=run_of)


def _in_conflict(manifest: Manifest, conflicts: Mapping[str, Problem]) -> bool:
    return manifest["kind"] == "Ingress" and manifest["metadata"]["name"] in conflicts
