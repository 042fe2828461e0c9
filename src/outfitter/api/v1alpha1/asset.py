"""Common parts of assets and of all statuses."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.conditions import Condition, Issue
from outfitter.api.refs import ScopeType
from outfitter.api.rules import Node, Rule, Transition
from outfitter.api.states import SyncStatus
from outfitter.api.types import Message, Name, StatusName, Time, list_atomic, list_map, list_set

WorkloadType = Literal["workspace", "training", "distributed", "inference"]
Description = Annotated[str, Field(min_length=1, max_length=250)]
DisplayName = Annotated[str, Field(min_length=1, max_length=253)]
LISTED_USERS = 50
"""Most users of one kind in `status.usedBy`; the others are only counted."""
LISTED_REASONS = 16
"""Most reasons of one row of `status.compliance`."""
REASON_LIMIT = 512
"""Longest message of a reason; 50 rows of 16 reasons must fit into an object."""
LISTED_ISSUES = 50
"""Most issues in a status; the others are counted in the message."""


class Scope(Model):
    """Namespaces that may use an asset."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.type == 'department') == has(self.name)",
            "name is required for type department, and no other type allows it. Set or remove name.",
            lambda scope: (scope.get("type") == "department") == ("name" in scope),
            field="name",
        ),
    )

    type: ScopeType
    """`project`: this namespace only. `department`: the namespaces labelled `outfitter.dev/department: <name>`.
    `cluster` and `tenant`: every namespace with a project label. Scopes wider than project need an asset in the
    operator's namespace.
    """
    name: Name | None = None
    """Name of the department."""


def _scope_kept(new: Node, old: Node) -> bool:
    return bool(new.get("scope") == old.get("scope"))


SCOPE_KEPT = Transition(
    "has(self.scope) == has(oldSelf.scope) && (!has(self.scope) || self.scope == oldSelf.scope)",
    "scope cannot change after creation. Create a new object with the other scope.",
    _scope_kept,
    "scope",
)


