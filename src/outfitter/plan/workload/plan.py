"""The plan of a workload: renew its revision when due, keep the children equal to it, report their state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from outfitter.api.v1alpha1 import runs_to_end
from outfitter.backends import ControllerState, backend_of, backend_that_runs, child_kinds
from outfitter.observe import State
from outfitter.plan.diff import prune
from outfitter.plan.workload import group_change, hosts, model_cache, rollout, shared_claims
from outfitter.plan.workload.activity import undisturbed, watcher_problems
from outfitter.plan.workload.causes import claim_problems, remarks
from outfitter.plan.workload.decisions import decision
from outfitter.plan.workload.delivery import Delivery, deliver
from outfitter.plan.workload.ending import COMPLETED, Ending, judge, result_of, seen_run
from outfitter.plan.workload.group import gang, group_facts, silent
from outfitter.plan.workload.halting import start_fact, with_halt
from outfitter.plan.workload.made import Made, make
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
from outfitter.plan.writes import Plan
from outfitter.policy.scaling import own_scaling
from outfitter.problems import Problem, note, serious
from outfitter.reasons import Level, Reason
from outfitter.resolve.identity import author, shown_author
from outfitter.resolve.request import WorkloadRequest
from outfitter.snapshot import Reader

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
    made = make(reader, request, observed, renewal, revision)
    request, run, ending = made.run.request, made.run, made.ending
    running = backend_that_runs(request.traits, revision.spec, made.seen.controllers)
    state = undisturbed(running.observe(made.seen.controllers, observed.pods))
    pending = bool(made.writes)
    settled = not pending and not made.changed.moves and not renewal.new and state.state.state is State.READY
    secrets = _secrets(reader, request, observed, revision, ending, settled=settled)
    problems = [
        *dict.fromkeys((*renewal.problems, *scale.problems)),
        *made.conflicts.values(),
        *made.result.problems,
        *made.volumes.problems,
        *secrets.problems,
        *_remarks(reader, renewal, revision, made, state),
    ]
    changes = (pending and not made.run_of) or made.changed.moves
    status = running_status(reader, run, made.seen, revision, state, problems, pending=changes, ending=ending)
    facts: dict[str, Any] = {
        **status.facts,
        **({} if ending else start_fact(reader, request, revision, observed.pods, settled=settled)),
        "author": shown_author(reader, request.resource.live),
        "connections": _connections(request, made),
        **(model_cache.cache_facts(reader, request.namespace, revision.facts or {}) if request.traits.serves else {}),
        **serving_facts(reader, run, observed, revision),
        "imposedDataSources": (revision.facts or {}).get("imposedDataSources"),
        **(group_facts(run, made.seen, ended=bool(ending and ending.result)) if request.traits.grouped else {}),
        "violations": violation_rows(tuple(dict.fromkeys((*renewal.violations, *scale.violations)))),
        **(scale_facts(request, scale) if request.traits.scales else {}),
    }
    return Plan(
        replace(status, facts=facts, others=gang(run) if request.traits.grouped else ()),
        (
            *secrets.writes,
            *(model_cache.on_demand(renewal.resolved) or model_cache.restored(reader, request, revision)),
            *made.writes,
            *rollout.unused(prune(reader, request.resource, child_kinds(), made.stays), made.result),
            *rollout.old_revisions(observed, revision),
            *rollout.stuck_pods(state.pods.unready_outdated, pending=pending),
        ),
        requeue=_NEXT_STEP if ending is not None and ending.goes_on else None,
        also_reconcile=shared_claims.awaited(reader, renewal.resolved),
        otherwise=made.otherwise,
        replan_after_write=(pending and not made.foreseen) or _cache_again(renewal),
        run_of=made.run_of,
        decision=decision(request, observed, renewal) if pending else None,
    )


def _remarks(
    reader: Reader, renewal: Renewal, revision: Revision, made: Made, state: ControllerState
) -> Iterator[Problem]:
    """Yield what is to be said of a workload that is not a problem of what is asked for."""
    request = made.run.request
    yield from _draft_note(reader, request, revision)
    if not renewal.new:  # else they are among its problems
        yield from backend_of(request.traits, revision.spec).limits(made.run)
        yield from revision.notes
        yield from _serious_only(made.run.exposure.problems)
    if request.traits.grouped:
        yield from silent(reader, made.seen)
    yield from group_change.remarks(made.changed, made.run)
    live = made.result.live.values()
    yield from claim_problems(reader, [each for each in live if each.kind == "PersistentVolumeClaim"])
    yield from watcher_problems(request, revision, state.pods.candidates)
    yield from remarks(reader, made.run, state.pods, live, ready=state.state.state is State.READY)


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


def _connections(request: WorkloadRequest, made: Made) -> list[Any] | None:
    """Return where the workload can be reached, and its links to other systems."""
    expired = made.ending is not None and made.ending.expired
    inside = () if expired else hosts.reached(request.resource, made.run.exposure, made.result, made.conflicts)
    return [*inside, *made.run.exposure.links] or None


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
