"""A DistributedTraining -> its workers and its master, each resolved like a workload of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from outfitter.api.v1alpha1.distributedtraining import (
    ADDRESSES,
    NEEDS_MASTER,
    OWN_MASTER_RULES,
    DistributedTraining,
)
from outfitter.api.v1alpha1.workspace import Assets
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Level, Reason
from outfitter.resolve.policies import Policies
from outfitter.resolve.references import AssetUse
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.template import FIELD, master_of
from outfitter.resolve.workload import Resolved, Spec, resolve_workload
from outfitter.snapshot import Reader

WORKER: Final = "worker"
MASTER: Final = "master"
MASTER_SPEC: Final = "masterSpec"
"""The field with a master of its own."""
_NOT_INLINE: Final = frozenset(("assets",))
FIELDS_OF_THE_WHOLE: Final = (
    "autoDeletionTimeAfterCompletionSeconds", "backoffLimit", "preemptibility", "priorityClass", "queue",
    "restartPolicy", "terminateAfterPreemption",
)  # fmt: skip
"""Fields of a master without effect: those of the workers are about the whole training."""


def resolve_distributed(reader: Reader, request: WorkloadRequest, policies: Policies) -> Resolved:
    """Resolve the workers, the master if there is one, and what runs them."""
    of_workers = replace(request, traits=replace(request.traits, part="WorkersSpec"))
    workers = resolve_workload(reader, of_workers, policies.of(WORKER))
    template, workers = workers.request.from_template, replace(workers, request=request)
    master = _master(reader, request, policies.of(MASTER), workers)
    if master is not None:
        same = master.spec.model_copy(update={"restart_policy": workers.spec.restart_policy})
        master = replace(master, spec=same, scheduling=workers.scheduling)
    problems = [*workers.problems, *(master.problems if master else ())]
    framework = getattr(workers.spec, "distributed_framework", None)
    if master is None:
        problems += needs_master(framework) if not workers.incomplete else ()
    elif master.request.of_master:
        problems += beside_master(framework, {**template, **request.inline}, template)
    if not any(problem.level > Level.NOTE for problem in problems):
        chosen = backend(reader, workers.spec, request.backend)
        if isinstance(chosen, Problem):
            problems.append(chosen)
        else:
            workers.merged.fields["backend"] = chosen
    if master is not None:
        origins, own = workers.merged.origins, master.request.of_master
        if own:
            workers.merged.fields[MASTER_SPEC] = master.merged.fields
        differs = {path: origin for path, origin in master.merged.origins.items() if own or origins.get(path) != origin}
        origins.update({f"{MASTER_SPEC}.{path}": origin for path, origin in differs.items()})
    spec = request.traits.spec.model_validate(workers.merged.fields) if workers.groups else workers.spec
    return replace(
        workers,
        spec=spec,
        problems=tuple(dict.fromkeys(problems)),
        master=master,
        sources=tuple(dict.fromkeys((*workers.sources, *(master.sources if master else ())))),
        assets=(*workers.assets, *(master.assets if master else ())),
        facts=_facts(workers, master),
    )


def needs_master(framework: str | None) -> Iterator[Problem]:
    """Yield the problem of a framework whose master is missing."""
    if framework not in (None, "JAX"):
        yield stalled(Reason.INVALID_SPEC, NEEDS_MASTER, f"spec.{MASTER_SPEC}")


def beside_master(framework: str | None, given: Mapping[str, Any], template: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what the workers may not be beside a master of its own, whichever of template and workload sets it."""
    spec = {name: given[name] for name in ADDRESSES if given.get(name)}
    spec |= {MASTER_SPEC: {}, **({"distributedFramework": framework} if framework else {})}
    for rule in (rule for rule in OWN_MASTER_RULES if not rule.check(spec)):
        yield stalled(Reason.INVALID_SPEC, rule.message, FIELD if rule.field in template else f"spec.{rule.field}")


def _facts(workers: Resolved, master: Resolved | None) -> Mapping[str, Any]:
    name = "imposedDataSources"
    names = {*workers.facts.get(name, ()), *(master.facts.get(name, ()) if master else ())}
    return {**workers.facts, name: sorted(names)} if names else workers.facts


