"""plan() of what runs: pin when due, keep the children equal to the pin, say how the pods are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from outfitter.naming import ANNOTATION_SCALED, connection_service, group_workload, nim_cache
from outfitter.observe import observe_pods
from outfitter.plan.diff import Apply, Create, Delete, Diff, Op, Plan, diff, prune
from outfitter.plan.workload import revision as revisions
from outfitter.plan.workload.hosts import host_conflicts
from outfitter.plan.workload.revision import Revision
from outfitter.plan.workload.status import (
    CONTROLLERS,
    ObservedState,
    group_facts,
    observe_workload,
    running_status,
    serious,
    waiting_status,
)
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Level, Reason
from outfitter.render import connection, inference, nimcache, workload, workspace
from outfitter.render.connection import Endpoints
from outfitter.render.pod import elevated
from outfitter.render.workload import Rendered
from outfitter.resolve.artifact import number_of
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scope import elevation_allowed, restricted
from outfitter.resolve.serving import resolve
from outfitter.resolve.volumes import HostPathVolume, NfsVolume
from outfitter.resolve.workload import Resolved
from outfitter.snapshot import Key, Reader

KINDS = (
    "StatefulSet", "Deployment", "Service", "Ingress", "PersistentVolumeClaim", "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
)  # fmt: skip
REPLICAS_MANAGER = "outfitter-replicas"


def plan_workload(reader: Reader, request: WorkloadRequest) -> Plan:
    """One pass over what runs: a Workspace, an Inference, or a definition with run."""
    resource = request.resource
    observed = observe_workload(reader, resource)
    revision, made, problems, resolved = _revision(reader, request, observed)
    demanded = _on_demand(resolved)
    if revision is None:
        draft = waiting_status(request, problems)
        facts = {**draft.facts, **(resolved.facts if resolved else {})}
        also_reconcile = _shared_cache(facts)
        # Of a workload that never ran there can be Services, which were made while its pin was refused.
        ended = () if observed.controllers or observed.revisions else tuple(prune(reader, resource, ("Service",), ()))
        return Plan(
            replace(draft, facts=facts),
            tuple(step for step in (demanded, ended) if step),
            also_reconcile=also_reconcile,
        )
    if not request.stopped and observed.was_stopped and serious(problems):
        request = replace(request, stopped=True)  # a start that is refused stays stopped
    exposure = connection.endpoints(revision.spec, request.name, request.namespace, reader.settings)
    if revision.type == "inference" and not made:
        problems += inference.problems(request, revision.groups, revision.spec, reader.settings)
    demanded = demanded or _lost_cache(reader, request, revision)
    wanted = _wanted(reader, request, revision, observed, exposure)
    problems += _draft_note(reader, request, revision)
    conflicts = host_conflicts(reader, resource, _hosts(reader, request, revision, exposure))
    problems += conflicts.values()
    wanted = [item for item in wanted if item["kind"] != "Ingress" or item["metadata"]["name"] not in conflicts]
    result = diff(reader, resource, [revisions.manifest(revision, resource), *wanted] if made else wanted)
    first = [op for op in result.ops if _is_revision(op)]
    rest = _startable([op for op in result.ops if op not in first], wanted, result)
    handed = list(_handed_over(reader, rest))
    gone: list[Op] = [*prune(reader, resource, KINDS, wanted), *_old_revisions(observed, revision)]
    pods = observe_pods(observed.pods, observed.update_revision)
    pending = bool(first or rest)
    gone += [Delete(pod) for pod in pods.unready_outdated if not pending]
    problems += [*result.problems, *(() if made else revision.notes)]
    problems += [] if made else [problem for problem in exposure.problems if problem.level > Level.NOTE]
    draft = running_status(
        reader, request, observed, revision, exposure, pods, problems, pending=pending, diff=result, conflicts=conflicts
    )
    draft = replace(draft, facts={**draft.facts, **_serving_facts(reader, request, revision, observed)})
    # Of a new workload all is known in advance but the node ports that the server chooses.
    foreseen = not result.live and all(item.type != "NodePort" for item in exposure.inside)
    plan = Plan(draft, replan_after_write=pending and not foreseen)
    if any(isinstance(op, Delete) for op in first):
        return replace(plan, steps=(tuple(first),))  # the pin is made anew: everything else once it stands again
    # Where something lives already, an address must not show pods what their pin does not say.
    beside = () if result.live or observed.revisions else tuple(filter(_starts_nothing, rest))
    rest = [op for op in rest if op not in beside]
    steps = tuple(tuple(step) for step in (demanded, first, handed, rest, gone) if step)
    return replace(plan, steps=steps, beside=beside)


def _kind_of(op: Op) -> str:
    return str(op.live.kind if isinstance(op, Delete) else op.manifest["kind"])


def _starts_nothing(op: Op) -> bool:
    """Whether it makes a Service inside of the cluster, over whose address the server takes longest."""
    if not isinstance(op, Create) or op.manifest["kind"] != "Service":
        return False
    return bool(op.manifest["spec"].get("type", "ClusterIP") == "ClusterIP")


def _is_revision(op: Op) -> bool:
    return _kind_of(op) == "ControllerRevision"


def _wanted(
    reader: Reader, request: WorkloadRequest, revision: Revision, observed: ObservedState, exposure: Endpoints
) -> list[Mapping[str, Any]]:
    """All children but the pin; nothing of what was never started."""
    if request.stopped and not observed.controllers:
        return []
    if revision.type == "inference":
        found = inference.children(request, revision.groups, revision.name, exposure, revision.spec, reader.settings)
    else:
        found = workspace.children(request, revision.groups, revision.name, exposure, reader.settings)
    # An edit may keep what was ephemeral.
    stopped = revision.short_lived if request.stopped and revision.inputs == revisions.inputs(request) else ()
    return [*found, *(item for item in revision.claims if item["metadata"]["name"] not in stopped)]


def _revision(
    reader: Reader, request: WorkloadRequest, observed: ObservedState
) -> tuple[Revision | None, bool, list[Problem], Resolved | None]:
    """The pin to keep to, whether it was (re)made in this pass, why none could be made, and what that was about."""
    current = observed.revision
    resumed = not request.stopped and observed.was_stopped
    if current is not None and current.inputs == revisions.inputs(request) and not resumed:
        return current, False, [], None
    resolved = resolve(reader, request)
    if not resolved.groups:
        return current, False, list(resolved.problems), resolved
    rendered = workload.pods(resolved, reader.settings)
    problems = [*resolved.problems, *rendered.problems, *_judge(reader, request, resolved, rendered)]
    if request.type == "inference":
        problems += inference.problems(request, rendered.groups, resolved.spec, reader.settings)
    problems += _unlocked(request, current, resolved)
    if serious(problems):
        return current, False, problems, resolved
    if request.stopped:
        return current, False, problems, resolved  # pinned when it is started
    made = revisions.make(resolved, rendered, observed.newest + 1)
    if any(live.name == made.name and int(live.body["revision"]) == observed.newest for live in observed.revisions):
        made = replace(made, number=observed.newest)  # made before, and status does not say so yet
    if current is not None and made.name == current.name:
        return current, False, [], resolved
    return made, True, problems, resolved


def _unlocked(request: WorkloadRequest, current: Revision | None, resolved: Resolved) -> Iterator[Problem]:
    """A locked artifact is replaced by a locked one only."""
    chosen = resolved.artifact
    if chosen is None or request.own_definition or chosen.definition.locked:
        return
    name = chosen.definition.resource.live.name
    before = current.artifact if current else None
    if before and before["locked"] and before["uid"] != chosen.definition.resource.live.uid:
        text = f"Artifact {name} is a draft, and Artifact {before['name']}, which runs, is locked: lock {name} first"
        yield stalled(Reason.DRAFT_FORBIDDEN, text, "spec.artifact")


def _draft_note(reader: Reader, request: WorkloadRequest, revision: Revision) -> Iterator[Problem]:
    """A draft may change at any time: not what others should rely on."""
    if revision.artifact is None:
        return
    live = reader.resource("Artifact", request.namespace, revision.artifact["name"])
    if live is not None and live.live.uid == revision.artifact["uid"] and not live.body["spec"].get("locked"):
        yield note(Reason.DRAFT, f"Artifact {live.live.name} is a draft: lock it to run it for good", "spec.artifact")


def _judge(reader: Reader, request: WorkloadRequest, resolved: Resolved, rendered: Rendered) -> list[Problem]:
    """What the namespace allows, asked of the assembled pods whoever wrote their parts."""
    problems = []
    found = list(dict.fromkeys(what for group in rendered.groups for what in elevated(group.template)))
    if found and not elevation_allowed(reader, request.namespace):
        text = (
            f"the pod would have {', '.join(found)}: remove it, or an admin must label namespace {request.namespace} "
            "outfitter.dev/elevation=allowed"
        )
        problems.append(stalled(Reason.ELEVATION_FORBIDDEN, text))
    if reader.settings.nfs_backend == "inline" and restricted(reader, request.namespace):
        problems += [
            stalled(
                Reason.NFS_OUTSIDE_RESTRICTED,
                f"{volume.use.origin} is an inline nfs volume, which Pod Security restricted forbids in "
                f"{request.namespace}: an admin can set the operator's nfs.backend to csi, or relax the namespace's "
                "level to baseline",
                volume.use.field,
            )
            for volume in resolved.volumes
            if isinstance(volume, NfsVolume)
        ]
    propagations = {
        volume.mount_propagation or "None" for volume in resolved.volumes if isinstance(volume, HostPathVolume)
    }
    if len(propagations) > 1:
        text = "all hostPath volumes of one workload must have the same mountPropagation"
        problems.append(stalled(Reason.CONFLICT, text, "spec.storage.hostPath"))
    return problems


def _hosts(
    reader: Reader, request: WorkloadRequest, revision: Revision, exposure: Endpoints
) -> Iterator[tuple[str, str, str]]:
    """Name of each Ingress, its host, and the field that asks for it."""
    for item in exposure.inside:
        if item.host:
            yield connection_service(request.name, item.name), item.host, f"spec.connections[{item.name}]"
    if revision.type == "inference":
        url = inference.public_url(request, revision.spec, reader.settings)
        if url:
            yield request.name, url.split("://", 1)[1], "spec.servingPort"


def _startable(ops: list[Op], wanted: Iterable[Mapping[str, Any]], result: Diff) -> list[Op]:
    """The writes; without what starts pods while a claim of the workload is somebody else's, or they would mount it."""
    made = {op.manifest["metadata"]["name"] for op in ops if not isinstance(op, Delete)}
    claims = [item["metadata"] for item in wanted if item["kind"] == "PersistentVolumeClaim"]
    ours = {name for kind, _, name in result.live if kind == "PersistentVolumeClaim"}
    if all(meta["name"] in ours or meta["name"] in made for meta in claims):
        return ops
    return [op for op in ops if isinstance(op, Delete) or op.manifest["kind"] not in CONTROLLERS]


