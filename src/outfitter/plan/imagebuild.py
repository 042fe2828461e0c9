"""The plan of an ImageBuild: one Job, once; its result stays in the status when the Job is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outfitter.api.patterns import IMAGE_PATTERN, matches
from outfitter.api.v1alpha1.imagebuild import BuildState, ImageBuild, ImageBuildSpec
from outfitter.naming import ANNOTATION_BUILD_DESTINATION, ANNOTATION_BUILD_SOURCE, build_job
from outfitter.observe import State, diagnose, field_names, newest_message, observe_pods, refusal
from outfitter.observe.builds import Built, built, revision
from outfitter.observe.controllers import observe_job
from outfitter.observe.downloads import failed_by_itself
from outfitter.plan.diff import diff
from outfitter.plan.writes import Delete, Plan
from outfitter.policy.capabilities import BUILDS
from outfitter.policy.elevation import elevated, forbidden
from outfitter.problems import Problem, stalled, waiting
from outfitter.reasons import Reason
from outfitter.render import imagebuild as render
from outfitter.resolve.artifact import ResolvedArtifact, definition
from outfitter.resolve.build_inputs import build_inputs
from outfitter.resolve.builds import ENDED, BuildSource
from outfitter.resolve.scope import elevation_allowed
from outfitter.snapshot import CachedObject, Reader, Resource
from outfitter.status import StatusInput, timestamp

_KEPT: Final = ("state", "source", "revision", "image", "job", "startedAt", "finishedAt", "logTail", "failure")
_ARTIFACT: Final = "spec.artifact"
_NEXT_STEP: Final = 0.1  # seconds
_REASONS: Final = {str(reason): reason for reason in Reason}


def plan_image_build(reader: Reader, resource: Resource) -> Plan:
    """Plan an ImageBuild."""
    assert isinstance(resource.model, ImageBuild)
    status = resource.body.get("status") or {}
    facts = {name: status[name] for name in _KEPT if name in status}
    if facts.get("state") in ENDED and "finishedAt" in facts:
        return _ended(facts)
    job = _job(reader, resource)
    if job is not None:
        return _with_job(reader, resource, resource.model.spec, job, facts)
    now = timestamp(reader.now)
    if resource.model.spec.cancel:
        return _ended({**facts, "state": BuildState.CANCELLED.value, "finishedAt": now})
    if "job" in facts:
        text = f"Job {facts['job']} of the build was deleted before Outfitter saw its result. Build again."
        return _ended(_lost(facts, now, text))
    return _start(reader, resource, resource.model.spec)


def _job(reader: Reader, resource: Resource) -> CachedObject | None:
    live = resource.live
    found = (each for each in reader.children(live) if each.kind == "Job" and each.controller == live.uid)
    return next((each for each in found if each.name == build_job(live.name)), None)


def _lost(facts: Mapping[str, Any], now: str, text: str) -> dict[str, Any]:
    failure = {"reason": str(Reason.JOB_DELETED), "message": text}
    return {**facts, "state": BuildState.UNKNOWN.value, "finishedAt": now, "failure": failure}


def _ended(facts: Mapping[str, Any]) -> Plan:
    """Report a build that has ended. Nothing changes it any more, and its Job deletes itself."""
    if facts["state"] == BuildState.COMPLETED:
        return Plan(StatusInput(True, Reason.COMPLETED, f"The image is {facts['image']}.", (), facts, (1, 1)))
    failure = facts.get("failure")
    if failure:
        problem = stalled(_REASONS.get(failure["reason"], Reason.BUILD_FAILED), failure["message"])
    else:
        problem = stalled(Reason.BUILD_CANCELLED, "The build was cancelled. To build again, create a new ImageBuild.")
    return Plan(StatusInput(False, problem.reason, "", (problem,), facts, (0, 1)))


def _start(reader: Reader, resource: Resource, spec: ImageBuildSpec) -> Plan:
    """Create the Job, once nothing is missing and the namespace has room for one more."""
    live = resource.live
    if not reader.settings.builds_images:
        return _refused([BUILDS.problem(_ARTIFACT)])
    found = _artifact(reader, resource, spec)
    if isinstance(found, Problem):
        return _refused([found])
    source = _source(found, spec)
    if isinstance(source, Problem):
        return _refused([source])
    inputs, problems = build_inputs(reader, live.namespace, live.name, spec.artifact.name, source)
    if inputs is None:
        return _refused(problems)
    manifest, problems = render.job(resource, inputs, reader.settings)
    if (beyond := elevated([manifest["spec"]["template"]])) and not elevation_allowed(reader, live.namespace):
        problems.append(forbidden(beyond, live.namespace))
    if problems:
        return _refused(problems)
    facts = {"state": BuildState.PENDING.value, "source": source.key}
    before, text = _has_others_before(reader, live), "The build waits for its turn."
    if before:
        most = reader.settings.builds_at_once
        text = f"Namespace {live.namespace} has {most} builds that come first. The build waits for its turn."
    if before or not _is_in_line(resource.body):
        waits = StatusInput(False, Reason.BUILD_WAITS, text, (), facts, (0, 1))
        return Plan(waits, requeue=None if before else _NEXT_STEP)
    result = diff(reader, resource, [manifest])
    draft = StatusInput(False, Reason.BUILDING, "The Job is being created.", tuple(result.problems), facts, (0, 1))
    return Plan(draft, tuple(result.writes), replan_after_write=True)


def _is_in_line(body: Mapping[str, Any]) -> bool:
    """Return whether the status of a build says what it is built from, so that it lacks nothing but its turn.

    It does so before it starts, so that builds that could start at the same moment see each other. It still does while
    the API server refuses its Job.
    """
    return "source" in (body.get("status") or {})


def _has_others_before(reader: Reader, live: CachedObject) -> bool:
    """Return whether other builds of the namespace leave no room: those that run, and older ones in line."""
    found = 0
    for other, older in reader.peers(live):
        body = other.body
        status = body.get("status") or {}
        if "finishedAt" in status:
            continue
        job = reader.get_untracked("Job", other.namespace, build_job(other.name))
        runs = job is not None and job.controller == other.uid
        found += runs or (older and _is_in_line(body) and not status.get("issues"))
    return found >= reader.settings.builds_at_once


def _refused(problems: list[Problem]) -> Plan:
    first = max(problems, key=lambda problem: problem.level)
    return Plan(StatusInput(False, first.reason, "", tuple(problems), {"state": BuildState.PENDING.value}, (0, 1)))


def _artifact(reader: Reader, resource: Resource, spec: ImageBuildSpec) -> ResolvedArtifact | Problem:
    """Return the Artifact, if its images can be built."""
    namespace, name = resource.live.namespace, spec.artifact.name
    live = reader.resource("Artifact", namespace, name)
    if live is None:
        text = f"Artifact {namespace}/{name} does not exist. Create it, or correct the name."
        return waiting(Reason.REFERENCE_NOT_FOUND, text, f"{_ARTIFACT}.name")
    found = definition(reader, live)
    if isinstance(found, Problem):
        return waiting(Reason.SOURCE_NOT_READY, f"{live.key} cannot be built yet. {found.message}", _ARTIFACT)
    if found.type == "nim":
        text = f"{live.key} has type nim, whose image comes from NVIDIA. Name an Artifact of type service."
        return stalled(Reason.NOT_BUILDABLE, text, _ARTIFACT)
    if (live.body.get("status") or {}).get("version") is not None:
        text = f"{live.key} is a locked version, which keeps its image. Clone the Artifact, and build the clone."
        return stalled(Reason.NOT_BUILDABLE, text, _ARTIFACT)
    if not found.built.sources:
        text = f"{live.key} has no container with imageBuildConfig. Add it, or name another Artifact."
        return stalled(Reason.NOT_BUILDABLE, text, _ARTIFACT)
    return found


def _source(found: ResolvedArtifact, spec: ImageBuildSpec) -> BuildSource | Problem:
    """Return the source that is to be built."""
    sources = found.built.sources
    key = found.resource.key
    if spec.container is None:
        if len(sources) == 1:
            return sources[0]
        names = ", ".join("/".join(item.places[0]) for item in sources)
        text = f"{key} has {len(sources)} sources, and a build makes one image. Set container to one of {names}."
        return stalled(Reason.INVALID_SPEC, text, "spec.container")
    wanted = found.built.source((spec.container.group, spec.container.name))
    if wanted is not None:
        return wanted
    names = ", ".join("/".join(place) for item in sources for place in item.places)
    text = (
        f"{key} has no container {spec.container.group}/{spec.container.name} with imageBuildConfig. Set container to "
        f"one of {names}."
    )
    return stalled(Reason.INVALID_SPEC, text, "spec.container")


def _with_job(
    reader: Reader, resource: Resource, spec: ImageBuildSpec, job: CachedObject, before: Mapping[str, Any]
) -> Plan:
    """Report a Job that runs or has ended, and end it if the build is cancelled."""
    marks = job.body["metadata"].get("annotations") or {}
    status = job.body.get("status") or {}
    pods = _pods(reader, resource, job)
    facts: dict[str, Any] = {
        "source": marks.get(ANNOTATION_BUILD_SOURCE) or before.get("source"),
        "job": job.name,
        "startedAt": status.get("startTime"),
        "revision": next(filter(None, map(revision, pods)), None),
    }
    seen = observe_job(job.body)
    outcome = next((found for pod in filter(failed_by_itself, pods) if (found := built(pod))), None)
    if outcome is not None:
        facts["logTail"] = outcome.log or None
    if seen.state is State.READY:
        facts["finishedAt"] = status.get("completionTime") or timestamp(reader.now)
        if isinstance(outcome, Built):
            image = f"{render.repository_of(marks.get(ANNOTATION_BUILD_DESTINATION, ''))}@{outcome.digest}"
            if not (facts["source"] and matches(IMAGE_PATTERN, image)):
                text = f"Somebody changed the annotations of Job {job.name}, which say what it builds. Build again."
                return _ended(_lost(facts, facts["finishedAt"], text))
            return _ended({**facts, "state": BuildState.COMPLETED.value, "image": image})
        if outcome is None:
            text = "The pod of the build was deleted before Outfitter read the digest of its image. Build again."
            return _ended(_lost(facts, facts["finishedAt"], text))
        return _ended(_failed(facts, outcome.reason, outcome.message))
    if seen.state is State.FAILED:
        facts["finishedAt"] = _end(job) or timestamp(reader.now)
        return _ended(_failed(facts, *_why(reader, job, pods, outcome, seen.reason)))
    if spec.cancel:
        writes = () if job.deleting else (Delete(job),)
        draft = StatusInput(False, Reason.STOPPING, "The build is being cancelled.", (), _progress(facts, pods), (0, 1))
        return Plan(draft, writes)
    return _under_way(reader, job, pods, facts, outcome)


def _under_way(
    reader: Reader, job: CachedObject, pods: list[CachedObject], facts: dict[str, Any], outcome: Any
) -> Plan:
    """Report a Job that runs: how far it is, and why it does not start."""
    if isinstance(outcome, Built):
        text = "The image is pushed."
        return Plan(StatusInput(False, Reason.BUILDING, text, (), {**facts, "state": BuildState.BUILT.value}, (0, 1)))
    progress = _progress(facts, pods)
    trouble = diagnose(reader, observe_pods(pods).candidates, field_names("ImageBuild"))
    if not pods and (message := newest_message(reader, job)):
        trouble = refusal(message, field_names("ImageBuild"))
    problems = (waiting(trouble.reason, trouble.message),) if trouble is not None and trouble.message else ()
    text = "The image is built." if progress["state"] == BuildState.IN_PROGRESS else "The build waits for its pod."
    return Plan(StatusInput(False, Reason.BUILDING, text, problems, progress, (0, 1)))


def _progress(facts: Mapping[str, Any], pods: list[CachedObject]) -> dict[str, Any]:
    started = any(_has_started(pod) for pod in pods)
    return {**facts, "state": (BuildState.IN_PROGRESS if started else BuildState.PENDING).value}


def _has_started(pod: CachedObject) -> bool:
    status = pod.body.get("status") or {}
    containers = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return any({"running", "terminated"} & (item.get("state") or {}).keys() for item in containers)


def _failed(facts: Mapping[str, Any], reason: Reason, message: str) -> dict[str, Any]:
    return {**facts, "state": BuildState.FAILED.value, "failure": {"reason": str(reason), "message": message}}


def _why(
    reader: Reader, job: CachedObject, pods: list[CachedObject], outcome: Any, reason: Reason
) -> tuple[Reason, str]:
    """Return why a Job failed: what its build says, else what its pod says."""
    if outcome is not None and not isinstance(outcome, Built):
        return outcome.reason, outcome.message
    if reason == Reason.DEADLINE_EXCEEDED:
        text = "The build took too long. Make it smaller, or ask an administrator to raise buildTimeoutSeconds."
        return reason, text
    found = diagnose(reader, pods, field_names("ImageBuild"))
    if found is not None and found.message:
        return found.reason, found.message
    command = f"outfitter build logs {job.name} -n {job.namespace}"
    return Reason.BUILD_FAILED, f"The build failed. Read its log: {command}"


def _end(job: CachedObject) -> str | None:
    conditions = (job.body.get("status") or {}).get("conditions") or ()
    return next((item.get("lastTransitionTime") for item in conditions if item["type"] == "Failed"), None)


def _pods(reader: Reader, resource: Resource, job: CachedObject) -> list[CachedObject]:
    """Return the pods of a Job, the newest first."""
    found = [each for each in reader.children(resource.live) if each.kind == "Pod" and each.controller == job.uid]
    return sorted(found, key=lambda pod: pod.body["metadata"].get("creationTimestamp", ""), reverse=True)
