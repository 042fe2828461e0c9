"""Inline fields of a workload; policies use the same tree."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.patterns import LABEL_VALUE_PATTERN
from outfitter.api.priorities import Preemptibility
from outfitter.api.rules import Rule, unique_names
from outfitter.api.types import (
    AbsolutePath,
    Image,
    Int32,
    ItemName,
    LabelValue,
    Link,
    Name,
    Port,
    Seconds,
    Shell,
    Subject,
    Url,
    list_atomic,
    list_map,
    list_set,
)
from outfitter.api.v1alpha1.compute import InlineCompute
from outfitter.api.v1alpha1.connections import ConnectionOverrides
from outfitter.api.v1alpha1.labels import Annotations, Labels
from outfitter.api.v1alpha1.placement import NodeAffinityRequired, NodePools, PodAffinity, Tolerations
from outfitter.api.v1alpha1.probes import InlineProbes
from outfitter.api.v1alpha1.security import Security
from outfitter.api.v1alpha1.storage import Storage
from outfitter.api.v1alpha1.variables import WorkloadEnvironmentVariables

ImagePullPolicy = Literal["Always", "Never", "IfNotPresent"]


class ImagePullSecret(Model):
    """A Secret with a login to an image registry."""

    REFERS: ClassVar[dict[str, str]] = {"name": "Secret"}

    name: Name
    """Name of the Secret, in the namespace of the workload."""
    user_credential: bool | None = None
    """`name` is that of a private Credential of type dockerRegistry of the author of the workload. Default: false."""
    exclude: bool | None = None
    """Drop the pull secret of this name that would otherwise be inherited. Default: false."""


class PortItem(Model):
    """A port of the workload that a Service offers."""

    PARTIAL: ClassVar[bool] = True
    MANDATORY: ClassVar[tuple[str, ...]] = ("container",)

    name: ItemName | None = None
    """Name of this port for policies. Default: derived from the container port."""
    container: Port | None = None
    """Port that the process listens on, 1 to 65535."""
    service_type: Literal["LoadBalancer", "NodePort", "ClusterIP"] | None = None
    """Type of the Service. Default: ClusterIP, a port of the Service with the name of the workload. Each other port has
    a Service of its own, `<workload>-<name>`.
    """
    external: Port | None = None
    """Port of the Service, load balancer or node. Default: the container port; a node port is chosen by the cluster.
    A second port of type ClusterIP with this number and another container port has a Service of its own.
    """
    tool_type: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Tool behind the port; shown in `status.connections`."""
    tool_name: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Name of the tool; shown in `status.connections`."""
    exclude: bool | None = None
    """Drop the port of this name that would otherwise be inherited. Default: false."""


class ExposedUrl(Model):
    """A port of the workload that gets a URL."""

    PARTIAL: ClassVar[bool] = True
    MANDATORY: ClassVar[tuple[str, ...]] = ("container",)
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.authorizedUsers) || !has(self.authorizedGroups)",
            "authorizedUsers and authorizedGroups exclude each other. Remove one of them.",
            lambda item: "authorizedUsers" not in item or "authorizedGroups" not in item,
            field="authorizedGroups",
        ),
        Rule(
            "!has(self.authorizationType) || "
            "(self.authorizationType == 'authorizedUsers' || !has(self.authorizedUsers)) && "
            "(self.authorizationType == 'authorizedGroups' || !has(self.authorizedGroups))",
            "authorizedUsers and authorizedGroups need the authorizationType of the same name. Change "
            "authorizationType.",
            lambda item: (
                "authorizationType" not in item
                or all(
                    item["authorizationType"] == field or field not in item
                    for field in ("authorizedUsers", "authorizedGroups")
                )
            ),
            field="authorizationType",
        ),
    )

    name: ItemName | None = None
    """Name of this URL for policies. Default: derived from the container port."""
    container: Port | None = None
    """Port that the process listens on, 1 to 65535."""
    url: Url | None = None
    """URL to use. Default: generated."""
    authorization_type: Literal["authenticatedUsers", "authorizedUsers", "authorizedGroups"] | None = None
    """Who may open it. Default: anyone who is signed in, where an administrator has set `ingressAuthAnnotations`;
    else everyone who can reach the ingress.
    """
    authorized_users: Annotated[tuple[Subject, ...], list_set(64)] = ()
    """Users that may open it, for authorizedUsers."""
    authorized_groups: Annotated[tuple[Subject, ...], list_set(64)] = ()
    """Groups whose members may open it, for authorizedGroups."""
    tool_type: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Tool behind the URL; shown in `status.connections`."""
    tool_name: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Name of the tool; shown in `status.connections`."""
    exclude: bool | None = None
    """Drop the URL of this name that would otherwise be inherited. Default: false."""


QueueName = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL_VALUE_PATTERN)]


class RelatedUrl(Model):
    """A link that belongs to the workload; it only appears in the status."""

    PARTIAL: ClassVar[bool] = True
    MANDATORY: ClassVar[tuple[str, ...]] = ("url", "type")

    name: ItemName
    """Name of the link, unique in the list."""
    url: Link | None = None
    """URL with scheme https or http."""
    type: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Type of the target, such as wandb."""
    exclude: bool | None = None
    """Drop the link of this name that would otherwise be inherited. Default: false."""