def _on_demand(resolved: Resolved | None) -> tuple[Op, ...]:
    """The NimCache that is missing."""
    if resolved is None or resolved.missing_cache is None:
        return ()
    return (Create(nimcache.on_demand(resolved.request.namespace, resolved.missing_cache)),)


def _shared_cache(facts: Mapping[str, Any]) -> frozenset[Key]:
    """The NimCache of another namespace that brings its volume here once it knows that it is used."""
    cache = facts.get("nimCache") or {}
    return frozenset({Key("NimCache", cache["namespace"], cache["name"])}) if "namespace" in cache else frozenset()


def _lost_cache(reader: Reader, request: WorkloadRequest, revision: Revision) -> tuple[Op, ...]:
    """The NimCache that somebody deleted under the pods: who is started later must find its model again."""
    named = (revision.facts or {}).get("nimCache") or {}
    name = named.get("name")
    if (
        name is None
        or "namespace" in named
        or request.stopped
        or reader.get("NimCache", request.namespace, name) is not None
    ):
        return ()
    resolved = resolve(reader, request)
    missing = resolved.missing_cache
    return _on_demand(resolved) if missing is not None and nim_cache(missing["image"]) == name else ()


def _handed_over(reader: Reader, ops: list[Op]) -> Iterator[Op]:
    """Before an autoscaler takes over: keep the number of pods there are when we stop asking for one.

    The server resets a field that its last owner drops; a second owner keeps it until the autoscaler sets it.
    """
    for op in ops:
        if not isinstance(op, Apply) or op.manifest["kind"] != "Deployment":
            continue
        meta = op.manifest["metadata"]
        live = reader.get_untracked("Deployment", meta["namespace"], meta["name"])
        if live is None or ANNOTATION_SCALED not in meta["annotations"]:
            continue
        body = live.body
        count = body["spec"].get("replicas", 1)
        if ANNOTATION_SCALED not in (body["metadata"].get("annotations") or {}) and count > 1:
            place = {"namespace": meta["namespace"], "name": meta["name"]}
            kept = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": place, "spec": {"replicas": count}}
            yield Apply(kept, op.uid, REPLICAS_MANAGER)


