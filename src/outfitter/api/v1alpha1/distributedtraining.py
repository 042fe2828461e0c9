"""DistributedTraining: a workload of several connected pods that runs to completion."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.priorities import Preemptibility
from outfitter.api.refs import TemplateRef
from outfitter.api.rules import Rule
from outfitter.api.types import Int32, Name, Seconds
from outfitter.api.v1alpha1.asset import Description, DisplayName, Status
from outfitter.api.v1alpha1.connections import ConnectionOverrides
from outfitter.api.v1alpha1.running import EndingStatus, RunningStatus
from outfitter.api.v1alpha1.training import DistributedFramework, MasterFields, WorkerFields
from outfitter.api.v1alpha1.workload import QueueName
from outfitter.api.v1alpha1.workspace import Assets, without_serving_port

BackendName = Literal["native", "jobset", "kubeflow"]
NEEDS_MASTER = "The training needs a master. Set masterSpecSameAsWorker to true, or masterSpec."
ADDRESSES = ("connections", "ports", "exposedUrls")
_SAME = "masterSpecSameAsWorker"


def _only_for(framework: str, field: str) -> Rule:
    """Refuse a field that only one framework has."""
    return Rule(
        f"!has(self.{field}) || !has(self.distributedFramework) || self.distributedFramework == '{framework}'",
        f"Only distributedFramework {framework} has {field}. Remove the field.",
        lambda spec: field not in spec or spec.get("distributedFramework", framework) == framework,
        field=field,
        reason="FieldValueForbidden",
    )


def _address_of_master(field: str) -> Rule:
    """Refuse addresses of the workers beside a master of its own, which alone has addresses."""
    return Rule(
        f"!has(self.masterSpec) || !has(self.{field})",
        f"Only the master has addresses. Move {field} into masterSpec.",
        lambda spec: "masterSpec" not in spec or field not in spec,
        field=field,
        reason="FieldValueForbidden",
    )


def _without_master(field: str) -> Rule:
    """Refuse a master for JAX."""
    given = f"has(self.{field})" if field == "masterSpec" else f"has(self.{field}) && self.{field}"
    return Rule(
        f"!has(self.distributedFramework) || self.distributedFramework != 'JAX' || !({given})",
        f"JAX has no master: its first worker has rank 0. Remove {field}, and count that pod in numWorkers.",
        lambda spec: spec.get("distributedFramework") != "JAX" or spec.get(field, False) is False,
        field=field,
        reason="FieldValueForbidden",
    )


ONE_MASTER = Rule(
    f"!has(self.masterSpec) || !has(self.{_SAME}) || !self.{_SAME}",
    f"masterSpec and {_SAME} exclude each other. Remove one of them.",
    lambda spec: "masterSpec" not in spec or not spec.get(_SAME),
    field="masterSpec",
)
"""Refuse two ways to say what the master is."""
OWN_MASTER_RULES = (_without_master("masterSpec"), *(_address_of_master(field) for field in ADDRESSES))
"""What the workers must be beside a `masterSpec`."""


def _elastic_in_order(spec: Any) -> bool:
    workers = spec.get("numWorkers", 1)
    return bool(spec.get("minReplicas", workers) <= spec.get("maxReplicas", workers))


class MasterSpec(MasterFields):
    """The pod of rank 0, made from its own assets and fields."""

    RULES: ClassVar[tuple[Rule, ...]] = (without_serving_port(),)

    assets: Assets = Assets()
    """Assets of the master."""
    connections: ConnectionOverrides = ()
    """Settings for connections of its environment, such as a node port, and additional connections."""
    queue: QueueName | None = None
    """Has no effect, and the status has a note: that of the workers counts for the master too."""
    priority_class: Name | None = None
    """Has no effect, and the status has a note: that of the workers counts for the master too."""
    preemptibility: Preemptibility | None = None
    """Has no effect, and the status has a note: that of the workers counts for the master too."""
    terminate_after_preemption: bool | None = None
    """Has no effect, and the status has a note: that of the workers counts for the master too. Default: false."""
    restart_policy: Literal["OnFailure", "Never"] | None = None
    """Has no effect, and the status has a note: that of the workers counts for the master too."""
    backoff_limit: Int32 | None = None
    """Has no effect, and the status has a note: that of the workers counts for the master too."""
    auto_deletion_time_after_completion_seconds: Seconds | None = None
    """Has no effect, and the status has a note: that of the workers counts for the master too."""


class WorkersSpec(WorkerFields):
    """Assets and inline fields of the workers. Inline fields override assets."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("image", "distributed_framework")
    RULES: ClassVar[tuple[Rule, ...]] = (
        without_serving_port(),
        _without_master(_SAME),
        *(_only_for("PyTorch", field) for field in ("minReplicas", "maxReplicas")),
        *(_only_for("MPI", field) for field in ("slotsPerWorker", "mpiLauncherCreationPolicy", "sshAuthMountPath")),
        Rule(
            "(!has(self.minReplicas) && !has(self.maxReplicas)) || "
            "(has(self.minReplicas) ? self.minReplicas : (has(self.numWorkers) ? self.numWorkers : 1)) <= "
            "(has(self.maxReplicas) ? self.maxReplicas : (has(self.numWorkers) ? self.numWorkers : 1))",
            "minReplicas is above maxReplicas; without one of them, numWorkers counts. Lower minReplicas, or raise "
            "maxReplicas.",
            lambda spec: not {"minReplicas", "maxReplicas"} & spec.keys() or _elastic_in_order(spec),
            field="minReplicas",
        ),
    )

    description: Description | None = None
    """Purpose, in 1 to 250 characters."""
    display_name: DisplayName | None = None
    """Display name. Default: the name of the object."""
    distributed_framework: DistributedFramework | None = None
    """Framework that connects the pods: it decides which environment variables they get. Required unless a template or
    a policy sets it.
    """
    backend: Literal["auto", "native", "jobset", "kubeflow"] | None = None
    """What creates the pods: `jobset` a JobSet, `native` Jobs and a Service, `kubeflow` an MPIJob. Default: auto, which
    is `kubeflow` for MPI, else `jobset` if the cluster serves JobSets, else `native`. Decided when the training starts;
    `status.backend` has the result.
    """
    template: TemplateRef | None = None
    """WorkloadTemplate to start from: its `masterSpec` for the master, the rest for the workers. Inline fields override
    its fields, and `assets` its assets. Its `masterSpec` does not count where `masterSpecSameAsWorker` is true.
    """
    assets: Assets = Assets()
    """Assets of the workers."""
    connections: ConnectionOverrides = ()
    """Settings for connections of the environment, and additional connections. They lead to the pod of rank 0."""
    master_spec_same_as_worker: bool | None = None
    """One more pod like the workers is the master. Default: false. The policy section `master` is applied to it."""
    suspend: bool = False
    """Stop it: end its pods. Default: false. When it is started again, its pods start from the beginning, and changes
    of assets, policies and its own spec take effect.
    """
    restart_policy: Literal["OnFailure", "Never"] | None = None
    """After a failure, `OnFailure` starts the program again in the same pod. `Never` starts all pods again, because the
    others have lost a peer. Default: Never.
    """
    backoff_limit: Int32 | None = None
    """Failures after which the training fails. Default: 6. With Never, each start of all pods counts once."""