class WorkloadFields(Model):
    """Inline fields of a workload; each overrides the values of assets and policies."""

    PARTIAL: ClassVar[bool] = True
    MANDATORY: ClassVar[tuple[str, ...]] = ("image",)
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.tty) || !self.tty || !has(self.stdin) || self.stdin",
            "tty needs stdin. Set stdin to true, or remove tty.",
            lambda spec: spec.get("tty") is not True or spec.get("stdin", True) is True,
            field="tty",
        ),
        Rule(
            "!has(self.tty) || !self.tty || (has(self.stdin) && self.stdin)",
            "tty needs stdin. Set stdin to true, or remove tty.",
            lambda spec: spec.get("tty") is not True or spec.get("stdin") is True,
            field="tty",
            complete=True,
        ),
        unique_names("ports"),
        unique_names("exposedUrls"),
    )

    image: Image | None = None
    """Container image. Required unless an asset or a policy sets it."""
    image_pull_policy: ImagePullPolicy | None = None
    """When to pull the image. Default: Always for the tag latest or none, else IfNotPresent."""
    command: Shell | None = None
    """Program to run, as one line: split into words as a POSIX shell does, without running a shell. Default: that of
    the image.
    """
    args: Shell | None = None
    """Arguments of the program, as one line: split like `command`. `$(NAME)` is replaced by the kubelet."""
    working_dir: AbsolutePath | None = None
    """Directory in which the program starts. Default: that of the image."""
    create_home_dir: bool | None = None
    """Create a writable home directory at the value of HOME, which must be a plain absolute path. Deleted with the
    pod. Default: true if HOME is such a path or not set, and runAsUid is set or the root file system is read-only; else
    false.
    """
    tty: bool | None = None
    """Give the program a terminal. Default: false. Needs stdin."""
    stdin: bool | None = None
    """Keep standard input open. Default: false."""
    environment_variables: WorkloadEnvironmentVariables = ()
    """Environment variables; each replaces the inherited one of the same name."""
    security: Security = Security()
    """User and privileges of the container."""
    probes: InlineProbes = InlineProbes()
    """Probes of the container."""
    compute: InlineCompute = InlineCompute()
    """CPU, memory and GPUs; each field overrides that of the compute resource."""
    storage: Storage = Storage()
    """Inline volumes, in addition to the data sources."""
    labels: Labels = ()
    """Labels for the pods and all other objects of the workload, as admission policies may demand."""
    annotations: Annotations = ()
    """Annotations for the pods and all other objects of the workload. Services and Ingresses get only names without a
    prefix, because other programs take orders from the rest.
    """
    image_pull_secrets: Annotated[tuple[ImagePullSecret, ...], list_map("name", 16)] = ()
    """Secrets with logins to image registries, in addition to the dockerRegistry credentials in scope."""
    ports: Annotated[tuple[PortItem, ...], list_atomic(32)] = ()
    """Ports that Services offer: inside the cluster at `<workload>.<namespace>.svc`, the same as those of connections
    and `exposedUrls`.
    """
    exposed_urls: Annotated[tuple[ExposedUrl, ...], list_atomic(32)] = ()
    """Ports that get a URL."""
    related_urls: Annotated[tuple[RelatedUrl, ...], list_map("name", 32)] = ()
    """Links to show in the status."""
    node_type: LabelValue | None = None
    """Run only on nodes of this type."""
    node_pools: NodePools = ()
    """Node pools to run in, in order of preference. Default: those of the policy."""
    node_affinity_required: NodeAffinityRequired | None = None
    """Requirements on the node, in addition to the node pools."""
    pod_affinity: PodAffinity | None = None
    """Affinity between the pods of the workload."""
    tolerations: Tolerations = ()
    """Taints of nodes that the pods tolerate."""
    category: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Category for reports."""
    queue: QueueName | None = None
    """Queue of KAI, or LocalQueue of Kueue, as the setting `queueBackend` of the operator says. Default: that of the
    label `outfitter.dev/queue` of the Namespace, else that of the setting `defaultQueue`. With KAI, a Namespace with
    this label allows no other queue.
    """
    priority_class: Name | None = None
    """Name of a PriorityClass of the cluster, or a word: very-low, low, medium-low, medium, medium-high, high,
    very-high, train, interactive-preemptible, build-preemptible, build or inference. Default: for a workspace high, for
    an inference very-high, for a training low, where the cluster has these classes; else that of the cluster.
    """
    preemptibility: Preemptibility | None = None
    """Whether the scheduler may stop it for another workload. Only KAI honours it; elsewhere the status has a note.
    Default: preemptible for a training, else non-preemptible.
    """
    terminate_after_preemption: bool | None = None
    """Stay stopped after a preemption instead of waiting for resources. Default: false. A change of the annotation
    `outfitter.dev/restartedAt` starts it again.
    """
    restart_policy: Literal["Always", "OnFailure", "Never"] | None = None
    """Effect of the end of the program. Default: Always, which starts it again. With the others the workload runs to
    completion: after a failure, `OnFailure` starts the program again in the same pod, `Never` in a new pod.
    """
    backoff_limit: Int32 | None = None
    """Failures after which a workload that runs to completion fails. Default: 6. One that is kept running is started
    again without limit, and rejects the field with reason Unsupported.
    """
    auto_deletion_time_after_completion_seconds: Seconds | None = None
    """Seconds after which the pods and the other objects of the workload are deleted when it completed or failed; 0
    deletes them at once. The workload itself stays, with its result. Default: 2592000, which is 30 days. One that is
    kept running rejects the field with reason Unsupported.
    """
    termination_grace_period_seconds: Seconds | None = None
    """Seconds between SIGTERM and SIGKILL. Default: 30."""

    if TYPE_CHECKING:  # each kind of workload declares it with a description of its own
        connections: ConnectionOverrides = ()
