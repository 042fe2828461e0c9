"""The plan of a workload: renew its revision when due, keep the children equal to it, report their state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from outfitter.api.v1alpha1 import runs_to_end
from outfitter.backends import Run, backend_of, backend_that_runs, child_kinds
from outfitter.observe import State
from outfitter.plan.diff import Diff, diff, prune
from outfitter.plan.workload import buckets, children, group_change, hosts, model_cache, rollout, shared_claims
from outfitter.plan.workload import revision as revisions
from outfitter.plan.workload.activity import undisturbed, watcher_problems
from outfitter.plan.workload.causes import claim_problems, remarks
from outfitter.plan.workload.delivery import Delivery, deliver
from outfitter.plan.workload.ending import (
    COMPLETED,
    Ending,
    attempt_of,
    begun,
    disruptions_of,
    judge,
    result_of,
    seen_run,
)
from outfitter.plan.workload.group import gang, group_facts, silent
from outfitter.plan.workload.group_change import GroupChange
from outfitter.plan.workload.halting import start_fact, with_halt
from outfitter.plan.workload.observed import ObservedState, observe_workload
from outfitter.plan.workload.renewal import Renewal, renew
from outfitter.plan.workload.revision import Revision
from outfitter.plan.workload.scale import Scale, judge_scale, scale_facts, with_scale
from outfitter.plan.workload.status import (
    ended_status,
    progress_facts,
    running_status,
    serving_facts,
    violation_rows,
    waiting_status,
)
from outfitter.plan.writes import Delete, Plan
from outfitter.policy.scaling import own_scaling
from outfitter.problems import Problem, note, serious
from outfitter.reasons import Level, Reason
from outfitter.render import connection
from outfitter.render.connection import Endpoints
from outfitter.render.one_service import in_one_service
from outfitter.resolve.identity import author, shown_author
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.template import with_scaling
from outfitter.snapshot import Key, Reader

_NEXT_STEP = 0.1  # seconds


def plan_workload(reader: Reader, request: WorkloadRequest) -> Plan:
    """Plan everything that runs: a Workspace, an Inference, or a definition with `run`."""
    observed = observe_workload(reader, request.resource)
    request = replace(request, author=author(reader, request.resource.live))
    if request.traits.serves:
        request = replace(request, running=observed.groups)
    asked = request
    request = _as_it_may_run(reader, request, observed)
    renewal = renew(reader, request, observed, seen_run(request, observed))
    if renewal.revision is None:
        return _without_revision(reader, request, observed, renewal)
    if (
        not renewal.new
        and renewal.revision.restarted_at != request.restarted_at
        and runs_to_end(request.traits, renewal.revision.spec)
    ):
        # A restart that is refused: the run before stays what it is.
        asked = replace(asked, restarted_at=renewal.revision.restarted_at)
        request = _as_it_may_run(reader, asked, observed)
    scale = _scale(reader, request, renewal, renewal.revision)
    refused = not renewal.may_start or (observed.was_stopped and serious(renewal.problems))
    if refused and not request.stopped:
        request = replace(request, stopped=True)  # a start that is refused leaves the workload stopped
    return _with_revision(reader, with_scale(request, scale), observed, renewal, renewal.revision, scale)


def _as_it_may_run(reader: Reader, request: WorkloadRequest, observed: ObservedState) -> WorkloadRequest:
    """Return the request: not stopped where a run has completed, and stopped where Outfitter stopped it."""
    seen = seen_run(request, observed)
    if result_of(request, seen) == COMPLETED:
        return replace(request, stopped=False)  # there is nothing to stop
    return with_halt(reader, request, observed.revision, observed.pods, seen)


def _scale(reader: Reader, request: WorkloadRequest, renewal: Renewal, revision: Revision) -> Scale:
    """Return the autoscaling in effect; a new revision was judged as a whole."""
    if renewal.new or not request.traits.scales:
        return Scale(own_scaling(request))
    return judge_scale(reader, request, revision)


def _without_revision(reader: Reader, request: WorkloadRequest, observed: ObservedState, renewal: Renewal) -> Plan:
    status = waiting_status(request, renewal.problems)
    ending = judge(reader, request, None, seen_run(request, observed))
    if ending is not None and ending.result:  # the revision was deleted
        over = prune(reader, request.resource, child_kinds(), ()) if ending.expired else ()
        return Plan(ended_status(request, ending, None, renewal.problems), tuple(over))
    facts = {**(renewal.resolved.facts if renewal.resolved else {}), **progress_facts(ending)}
    own = {"author": shown_author(reader, request.resource.live), "violations": violation_rows(renewal.violations)}
    status = replace(status, facts={**status.facts, **facts, **own})
    # Services are created in parallel with the first revision, which may be rejected: the workload never started.
    never_started = not observed.controllers and not observed.revisions
    left = prune(reader, request.resource, ("Service", "Secret"), ()) if never_started else ()
    writes = (*model_cache.on_demand(renewal.resolved), *left)
    also = model_cache.shared_cache(status.facts) | shared_claims.awaited(reader, renewal.resolved)
    return Plan(status, writes, also_reconcile=also, replan_after_write=_cache_again(renewal))


def _with_revision(
    reader: Reader,
    request: WorkloadRequest,
    observed: ObservedState,
    renewal: Renewal,
    revision: Revision,
    scale: Scale,
) -> Plan:
    request = with_scaling(request, revision.submission)
    attempt, disruptions = attempt_of(request, seen_run(request, observed)), disruptions_of(request)
    request = replace(request, attempt=attempt, disruptions=disruptions)
    exposed = getattr(revision.spec, "master_spec", None) or revision.spec
    exposure = connection.endpoints(exposed, request.name, request.namespace, reader.settings)
    if revision.one_service:
        exposure = in_one_service(exposure, revision.groups[0].port)
    run = Run(request, revision.groups, revision.name, exposure, revision.spec, reader.settings)
    conflicts = hosts.host_conflicts(reader, request.resource, hosts.hosts(reader, run))
    ending = judge(reader, request, revision, seen_run(request, observed))
    refused = serious(renewal.problems) and not renewal.new
    made = children.wanted(reader, run, revision, observed, ending, refused=refused)
    changed = group_change.change(reader, run, made, observed, ending) if request.traits.grouped else GroupChange(made)
    if ending is not None and (changed.announce or changed.deletions):
        ending = ending.without_uid()
    wanted = [item for item in changed.wanted if not _in_conflict(item, conflicts)]
    manifest = [revisions.manifest(revision, request.resource)] if renewal.new else []
    result = diff(reader, request.resource, [*manifest, *wanted])
    volumes = buckets.volumes(reader, request.resource, revision, wanted)
    writes = [*rollout.ordered(reader, observed, result, wanted), *volumes.writes, *changed.deletions]
    otherwise: tuple[Delete, ...] = ()
    if request.traits.grouped:
        group = group_change.all_or_none(writes, wanted, result, observed.controllers)
        writes, otherwise = group.writes, group.otherwise
    kept = [*changed.stays(), *children.kept(observed, revision, ending)]
    pending = bool(writes)
    # Everything about a new workload is known in advance, except the node ports that the API server chooses.
    foreseen = not result.live and all(item.type != "NodePort" for item in exposure.inside)
    new_run = begun(reader, request, revision, ending, writes) if ending is not None and foreseen else None
    ending, seen = (new_run[0], replace(observed, controllers=new_run[1])) if new_run else (ending, observed)
    backend = backend_of(request.traits, revision.spec)
    running = backend_that_runs(request.traits, revision.spec, seen.controllers)
    state = undisturbed(running.observe(seen.controllers, observed.pods))
    settled = not pending and not changed.moves and not renewal.new and state.state.state is State.READY
    secrets = _secrets(reader, request, observed, revision, ending, settled=settled)
    problems = [
        *dict.fromkeys((*renewal.problems, *scale.problems)),
        *(() if renewal.new else backend.limits(run)),
        *_draft_note(reader, request, revision),
        *conflicts.values(),
        *result.problems,
        *volumes.problems,
        *secrets.problems,
        *(() if renewal.new else (*revision.notes, *_serious_only(exposure.problems))),
        *(silent(reader, observed) if request.traits.grouped else ()),
        *group_change.remarks(changed, run),
        *claim_problems(reader, [live for live in result.live.values() if live.kind == "PersistentVolumeClaim"]),
        *watcher_problems(request, revision, state.pods.candidates),
        *remarks(reader, run, state.pods, result.live.values(), ready=state.state.state is State.READY),
    ]
    changes = (pending and not new_run) or changed.moves
    status = running_status(reader, run, seen, revision, state, problems, pending=changes, ending=ending)
    facts: dict[str, Any] = {
        **status.facts,
        **({} if ending else start_fact(reader, request, revision, observed.pods, settled=settled)),
        "author": shown_author(reader, request.resource.live),
        "connections": _connections(request, exposure, result, conflicts, ending),
        **(model_cache.cache_facts(reader, request.namespace, revision.facts or {}) if request.traits.serves else {}),
        **serving_facts(reader, run, observed, revision),
        "imposedDataSources": (revision.facts or {}).get("imposedDataSources"),
        **(group_facts(run, seen, ended=bool(ending and ending.result)) if request.traits.grouped else {}),
        "violations": violation_rows(tuple(dict.fromkeys((*renewal.violations, *scale.violations)))),
        **(scale_facts(request, scale) if request.traits.scales else {}),
    }
    return Plan(
        replace(status, facts=facts, others=gang(run) if request.traits.grouped else ()),
        (
            *secrets.writes,
            *(model_cache.on_demand(renewal.resolved) or model_cache.restored(reader, request, revision)),
            *writes,
            *rollout.unused(prune(reader, request.resource, child_kinds(), [*wanted, *kept, *volumes.kept]), result),
            *rollout.old_revisions(observed, revision),
            *rollout.stuck_pods(state.pods.unready_outdated, pending=pending),
        ),
        requeue=_NEXT_STEP if ending is not None and ending.goes_on else None,
        also_reconcile=shared_claims.awaited(reader, renewal.resolved),
        otherwise=otherwise,
        replan_after_write=(pending and (not foreseen or (ending is not None and not new_run)))
        or _cache_again(renewal),
        run_of=Key(new_run[1][0].kind, request.namespace, new_run[0].record["uid"]) if new_run else None,
    )


def _secrets(
    reader: Reader,
    request: WorkloadRequest,
    observed: ObservedState,
    revision: Revision,
    ending: Ending | None,
    *,
    settled: bool,
) -> Delivery:
    """Return the Secrets with private Credentials; none for a workload that was never started, or has ended."""
    if (request.stopped and not observed.controllers) or (ending is not None and ending.result):
        return Delivery(tuple(prune(reader, request.resource, ("Secret",), ())))
    return deliver(reader, request, revision, observed, settled=settled)


def _cache_again(renewal: Renewal) -> bool:
    """Return whether a NimCache is deleted that the next plan creates again."""
    return renewal.resolved is not None and renewal.resolved.outgrown_cache is not None


def _connections(
    request: WorkloadRequest,
    exposure: Endpoints,
    result: Diff,
    conflicts: Mapping[str, Problem],
    ending: Ending | None,
) -> list[Any] | None:
    """Return where the workload can be reached, and its links to other systems."""
    inside = (
        () if ending is not None and ending.expired else hosts.reached(request.resource, exposure, result, conflicts)
    )
    return [*inside, *exposure.links] or None


def _in_conflict(manifest: Mapping[str, Any], conflicts: Mapping[str, Problem]) -> bool:
    return manifest["kind"] == "Ingress" and manifest["metadata"]["name"] in conflicts


def _serious_only(problems: Sequence[Problem]) -> Iterator[Problem]:
    return (problem for problem in problems if problem.level > Level.NOTE)


def _draft_note(reader: Reader, request: WorkloadRequest, revision: Revision) -> Iterator[Problem]:
    """Yield the note that a draft runs, which may change at any time."""
    if revision.artifact is None:
        return
    resource = reader.resource("Artifact", request.namespace, revision.artifact["name"])
    if (
        resource is not None
        and resource.live.uid == revision.artifact["uid"]
        and not resource.body["spec"].get("locked")
    ):
        text = f"{resource.key} is a draft, which can change. Lock the Artifact to run a fixed version."
        yield note(Reason.DRAFT, text, "spec.artifact")


def combined(plan: Plan, facts: dict[str, Any], problems: list[Problem]) -> Plan:
    """Return a workload's plan for an asset that has facts and problems of its own."""
    status = plan.status
    merged = replace(status, facts={**facts, **status.facts}, problems=(*problems, *status.problems))
    return replace(plan, status=merged)