class MasterCopySpec(WorkersSpec):
    """The fields of the workers as those of a master like them: the framework is that of the workers."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("image",)


class DistributedTrainingSpec(WorkersSpec):
    """Assets and inline fields of the workers, and those of the master. Inline fields override assets."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        ONE_MASTER,
        Rule(
            "has(self.template) || !has(self.distributedFramework) || self.distributedFramework == 'JAX' || "
            f"has(self.masterSpec) || (has(self.{_SAME}) && self.{_SAME})",
            NEEDS_MASTER,
            lambda spec: (
                "template" in spec
                or spec.get("distributedFramework", "JAX") == "JAX"
                or "masterSpec" in spec
                or bool(spec.get(_SAME))
            ),
            field="masterSpec",
            reason="FieldValueRequired",
        ),
        *OWN_MASTER_RULES,
    )

    master_spec: MasterSpec | None = None
    """The master, where it differs from the workers: it runs beside `numWorkers` workers and has rank 0. Nothing of the
    workers is copied. Its fields override those of `masterSpec` of the template.
    """


class ReplicaStatus(Model):
    """Pods of one role."""

    desired: Annotated[int, Field(ge=0)] = 0
    """Pods that should run."""
    ready: Annotated[int, Field(ge=0)] = 0
    """Pods that are ready."""


class DistributedTrainingStatus(Status, EndingStatus, RunningStatus):
    """State of the training."""

    backend: BackendName | None = None
    """What creates its pods. An edit of `spec.backend` and a controller that is installed later count from the next
    start.
    """
    master: ReplicaStatus | None = None
    """The pod of the master; absent if all pods have one template."""
    worker: ReplicaStatus | None = None
    """Pods of the workers; all pods if they have one template."""


class DistributedTraining(CustomResource):
    """A workload of several pods that find each other, such as a PyTorch or MPI job, and runs to completion."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Phase", path=".status.phase"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Framework", path=".spec.distributedFramework"),
        Column(name="Workers", path=".status.worker.desired", type="integer"),
        Column(name="Backend", path=".status.backend"),
        Column(name="Duration", path=".status.duration"),
        Column(name="Attempt", path=".status.run.attempt", type="integer", wide=True),
        Column(name="Environment", path=".spec.assets.environment.name", wide=True),
        Column(name="Compute", path=".spec.assets.compute.name", wide=True),
        Column(name="Status", path=".status.syncStatus", wide=True),
        Column(name="Revision", path=".status.revision", wide=True),
        Column(name="Outdated", path=".status.outdated[0].reason", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.distributedFramework",
        ".spec.assets.environment.name",
        ".spec.assets.compute.name",
        ".spec.suspend",
        ".status.phase",
        ".status.syncStatus",
        ".status.createdBy",
        ".status.updatedBy",
    )

    spec: DistributedTrainingSpec
    """Desired state."""
    status: DistributedTrainingStatus = DistributedTrainingStatus()
    """Observed state. Only the operator writes it."""
