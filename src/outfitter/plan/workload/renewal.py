"""When a workload gets a new revision, and why it cannot have one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from outfitter.backends import Progress, Run, backend_of
from outfitter.plan.workload import revision as revisions
from outfitter.plan.workload.activity import keeping_pods
from outfitter.plan.workload.ending import after_end, fixed, result_of
from outfitter.plan.workload.inputs import inputs
from outfitter.plan.workload.observed import ObservedState
from outfitter.plan.workload.revision import Revision
from outfitter.policy.builtin import BUILTIN
from outfitter.policy.checks import Candidate, NamespaceFacts, evaluate
from outfitter.policy.elevation import elevated, forbidden, revoked
from outfitter.policy.project import ProjectPolicies
from outfitter.policy.violation import Violation
from outfitter.problems import Problem, serious, stalled
from outfitter.reasons import Reason
from outfitter.render import distributed, workload
from outfitter.render.scheduling import needs_pod_group
from outfitter.render.workload import Rendered
from outfitter.resolve.distributed import of_its_own, placed
from outfitter.resolve.private import requester
from outfitter.resolve.references import Found
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scope import elevation_allowed, enforced_level
from outfitter.resolve.serving import resolve
from outfitter.resolve.template import with_scaling
from outfitter.resolve.workload import Resolved, pull_secrets
from outfitter.snapshot import Reader

_PULL_FAILURES: Final = (b'"ImagePullBackOff"', b'"ErrImagePull"')


@dataclass(frozen=True)
class Renewal:
    """The revision to keep to, whether it is new, and the problems of the submission if one was looked at."""

    revision: Revision | None
    new: bool = False
    problems: tuple[Problem, ...] = ()
    resolved: Resolved | None = None
    violations: tuple[Violation, ...] = ()
    """What breaks the policies of the project."""
    may_start: bool = True
    """False if the Namespace does not allow the pods of the current revision any more."""


def renew(reader: Reader, request: WorkloadRequest, observed: ObservedState, seen: Progress | None = None) -> Renewal:
    """Return the current revision, or a new one where the workload's own spec changed or it is started again.

    `seen`: the progress of a workload that ends.
    """
    current = observed.revision
    if result_of(request, seen):
        return Renewal(current, problems=after_end(request, current, inputs(request)))
    resumed = not request.stopped and observed.was_stopped
    unchanged = current is not None and current.inputs == inputs(request) and not resumed
    cannot_pull = current is not None and unchanged and _lacks_pull_secret(reader, request, observed, current)
    if current is not None and unchanged and not cannot_pull:
        return _judged(reader, request, observed, current)
    if current is not None and request.traits.grouped and seen is not None and not seen.stopped:
        request = replace(request, backend=getattr(current.spec, "backend", None) or "")
    policies = ProjectPolicies(reader)
    resolved = resolve(reader, request, policies)
    violations = tuple(policies.violations)
    if not resolved.groups or reader.references_only:
        return Renewal(current, problems=resolved.problems, resolved=resolved, violations=violations)
    rendered = (distributed if request.traits.grouped else workload).pods(resolved, reader.settings)
    problems = tuple(_problems(reader, request, resolved, rendered, current))
    if serious(problems) or request.stopped:  # a stopped workload gets its revision when it is started
        return Renewal(current, problems=problems, resolved=resolved, violations=violations)
    new = revisions.make(resolved, rendered, observed.newest + 1, reader.settings)
    if not resumed:
        new = keeping_pods(new, current)
    if any(live.name == new.name and int(live.body["revision"]) == observed.newest for live in observed.revisions):
        new = replace(new, number=observed.newest)  # it exists already, and the status does not name it yet
    if current is not None and revisions.same(new, current):
        return Renewal(current, resolved=resolved)
    if current is not None and (problem := fixed(request, current, new, seen)) is not None:
        return Renewal(current, problems=(problem,), resolved=resolved)
    return Renewal(new, new=True, problems=problems, resolved=resolved)


def _judged(reader: Reader, request: WorkloadRequest, observed: ObservedState, current: Revision) -> Renewal:
    """Return the current revision, judged again: a right that is taken away shows, and starts nothing any more."""
    found = elevated(group.template for group in current.groups)
    if not found or request.stopped or elevation_allowed(reader, request.namespace):
        return Renewal(current)
    if observed.controllers:
        return Renewal(current, problems=(revoked(found, request.namespace),))
    return Renewal(current, problems=(forbidden(found, request.namespace),), may_start=False)


def _lacks_pull_secret(reader: Reader, request: WorkloadRequest, observed: ObservedState, current: Revision) -> bool:
    """Return whether a pod cannot pull its image, and a Credential that could help came after the revision."""
    if not any(state in pod.raw for pod in observed.pods for state in _PULL_FAILURES):
        return False
    pods = [group.template["spec"] for group in current.groups]
    images = [container["image"] for pod in pods for container in pod["containers"]]
    images += [item["image"]["reference"] for pod in pods for item in pod.get("volumes", ()) if "image" in item]
    found = Found(requester(request))
    wanted = set(pull_secrets(reader, request.namespace, current.spec, images, found, request.type))
    return any(wanted - {item["name"] for item in pod.get("imagePullSecrets") or ()} for pod in pods)


def _unserved(reader: Reader, rendered: Rendered) -> Iterator[Problem]:
    """Yield the problem of device claims, or of a group of pods, on an API server that knows none."""
    if needs_pod_group(rendered.groups) and not reader.serves("PodGroup"):
        text = (
            "The API server does not serve scheduling.run.ai/v2alpha2, by which KAI places the pods together, or the "
            "operator has no right on podgroups. Ask an administrator to install KAI, and the roles of this version."
        )
        yield stalled(Reason.UNSUPPORTED, text, "spec.masterSpec")
    if any(group.devices for group in rendered.groups) and not reader.serves("ResourceClaimTemplate"):
        text = (
            "The API server does not serve resource.k8s.io/v1, which gpuBackend dra needs. Ask an administrator to "
            "enable it, or request no GPU."
        )
        yield stalled(Reason.UNSUPPORTED, text, "spec.compute.gpuDevicesRequest")


def _problems(
    reader: Reader, request: WorkloadRequest, resolved: Resolved, rendered: Rendered, current: Revision | None
) -> Iterator[Problem]:
    yield from resolved.problems
    if resolved.incomplete:  # what would follow from a missing layer may not be true once it is there
        return
    yield from rendered.problems
    request = with_scaling(request, resolved.merged.fields)
    run = Run(request, rendered.groups, "", rendered.exposure, resolved.spec, reader.settings)
    yield from backend_of(request.traits, resolved.spec).limits(run)
    yield from _unserved(reader, rendered)
    facts = NamespaceFacts(elevation_allowed(reader, request.namespace), enforced_level(reader, request.namespace))
    templates = [group.template for group in rendered.groups]
    candidate = Candidate(resolved, templates, facts, reader.settings, current.artifact if current else None)
    found = evaluate(candidate, BUILTIN)
    if resolved.master is not None:
        of_master = evaluate(replace(candidate, resolved=resolved.master), BUILTIN)
        found += placed(of_master) if of_its_own(resolved) else of_master
    yield from dict.fromkeys(found)
