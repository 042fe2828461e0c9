"""plan() of what runs: pin when due, keep the children equal to the pin, say how the pods are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from outfitter.api.v1alpha1.running import Phase
from outfitter.naming import STOPPED_REVISION, selector_labels
from outfitter.observe import UNSEEN, Observation, PodView, State, observe, observe_pods, refusal
from outfitter.plan import pin as pins
from outfitter.plan.access import lost_hosts, reached
from outfitter.plan.base import Delete, Diff, Op, Plan, diff, surplus
from outfitter.plan.pin import Pin
from outfitter.problems import Level, Problem, stalled
from outfitter.render import connection, workspace
from outfitter.render.connection import Endpoints
from outfitter.render.pod import elevated
from outfitter.resolve.scope import elevation_allowed, restricted
from outfitter.resolve.workload import Resolved, Subject, resolve_workload
from outfitter.snapshot import Asset, Live, View
from outfitter.status import Draft

KINDS = ("StatefulSet", "Service", "Ingress", "PersistentVolumeClaim")


@dataclass(frozen=True)
class _Now:
    """What lives of a workload."""

    stateful_set: Live | None
    pins: tuple[Live, ...]  # oldest first
    pods: tuple[Live, ...]

    published: Live | None = None  # the pin that status names, if it is what it says

    @property
    def pin(self) -> Pin | None:
        return pins.read(self.published) if self.published else None

    @property
    def newest(self) -> int:
        return max((int(live.body["revision"]) for live in self.pins), default=0)

    @property
    def stopped_at(self) -> str:
        """Name of the pin that was current when the workload was suspended; "" while it runs."""
        if self.stateful_set is None:
            return ""
        annotations = self.stateful_set.body["metadata"].get("annotations") or {}
        return str(annotations.get(STOPPED_REVISION, ""))


def plan_workload(view: View, subject: Subject) -> Plan:
    """One pass over a Workspace, or an Environment with run."""
    asset = subject.asset
    now = _look(view, asset)
    pin, made, problems = _pin(view, subject, now)
    if pin is None:
        return Plan(_unpinned(subject, problems))
    if not subject.stopped and _was_stopped(asset, now) and _serious(problems):
        subject = replace(subject, stopped=True)  # a start that is refused stays stopped
    ways = connection.endpoints(pin.spec, subject.name, subject.namespace, view.settings)
    wanted: list[Mapping[str, Any]] = []
    if not subject.stopped or now.stateful_set is not None:
        wanted += workspace.children(subject, pin.spec, pin.template, pin.name, ways, view.settings)
        ended = subject.stopped and pin.inputs == pins.inputs(subject)  # an edit may keep what was ephemeral
        wanted += [item for item in pin.claims if not (ended and _owned(item))]
    lost = lost_hosts(view, asset, ways)
    problems += lost.values()
    wanted = [item for item in wanted if item["kind"] != "Ingress" or item["metadata"]["name"] not in lost]
    result = diff(view, asset, [pins.manifest(pin, asset), *wanted] if made else wanted)
    first = [op for op in result.ops if _is_pin(op)]
    rest = _startable([op for op in result.ops if op not in first], wanted, result)
    gone: list[Op] = [*surplus(view, asset, KINDS, wanted), *_old_pins(now, pin)]
    pods = observe_pods(now.pods, _update_revision(now.stateful_set))
    gone += [Delete(pod) for pod in pods.unready_outdated if not first and not rest]
    problems += [*result.problems, *(() if made else pin.notes)]
    problems += [] if made else [problem for problem in ways.problems if problem.level > Level.NOTE]
    draft = _draft(view, subject, now, pin, ways, pods, problems, pending=bool(first or rest), diff=result, lost=lost)
    # A pin that is made anew is gone first; everything else is done once it stands again.
    anew = any(isinstance(op, Delete) for op in first)
    steps = tuple(tuple(step) for step in ((first,) if anew else (first, rest, gone)) if step)
    # Of a new workload all is known in advance but the node ports that the server chooses.
    foreseen = not result.live and all(item.type != "NodePort" for item in ways.inside)
    return Plan(draft, steps, look_again=bool(first or rest) and not foreseen)


def _look(view: View, asset: Asset) -> _Now:
    live = asset.live
    children = [child for child in view.children(live.uid) if child.namespace == live.namespace]
    own = [child for child in children if child.controller == live.uid]
    found = sorted((c for c in own if c.kind == "ControllerRevision"), key=lambda child: child.body["revision"])
    sets = [child for child in own if child.kind == "StatefulSet" and child.name == live.name]
    pods = tuple(c for c in children if c.kind == "Pod" and sets and c.controller == sets[0].uid)
    revision = (asset.body.get("status") or {}).get("revision", "")
    published = next((child for child in found if pins.trusted(child, live.name, revision)), None)
    return _Now(sets[0] if sets else None, tuple(found), pods, published)


def _pin(view: View, subject: Subject, now: _Now) -> tuple[Pin | None, bool, list[Problem]]:
    """The pin to keep to, whether it was (re)made in this pass, and why none could be made."""
    current = now.pin
    resumed = not subject.stopped and _was_stopped(subject.asset, now)
    if current is not None and current.inputs == pins.inputs(subject) and not resumed:
        return current, False, []
    resolved = resolve_workload(view, subject)
    rendered = workspace.pod_template(resolved, view.settings)
    problems = [*resolved.problems, *rendered.problems, *_judge(view, subject, resolved, rendered.template)]
    if _serious(problems):
        return current, False, problems
    if subject.stopped:
        return current, False, problems  # pinned when it is started
    made = pins.make(resolved, rendered, now.newest + 1)
    if any(live.name == made.name and int(live.body["revision"]) == now.newest for live in now.pins):
        made = replace(made, number=now.newest)  # made before, and status does not say so yet
    if current is not None and made.name == current.name:
        return current, False, []
    return made, True, problems


def _was_stopped(asset: Asset, now: _Now) -> bool:
    if now.stateful_set is None:  # what it would tell is gone with it
        return (asset.body.get("status") or {}).get("phase") in (Phase.STOPPED, Phase.STOPPING)
    return now.pin is not None and now.stopped_at == now.pin.name


def _serious(problems: Iterable[Problem]) -> bool:
    return any(problem.level > Level.NOTE for problem in problems)


def _judge(view: View, subject: Subject, resolved: Resolved, template: dict[str, Any]) -> list[Problem]:
    """What the namespace allows, asked of the assembled pod whoever wrote its parts."""
    problems = []
    found = elevated(template)
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


def _owned(claim: Any) -> bool:
    return bool(claim["metadata"].get("ownerReferences"))


def _startable(ops: list[Op], wanted: Iterable[Mapping[str, Any]], result: Diff) -> list[Op]:
    """The writes; without the StatefulSet while a claim of the workload is somebody else's, or it would mount that."""
    made = {op.manifest["metadata"]["name"] for op in ops if not isinstance(op, Delete)}
    claims = [item["metadata"] for item in wanted if item["kind"] == "PersistentVolumeClaim"]
    ours = {name for kind, _, name in result.live if kind == "PersistentVolumeClaim"}
    if all(meta["name"] in ours or meta["name"] in made for meta in claims):
        return ops
    return [op for op in ops if isinstance(op, Delete) or op.manifest["kind"] != "StatefulSet"]


