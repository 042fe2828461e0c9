"""EffectivePolicy: what all policies of a project say about one workload type. The operator writes it."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.refs import ScopeType
from outfitter.api.shape import FREE_FORM
from outfitter.api.types import StatusName, list_atomic
from outfitter.api.v1alpha1.asset import WorkloadType

LISTED_SOURCES = 2048


class PolicySource(Model):
    """The policy that a default, a rule or an imposed asset comes from."""

    scope: ScopeType
    """Scope of the policy."""
    name: StatusName = ""
    """Name of the project or department."""
    policy: Annotated[str, Field(max_length=512)] = ""
    """Namespace and name of the WorkloadPolicy."""


class FieldSource(Model):
    """The source of one default or of the rules of one field."""

    field: Annotated[str, Field(max_length=1024)]
    """Path of the field, such as `compute.gpuDevicesRequest` or `labels.instances[cost]`."""
    part: Literal["default", "rule"]
    """`default` or `rule`."""
    source: PolicySource
    """The policy."""


class ImposedSource(Model):
    """One imposed asset, and its source."""

    name: StatusName
    """Name of the DataSource."""
    kind: StatusName = ""
    """Type of the volume, as in `storage`."""
    section: Literal["worker", "master"] | None = None
    """The pods of a distributed workload that mount it."""
    source: PolicySource
    """The policy."""


class EffectivePolicySpec(Model):
    """Merged defaults and rules of all policies of the project for one workload type."""

    workload_type: WorkloadType
    """The type of workloads that it applies to."""
    defaults: Annotated[dict[str, Any] | None, Field(json_schema_extra={FREE_FORM: True})] = None
    """Merged defaults, with the fields of a WorkloadPolicy."""
    field_rules: Annotated[dict[str, Any] | None, Field(alias="rules", json_schema_extra={FREE_FORM: True})] = None
    """Merged rules, with the fields of a WorkloadPolicy."""
    imposed_assets: Annotated[tuple[ImposedSource, ...], list_atomic(1024)] = ()
    """DataSources that every workload mounts."""
    sources: Annotated[tuple[FieldSource, ...], list_atomic(LISTED_SOURCES)] = ()
    """The policy that each default and each rule comes from."""


class EffectivePolicy(CustomResource):
    """What all policies of a project say about one workload type, and which policy says it. Only the operator writes
    it: edit the WorkloadPolicies instead.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (Column(name="Type", path=".spec.workloadType"),)
    SELECTABLE: ClassVar[tuple[str, ...]] = (".spec.workloadType",)

    spec: EffectivePolicySpec
    """Merged policies."""
