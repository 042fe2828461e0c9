"""Training: a workload that runs to completion; and the inline fields of distributed ones."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Column, CustomResource
from outfitter.api.refs import TemplateRef
from outfitter.api.rules import Rule
from outfitter.api.types import AbsolutePath, Int32, PositiveInt32
from outfitter.api.v1alpha1.asset import Description, DisplayName, Status
from outfitter.api.v1alpha1.connections import ConnectionOverrides
from outfitter.api.v1alpha1.running import EndingStatus, RunningStatus
from outfitter.api.v1alpha1.workload import WorkloadFields
from outfitter.api.v1alpha1.workspace import Assets, without_serving_port

DistributedFramework = Literal["MPI", "PyTorch", "TF", "XGBoost", "JAX"]
WorkerCount = Annotated[PositiveInt32, Field(le=2048)]
"""Number of workers. With more of them, the list of their addresses would not fit into a variable of TF or XGBoost."""


_TOO_PARALLEL = (
    "parallelism is above completions, so some pods would have nothing to do. Lower parallelism, or raise completions."
)


def _within(spec: Any) -> bool:
    return bool(spec.get("parallelism", 1) <= spec.get("completions", 1))


def parallel_within_completions() -> Rule:
    """Refuse more pods at the same time than must succeed."""
    return Rule(
        "!has(self.parallelism) || !has(self.completions) || self.parallelism <= self.completions",
        _TOO_PARALLEL,
        lambda spec: "parallelism" not in spec or "completions" not in spec or _within(spec),
        field="parallelism",
    )


class TrainingFields(WorkloadFields):
    """Inline fields of a training."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        parallel_within_completions(),
        Rule(
            "!has(self.parallelism) || self.parallelism <= (has(self.completions) ? self.completions : 1)",
            _TOO_PARALLEL,
            lambda spec: "completions" in spec or _within(spec),
            field="parallelism",
            complete=True,
        ),
    )

    completions: PositiveInt32 | None = None
    """Pods that must succeed. Default: 1. Each pod finds its number, from 0, in JOB_COMPLETION_INDEX if there are
    several.
    """
    parallelism: PositiveInt32 | None = None
    """Most pods that run at the same time, at most `completions`. Default: 1. Can change while it runs."""


class MasterFields(WorkloadFields):
    """Inline fields of the master of a distributed training."""


class WorkerFields(WorkloadFields):
    """Inline fields of the workers of a distributed training."""

    distributed_framework: DistributedFramework | None = None
    """Framework that connects the pods."""
    num_workers: WorkerCount | None = None
    """Number of workers. Default: 1."""
    min_replicas: WorkerCount | None = None
    """Fewest workers of an elastic training. Default: numWorkers."""
    max_replicas: WorkerCount | None = None
    """Most workers of an elastic training. Default: numWorkers."""
    slots_per_worker: PositiveInt32 | None = None
    """Processes on each worker, for MPI. Default: 1."""
    clean_pod_policy: Literal["Running", "All", "None"] | None = None
    """Pods to delete when the training ends. Default: Running."""
    mpi_launcher_creation_policy: Literal["AtStartup", "WaitForWorkersReady"] | None = None
    """When the launcher of MPI starts. Default: AtStartup."""
    ssh_auth_mount_path: AbsolutePath | None = None
    """Mount path of the SSH keys, for MPI. Default: /root/.ssh."""


class TrainingSpec(TrainingFields):
    """Assets, inline fields or both. Inline fields override assets."""

    RULES: ClassVar[tuple[Rule, ...]] = (without_serving_port(),)

    description: Description | None = None
    """Purpose, in 1 to 250 characters."""
    display_name: DisplayName | None = None
    """Display name. Default: the name of the object."""
    template: TemplateRef | None = None
    """WorkloadTemplate to start from. Inline fields override its fields, and `assets` override its assets."""
    assets: Assets = Assets()
    """Assets of the training."""
    connections: ConnectionOverrides = ()
    """Settings for connections of the environment, such as a node port, and additional connections."""
    suspend: bool = False
    """Stop it: end its pods and keep its progress. Default: false. When it is started again, changes of assets,
    policies and its own spec take effect.
    """
    restart_policy: Literal["OnFailure", "Never"] | None = None
    """After a failure, `OnFailure` starts the program again in the same pod, `Never` in a new pod. Default: Never. A
    drained or preempted pod counts as no failure with Never.
    """
    backoff_limit: Int32 | None = None
    """Failures after which the training fails. Default: 6. Can change while it runs."""


class TrainingStatus(Status, EndingStatus, RunningStatus):
    """State of the training."""


class Training(CustomResource):
    """A workload that runs to completion, made from assets, inline fields or both."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Phase", path=".status.phase"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Succeeded", path=".status.progress.succeeded", type="integer"),
        Column(name="Completions", path=".status.progress.completions", type="integer"),
        Column(name="Failed", path=".status.progress.failed", type="integer"),
        Column(name="Duration", path=".status.duration"),
        Column(name="Active", path=".status.progress.active", type="integer", wide=True),
        Column(name="Environment", path=".spec.assets.environment.name", wide=True),
        Column(name="Compute", path=".spec.assets.compute.name", wide=True),
        Column(name="Status", path=".status.syncStatus", wide=True),
        Column(name="Revision", path=".status.revision", wide=True),
        Column(name="Outdated", path=".status.outdated[0].reason", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.template.name",
        ".spec.assets.environment.name",
        ".spec.assets.compute.name",
        ".spec.suspend",
        ".status.phase",
        ".status.syncStatus",
        ".status.createdBy",
        ".status.updatedBy",
    )

    spec: TrainingSpec
    """Desired state."""
    status: TrainingStatus = TrainingStatus()
    """Observed state. Only the operator writes it."""
