"""Pods with ranks by Kubernetes' own means: Jobs, and a Service that gives each pod a name.

Equal pods have one Job, whose index is the rank. A master that differs, and each of its workers, has a Job of its own.
Where a failed pod has all pods start again, a Job fails with its first pod, and the whole group is created again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from outfitter.backends.base import (
    Backend,
    ControllerState,
    Progress,
    Run,
    annotated,
    as_group,
    combined,
    controller_meta,
    total,
)
from outfitter.backends.job import BACKOFF_LIMIT, NO_FAULT, counts, progress_of
from outfitter.children import jobs
from outfitter.naming import (
    ANNOTATION_ATTEMPT,
    ANNOTATION_ATTEMPTS,
    ANNOTATION_FIXED,
    ANNOTATION_GROUP_SIZE,
    ANNOTATION_LEAST,
    ANNOTATION_PROGRAM,
    ANNOTATION_REVISION,
    LABEL_CONTAINER_GROUP,
    group_labels,
    selector_labels,
)
from outfitter.observe import READY, UNSEEN, Observation, State, observe_pods, observe_run, progressing
from outfitter.problems import Problem
from outfitter.reasons import Reason
from outfitter.render import connection
from outfitter.render.distributed import layout_of, restarts_together
from outfitter.render.owner import child_meta
from outfitter.render.podset import PodSet
from outfitter.render.ranks import INDEX_LABEL, MASTER, WORKER, Layout, numbered
from outfitter.render.scheduling import gang_marks, kueue_owned, pod_group
from outfitter.snapshot import CachedObject


class NativeBackend:
    """Runs a distributed workload on Jobs."""

    controllers: tuple[str, ...] = ("Job",)
    children: tuple[str, ...] = ("Job", "Service", "Ingress", "PodGroup")

    def render(self, run: Run) -> list[dict[str, Any]]:
        """Return the Jobs, the Service of their pods, and the addresses of the pod of rank 0."""
        live, meta = run.request.resource.live, child_meta(run.request.resource)
        layout = layout_of(run.spec, live.name, equal=len(run.pods) == 1)
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**meta, "name": layout.name},
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,  # pods find each other before they are ready
                "selector": selector_labels(live.kind, live.name),
            },
        }
        made = [_job(run, meta, layout, *each) for each in _parts(run, layout)]
        return [*as_group(run, made), service, *addresses(run, layout), *pod_group(run.pods, layout, meta)]

    def limits(self, run: Run) -> Iterator[Problem]:
        """Yield nothing: the renderer knows the limits."""
        yield from ()

    def observe(self, controllers: Sequence[CachedObject], pods: Iterable[CachedObject]) -> ControllerState:
        """Return the state of the Jobs together, and of the pods that they have made."""
        found = _jobs(controllers)
        if not found:
            return ControllerState(UNSEEN, observe_pods(pods))
        uids = {job.uid for job in found}
        state = combined([_whole(job) for job in found])
        if state.state is State.FAILED and (seen := self.progress(controllers)) is not None and seen.again:
            text = f"A pod failed, so all pods start again: attempt {seen.attempt + 1} of {_attempts(found[0])}."
            state = progressing(Reason.PROGRESSING, text)
        return ControllerState(
            state,
            observe_pods([pod for pod in pods if pod.controller in uids]),
            total(found, "active"),
            total(found, "ready"),
            any(job.body.get("status") for job in found),
        )

    def progress(self, controllers: Sequence[CachedObject]) -> Progress | None:
        """Return the progress of the group: that of its first Job decides, unless another one fails before."""
        found = _jobs(controllers)
        if not found:
            return None
        each = {job.name: progress_of(job) for job in found}
        partial = len(found) < int(_mark(found[0], ANNOTATION_GROUP_SIZE) or 1)
        main = next((job for job in found if _role(job) == MASTER), found[0])
        first = each[main.name]
        failed = any(item.result == "Failed" for item in each.values())
        alone = _role(main) == MASTER or not partial
        result = first.result if first.result == "Completed" and alone else "Failed" if failed else ""
        attempt = int(_mark(main, ANNOTATION_ATTEMPT) or 1)
        disrupted = any(map(_disrupted, found))
        again = result == "Failed" and (attempt < _attempts(main) or disrupted)
        return Progress(
            uid=first.uid,
            revision=first.revision,
            restarted_at=first.restarted_at,
            stopped=all(item.stopped for item in each.values()),
            has_run=any(item.has_run for item in each.values()),
            active=sum(item.active for item in each.values()),
            succeeded=sum(item.succeeded for item in each.values()),
            failed=sum(item.failed for item in each.values()),
            started=min(filter(None, (item.started for item in each.values())), default=""),
            ended=first.ended or max((item.ended for item in each.values()), default=""),
            result="" if again else result,
            attempt=attempt,
            again=again,
            disrupted=disrupted,
            leader_active=bool(main.body.get("status", {}).get("active")) and alone,
            partial=partial,
        )


def _jobs(controllers: Sequence[CachedObject]) -> list[CachedObject]:
    return [live for live in controllers if live.kind == "Job" and counts(live)]


def _whole(job: CachedObject) -> Observation:
    """Return the state of a Job whose pods need each other: it runs once all of them do."""
    seen, status = observe_run(job.body), job.body.get("status") or {}
    wanted, ended = (
        int(_mark(job, ANNOTATION_LEAST) or job.body["spec"].get("parallelism", 1)),
        status.get("completionTime"),
    )
    ready = int(status.get("ready", 0)) + int(status.get("succeeded", 0))
    if seen.state is State.FAILED and progress_of(job).stopped:
        return READY  # it has no pods any more, as a stop wants
    if seen.state is not State.READY or job.body["spec"].get("suspend") or ended or ready >= wanted:
        return seen
    return progressing(Reason.PROGRESSING, f"{ready} of {wanted} pods of Job {job.name} are ready.")


def _role(job: CachedObject) -> str:
    labels = (job.body["spec"]["template"].get("metadata") or {}).get("labels") or {}
    return str(labels.get(LABEL_CONTAINER_GROUP, ""))


def _mark(job: CachedObject, name: str) -> str:
    return str((job.body["metadata"].get("annotations") or {}).get(name, ""))


def _disrupted(job: CachedObject) -> bool:
    """Return whether a Job failed because a pod was drained or preempted."""
    conditions = (job.body.get("status") or {}).get("conditions") or ()
    failed = (item for item in conditions if item["type"] == "Failed" and item.get("status") == "True")
    return any(item.get("reason") == "PodFailurePolicy" for item in failed)


def _attempts(job: CachedObject) -> int:
    return int(_mark(job, ANNOTATION_ATTEMPTS) or 1)


def _parts(run: Run, layout: Layout) -> Iterator[tuple[str, PodSet, Mapping[str, Any], int]]:
    """Yield the name of each Job, its group, its pod template and the number of its pods."""
    first = run.pods[0]
    if layout.equal:
        yield layout.name, first, first.template, layout.size
        return
    yield f"{layout.name}-{MASTER}", first, numbered(first.template, rank=0, replica=0), 1
    for number in range(layout.workers):
        template = numbered(run.pods[1].template, rank=number + 1, replica=number)
        yield f"{layout.name}-{WORKER}-{number}", run.pods[1], template, 1


def _job(
    run: Run,
    meta: Mapping[str, Any],
    layout: Layout,
    name: str,
    group: PodSet,
    template: Mapping[str, Any],
    count: int,
) -> dict[str, Any]:
    spec = {**pods_of_job(run, template, count), "suspend": run.request.stopped or kueue_owned(run.pods)}
    limit = BACKOFF_LIMIT if run.spec.backoff_limit is None else run.spec.backoff_limit
    marks = {
        ANNOTATION_REVISION: run.revision,
        ANNOTATION_FIXED: jobs.digest(spec),
        ANNOTATION_PROGRAM: jobs.program(spec),
        ANNOTATION_ATTEMPT: str(run.request.attempt),
        ANNOTATION_ATTEMPTS: str(limit + 1 + run.request.disruptions if restarts_together(run.spec) else 1),
        ANNOTATION_GROUP_SIZE: str(1 if layout.equal else layout.size),
        **least(layout),
        **gang_marks(run.settings, layout),
    }
    labelled = controller_meta(meta, group)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**labelled, "name": name, "annotations": annotated(run, marks)},
        "spec": spec,
    }


def pods_of_job(run: Run, template: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Return the spec of a Job of a group without `suspend`: its pods have an index, and the first one decides."""
    in_place = template["spec"].get("restartPolicy") == "OnFailure"
    limit = BACKOFF_LIMIT if run.spec.backoff_limit is None else run.spec.backoff_limit
    taken = {**NO_FAULT, "action": "FailJob"} if restarts_together(run.spec) else dict(NO_FAULT)
    return {
        "parallelism": count,
        "completions": count,
        "completionMode": "Indexed",
        "backoffLimit": 0 if restarts_together(run.spec) else limit,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": None if in_place else {"rules": [taken]},
        "successPolicy": {"rules": [{"succeededIndexes": "0"}]} if count > 1 else None,
        "template": template,
    }


def least(layout: Layout) -> dict[str, str]:
    """Return the annotation with the fewest pods of an elastic group whose pods are alike."""
    return {ANNOTATION_LEAST: str(layout.elastic[0])} if layout.elastic and layout.equal else {}


def addresses(run: Run, layout: Layout) -> list[dict[str, Any]]:
    """Return the Services and Ingresses of the connections, which lead to the pod of rank 0."""
    live, meta = run.request.resource.live, child_meta(run.request.resource)
    selector = group_labels(live.kind, live.name, WORKER if layout.equal else MASTER)
    if layout.equal:
        selector[INDEX_LABEL] = "0"
    return connection.manifests(run.exposure.inside, live.name, meta, selector, run.settings)


BACKEND: Final[Backend] = NativeBackend()
