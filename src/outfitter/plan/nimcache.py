"""The plan of a NimCache: a claim that a Job fills once. A failed Job is retried with back-off.

One module: claim, Job and attempts are the steps of one state machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from outfitter.api.patterns import tag_can_move
from outfitter.api.v1alpha1.nimcache import NimCache, NimCacheSpec
from outfitter.canonical import stamp
from outfitter.children import observe
from outfitter.naming import ANNOTATION_ATTEMPT, ANNOTATION_SOURCE_VERSION, LABEL_FILLED
from outfitter.observe import Observation, State, field_names, newest_message, observe_download, refusal
from outfitter.plan.diff import diff
from outfitter.plan.idle import IdleTimer, instant
from outfitter.plan.nim_sharing import share, unshareable
from outfitter.plan.on_demand import replaceable, replaced_by_user
from outfitter.plan.used_by import used_by
from outfitter.plan.workload.causes import claim_problem, claim_problems
from outfitter.plan.writes import Create, Delete, Plan, Write, WritePhase, in_phase
from outfitter.policy.builtin import reserved_path, type_conflicts
from outfitter.policy.capabilities import SUBMISSION, unsupported
from outfitter.problems import Problem, note, waiting, without_notes
from outfitter.reasons import Level, Reason
from outfitter.render import nimcache
from outfitter.resolve.nim import CACHE_VARIABLE, given_cache_path
from outfitter.resolve.references import DOWNLOAD_TYPE, AssetUse, Found, check_variables, credential_key
from outfitter.resolve.scheduling import queue_of
from outfitter.resolve.scope import is_wide, scope_problem
from outfitter.resolve.workload import pull_secrets
from outfitter.snapshot import CachedObject, Reader, Resource
from outfitter.status import StatusInput, timestamp

FIRST_RETRY = 30.0  # seconds after a failed attempt; doubled each time
LONGEST_RETRY = 1800.0


def plan_nim_cache(reader: Reader, resource: Resource) -> Plan:
    """Plan a NimCache."""
    assert isinstance(resource.model, NimCache)
    spec = resource.model.spec
    facts: dict[str, Any] = {"usedBy": used_by(reader, reader.users)}
    problem = scope_problem(resource, reader.settings.system_namespace)
    one_volume = spec.sharing == "staticPV"
    if problem is None and one_volume:
        problem = unshareable(reader, resource)
    if problem is not None:
        facts["phase"] = "Failed"
        return Plan(StatusInput(False, problem.reason, "", (problem,), facts, (0, 1)))
    if is_wide(resource, reader.settings.system_namespace) and spec.claim_name is None and not one_volume:
        facts["phase"] = "Ready"
        return Plan(
            StatusInput(True, Reason.VALID, "Each namespace fills its own cache from this spec.", (), facts, (1, 1))
        )
    idle = IdleTimer.of(reader, resource)
    if idle.over or replaced_by_user(reader, resource):
        return Plan(StatusInput(True, Reason.DELETING, "", (), facts), (Delete(resource.live),))
    facts["unusedSince"] = idle.since
    plan = _existing(reader, resource, spec, facts) if spec.claim_name else _filled(reader, resource, spec, facts)
    plan = share(reader, resource, plan) if one_volume else plan
    delays = [delay for delay in (plan.requeue, idle.requeue) if delay is not None]
    also = plan.also_reconcile | replaceable(reader, resource)
    status = replace(plan.status, problems=(*plan.status.problems, *_moving_tag(spec)))
    return replace(plan, status=status, requeue=min(delays, default=None), also_reconcile=also)


def _moving_tag(spec: NimCacheSpec) -> Iterator[Problem]:
    """Yield a note if the registry can change the image that names the model."""
    if tag_can_move(spec.image):
        text = (
            f"The registry can change image {spec.image}, and the cache keeps the model of the first download. "
            "Use a version tag or a digest."
        )
        yield note(Reason.MOVING_TAG, text, "spec.image")


def _existing(reader: Reader, resource: Resource, spec: NimCacheSpec, facts: dict[str, Any]) -> Plan:
    """Plan a cache whose claim holds the model already."""
    name, namespace = spec.claim_name or "", resource.live.namespace
    facts["claimName"] = name
    live = reader.get("PersistentVolumeClaim", namespace, name)
    if live is None:
        text = f"PersistentVolumeClaim {namespace}/{name} does not exist. Create it."
        problem = waiting(Reason.NOT_CREATED, text, "spec.claimName")
        return Plan(StatusInput(False, problem.reason, "", (problem,), {**facts, "phase": "Pending"}, (0, 1)))
    broken = claim_problem(reader, live, "spec.claimName")
    if broken is not None:
        return Plan(StatusInput(False, broken.reason, "", (broken,), {**facts, "phase": "Failed"}, (0, 1)))
    return Plan(StatusInput(True, Reason.READY, "", (), {**facts, "phase": "Ready"}, (1, 1)))


def _filled(reader: Reader, resource: Resource, spec: NimCacheSpec, facts: dict[str, Any]) -> Plan:
    """Plan a cache with a claim of its own and the Job that fills it."""
    live, previous = resource.live, resource.body.get("status") or {}
    facts["claimName"] = live.name
    held = reader.get_untracked("PersistentVolumeClaim", live.namespace, live.name)
    ours = held is not None and held.owner == live.uid and not held.deleting
    jobs = _jobs(reader, resource)
    marked = ours and LABEL_FILLED in (held.body["metadata"].get("labels") or {}) if held else False
    complete = bool(jobs) and ours and _after(jobs[-1], held) and observe(jobs[-1]).state is State.READY
    claim = nimcache.claim(resource, spec, reader.settings, filled=marked or complete)
    result = diff(reader, resource, [claim])
    problems = [*result.problems, *_claim_problems(reader, held)]
    if marked or complete:
        ended = jobs[-1].body.get("status") or {} if jobs else {}
        facts |= {"phase": "Ready", "attempts": 0}
        facts["completedAt"] = previous.get("completedAt") or ended.get("completionTime") or timestamp(reader.now)
        gone = [Delete(job, phase=WritePhase.CLEANUP) for job in jobs if marked and not job.deleting]
        serious = any(problem.level > Level.NOTE for problem in problems)
        draft = StatusInput(not serious, Reason.READY, "", tuple(problems), facts, (1, 1))
        # The Job is deleted once the cached claim has the label: that is another reconciliation.
        return Plan(draft, (*result.writes, *gone), replan_after_write=bool(result.writes))
    if held is not None and not ours:
        facts["phase"] = "Pending"
        over = tuple(
            Delete(job) for job in jobs if held.deleting and not job.deleting
        )  # their pods would hold the claim
        return Plan(_draft(facts, problems, Reason.PENDING), over)
    stale = [
        Delete(job, phase=WritePhase.CLEANUP)
        for job in jobs
        if ours and held and not _after(job, held) and not job.deleting
    ]
    return _download(reader, resource, spec, facts, jobs, result.writes, stale, problems)


def _after(job: CachedObject, held: CachedObject | None) -> bool:
    """Return whether a Job ran on the current claim and not on an earlier one."""
    if held is None:
        return False
    made, claimed = (item.body["metadata"].get("creationTimestamp", "") for item in (job, held))
    return bool(made >= claimed)


def _jobs(reader: Reader, resource: Resource) -> list[CachedObject]:
    live = resource.live
    found = [each for each in reader.children(live) if each.kind == "Job" and each.controller == live.uid]
    found = [each for each in found if each.namespace == live.namespace]
    return sorted(found, key=_attempt)


def _attempt(job: CachedObject) -> int:
    number = (job.body["metadata"].get("annotations") or {}).get(ANNOTATION_ATTEMPT, "")
    return int(number) if number.isdecimal() else 1  # others can change it


def _claim_problems(reader: Reader, held: CachedObject | None) -> list[Problem]:
    return list(claim_problems(reader, [held] if held is not None else []))


def _download(
    reader: Reader,
    resource: Resource,
    spec: NimCacheSpec,
    facts: dict[str, Any],
    jobs: list[CachedObject],
    first: list[Write],
    stale: list[Delete],
    problems: list[Problem],
) -> Plan:
    """Plan the next step of the download."""
    version, found = _wanted_key(reader, resource, spec)
    found.problems += unsupported(resource.body["spec"], SUBMISSION, reader.settings)
    gpus = nimcache.gpu_problems(spec, reader.settings)
    found.problems += without_notes(gpus)
    problems += [*found.problems, *(item for item in gpus if item.level is Level.NOTE)]
    queue = queue_of(reader, resource.live.namespace)
    assert isinstance(queue, str), "a download names no queue"
    current = [job for job in jobs if job.uid not in {item.live.uid for item in stale}]
    pull = pull_secrets(reader, resource.live.namespace, nimcache.submission(spec), [spec.image], found, DOWNLOAD_TYPE)
    if found.problems or stale:
        facts["phase"] = "Pending"
        return Plan(_draft(facts, problems, Reason.PENDING), (*first, *stale), replan_after_write=bool(first))
    attempt = _attempt(current[-1]) if current else 0
    if current and not current[-1].deleting:
        seen = observe_download(reader, current[-1], _pods(reader, resource, current[-1]))
        used = (current[-1].body["metadata"].get("annotations") or {}).get(ANNOTATION_SOURCE_VERSION, "")
        job, wrong = nimcache.job(resource, spec, attempt, used, pull, reader.settings, queue, as_made=current[-1])
        kept = diff(reader, resource, [job])
        # The kubelet backs off image pulls; with a new key the next pull can succeed at once.
        rotated = seen.reason == Reason.IMAGE_PULL_FAILED and used != version
        if kept.writes or (seen.state is not State.FAILED and not rotated):
            # The template changed: this attempt starts again.
            return _under_way(reader, resource, facts, current[-1], seen, [*first, *kept.writes], [*problems, *wrong])
        wait = _wait(reader, current[-1], attempt) if used == version else 0.0
        if wait > 0:
            return _failed(reader, facts, current[-1], seen, attempt, wait, first, problems)
    job, wrong = nimcache.job(resource, spec, attempt + 1, version, pull, reader.settings, queue)
    facts |= {"phase": "Downloading", "jobName": job["metadata"]["name"], "attempts": attempt + 1}
    before = resource.body.get("status") or {}
    facts["failure"] = before.get("failure") if attempt else None
    over = [Delete(item, phase=WritePhase.CLEANUP) for item in current if not item.deleting]
    # The Job needs its claim: the scheduler would report a missing one.
    writes = (*in_phase(WritePhase.DEPENDENCY, first), Create(stamp(job)), *over)
    return Plan(_draft(facts, [*problems, *wrong], Reason.DOWNLOADING), writes, replan_after_write=True)


def _wanted_key(reader: Reader, resource: Resource, spec: NimCacheSpec) -> tuple[str, Found]:
    """Return the versions of the Credentials that a download would use, and what is missing."""
    found = Found()
    version = ""
    if spec.credential is not None:
        answer = credential_key(reader, resource.live.namespace, spec.credential, "NGC_API_KEY", "spec.credential")
        if isinstance(answer, Problem):
            found.problems.append(answer)
            return "", found
        version = answer.version
        found.uses.append(AssetUse(answer.asset, "spec.credential"))
    workload = nimcache.submission(spec)
    given = workload.model_copy(
        update={
            "environment_variables": tuple(
                item for item in workload.environment_variables if item.name != "NGC_API_KEY" or not spec.credential
            )
        }
    )
    check_variables(reader, resource.live.namespace, given, found)
    found.problems += type_conflicts(found.uses, DOWNLOAD_TYPE)
    path = given_cache_path(spec.environment_variables, "spec.environmentVariables")
    field = f"spec.environmentVariables[{CACHE_VARIABLE}]"
    wrong = reserved_path(path, "The volume of the model", field) if isinstance(path, str) else path
    found.problems += [wrong] if wrong else []
    versions = (version, *sorted(source.version for source in found.sources.values()))
    return ",".join(filter(None, versions)), found


def _pods(reader: Reader, resource: Resource, job: CachedObject) -> list[CachedObject]:
    names = ("batch.kubernetes.io/job-name", "job-name")
    found = []
    for pod in reader.children(resource.live):
        labels = pod.body["metadata"].get("labels") or {} if pod.controller == job.uid else {}
        if job.name in (labels.get(name) for name in names):
            found.append(pod)
    return found


def _draft(facts: Mapping[str, Any], problems: list[Problem], reason: Reason) -> StatusInput:
    text = "The model is being downloaded." if reason == Reason.DOWNLOADING else ""
    before = (facts.get("failure") or {}).get("message")
    if text and before:
        text = f"The model is being downloaded again after a failure. {before}"
    return StatusInput(False, reason, text, tuple(problems), facts, (0, 1))


def _under_way(
    reader: Reader,
    resource: Resource,
    facts: dict[str, Any],
    job: CachedObject,
    seen: Observation,
    writes: list[Write],
    problems: list[Problem],
) -> Plan:
    """Report a running Job and the obstacles of its pod; the kubelet keeps trying."""
    status = job.body.get("status") or {}
    started = status.get("startTime")
    before = resource.body.get("status") or {}
    facts |= {
        "phase": "Downloading",
        "jobName": job.name,
        "attempts": _attempt(job),
        "progress": {"startedAt": started} if started else None,
        "failure": before.get("failure") if _attempt(job) > 1 else None,
    }
    if not status.get("active"):
        message = newest_message(reader, job)
        seen = refusal(message, field_names("NimCache")) if message else seen
    told = {problem.message for problem in problems}
    if seen.message and seen.reason != Reason.PROGRESSING and seen.message not in told:
        problems = [*problems, Problem(seen.reason, seen.message, seen.reason.level)]
    return Plan(_draft(facts, problems, Reason.DOWNLOADING), tuple(writes), replan_after_write=bool(writes))


def _ended(reader: Reader, job: CachedObject) -> datetime:
    conditions = (job.body.get("status") or {}).get("conditions") or ()
    times = [item.get("lastTransitionTime") for item in conditions if item["type"] == "Failed"]
    return instant(times[0] if times else None, reader.now)


def _wait(reader: Reader, job: CachedObject, attempt: int) -> float:
    """Return the seconds until the next attempt."""
    delay = min(FIRST_RETRY * 2.0 ** min(attempt - 1, 10), LONGEST_RETRY)
    return delay - (reader.now - _ended(reader, job)).total_seconds()


def _failed(
    reader: Reader,
    facts: dict[str, Any],
    job: CachedObject,
    seen: Observation,
    attempt: int,
    wait: float,
    first: list[Write],
    problems: list[Problem],
) -> Plan:
    ended = _ended(reader, job)
    delay = min(FIRST_RETRY * 2.0 ** min(attempt - 1, 10), LONGEST_RETRY)
    facts |= {
        "phase": "Failed",
        "jobName": job.name,
        "attempts": attempt,
        "failure": {"reason": str(seen.reason), "message": seen.message, "time": timestamp(ended)},
        "nextAttemptAt": timestamp(ended + timedelta(seconds=delay)),
    }
    problems = [*problems, waiting(seen.reason, seen.message)]
    return Plan(_draft(facts, problems, seen.reason), tuple(first), wait + 0.1)
