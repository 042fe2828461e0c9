"""A resolved distributed workload -> the pods of its master and of its workers, which find each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from outfitter.naming import rank_group
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Reason
from outfitter.render import workload
from outfitter.render.podset import PodSet
from outfitter.render.ranks import MASTER, WORKER, Layout, patches
from outfitter.render.scheduling import gang_patch
from outfitter.render.workload import Rendered
from outfitter.resolve.distributed import of_its_own, placed
from outfitter.resolve.serving import BUILT_IN
from outfitter.resolve.workload import Resolved, Spec
from outfitter.settings import Settings

BACKOFF_LIMIT: Final = 6
MOST_JOBS: Final = 256
"""Most pods that have a Job each."""


def pods(resolved: Resolved, settings: Settings) -> Rendered:
    """Return the pods of master and workers, the master first; of one group if their templates are equal."""
    master = resolved.master
    plain = workload.pods(resolved, settings)
    of_master = workload.pods(master, settings) if master else None
    mpi = getattr(resolved.spec, "distributed_framework", None) == "MPI"
    equal = not mpi and (of_master is None or of_master.groups[0] == plain.groups[0])
    layout = layout_of(resolved.spec, resolved.request.name, equal=equal)
    gang = tuple(gang_patch(settings, layout, BUILT_IN))
    workers = workload.pods(resolved, settings, (*patches(layout, WORKER, BUILT_IN), *gang))
    own = of_its_own(resolved)
    found = of_master.problems if of_master is not None else ()
    problems = (*workers.problems, *(placed(found) if own else found), *_limits(layout, resolved.spec))
    workers = replace(workers, problems=tuple(dict.fromkeys(problems)))
    if equal or master is None:
        (group,) = workers.groups
        exposure = of_master.exposure if of_master is not None else workers.exposure
        return replace(workers, groups=(_named(group, WORKER, layout.size),), exposure=exposure)
    (first,) = workload.pods(master, settings, (*patches(layout, MASTER, BUILT_IN), *gang)).groups
    assert of_master is not None
    (second,) = workers.groups
    if mpi and not own:
        second = replace(second, template=_without_program(second.template))
    origins = {**workers.origins, **{f"groups[{MASTER}].{path}": source for path, source in of_master.origins.items()}}
    groups = (_named(first, MASTER, 1), _named(second, WORKER, layout.workers))
    return Rendered(groups, of_master.exposure, origins, workers.problems)


def _named(group: PodSet, role: str, count: int) -> PodSet:
    return replace(group, name=role, label=None, count=count)


def _without_program(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template of workers of MPI that are like their launcher: they run sshd, and it starts the program."""
    first, *others = template["spec"]["containers"]
    plain = {name: value for name, value in first.items() if name not in ("command", "args")}
    return {**template, "spec": {**template["spec"], "containers": [plain, *others]}}


def layout_of(spec: Spec, workload_name: str, *, equal: bool) -> Layout:
    """Return the layout of a merged submission."""
    given: Any = spec
    framework = given.distributed_framework or ""
    workers = given.num_workers or 1
    elastic = None
    restarts = BACKOFF_LIMIT if given.backoff_limit is None else given.backoff_limit
    has_master = framework != "JAX"
    if given.min_replicas is not None or given.max_replicas is not None:
        fewest, workers = given.min_replicas or workers, given.max_replicas or workers
        elastic = (fewest + has_master, workers + has_master)
    return Layout(
        rank_group(workload_name),
        framework,
        given.backend or "native",
        workers,
        equal,
        has_master,
        given.compute.gpu_devices_request or 1,
        elastic,
        restarts,
    )


def restarts_together(spec: Spec) -> bool:
    """Return whether a failed pod has all pods start again: the others have lost a peer, and cannot go on."""
    given: Any = spec
    return given.restart_policy != "OnFailure" and given.min_replicas is None and given.max_replicas is None


def _limits(layout: Layout, spec: Spec) -> Iterator[Problem]:
    """Yield the problem of too many Jobs, and the note that pods end although they are to stay."""
    one_by_one = layout.backend == "native" and not layout.equal
    if getattr(spec, "clean_pod_policy", None) == "None" and not one_by_one and layout.framework != "MPI":
        text = "The pods that still run when the pod of rank 0 has succeeded are ended with it. Remove the field."
        yield note(Reason.NOT_ENFORCED, text, "spec.cleanPodPolicy")
    if one_by_one and layout.size > MOST_JOBS:
        text = (
            f"Without JobSet, master and workers that differ have a Job each, and at most {MOST_JOBS}. Ask an "
            "administrator to install JobSet, make the master like the workers, or lower numWorkers."
        )
        yield stalled(Reason.FRAMEWORK_UNSUPPORTED, text, "spec.numWorkers")
