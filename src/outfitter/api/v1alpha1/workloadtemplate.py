"""WorkloadTemplate: fields and assets that workloads of one type start from."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from pydantic.alias_generators import to_camel

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.rules import Rule, Transition
from outfitter.api.shape import FREE_FORM
from outfitter.api.types import AbsolutePath, Message, PositiveInt32, list_atomic
from outfitter.api.v1alpha1.asset import LISTED_REASONS, AssetSpec, ComplianceReason, ComplianceStatus
from outfitter.api.v1alpha1.connections import ConnectionOverrides, at_most_one_serving_port
from outfitter.api.v1alpha1.distributedtraining import ONE_MASTER, OWN_MASTER_RULES, MasterSpec
from outfitter.api.v1alpha1.inference import InferenceSecurity, InferenceSpec, InferenceStorage
from outfitter.api.v1alpha1.serving import InlineAutoscaling, ServingConfiguration, ServingPort
from outfitter.api.v1alpha1.training import DistributedFramework, WorkerCount, parallel_within_completions
from outfitter.api.v1alpha1.workload import WorkloadFields
from outfitter.api.v1alpha1.workspace import Assets

_OF_TRAINING = ("completions", "parallelism")
_OF_DISTRIBUTED = (
    "distributedFramework", "numWorkers", "minReplicas", "maxReplicas", "slotsPerWorker", "cleanPodPolicy",
    "mpiLauncherCreationPolicy", "sshAuthMountPath", "masterSpec", "masterSpecSameAsWorker", "backend",
)  # fmt: skip
_OF_SERVING = ("autoscaling", "servingPort", "servingConfiguration")


def _not_for(workload_type: str, path: str) -> Rule:
    """Refuse a field that a type of workload does not have."""
    steps = path.split(".")
    places = [".".join(("self", *steps[: number + 1])) for number in range(len(steps))]
    present = " && ".join(f"has({place})" for place in places)

    def absent(spec: Any) -> bool:
        node = spec
        for step in steps:
            if step not in node:
                return True
            node = node[step]
        return bool(spec.get("workloadType") != workload_type)

    return Rule(
        f"self.workloadType != '{workload_type}' || !({present})",
        f"A workload of type {workload_type} has no {path}. Remove the field, or change workloadType.",
        absent,
        field=path,
        reason="FieldValueForbidden",
    )


def _only_for_distributed(field: str) -> Rule:
    """Refuse a field that only distributed workloads have."""
    return Rule(
        f"self.workloadType == 'distributed' || !has(self.{field})",
        f"Only a workload of type distributed has {field}. Remove the field, or change workloadType.",
        lambda spec: spec.get("workloadType") == "distributed" or field not in spec,
        field=field,
        reason="FieldValueForbidden",
    )


def _rules() -> Iterator[Rule]:
    for workload_type in ("workspace", "training", "distributed"):
        for path in _OF_SERVING:
            yield _not_for(workload_type, path)
    for field in _OF_DISTRIBUTED:
        yield _only_for_distributed(field)
    for workload_type in ("workspace", "inference", "distributed"):
        for path in _OF_TRAINING:
            yield _not_for(workload_type, path)
    for model, start in ((InferenceSpec, ""), (InferenceSecurity, "security."), (InferenceStorage, "storage.")):
        for name in model.without():
            yield _not_for("inference", f"{start}{to_camel(name)}")


class WorkloadTemplateSpec(WorkloadFields, AssetSpec):
    """Assets, inline fields or both."""

    WITHOUT: ClassVar[tuple[str, ...]] = ("supported_types",)
    RULES: ClassVar[tuple[Rule, ...]] = (
        *_rules(),
        at_most_one_serving_port(),
        parallel_within_completions(),
        ONE_MASTER,
        *OWN_MASTER_RULES,
        Rule(
            "!(self.workloadType in ['training', 'distributed']) || !has(self.restartPolicy) || "
            "self.restartPolicy != 'Always'",
            "A training runs to completion, so its restartPolicy is OnFailure or Never. Change it.",
            lambda spec: (
                spec.get("workloadType") not in ("training", "distributed") or spec.get("restartPolicy") != "Always"
            ),
            field="restartPolicy",
        ),
        Rule(
            "self.workloadType == 'inference' || !has(self.connections) || "
            "self.connections.all(c, !has(c.connectionType) || c.connectionType != 'ServingPort')",
            "connectionType ServingPort is valid only for an Inference. Use another connectionType.",
            lambda spec: (
                spec.get("workloadType") == "inference"
                or all(item.get("connectionType") != "ServingPort" for item in spec.get("connections", ()))
            ),
            field="connections",
        ),
        Rule(
            "self.workloadType != 'inference' || !has(self.storage) || !has(self.storage.pvc) || "
            "self.storage.pvc.all(v, !has(v.ephemeral))",
            "A workload of type inference has no storage.pvc[].ephemeral. Remove the field, or change workloadType.",
            lambda spec: (
                spec.get("workloadType") != "inference"
                or all("ephemeral" not in item for item in spec.get("storage", {}).get("pvc", ()))
            ),
            field="storage.pvc",
            reason="FieldValueForbidden",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        Transition(
            "self.workloadType == oldSelf.workloadType",
            "workloadType cannot change after creation. Create a new WorkloadTemplate.",
            lambda new, old: bool(new.get("workloadType") == old.get("workloadType")),
            "workloadType",
        ),
    )

    workload_type: Literal["workspace", "training", "distributed", "inference"]
    """Type of the workloads that may use this template: `workspace`, `training`, `distributed` or `inference`. Cannot
    change after creation. A distributed workload takes its workers from it, and its master from `masterSpec`.
    """
    assets: Assets = Assets()
    """Assets: an environment, a compute resource, data sources."""
    connections: ConnectionOverrides = ()
    """Settings for connections of the environment, and additional connections."""
    completions: PositiveInt32 | None = None
    """Pods that must succeed. Only for training."""
    parallelism: PositiveInt32 | None = None
    """Most pods that run at the same time, at most `completions`. Only for training."""
    distributed_framework: DistributedFramework | None = None
    """Framework that connects the pods. Only for distributed."""
    num_workers: WorkerCount | None = None
    """Number of workers. Only for distributed."""
    min_replicas: WorkerCount | None = None
    """Fewest workers of an elastic training. Only for distributed."""
    max_replicas: WorkerCount | None = None
    """Most workers of an elastic training. Only for distributed."""
    slots_per_worker: PositiveInt32 | None = None
    """Processes on each worker, for MPI. Only for distributed."""
    clean_pod_policy: Literal["Running", "All", "None"] | None = None
    """Pods to delete when the training ends. Only for distributed."""
    mpi_launcher_creation_policy: Literal["AtStartup", "WaitForWorkersReady"] | None = None
    """When the launcher of MPI starts. Only for distributed."""
    ssh_auth_mount_path: AbsolutePath | None = None
    """Mount path of the SSH keys, for MPI. Only for distributed."""
    master_spec_same_as_worker: bool | None = None
    """One more pod like the workers is the master. Default: false. Only for distributed."""
    master_spec: MasterSpec | None = None
    """The master, where it differs from the workers. Only for distributed."""
    backend: Literal["auto", "native", "jobset", "kubeflow"] | None = None
    """What creates the pods. Only for distributed."""
    autoscaling: InlineAutoscaling | None = None
    """Scale by load, instead of `replicas`. Only for inference."""
    serving_port: ServingPort | None = None
    """The port for requests, and its users. Only for inference."""
    serving_configuration: ServingConfiguration | None = None
    """Time limits of serving. Only for inference."""


class Runnable(Model):
    """Whether a workload of this template alone could run."""

    is_runnable: bool
    """True if the template and its assets are a complete workload."""
    issue: Message | None = None
    """First reason why not. A workload can supply what is missing."""


class WorkloadTemplateStatus(ComplianceStatus):
    """State of the template."""

    runnable: Runnable | None = None
    """Whether a workload of this template alone could run."""
    compliance_issues: Annotated[tuple[ComplianceReason, ...], list_atomic(LISTED_REASONS)] = ()
    """What breaks policies in any project of its scope, each once, at most 16. `compliance` tells where."""
    combined_spec: Annotated[dict[str, Any] | None, Field(json_schema_extra={FREE_FORM: True})] = None
    """Fields of the template and of its assets together, as a workload gets them."""


class WorkloadTemplate(CustomResource):
    """Fields and assets that workloads of one type start from. A definition: Outfitter creates no object for it."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Type", path=".spec.workloadType"),
        Column(name="Status", path=".status.syncStatus"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Runnable", path=".status.runnable.isRunnable", type="boolean"),
        Column(name="Used", path=".status.usedBy.total", type="integer"),
        Column(name="Scope", path=".status.scope", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.workloadType",
        ".spec.assets.environment.name",
        ".spec.assets.compute.name",
        ".status.scope",
        ".status.department",
        ".status.syncStatus",
        ".status.createdBy",
        ".status.updatedBy",
    )

    spec: WorkloadTemplateSpec
    """Desired state."""
    status: WorkloadTemplateStatus = WorkloadTemplateStatus()
    """Observed state. Only the operator writes it."""


TEMPLATE_FIELDS: frozenset[str] = frozenset(
    str(field.alias)
    for name, field in WorkloadTemplateSpec.model_fields.items()
    if name == "distributed_framework"
    or (name not in AssetSpec.model_fields and name not in ("workload_type", "assets", "master_spec"))
)
"""Fields that a template gives to its workloads; of a distributed one, to the workers."""
MASTER_FIELDS: frozenset[str] = frozenset(
    str(field.alias) for name, field in MasterSpec.model_fields.items() if name != "assets"
)
"""Fields of `masterSpec` of a template that it gives to the master."""
