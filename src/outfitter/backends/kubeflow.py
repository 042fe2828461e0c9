"""MPI by an MPIJob, whose controller writes the host file and the SSH keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from outfitter.backends import groups
from outfitter.backends.base import Backend, ControllerState, Progress, Run
from outfitter.backends.job import BACKOFF_LIMIT
from outfitter.backends.native import addresses
from outfitter.problems import Problem
from outfitter.render.distributed import layout_of
from outfitter.render.scheduling import kueue_owned
from outfitter.snapshot import CachedObject

_KIND: Final = "MPIJob"


class KubeflowBackend:
    """Runs a distributed workload as an MPIJob."""

    controllers: tuple[str, ...] = (_KIND,)
    children: tuple[str, ...] = (_KIND, "Service", "Ingress")

    def render(self, run: Run) -> list[dict[str, Any]]:
        """Return the MPIJob, and the addresses of the launcher."""
        layout, given = layout_of(run.spec, run.request.name, equal=False), run.spec
        launcher, workers = run.pods
        spec = {
            "slotsPerWorker": given.slots_per_worker or 1,
            "runLauncherAsWorker": False,
            "sshAuthMountPath": given.ssh_auth_mount_path or "/root/.ssh",
            "launcherCreationPolicy": given.mpi_launcher_creation_policy or "AtStartup",
            "mpiImplementation": "OpenMPI",
            "runPolicy": {
                "cleanPodPolicy": given.clean_pod_policy or "Running",
                "backoffLimit": BACKOFF_LIMIT if given.backoff_limit is None else given.backoff_limit,
                "suspend": run.request.stopped or kueue_owned(run.pods),
            },
            "mpiReplicaSpecs": {
                "Launcher": {
                    "replicas": 1,
                    "restartPolicy": launcher.template["spec"].get("restartPolicy", "Never"),
                    "template": launcher.template,
                },
                "Worker": {"replicas": layout.workers, "restartPolicy": "Never", "template": workers.template},
            },
        }
        return [groups.manifest(run, "kubeflow.org/v2beta1", _KIND, layout.name, spec), *addresses(run, layout)]

    def limits(self, run: Run) -> Iterator[Problem]:
        """Yield nothing: an MPIJob has no limits beyond those of its pods."""
        yield from ()

    def observe(self, controllers: Sequence[CachedObject], pods: Iterable[CachedObject]) -> ControllerState:
        """Return the state of the MPIJob and its pods."""
        return groups.state(_KIND, controllers, pods)

    def progress(self, controllers: Sequence[CachedObject]) -> Progress | None:
        """Return the progress of the MPIJob."""
        return groups.progress(_KIND, controllers)


BACKEND: Final[Backend] = KubeflowBackend()
