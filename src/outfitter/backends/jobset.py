"""Pods with ranks by a JobSet, whose controller creates the Jobs and the Service, and starts a failed group again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from outfitter.backends import groups
from outfitter.backends.base import Backend, ControllerState, Progress, Run
from outfitter.backends.job import BACKOFF_LIMIT
from outfitter.backends.native import addresses, least, pods_of_job
from outfitter.problems import Problem
from outfitter.render.distributed import layout_of, restarts_together
from outfitter.render.ranks import MASTER, WORKER
from outfitter.render.scheduling import kueue_owned
from outfitter.snapshot import CachedObject

_KIND: Final = "JobSet"
_TAKEN: Final = {
    "name": "disrupted",
    "action": "RestartJobSetAndIgnoreMaxRestarts",
    "onJobFailureReasons": ["PodFailurePolicy"],
}
"""A drained or preempted pod has all pods start again, and costs no attempt."""


class JobSetBackend:
    """Runs a distributed workload as a JobSet."""

    controllers: tuple[str, ...] = (_KIND,)
    children: tuple[str, ...] = (_KIND, "Service", "Ingress")

    def render(self, run: Run) -> list[dict[str, Any]]:
        """Return the JobSet, and the addresses of the pod of rank 0.

        Every field is written out: the defaults come from a webhook, which may be missing.
        """
        layout = layout_of(run.spec, run.request.name, equal=len(run.pods) == 1)
        limit = BACKOFF_LIMIT if run.spec.backoff_limit is None else run.spec.backoff_limit
        if layout.equal:
            made = [_replicated(run, WORKER, 0, 1, layout.size)]
        else:
            made = [_replicated(run, MASTER, 0, 1, 1), _replicated(run, WORKER, 1, layout.workers, 1)]
        spec = {
            "network": {"enableDNSHostnames": True, "subdomain": layout.name, "publishNotReadyAddresses": True},
            "successPolicy": {"operator": "All", "targetReplicatedJobs": [made[0]["name"]]},
            "failurePolicy": {
                "maxRestarts": limit if restarts_together(run.spec) else 0,
                "restartStrategy": "BlockingRecreate",
                "rules": [dict(_TAKEN)],
            },
            "startupPolicy": {"startupPolicyOrder": "AnyOrder"},
            "suspend": run.request.stopped or kueue_owned(run.pods),
            "replicatedJobs": made,
        }
        return [
            groups.manifest(run, "jobset.x-k8s.io/v1alpha2", _KIND, layout.name, spec, least(layout)),
            *addresses(run, layout),
        ]

    def limits(self, run: Run) -> Iterator[Problem]:
        """Yield nothing: a JobSet has no limits beyond those of its pods."""
        yield from ()

    def observe(self, controllers: Sequence[CachedObject], pods: Iterable[CachedObject]) -> ControllerState:
        """Return the state of the JobSet and its pods."""
        return groups.state(_KIND, controllers, pods)

    def progress(self, controllers: Sequence[CachedObject]) -> Progress | None:
        """Return the progress of the JobSet."""
        return groups.progress(_KIND, controllers)


def _replicated(run: Run, role: str, group: int, replicas: int, count: int) -> dict[str, Any]:
    """Return the Jobs of a role: `replicas` Jobs with `count` pods each."""
    return {
        "name": role,
        "groupName": "default",
        "replicas": replicas,
        "template": {"spec": pods_of_job(run, run.pods[group].template, count)},
    }


BACKEND: Final[Backend] = JobSetBackend()