def _serving_facts(
    reader: Reader, request: WorkloadRequest, revision: Revision, observed: ObservedState
) -> dict[str, Any]:
    """Status of what serves: where, from which model, which artifact, how many pods of each group."""
    if revision.type != "inference":
        return {}
    names = {
        group.name: group_workload(request.name, group.name, first=number == 0)
        for number, group in enumerate(revision.groups)
    }
    facts: dict[str, Any] = dict(revision.facts or {})
    cache = facts.get("nimCache")
    if cache:
        live = reader.resource("NimCache", cache.get("namespace", request.namespace), cache["name"])
        phase = (live.body.get("status") or {}).get("phase") if live else None
        facts["nimCache"] = {**cache, "phase": phase or "Pending"}
    if request.artifact is not None or request.own_artifact:
        facts["containerGroups"] = group_facts(observed, names)
    facts["url"] = inference.url(request, revision.groups, revision.spec, reader.settings)
    if revision.artifact is not None:
        facts["artifact"] = _artifact_facts(reader, request.namespace, revision.artifact)
    return facts


def _artifact_facts(reader: Reader, namespace: str, artifact: Mapping[str, Any]) -> dict[str, Any]:
    repository = reader.resource("ArtifactRepository", namespace, artifact["repository"])
    facts = {
        "name": artifact["name"],
        "repository": artifact["repository"],
        "version": number_of(repository, artifact["uid"]),
        "generation": artifact["generation"],
    }
    return {key: value for key, value in facts.items() if value is not None}


def _old_revisions(observed: ObservedState, revision: Revision) -> list[Op]:
    older = [live for live in observed.revisions if live.name != revision.name and not live.deleting]
    return [Delete(live) for live in older[: max(0, len(older) - (revisions.HISTORY - 1))]]


def combined(plan: Plan, facts: dict[str, Any], problems: list[Problem]) -> Plan:
    """A workload's plan for an asset that has facts and problems of its own besides."""
    draft = plan.status
    merged = replace(draft, facts={**facts, **draft.facts}, problems=(*problems, *draft.problems))
    return replace(plan, status=merged)
