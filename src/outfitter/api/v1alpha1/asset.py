"""What every asset has: description, scope, supported workload types, and the common part of every status."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.conditions import Condition, Issue, SyncStatus
from outfitter.api.refs import ScopeType
from outfitter.api.rules import Node, Rule, Transition
from outfitter.api.types import Message, Name, StatusName, list_atomic, list_map, list_set

WorkloadType = Literal["workspace", "training", "distributed", "inference"]
Description = Annotated[str, Field(min_length=1, max_length=250)]
DisplayName = Annotated[str, Field(min_length=1, max_length=253)]
LISTED_USERS = 50
"""How many users of one kind `status.usedBy` lists; the rest is only counted."""
LISTED_ISSUES = 50
"""How many issues a status lists; the rest is counted in the message."""


class Scope(Model):
    """Who may use a shared asset."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.type == 'department') == has(self.name)",
            "name is required for type department, and allowed only there",
            lambda scope: (scope.get("type") == "department") == ("name" in scope),
            field="name",
        ),
    )

    type: ScopeType
    """`project`: this namespace only. `department`: the namespaces labelled `outfitter.dev/department: <name>`.
    `cluster` and `tenant`: every namespace that opted in. Wider than project counts only in the operator's own
    namespace.
    """
    name: Name | None = None
    """Name of the department."""


def _scope_kept(new: Node, old: Node) -> bool:
    return bool(new.get("scope") == old.get("scope"))


SCOPE_KEPT = Transition(
    "has(self.scope) == has(oldSelf.scope) && (!has(self.scope) || self.scope == oldSelf.scope)",
    "scope cannot change after creation; make a new asset with the scope you want",
    _scope_kept,
    "scope",
)


class AssetSpec(Model):
    """The part of the spec that every asset has."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.distributedFramework) || !has(self.supportedTypes) || 'distributed' in self.supportedTypes",
            "distributedFramework says nothing unless supportedTypes contains distributed",
            lambda spec: (
                "distributedFramework" not in spec
                or "supportedTypes" not in spec
                or "distributed" in spec["supportedTypes"]
            ),
            field="distributedFramework",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (SCOPE_KEPT,)

    description: Description | None = None
    """What this is for, in 1 to 250 characters. Shown to the people who choose it."""
    display_name: DisplayName | None = None
    """Name for people, where the object's own name is too narrow. Default: the object's name."""
    scope: Scope | None = None
    """Who may use this asset. Default: the namespace it is in; in the operator's own namespace, the whole cluster.
    Cannot change after creation.
    """
    supported_types: Annotated[tuple[WorkloadType, ...], list_set(4)] = ()
    """Workload types that may use this asset. Default: all."""
    distributed_framework: Literal["MPI", "PyTorch", "TF", "XGBoost", "JAX"] | None = None
    """The one distributed framework this asset is made for. Default: any."""


class UserRef(Model):
    """One object that uses the asset."""

    namespace: StatusName = ""
    """Namespace of the user."""
    name: StatusName
    """Name of the user."""


Users = Annotated[tuple[UserRef, ...], list_atomic(LISTED_USERS)]


class UsedBy(Model):
    """Who uses an asset."""

    total: Annotated[int, Field(ge=0)] = 0
    """How many objects use it, also those not listed."""
    environments: Users = ()
    """Environments, at most 50 of them."""
    data_sources: Users = ()
    """DataSources, at most 50 of them."""
    workspaces: Users = ()
    """Workspaces, at most 50 of them."""
    trainings: Users = ()
    """Trainings, at most 50 of them."""
    distributed_trainings: Users = ()
    """DistributedTrainings, at most 50 of them."""
    inferences: Users = ()
    """Inferences, at most 50 of them."""
    artifacts: Users = ()
    """Artifacts, at most 50 of them."""
    templates: Users = ()
    """WorkloadTemplates, at most 50 of them."""
    nim_caches: Users = ()
    """NimCaches, at most 50 of them."""


class Targets(Model):
    """Progress of copying into namespaces."""

    desired: Annotated[int, Field(ge=0)] = 0
    """Namespaces that should hold a copy."""
    synced: Annotated[int, Field(ge=0)] = 0
    """Namespaces that do."""


class Status(Model):
    """The part of the status that every kind has."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status describes. Lower means: not looked at yet."""
    conditions: Annotated[tuple[Condition, ...], list_map("type", 8)] = ()
    """Ready always; Reconciling while work goes on; Stalled when a person must act."""
    sync_status: SyncStatus | None = None
    """One word for people; `message` and `issues` say the rest."""
    message: Message | None = None
    """What is going on, in a sentence."""
    issues: Annotated[tuple[Issue, ...], list_atomic(LISTED_ISSUES)] = ()
    """What is wrong and where, at most 50 entries."""


class AssetStatus(Status):
    """The part of the status that every asset has."""

    used_by: UsedBy | None = None
    """Who uses this asset. Refreshed every few seconds at most."""
