"""Sizing, scaling and access of workloads that serve requests."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.rules import Node, Rule, exclusive
from outfitter.api.types import Int32, PolicyType, Port, PositiveInt32, RootLabel, Subject, list_map, list_set
from outfitter.api.v1alpha1.compute import InlineCompute

METRICS = ("cpu", "memory", "throughput", "concurrency", "latency")
"""Metrics that are known; any other one is a metric of the pods."""
LOAD_METRICS = ("throughput", "concurrency")
"""Metrics that can be zero."""
AutoscalingSeconds = Annotated[int, Field(ge=0, le=3600)]

_METRICS = str(list(METRICS))
_LOAD = "self.metric in ['throughput', 'concurrency']"
_MINIMUM = "(has(self.minReplicas) ? self.minReplicas : 1)"


def _needs_metric(node: Node) -> bool:
    least, most = node.get("minReplicas", 1), node.get("maxReplicas", 0)
    return most > least and (least, most) != (0, 1)


class Autoscaling(Model):
    """Limits and metric of scaling by load."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.minReplicas) || !has(self.maxReplicas) || self.maxReplicas >= self.minReplicas",
            "maxReplicas is less than minReplicas. Raise maxReplicas, or lower minReplicas.",
            lambda node: (
                "minReplicas" not in node or "maxReplicas" not in node or node["maxReplicas"] >= node["minReplicas"]
            ),
            field="maxReplicas",
        ),
        Rule(
            f"has(self.metric) || !has(self.maxReplicas) || self.maxReplicas <= {_MINIMUM} || "
            f"({_MINIMUM} == 0 && self.maxReplicas == 1)",
            "metric is required where minReplicas and maxReplicas differ, except from 0 to 1. Set metric and "
            "metricThreshold.",
            lambda node: "metric" in node or not _needs_metric(node),
            field="metric",
            reason="FieldValueRequired",
            complete=True,
        ),
        Rule(
            "has(self.metric) == has(self.metricThreshold)",
            "metric and metricThreshold need each other. Set both, or neither.",
            lambda node: ("metric" in node) == ("metricThreshold" in node),
            field="metricThreshold",
            complete=True,
        ),
        Rule(
            f"!has(self.metricThresholdPercentage) || !has(self.metric) || {_LOAD}",
            "metricThresholdPercentage is valid only for metrics throughput and concurrency. Remove "
            "metricThresholdPercentage, or change metric.",
            lambda node: (
                "metricThresholdPercentage" not in node or "metric" not in node or node["metric"] in LOAD_METRICS
            ),
            field="metricThresholdPercentage",
        ),
        Rule(
            f"!has(self.minReplicas) || self.minReplicas > 0 || !has(self.metric) || {_LOAD}",
            "Only metrics throughput and concurrency can scale to zero. Use one of them, or set minReplicas to 1.",
            lambda node: node.get("minReplicas") != 0 or "metric" not in node or node["metric"] in LOAD_METRICS,
            field="minReplicas",
        ),
        Rule(
            "!has(self.scaleToZeroRetentionSeconds) || self.scaleToZeroRetentionSeconds == 0 || has(self.minReplicas)",
            "scaleToZeroRetentionSeconds is valid only for minReplicas 0, and the default of minReplicas is 1. Remove "
            "scaleToZeroRetentionSeconds, or set minReplicas to 0.",
            lambda node: not node.get("scaleToZeroRetentionSeconds") or "minReplicas" in node,
            field="scaleToZeroRetentionSeconds",
            complete=True,
        ),
        Rule(
            f"!has(self.metric) || self.metric in {_METRICS} || !(self.metric.lowerAscii() in {_METRICS})",
            "cpu, memory, throughput, concurrency and latency are written in lower case. Correct metric.",
            lambda node: node.get("metric") in METRICS or str(node.get("metric")).lower() not in METRICS,
            field="metric",
        ),
        Rule(
            "!has(self.scaleToZeroRetentionSeconds) || self.scaleToZeroRetentionSeconds == 0 || "
            "!has(self.minReplicas) || self.minReplicas == 0",
            "scaleToZeroRetentionSeconds is valid only for minReplicas 0. Remove scaleToZeroRetentionSeconds, or "
            "set minReplicas to 0.",
            lambda node: not node.get("scaleToZeroRetentionSeconds") or node.get("minReplicas", 0) == 0,
            field="scaleToZeroRetentionSeconds",
        ),
    )

    min_replicas: Int32 | None = None
    """Fewest replicas. Default: 1. 0 needs a cluster that can scale to zero, else it is rejected with reason
    ScaleToZeroUnsupported.
    """
    max_replicas: PositiveInt32 | None = None
    """Most replicas. Default: minReplicas, or 1."""
    initial_replicas: Int32 | None = None
    """Initial replicas. Default: minReplicas."""
    activation_replicas: PositiveInt32 | None = None
    """Replicas after a scale-up from zero. Default: 1."""
    metric: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")] | None = None
    """Metric. `cpu` and `memory`: usage in percent of the requests. `throughput`: requests per second. `concurrency`:
    requests at the same time. `latency`: milliseconds. Any other value is the name of a custom metric of the pods.
    """
    metric_threshold: PositiveInt32 | None = None
    """Value of the metric for one replica. Required with metric."""
    metric_threshold_percentage: Annotated[int, Field(ge=1, le=100), PolicyType("number")] | None = None
    """Target in percent of the threshold. Default: 70. Only for throughput and concurrency."""
    concurrency_hard_limit: Int32 | None = None
    """Most concurrent requests for one replica. Default: 0, no limit."""
    scale_to_zero_retention_seconds: AutoscalingSeconds | None = None
    """Seconds to keep the last replica, 0 to 3600. Default: 0. Only for minReplicas 0."""
    scale_down_delay_seconds: AutoscalingSeconds | None = None
    """Seconds that load must stay low before replicas are removed, 0 to 3600. Default: that of the cluster."""