def _master(reader: Reader, request: WorkloadRequest, policies: Policies, workers: Resolved) -> Resolved | None:
    """Return the master: one of its own, or a copy of a worker before any policy; None for a framework without one.

    One of its own is that of the workload over that of its template.
    """
    model = request.resource.model
    assert isinstance(model, DistributedTraining)
    spec, same = model.spec.master_spec, getattr(workers.spec, "master_spec_same_as_worker", False)
    if spec is None and (same or not master_of(reader, request)):
        copy = replace(request, traits=replace(request.traits, part="MasterCopySpec"))
        return resolve_workload(reader, copy, policies) if same else None
    body: Mapping[str, Any] = request.resource.body["spec"].get(MASTER_SPEC) or {}
    assets = spec.assets if spec is not None else Assets()
    own = replace(
        as_master(request),
        inline={key: value for key, value in body.items() if key not in _NOT_INLINE},
        environment=assets.environment,
        compute=assets.compute,
        data_sources=assets.data_sources,
    )
    found = resolve_workload(reader, own, policies)
    problems = (*found.problems, *of_the_whole(own.inline))
    return replace(found, problems=tuple(placed(problems)), assets=tuple(_named(found.assets)))


def as_master(request: WorkloadRequest) -> WorkloadRequest:
    """Return a request as that of a master of its own."""
    return replace(request, traits=replace(request.traits, part="MasterSpec"), of_master=True)


def of_the_whole(inline: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a note for each field of a master that only the spec around it can set."""
    for name in (name for name in FIELDS_OF_THE_WHOLE if name in inline):
        text = f"The whole training has one {name}, which is a field of spec. Move the field there."
        yield note(Reason.NOT_ENFORCED, text, f"spec.{name}")


def with_effect(master: Mapping[str, Any], free: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields of a master without those that only the spec around it can set, and without `free`."""
    return {name: value for name, value in master.items() if name not in (*FIELDS_OF_THE_WHOLE, *free)}


def of_its_own(resolved: Resolved) -> bool:
    """Return whether the master has a spec of its own."""
    return resolved.master is not None and resolved.master.request.of_master


def placed(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield problems whose fields are those of masterSpec."""
    return (replace(problem, field=_place(problem.field)) for problem in problems)


def _named(uses: Iterable[AssetUse]) -> Iterator[AssetUse]:
    return (AssetUse(use.asset, _place(use.field)) for use in uses)


def _place(field: str) -> str:
    own = f"spec.{MASTER_SPEC}"
    stays = not field.startswith("spec.") or field.startswith((own, FIELD))
    return field if stays else f"{own}.{field.removeprefix('spec.')}"


def backend(reader: Reader, spec: Spec, running: str = "") -> str | Problem:
    """Return what is to create the pods of a training that starts now. `running`: what creates those that run."""
    asked = getattr(spec, "backend", None) or "auto"
    mpi = getattr(spec, "distributed_framework", None) == "MPI"
    if mpi and asked not in ("auto", "kubeflow"):
        text = f"Backend {asked} cannot run MPI. Set backend to kubeflow, or remove the field."
        return stalled(Reason.FRAMEWORK_UNSUPPORTED, text, "spec.backend")
    if asked == "kubeflow" and not mpi:
        text = "Backend kubeflow runs MPI alone. Remove the field: jobset and native give the same variables."
        return stalled(Reason.FRAMEWORK_UNSUPPORTED, text, "spec.backend")
    if mpi:
        if reader.serves("MPIJob"):
            return "kubeflow"
        text = (
            "The cluster serves no MPIJob of version kubeflow.org/v2beta1. Ask an administrator to install the MPI "
            "operator, or use another distributedFramework."
        )
        return stalled(Reason.FRAMEWORK_UNSUPPORTED, text, "spec.distributedFramework")
    if asked == "auto" and running:
        return running
    if asked == "native":
        return "native"
    if reader.serves("JobSet"):
        return "jobset"
    if asked == "jobset":
        text = "The cluster serves no JobSet. Ask an administrator to install it, or remove the field."
        return stalled(Reason.FRAMEWORK_UNSUPPORTED, text, "spec.backend")
    return "native"
