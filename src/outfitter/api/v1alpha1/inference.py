"""Inference: a workload that answers requests, made from an artifact, from assets, from inline fields or from both."""

from typing import Annotated, ClassVar

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.refs import TemplateRef
from outfitter.api.rules import Node, Rule
from outfitter.api.shape import STORED_DEFAULT
from outfitter.api.types import Int32, Name, PositiveInt32, StatusName, list_atomic
from outfitter.api.v1alpha1.artifactstatus import ServingStatus
from outfitter.api.v1alpha1.asset import Description, DisplayName, Status
from outfitter.api.v1alpha1.connections import ConnectionOverrides, at_most_one_serving_port
from outfitter.api.v1alpha1.running import RunningStatus
from outfitter.api.v1alpha1.security import Security
from outfitter.api.v1alpha1.serving import GroupSizings, InlineAutoscaling, ServingConfiguration, ServingPort
from outfitter.api.v1alpha1.storage import PvcVolume, Storage
from outfitter.api.v1alpha1.workload import WorkloadFields
from outfitter.api.v1alpha1.workspace import Assets

OF_THE_ARTIFACT = (
    "image", "imagePullPolicy", "command", "args", "workingDir", "createHomeDir", "environmentVariables", "security",
    "probes",
)  # fmt: skip
"""Inline fields that an artifact sets already."""


class InferenceSecurity(Security):
    """User and privileges of a container."""

    WITHOUT: ClassVar[tuple[str, ...]] = ("allow_privilege_escalation", "host_ipc", "host_network")


class InferencePvcVolume(PvcVolume):
    """A persistent volume claim: a new one, or one that exists."""

    WITHOUT: ClassVar[tuple[str, ...]] = ("ephemeral",)


class InferenceStorage(Storage):
    """Inline volumes, by type."""

    WITHOUT: ClassVar[tuple[str, ...]] = ("s3",)

    pvc: Annotated[tuple[InferencePvcVolume, ...], list_atomic(32)] = ()
    """Persistent volume claims."""