class InlineAutoscaling(Autoscaling):
    """Limits and metric of scaling by load; policies may set absent fields."""

    PARTIAL: ClassVar[bool] = True


class ServingPort(Model):
    """The port for requests, and its users."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.authorizedUsers) || (has(self.authorizationType) && "
            "self.authorizationType in ['authorizedUsers', 'authorizedUsersOrGroups'])",
            "authorizedUsers needs authorizationType authorizedUsers or authorizedUsersOrGroups. Change "
            "authorizationType, or remove authorizedUsers.",
            lambda port: (
                "authorizedUsers" not in port
                or port.get("authorizationType") in ("authorizedUsers", "authorizedUsersOrGroups")
            ),
            field="authorizedUsers",
        ),
        Rule(
            "!has(self.authorizedGroups) || (has(self.authorizationType) && "
            "self.authorizationType in ['authorizedGroups', 'authorizedUsersOrGroups'])",
            "authorizedGroups needs authorizationType authorizedGroups or authorizedUsersOrGroups. Change "
            "authorizationType, or remove authorizedGroups.",
            lambda port: (
                "authorizedGroups" not in port
                or port.get("authorizationType") in ("authorizedGroups", "authorizedUsersOrGroups")
            ),
            field="authorizedGroups",
        ),
    )

    container: Port | None = None
    """Port that the process listens on, 1 to 65535. For an artifact, it is the port of the primary container."""
    protocol: Literal["http", "grpc"] | None = None
    """Protocol. Default: http."""
    authorization_type: (
        Literal["public", "authenticatedUsers", "authorizedUsers", "authorizedGroups", "authorizedUsersOrGroups"] | None
    ) = None
    """Access to the port. Default: public, all clients. `authenticatedUsers` needs that an administrator has set
    `ingressAuthAnnotations`. The others are not supported yet.
    """
    authorized_users: Annotated[tuple[Subject, ...], list_set(64)] = ()
    """Users with access, for authorizedUsers and authorizedUsersOrGroups."""
    authorized_groups: Annotated[tuple[Subject, ...], list_set(64)] = ()
    """Groups with access, for authorizedGroups and authorizedUsersOrGroups."""
    cluster_local_access_only: bool | None = None
    """Publish no address outside the cluster. Default: false."""


class ServingConfiguration(Model):
    """Time limits of serving."""

    initialization_timeout_seconds: PositiveInt32 | None = None
    """Seconds after which a workload fails if a new replica is not ready. Default: 600 seconds, or the longer time that
    the startup probes allow.
    """
    request_timeout_seconds: PositiveInt32 | None = None
    """Timeout of a request through the ingress, in seconds. Default: that of the ingress."""


class ContainerSizing(Model):
    """Resources of one container of an artifact."""

    name: RootLabel
    """Name of the container; main for a primary container without a name."""
    compute: InlineCompute = InlineCompute()
    """CPU, memory and GPUs of the container; each field overrides that of the compute resource."""


class GroupSizing(Model):
    """Replicas of a container group, and resources of its containers."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exclusive(("replicas", "autoscaling"), "replicas and autoscaling exclude each other. Remove one of them."),
    )

    name: RootLabel
    """Name of the container group; default for a group without a name."""
    replicas: Int32 | None = None
    """Pods of this group. Default: `replicas` of the workload, which `kubectl scale` sets."""
    containers: Annotated[tuple[ContainerSizing, ...], list_map("name", 16)] = ()
    """Resources of each container. Default: `compute` of the workload applies to the primary container."""
    autoscaling: Autoscaling | None = None
    """Scale this group by load. Default: `autoscaling` of the workload."""


GroupSizings = Annotated[tuple[GroupSizing, ...], list_map("name", 8)]