def _is_pin(op: Op) -> bool:
    return (op.live.kind if isinstance(op, Delete) else op.manifest["kind"]) == "ControllerRevision"


def _old_pins(now: _Now, pin: Pin) -> list[Op]:
    older = [live for live in now.pins if live.name != pin.name and not live.deleting]
    return [Delete(live) for live in older[: max(0, len(older) - (pins.HISTORY - 1))]]


def _update_revision(stateful_set: Live | None) -> str:
    """The revision that pods should have, once the controller has seen the newest template; else ""."""
    if stateful_set is None:
        return ""
    status = stateful_set.body.get("status") or {}
    seen = status.get("observedGeneration", 0) >= stateful_set.generation
    return str(status.get("updateRevision", "")) if seen else ""


def _unpinned(subject: Subject, problems: list[Problem]) -> Draft:
    if subject.stopped and not _serious(problems):
        facts = _facts(subject, Phase.STOPPED, 0, 0)
        return Draft(True, "Stopped", "suspended: set suspend to false to start it", tuple(problems), facts, (1, 1))
    failed = any(problem.level is Level.STALLED for problem in problems)
    facts = _facts(subject, Phase.FAILED if failed else Phase.PENDING, 0, 0)
    return Draft(False, "Waiting", "", tuple(problems), facts, (0, 1))