class ArtifactRef(Model):
    """The Artifact to run: by name, or a locked version by repository and number."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.name) != has(self.repository)",
            "The reference needs either name, or repository and version. Set one of the two.",
            lambda ref: ("name" in ref) != ("repository" in ref),
        ),
        Rule(
            "has(self.repository) == has(self.version)",
            "repository and version need each other. Set both, or neither.",
            lambda ref: ("repository" in ref) == ("version" in ref),
            field="version",
        ),
    )
    REFERS: ClassVar[dict[str, str]] = {"name": "Artifact", "repository": "ArtifactRepository"}

    name: Name | None = None
    """Name of the Artifact of this namespace, draft or locked. An edit of a draft appears under `status.outdated`; a
    restart applies it.
    """
    repository: Name | None = None
    """Name of the ArtifactRepository of this namespace, together with `version`."""
    version: PositiveInt32 | None = None
    """Number of the locked version in that repository."""


def _beside_artifact(field: str) -> Rule:
    return Rule(
        f"!has(self.artifact) || !has(self.{field})",
        f"The Artifact sets {field}. Remove {field} or artifact.",
        lambda spec: "artifact" not in spec or field not in spec,
        field=field,
        reason="FieldValueForbidden",
    )


def _port(spec: Node) -> bool:
    return "container" in spec.get("servingPort", {})


class InferenceSpec(WorkloadFields):
    """An artifact, or assets, inline fields or both. Inline fields override assets."""

    WITHOUT: ClassVar[tuple[str, ...]] = (
        "tty",
        "stdin",
        "terminate_after_preemption",
        "restart_policy",
        "backoff_limit",
        "auto_deletion_time_after_completion_seconds",
        "termination_grace_period_seconds",
    )
    MANDATORY: ClassVar[tuple[str, ...]] = ()
    RULES: ClassVar[tuple[Rule, ...]] = (
        *map(_beside_artifact, OF_THE_ARTIFACT),
        at_most_one_serving_port(),
        Rule(
            "!has(self.artifact) || !has(self.assets) || !has(self.assets.environment)",
            "An Artifact replaces the Environment. Remove assets.environment or artifact.",
            lambda spec: "artifact" not in spec or "environment" not in spec.get("assets", {}),
            field="assets.environment",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.artifact) || !has(self.servingPort) || !has(self.servingPort.container)",
            "The primary container of the Artifact sets the port. Remove servingPort.container.",
            lambda spec: "artifact" not in spec or not _port(spec),
            field="servingPort.container",
            reason="FieldValueForbidden",
        ),
        Rule(
            "has(self.artifact) || !has(self.containerGroups) || size(self.containerGroups) == 0",
            "containerGroups sets sizes for the groups of an Artifact. Without artifact, use replicas, compute "
            "and autoscaling.",
            lambda spec: "artifact" in spec or not spec.get("containerGroups"),
            field="containerGroups",
            reason="FieldValueForbidden",
        ),
        Rule(
            "has(self.artifact) || has(self.image)",
            "image is required without artifact, and no asset or policy sets it. Set image or artifact.",
            lambda spec: "artifact" in spec or "image" in spec,
            field="image",
            reason="FieldValueRequired",
            complete=True,
        ),
        Rule(
            "has(self.artifact) || !has(self.servingPort) || has(self.servingPort.container)",
            "servingPort.container is required without artifact, and no asset or policy sets it. Set the port.",
            lambda spec: "artifact" in spec or "servingPort" not in spec or _port(spec),
            field="servingPort.container",
            reason="FieldValueRequired",
            complete=True,
        ),
    )

    description: Description | None = None
    """Purpose, in 1 to 250 characters."""
    display_name: DisplayName | None = None
    """Display name. Default: the name of the object."""
    artifact: ArtifactRef | None = None
    """Artifact to run, instead of an image. Only a locked artifact can replace a locked one."""
    template: TemplateRef | None = None
    """WorkloadTemplate to start from. Inline fields override its fields, and `assets` override its assets."""
    assets: Assets = Assets()
    """Assets: an environment (not with an artifact), a compute resource, data sources."""
    replicas: Annotated[Int32, Field(json_schema_extra={STORED_DEFAULT: 1})] = 1
    """Pods of each container group without `replicas` or autoscaling of its own; 0 stops them. Default: 1. `kubectl
    scale` and autoscalers set this field. Where no group uses it, another number than 1 has an issue NotEnforced.
    """
    container_groups: GroupSizings = ()
    """Replicas of each group of the artifact, and resources of its containers."""
    autoscaling: InlineAutoscaling | None = None
    """Scale by load, instead of `replicas`."""
    serving_port: ServingPort | None = None
    """The port for requests, and its users."""
    serving_configuration: ServingConfiguration | None = None
    """Time limits of serving."""
    connections: ConnectionOverrides = ()
    """Settings for connections of the environment, such as a node port, and additional connections."""
    suspend: bool = False
    """Stop it: delete only its pods. Default: false."""
    security: InferenceSecurity = InferenceSecurity()
    """User and privileges of the container."""
    storage: InferenceStorage = InferenceStorage()
    """Inline volumes, in addition to the data sources."""


class RunArtifact(Model):
    """The artifact that runs."""

    name: StatusName
    """Name of the Artifact."""
    repository: StatusName | None = None
    """Its ArtifactRepository."""
    version: Annotated[int, Field(ge=1)] | None = None
    """Number of its version; absent for a draft."""
    generation: int | None = None
    """The `metadata.generation` of the Artifact that runs."""


class InferenceStatus(Status, ServingStatus, RunningStatus):
    """State of the inference."""

    artifact: RunArtifact | None = None
    """The artifact that runs."""


class Inference(CustomResource):
    """A workload that answers requests, made from an artifact, from assets, from inline fields or from both."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Phase", path=".status.phase"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Artifact", path=".status.artifact.name"),
        Column(name="Version", path=".status.artifact.version", type="integer"),
        Column(name="Pods", path=".status.readyReplicas", type="integer"),
        Column(name="URL", path=".status.url"),
        Column(name="Status", path=".status.syncStatus", wide=True),
        Column(name="Revision", path=".status.revision", wide=True),
        Column(name="Outdated", path=".status.outdated[0].reason", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.artifact.name",
        ".spec.artifact.repository",
        ".spec.template.name",
        ".spec.assets.environment.name",
        ".status.phase",
        ".status.syncStatus",
        ".status.createdBy",
        ".status.updatedBy",
    )
    SCALE: ClassVar[str | None] = ".spec.replicas"

    spec: InferenceSpec
    """Desired state."""
    status: InferenceStatus = InferenceStatus()
    """Observed state. Only the operator writes it."""
