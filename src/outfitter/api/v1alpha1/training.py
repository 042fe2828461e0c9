"""Inline fields of workloads that run to completion. Their kinds are not available yet; their policies are."""

from typing import Literal

from outfitter.api.types import AbsolutePath, PositiveInt32
from outfitter.api.v1alpha1.workload import WorkloadFields

DistributedFramework = Literal["MPI", "PyTorch", "TF", "XGBoost", "JAX"]


class TrainingFields(WorkloadFields):
    """Inline fields of a training."""

    completions: PositiveInt32 | None = None
    """Pods that must succeed. Default: 1."""
    parallelism: PositiveInt32 | None = None
    """Most pods that run at the same time. Default: 1."""


class MasterFields(WorkloadFields):
    """Inline fields of the master of a distributed training."""


class WorkerFields(WorkloadFields):
    """Inline fields of the workers of a distributed training."""

    distributed_framework: DistributedFramework | None = None
    """Framework that connects the pods."""
    num_workers: PositiveInt32 | None = None
    """Number of workers. Default: 1."""
    min_replicas: PositiveInt32 | None = None
    """Fewest workers of an elastic training. Default: numWorkers."""
    max_replicas: PositiveInt32 | None = None
    """Most workers of an elastic training. Default: numWorkers."""
    slots_per_worker: PositiveInt32 | None = None
    """Processes on each worker, for MPI. Default: 1."""
    clean_pod_policy: Literal["Running", "All", "None"] | None = None
    """Pods to delete when the training ends. Default: Running."""
    mpi_launcher_creation_policy: Literal["AtStartup", "WaitForWorkersReady"] | None = None
    """When the launcher of MPI starts. Default: AtStartup."""
    ssh_auth_mount_path: AbsolutePath | None = None
    """Mount path of the SSH keys, for MPI. Default: /root/.ssh."""