class AssetSpec(Model):
    """Common part of the spec of all assets."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.distributedFramework) || !has(self.supportedTypes) || 'distributed' in self.supportedTypes",
            "distributedFramework has no effect, because supportedTypes does not contain distributed. Add "
            "distributed, or remove distributedFramework.",
            lambda spec: (
                "distributedFramework" not in spec
                or "supportedTypes" not in spec
                or "distributed" in spec["supportedTypes"]
            ),
            field="supportedTypes",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (SCOPE_KEPT,)

    description: Description | None = None
    """Purpose, in 1 to 250 characters. Shown to users who choose an asset."""
    display_name: DisplayName | None = None
    """Display name. Default: the name of the object."""
    scope: Scope | None = None
    """Namespaces that may use this asset. Default: its own; for an asset in the operator's namespace, the whole
    cluster. Cannot change after creation.
    """
    supported_types: Annotated[tuple[WorkloadType, ...], list_set(4)] = ()
    """Workload types that may use this asset; others are rejected with reason TypeNotSupported. The download of a
    NimCache counts as inference. Default: all.
    """
    distributed_framework: Literal["MPI", "PyTorch", "TF", "XGBoost", "JAX"] | None = None
    """The only distributed framework that may use this asset; others are rejected with reason TypeNotSupported.
    Default: any.
    """


class UserRef(Model):
    """One object that uses the asset."""

    namespace: StatusName = ""
    """Namespace of the user."""
    name: StatusName
    """Name of the user."""
    created_by: StatusName = ""
    """Login that created that object, if known."""


class WorkloadUser(UserRef):
    """One workload that uses the asset."""

    phase: StatusName = ""
    """Phase of the workload."""


class EnvironmentUser(WorkloadUser):
    """One Environment that uses the asset."""

    tool_types: Annotated[tuple[StatusName, ...], list_atomic(32)] = ()
    """Tools of its connections."""


class DataSourceUser(UserRef):
    """One DataSource that uses the asset."""

    type: StatusName = ""
    """Its volume type."""


Users = Annotated[tuple[UserRef, ...], list_atomic(LISTED_USERS)]
Workloads = Annotated[tuple[WorkloadUser, ...], list_atomic(LISTED_USERS)]


class UsedBy(Model):
    """Users of an asset."""

    total: Annotated[int, Field(ge=0)] = 0
    """Number of users, including those that are not listed."""
    environments: Annotated[tuple[EnvironmentUser, ...], list_atomic(LISTED_USERS)] = ()
    """Environments, at most 50 of them."""
    data_sources: Annotated[tuple[DataSourceUser, ...], list_atomic(LISTED_USERS)] = ()
    """DataSources, at most 50 of them."""
    workspaces: Workloads = ()
    """Workspaces, at most 50 of them."""
    trainings: Workloads = ()
    """Trainings, at most 50 of them."""
    distributed_trainings: Workloads = ()
    """DistributedTrainings, at most 50 of them."""
    inferences: Workloads = ()
    """Inferences, at most 50 of them."""
    workload_templates: Users = ()
    """WorkloadTemplates, at most 50 of them."""
    artifacts: Workloads = ()
    """Artifacts, at most 50 of them."""
    nim_caches: Users = ()
    """NimCaches, at most 50 of them."""
    registries: Users = ()
    """Registries, at most 50 of them."""


class Targets(Model):
    """Progress of the copies in namespaces."""

    desired: Annotated[int, Field(ge=0)] = 0
    """Namespaces that should hold a copy."""
    synced: Annotated[int, Field(ge=0)] = 0
    """Namespaces that hold one."""


class Status(Model):
    """Common part of the status of all kinds."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status describes. If it is lower, the operator has not reconciled the newest.
    """
    conditions: Annotated[tuple[Condition, ...], list_map("type", 8)] = ()
    """Ready is always present, Reconciling while the operator works, Stalled while a user must fix something."""
    sync_status: SyncStatus | None = None
    """State in one word; `message` and `issues` hold the details."""
    message: Message | None = None
    """State in one sentence."""
    issues: Annotated[tuple[Issue, ...], list_atomic(LISTED_ISSUES)] = ()
    """Problems and the scopes that they affect, at most 50."""
    created_by: StatusName | None = None
    """User who created the object. Absent if not known: the API server of Kubernetes 1.36 and later says who."""
    updated_by: StatusName | None = None
    """User who last changed the spec. Absent if not known, also after `kubectl scale`."""
    updated_at: Time | None = None
    """When the spec last changed."""
    stamps: StatusName | None = None
    """Digests of the annotations that createdBy and updatedBy rely on."""
    installation: Annotated[str, Field(max_length=317)] | None = None
    """Installation of Outfitter that manages this object: namespace and name of its Lease. Others leave it alone."""


class ComplianceReason(Model):
    """One field of the asset that does not comply."""

    field: Annotated[str, Field(max_length=REASON_LIMIT)]
    """Field of the workload."""
    rule: StatusName = ""
    """Rule that it breaks. Empty: this type of workload does not have the field."""
    policy: Annotated[str, Field(max_length=REASON_LIMIT)] = ""
    """The WorkloadPolicy with the rule, as namespace and name."""
    message: Annotated[str, Field(max_length=REASON_LIMIT)] = ""
    """What is wrong, and what to do."""


class ScopeRow(Model):
    """One part of the scope, for one workload type."""

    scope: StatusName
    """project, department or cluster; wider ones where all of their projects agree."""
    name: StatusName = ""
    """Name of the namespace or department."""
    workload_type: StatusName
    """Type of workload."""
    replica_type: StatusName = ""
    """worker or master of a distributed workload."""


class ComplianceRow(ScopeRow):
    """Where the asset does not comply."""

    reasons: Annotated[tuple[ComplianceReason, ...], list_atomic(LISTED_REASONS)] = ()
    """Why, at most 16."""


class AssetStatus(Status):
    """Common part of the status of all assets."""

    used_by: UsedBy | None = None
    """Users of this asset. Updated at most every few seconds."""


class LastUse(Model):
    """The newest use in one namespace, by one type of workload."""

    namespace: StatusName
    """Namespace of the workload."""
    workload_type: StatusName
    """Type of workload."""
    time: Time
    """When such a workload last became ready, or stopped being ready."""


class Usage(Model):
    """When the asset was used."""

    last_used: Annotated[tuple[LastUse, ...], list_atomic(LISTED_USERS)] = ()
    """The 50 newest uses, one for each namespace and workload type. They stay when the workloads are gone."""


class SupportedTypes(Model):
    """Types of workloads that may use the asset, for field selectors."""

    workspace: bool
    """Whether workspaces may use it."""
    training: bool
    """Whether trainings may use it."""
    distributed: bool
    """Whether distributed trainings may use it."""
    inference: bool
    """Whether inferences may use it."""


class CatalogStatus(AssetStatus):
    """Status of what workloads choose from."""

    scope: ScopeType | None = None
    """Scope in effect, also if the spec omits it."""
    department: StatusName | None = None
    """The department of the scope, or of the namespace of an asset with scope project."""
    supports: SupportedTypes | None = None
    """Types of workloads that may use it, also if the spec omits them."""

    usage: Usage | None = None
    """When workloads last used it. Updated like usedBy."""


class ComplianceStatus(CatalogStatus):
    """Status of assets whose fields policies can judge."""

    compliance: Annotated[tuple[ComplianceRow, ...], list_atomic(LISTED_USERS)] = ()
    """Where the asset alone breaks policies, at most 50. Elsewhere it complies. Updated like usedBy."""
    compliance_total: Annotated[int, Field(ge=0)] | None = None
    """Number of rows, including those that are not listed."""