def _facts(subject: Subject, phase: Phase, replicas: int, ready: int) -> dict[str, Any]:
    selector = selector_labels(subject.asset.live.kind, subject.name)
    return {
        "phase": Phase.DELETING.value if subject.asset.live.deleting else phase.value,
        "replicas": replicas,
        "readyReplicas": ready,
        "selector": ",".join(f"{key}={value}" for key, value in sorted(selector.items())),
    }


def _draft(
    view: View,
    subject: Subject,
    now: _Now,
    pin: Pin,
    ways: Endpoints,
    pods: PodView,
    problems: list[Problem],
    *,
    pending: bool,
    diff: Diff,
    lost: Mapping[str, Problem],
) -> Draft:
    """Status of a pinned workload: how its pods are, how to reach it, what is newer than its pin."""
    stateful_set = now.stateful_set
    status = (stateful_set.body.get("status") or {}) if stateful_set else {}
    state = observe(stateful_set) if stateful_set and not pending else UNSEEN
    found = _failure(view, now, pods, status, subject)
    if found is not None and state.state is not State.READY:
        level = Level.STALLED if found.reason in ("PodSecurityViolation", "PodRefused") else Level.WAITING
        problems = [*problems, Problem(found.reason, found.message, level)]
    problems += _claim_problems(view, diff)
    before = (subject.asset.body.get("status") or {}).get("phase", "")
    seen = bool(status.get("observedGeneration"))  # by its controller
    phase = _phase(subject, state, found, pods, before, pending=pending, exists=stateful_set is not None, seen=seen)
    facts = _facts(subject, phase, int(status.get("replicas", 0)), int(status.get("readyReplicas", 0)))
    facts["revision"] = pin.name
    facts["outdated"] = pins.outdated(view, pin, subject.namespace) or None
    facts["connections"] = [*reached(subject.asset, ways, diff, lost), *ways.links] or None
    links = [
        {"name": item.name, "url": item.url, "type": item.type} for item in pin.spec.related_urls if not item.exclude
    ]
    facts["relatedUrls"] = links or None
    if phase is Phase.STOPPED:
        return Draft(True, "Stopped", "suspended: set suspend to false to start it", tuple(problems), facts, (1, 1))
    ready = state.state is State.READY
    return Draft(ready, "Running" if ready else state.reason, state.message, tuple(problems), facts, (1, 1))


def _failure(view: View, now: _Now, pods: PodView, status: dict[str, Any], subject: Subject) -> Observation | None:
    if pods.failure is not None or now.stateful_set is None or subject.stopped:
        return pods.failure
    if status.get("replicas", 0) >= 1:
        return None
    said = [live.body for live in view.events(now.stateful_set.uid)]
    newest = max(said, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "", default=None)
    return refusal(newest.get("message", "")) if newest else None


def _phase(
    subject: Subject,
    state: Observation,
    failure: Observation | None,
    pods: PodView,
    before: str,
    *,
    pending: bool,
    exists: bool,
    seen: bool,
) -> Phase:
    if subject.stopped:
        return Phase.STOPPED if state.state is State.READY or not exists else Phase.STOPPING
    if state.state is State.READY:
        return Phase.RUNNING
    if not seen:
        return Phase.CREATING
    if before in (Phase.STOPPED, Phase.STOPPING, Phase.RESUMING) and failure is None:
        return Phase.RESUMING
    if pending or state.reason == "Updating":
        return Phase.UPDATING
    if before in (Phase.RUNNING, Phase.DEGRADED):
        return Phase.DEGRADED
    if before == Phase.UPDATING and failure is None:
        return Phase.UPDATING
    return Phase.INITIALIZING if pods.scheduled else Phase.PENDING


def _claim_problems(view: View, diff: Diff) -> list[Problem]:
    found = []
    for live in diff.live.values():
        if live.kind == "PersistentVolumeClaim":
            seen = observe(live, first_consumer=view.binds_late(live))
            if seen.state is State.FAILED:
                found.append(stalled(seen.reason, f"PersistentVolumeClaim {live.name}: {seen.message}"))
    return found


def combined(plan: Plan, facts: dict[str, Any], problems: list[Problem]) -> Plan:
    """A workload's plan for an asset that has facts and problems of its own besides."""
    draft = plan.draft
    merged = replace(draft, facts={**facts, **draft.facts}, problems=(*problems, *draft.problems))
    return replace(plan, draft=merged)
