"""plan() of what runs: pin when due, keep the children equal to the pin, say how the pods are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from outfitter.naming import SCALED, connection_service, group_workload, nim_cache
from outfitter.observe import observe_pods
from outfitter.plan.diff import Apply, Create, Delete, Diff, Op, Plan, diff, surplus
from outfitter.plan.workload import revision as pins
from outfitter.plan.workload.hosts import lost_hosts
from outfitter.plan.workload.revision import Pin
from outfitter.plan.workload.status import CONTROLLERS, Now, group_facts, look, pinned, serious, unpinned
from outfitter.problems import Level, Problem, note, stalled
from outfitter.render import connection, inference, nimcache, workload, workspace
from outfitter.render.connection import Endpoints
from outfitter.render.pod import elevated
from outfitter.render.workload import Rendered
from outfitter.resolve.artifact import number_of
from outfitter.resolve.request import Subject
from outfitter.resolve.scope import elevation_allowed, restricted
from outfitter.resolve.serving import resolve
from outfitter.resolve.workload import Resolved
from outfitter.snapshot import Key, View

KINDS = (
    "StatefulSet", "Deployment", "Service", "Ingress", "PersistentVolumeClaim", "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
)  # fmt: skip
REPLICAS_MANAGER = "outfitter-replicas"


def plan_workload(view: View, subject: Subject) -> Plan:
    """One pass over what runs: a Workspace, an Inference, or a definition with run."""
    asset = subject.asset
    now = look(view, asset)
    pin, made, problems, resolved = _pin(view, subject, now)
    demanded = _on_demand(resolved)
    if pin is None:
        draft = unpinned(subject, problems)
        facts = {**draft.facts, **(resolved.facts if resolved else {})}
        tells = _shared_cache(facts)
        # Of a workload that never ran there can be Services, which were made while its pin was refused.
        ended = () if now.controllers or now.pins else tuple(surplus(view, asset, ("Service",), ()))
        return Plan(replace(draft, facts=facts), tuple(step for step in (demanded, ended) if step), tells=tells)
    if not subject.stopped and now.was_stopped and serious(problems):
        subject = replace(subject, stopped=True)  # a start that is refused stays stopped
    ways = connection.endpoints(pin.spec, subject.name, subject.namespace, view.settings)
    if pin.type == "inference" and not made:
        problems += inference.problems(subject, pin.groups, pin.spec, view.settings)
    demanded = demanded or _lost_cache(view, subject, pin)
    wanted = _wanted(view, subject, pin, now, ways)
    problems += _draft_note(view, subject, pin)
    lost = lost_hosts(view, asset, _hosts(view, subject, pin, ways))
    problems += lost.values()
    wanted = [item for item in wanted if item["kind"] != "Ingress" or item["metadata"]["name"] not in lost]
    result = diff(view, asset, [pins.manifest(pin, asset), *wanted] if made else wanted)
    first = [op for op in result.ops if _is_pin(op)]
    rest = _startable([op for op in result.ops if op not in first], wanted, result)
    handed = list(_handed_over(view, rest))
    gone: list[Op] = [*surplus(view, asset, KINDS, wanted), *_old_pins(now, pin)]
    pods = observe_pods(now.pods, now.update_revision)
    pending = bool(first or rest)
    gone += [Delete(pod) for pod in pods.unready_outdated if not pending]
    problems += [*result.problems, *(() if made else pin.notes)]
    problems += [] if made else [problem for problem in ways.problems if problem.level > Level.NOTE]
    draft = pinned(view, subject, now, pin, ways, pods, problems, pending=pending, diff=result, lost=lost)
    draft = replace(draft, facts={**draft.facts, **_serving_facts(view, subject, pin, now)})
    # Of a new workload all is known in advance but the node ports that the server chooses.
    foreseen = not result.live and all(item.type != "NodePort" for item in ways.inside)
    plan = Plan(draft, look_again=pending and not foreseen)
    if any(isinstance(op, Delete) for op in first):
        return replace(plan, steps=(tuple(first),))  # the pin is made anew: everything else once it stands again
    # Where something lives already, an address must not show pods what their pin does not say.
    beside = () if result.live or now.pins else tuple(filter(_starts_nothing, rest))
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


def _is_pin(op: Op) -> bool:
    return _kind_of(op) == "ControllerRevision"


def _wanted(view: View, subject: Subject, pin: Pin, now: Now, ways: Endpoints) -> list[Mapping[str, Any]]:
    """All children but the pin; nothing of what was never started."""
    if subject.stopped and not now.controllers:
        return []
    if pin.type == "inference":
        found = inference.children(subject, pin.groups, pin.name, ways, pin.spec, view.settings)
    else:
        found = workspace.children(subject, pin.groups, pin.name, ways, view.settings)
    # An edit may keep what was ephemeral.
    stopped = pin.short_lived if subject.stopped and pin.inputs == pins.inputs(subject) else ()
    return [*found, *(item for item in pin.claims if item["metadata"]["name"] not in stopped)]


def _pin(view: View, subject: Subject, now: Now) -> tuple[Pin | None, bool, list[Problem], Resolved | None]:
    """The pin to keep to, whether it was (re)made in this pass, why none could be made, and what that was about."""
    current = now.pin
    resumed = not subject.stopped and now.was_stopped
    if current is not None and current.inputs == pins.inputs(subject) and not resumed:
        return current, False, [], None
    resolved = resolve(view, subject)
    if not resolved.groups:
        return current, False, list(resolved.problems), resolved
    rendered = workload.pods(resolved, view.settings)
    problems = [*resolved.problems, *rendered.problems, *_judge(view, subject, resolved, rendered)]
    if subject.type == "inference":
        problems += inference.problems(subject, rendered.groups, resolved.spec, view.settings)
    problems += _unlocked(subject, current, resolved)
    if serious(problems):
        return current, False, problems, resolved
    if subject.stopped:
        return current, False, problems, resolved  # pinned when it is started
    made = pins.make(resolved, rendered, now.newest + 1)
    if any(live.name == made.name and int(live.body["revision"]) == now.newest for live in now.pins):
        made = replace(made, number=now.newest)  # made before, and status does not say so yet
    if current is not None and made.name == current.name:
        return current, False, [], resolved
    return made, True, problems, resolved


def _unlocked(subject: Subject, current: Pin | None, resolved: Resolved) -> Iterator[Problem]:
    """A locked artifact is replaced by a locked one only."""
    chosen = resolved.artifact
    if chosen is None or subject.own_definition or chosen.definition.locked:
        return
    name = chosen.definition.asset.live.name
    before = current.artifact if current else None
    if before and before["locked"] and before["uid"] != chosen.definition.asset.live.uid:
        text = f"Artifact {name} is a draft, and Artifact {before['name']}, which runs, is locked: lock {name} first"
        yield stalled("DraftForbidden", text, "spec.artifact")


def _draft_note(view: View, subject: Subject, pin: Pin) -> Iterator[Problem]:
    """A draft may change at any time: not what others should rely on."""
    if pin.artifact is None:
        return
    live = view.asset("Artifact", subject.namespace, pin.artifact["name"])
    if live is not None and live.live.uid == pin.artifact["uid"] and not live.body["spec"].get("locked"):
        yield note("Draft", f"Artifact {live.live.name} is a draft: lock it to run it for good", "spec.artifact")


def _judge(view: View, subject: Subject, resolved: Resolved, rendered: Rendered) -> list[Problem]:
    """What the namespace allows, asked of the assembled pods whoever wrote their parts."""
    problems = []
    found = list(dict.fromkeys(what for group in rendered.groups for what in elevated(group.template)))
    if found and not elevation_allowed(view, subject.namespace):
        text = (
            f"the pod would have {', '.join(found)}: remove it, or an admin must label namespace {subject.namespace} "
            "outfitter.dev/elevation=allowed"
        )
        problems.append(stalled("ElevationForbidden", text))
    if view.settings.nfs_backend == "inline" and restricted(view, subject.namespace):
        problems += [
            stalled(
                "NfsOutsideRestricted",
                f"{use.source} is an inline nfs volume, which Pod Security restricted forbids in {subject.namespace}: "
                "an admin can set the operator's nfs.backend to csi, or relax the namespace's level to baseline",
                use.field,
            )
            for use in resolved.volumes
            if use.member == "nfs"
        ]
    propagations = {use.leaf.mount_propagation or "None" for use in resolved.volumes if use.member == "hostPath"}
    if len(propagations) > 1:
        text = "all hostPath volumes of one workload must have the same mountPropagation"
        problems.append(stalled("Conflict", text, "spec.storage.hostPath"))
    return problems


def _hosts(view: View, subject: Subject, pin: Pin, ways: Endpoints) -> Iterator[tuple[str, str, str]]:
    """Name of each Ingress, its host, and the field that asks for it."""
    for item in ways.inside:
        if item.host:
            yield connection_service(subject.name, item.name), item.host, f"spec.connections[{item.name}]"
    if pin.type == "inference":
        url = inference.public_url(subject, pin.spec, view.settings)
        if url:
            yield subject.name, url.split("://", 1)[1], "spec.servingPort"


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
    return (Create(nimcache.on_demand(resolved.subject.namespace, resolved.missing_cache)),)


def _shared_cache(facts: Mapping[str, Any]) -> frozenset[Key]:
    """The NimCache of another namespace that brings its volume here once it knows that it is used."""
    cache = facts.get("nimCache") or {}
    return frozenset({Key("NimCache", cache["namespace"], cache["name"])}) if "namespace" in cache else frozenset()


def _lost_cache(view: View, subject: Subject, pin: Pin) -> tuple[Op, ...]:
    """The NimCache that somebody deleted under the pods: who is started later must find its model again."""
    named = (pin.facts or {}).get("nimCache") or {}
    name = named.get("name")
    if (
        name is None
        or "namespace" in named
        or subject.stopped
        or view.live("NimCache", subject.namespace, name) is not None
    ):
        return ()
    resolved = resolve(view, subject)
    missing = resolved.missing_cache
    return _on_demand(resolved) if missing is not None and nim_cache(missing["image"]) == name else ()


def _handed_over(view: View, ops: list[Op]) -> Iterator[Op]:
    """Before an autoscaler takes over: keep the number of pods there are when we stop asking for one.

    The server resets a field that its last owner drops; a second owner keeps it until the autoscaler sets it.
    """
    for op in ops:
        if not isinstance(op, Apply) or op.manifest["kind"] != "Deployment":
            continue
        meta = op.manifest["metadata"]
        live = view.peek("Deployment", meta["namespace"], meta["name"])
        if live is None or SCALED not in meta["annotations"]:
            continue
        body = live.body
        count = body["spec"].get("replicas", 1)
        if SCALED not in (body["metadata"].get("annotations") or {}) and count > 1:
            place = {"namespace": meta["namespace"], "name": meta["name"]}
            kept = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": place, "spec": {"replicas": count}}
            yield Apply(kept, op.uid, REPLICAS_MANAGER)


def _serving_facts(view: View, subject: Subject, pin: Pin, now: Now) -> dict[str, Any]:
    """Status of what serves: where, from which model, which artifact, how many pods of each group."""
    if pin.type != "inference":
        return {}
    names = {
        group.name: group_workload(subject.name, group.name, first=number == 0)
        for number, group in enumerate(pin.groups)
    }
    facts: dict[str, Any] = dict(pin.facts or {})
    cache = facts.get("nimCache")
    if cache:
        live = view.asset("NimCache", cache.get("namespace", subject.namespace), cache["name"])
        phase = (live.body.get("status") or {}).get("phase") if live else None
        facts["nimCache"] = {**cache, "phase": phase or "Pending"}
    if subject.artifact is not None or subject.own_artifact:
        facts["containerGroups"] = group_facts(now, names)
    facts["url"] = inference.url(subject, pin.groups, pin.spec, view.settings)
    if pin.artifact is not None:
        facts["artifact"] = _artifact_facts(view, subject.namespace, pin.artifact)
    return facts


def _artifact_facts(view: View, namespace: str, artifact: Mapping[str, Any]) -> dict[str, Any]:
    repository = view.asset("ArtifactRepository", namespace, artifact["repository"])
    facts = {
        "name": artifact["name"],
        "repository": artifact["repository"],
        "version": number_of(repository, artifact["uid"]),
        "generation": artifact["generation"],
    }
    return {key: value for key, value in facts.items() if value is not None}


def _old_pins(now: Now, pin: Pin) -> list[Op]:
    older = [live for live in now.pins if live.name != pin.name and not live.deleting]
    return [Delete(live) for live in older[: max(0, len(older) - (pins.HISTORY - 1))]]


def combined(plan: Plan, facts: dict[str, Any], problems: list[Problem]) -> Plan:
    """A workload's plan for an asset that has facts and problems of its own besides."""
    draft = plan.draft
    merged = replace(draft, facts={**facts, **draft.facts}, problems=(*problems, *draft.problems))
    return replace(plan, draft=merged)
