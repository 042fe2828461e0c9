"""One row for each kind of object that Outfitter creates or watches next to its own.

The rights of the operator, its watches, the caches, the removal of orphans and the replacement of immutable fields all
follow from this table. A new kind of child is one row here, and one readiness function if existence is not enough.
One module: it is one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from outfitter.api.version import GROUP, VERSION
from outfitter.children import projection
from outfitter.children.projection import Body, Projection
from outfitter.naming import LABEL_OWNER_UID
from outfitter.observe.claims import observe_claim
from outfitter.observe.controllers import observe_deployment, observe_job, observe_stateful_set
from outfitter.observe.groups import observe_group
from outfitter.observe.state import Observation

if TYPE_CHECKING:
    from outfitter.settings import Settings

Readiness = Callable[[Body], Observation]


@dataclass(frozen=True, slots=True)
class Watch:
    """How narrow a list and watch is. The API server evaluates the selectors."""

    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False
    cluster_wide: bool = False  # needs a ClusterRole: there is no such watch with `watchNamespaces`


@dataclass(frozen=True, slots=True)
class ApiResource:
    """Where a kind lives on the API server, and how it is watched."""

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool = True
    watch: Watch = Watch()

    @property
    def api_version(self) -> str:
        """The apiVersion of its manifests."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, slots=True)
class Immutable:
    """Fields that the API server does not change, and how they get a new value.

    Fields of the spec, or of the object if its kind has none. `recreate`: delete and create the object. `orphan`: the
    same, and its pods keep running.
    """

    fields: tuple[str, ...]
    way: Literal["recreate", "orphan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildKind(ApiResource):
    """A kind with everything that the layers above need to know about it."""

    verbs: tuple[str, ...]
    """The rights of the operator."""
    why: str
    """What the operator needs these rights for."""
    project: Projection = projection.whole
    """The part of an object that the caches keep."""
    readiness: Readiness | None = None
    """From object to state; None for a kind whose objects are ready as soon as they exist."""
    immutable: Immutable | None = None
    optional: bool = False
    """The API server may not serve this kind, because its CRD is not installed."""
    dispensable: bool = False
    """An optional kind that counts as not served where the operator lacks the right to watch it."""
    setting: str = ""
    """Rights and watch exist only if an admin turned this setting, or property of the settings, on."""
    value: str = ""
    """The value of that setting which turns it on; "" for each that is not empty."""

    def enabled(self, settings: Settings) -> bool:
        """Whether the operator uses this kind with these settings."""
        if not self.setting:
            return True
        given = getattr(settings, self.setting)
        return bool(given == self.value if self.value else given)

    @property
    def created(self) -> bool:
        """Whether Outfitter creates objects of this kind, and so removes orphans."""
        return {"create", "delete"} <= set(self.verbs)


_RBAC: Final = "rbac.authorization.k8s.io"
_READ: Final = ("list", "watch")
_ALL: Final = ("create", "delete", "get", "list", "patch", "watch")
_NO_PATCH: Final = ("create", "delete", "get", "list", "watch")  # such objects are replaced, never changed
_OWNED: Final = Watch(label_selector=LABEL_OWNER_UID)
# A field selector has no "or". These four are the most frequent, and the status of the pod says the same.
_WARNINGS: Final = "type=Warning,reason!=BackOff,reason!=Failed,reason!=FailedScheduling,reason!=Unhealthy"
_READABLE_SECRETS: Final = (
    "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token,type!=bootstrap.kubernetes.io/token"
)

CHILD_KINDS: Final[tuple[ChildKind, ...]] = (
    ChildKind(
        "EffectivePolicy", GROUP, VERSION, "effectivepolicies",
        verbs=_ALL,
        why="what the policies of a project say together; get: one that exists already is compared",
        optional=True,  # the CRDs of an older version lack it
    ),
    ChildKind(
        "StatefulSet", "apps", "v1", "statefulsets",
        verbs=_ALL,
        why="runs workloads; get: managedFields are read before a change",
        watch=_OWNED,
        readiness=observe_stateful_set,
        immutable=Immutable(("serviceName", "selector", "podManagementPolicy", "volumeClaimTemplates"), "orphan"),
    ),
    ChildKind(
        "Deployment", "apps", "v1", "deployments",
        verbs=_ALL,
        why="runs inferences; get: managedFields are read before a change",
        watch=_OWNED,
        readiness=observe_deployment,
        immutable=Immutable(("selector",), "recreate"),  # another selector never takes its ReplicaSets over
    ),
    ChildKind(
        "Job", "batch", "v1", "jobs",
        verbs=_ALL,
        why="runs trainings, downloads models; get: managedFields are read before a change",
        watch=_OWNED,
        readiness=observe_job,
        immutable=Immutable(
            ("template", "selector", "completions", "completionMode", "podFailurePolicy", "successPolicy"), "recreate"
        ),
    ),
    ChildKind(
        "JobSet", "jobset.x-k8s.io", "v1alpha2", "jobsets",
        verbs=_ALL,
        why="runs distributed trainings; get: managedFields are read before a change",
        watch=_OWNED,
        readiness=observe_group,
        optional=True,
        dispensable=True,
    ),
    ChildKind(
        "MPIJob", "kubeflow.org", "v2beta1", "mpijobs",
        verbs=_ALL,
        why="runs distributed trainings with MPI; get: managedFields are read before a change",
        watch=_OWNED,
        readiness=observe_group,
        optional=True,
        dispensable=True,
    ),
    ChildKind(
        "PodGroup", "scheduling.run.ai", "v2alpha2", "podgroups",
        verbs=_ALL,
        why="has KAI place the pods of several Jobs together; get: managedFields are read before a change",
        watch=_OWNED,
        optional=True,
        dispensable=True,
    ),
    ChildKind(
        "HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers",
        verbs=_ALL,
        why="scales inferences by load",
        watch=_OWNED,
    ),
    ChildKind(
        "PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets",
        verbs=_ALL,
        why="keeps inferences available while nodes are drained",
        watch=_OWNED,
    ),
    ChildKind(
        "ControllerRevision", "apps", "v1", "controllerrevisions",
        verbs=_NO_PATCH,
        why="revisions of workloads, which never change",
        watch=_OWNED,
        project=projection.revision,
    ),
    ChildKind(
        "Service", "", "v1", "services",
        verbs=_ALL,
        why="connections of workloads",
        watch=_OWNED,
    ),
    ChildKind(
        "Ingress", "networking.k8s.io", "v1", "ingresses",
        verbs=_ALL,
        why="connection URLs; hosts that other Ingresses have",
        project=projection.ingress,
    ),
    ChildKind(
        "PersistentVolumeClaim", "", "v1", "persistentvolumeclaims",
        verbs=_ALL,
        why="volumes of data sources and workloads; claims that a data source names",
        project=projection.claim,
        readiness=observe_claim,
    ),
    ChildKind(
        "Secret", "", "v1", "secrets",
        verbs=_ALL,
        why="copies of credentials; get: a copy needs the source's data, because lists hold metadata only",
        watch=Watch(field_selector=_READABLE_SECRETS, metadata_only=True),
        project=projection.metadata_only,
    ),
    ChildKind(
        "ConfigMap", "", "v1", "configmaps",
        verbs=_ALL,
        why="copies of data sources; get: the keys of a referenced ConfigMap",
        watch=Watch(metadata_only=True),
        project=projection.metadata_only,
    ),
    ChildKind(
        "Pod", "", "v1", "pods",
        verbs=("delete", *_READ),
        why="state of workloads; delete: a pod of an old revision that is stuck blocks the rollout",
        watch=_OWNED,
        project=projection.pod,
    ),
    ChildKind(
        "Event", "", "v1", "events",
        verbs=("create", *_READ),
        why="own Events; why a pod is not created or waits for a volume or network, and why a claim is not bound",
        watch=Watch(field_selector=_WARNINGS),
        project=projection.event,
    ),
    ChildKind(
        "Namespace", "", "v1", "namespaces", namespaced=False,
        verbs=_READ,
        why="labels of projects and departments",
        watch=Watch(metadata_only=True),
        project=projection.namespace,
    ),
    *(
        ChildKind(
            kind, "admissionregistration.k8s.io", "v1", plural, namespaced=False,
            verbs=_READ,
            why="whether the API server stamps on each object who wrote it",
            watch=Watch(metadata_only=True, cluster_wide=True),
            project=projection.metadata_only,
            optional=True,  # Kubernetes 1.36
            dispensable=True,
        )
        for kind, plural in (
            ("MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
            ("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
        )
    ),
    ChildKind(
        "APIService", "apiregistration.k8s.io", "v1", "apiservices", namespaced=False,
        verbs=_READ,
        why="whether the CRDs of optional kinds are installed",
        watch=Watch(metadata_only=True, cluster_wide=True),
        project=projection.metadata_only,
        optional=True,  # the roles of an older version lack the right
        dispensable=True,
    ),
    ChildKind(
        "StorageClass", "storage.k8s.io", "v1", "storageclasses", namespaced=False,
        verbs=_READ,
        why="whether a claim binds only with its first pod",
        watch=Watch(cluster_wide=True),
        project=projection.storage_class,
    ),
    ChildKind(
        "PriorityClass", "scheduling.k8s.io", "v1", "priorityclasses", namespaced=False,
        verbs=_READ,
        why="whether the class of a workload exists",
        watch=Watch(metadata_only=True, cluster_wide=True),
        project=projection.metadata_only,
        optional=True,  # the roles of an older version lack the right
        dispensable=True,
    ),
    ChildKind(
        "ResourceClaimTemplate", "resource.k8s.io", "v1", "resourceclaimtemplates",
        verbs=_ALL,
        why="GPUs of workloads by dynamic resource allocation",
        watch=_OWNED,
        optional=True,  # Kubernetes 1.34, and the API group can be off
        setting="gpu_backend",
        value="dra",
    ),
    ChildKind(
        "PersistentVolume", "", "v1", "persistentvolumes", namespaced=False,
        verbs=_NO_PATCH,
        why="volumes for the storage of a model cache or data source in other namespaces, and for buckets; the volume "
        "of a claim",
        watch=Watch(cluster_wide=True),
        project=projection.volume,
        setting="creates_volumes",
    ),
    ChildKind(
        "Role", _RBAC, "v1", "roles",
        verbs=_ALL,
        why="roles over the artifacts of a shared repository",
        watch=_OWNED,
        setting="shared_roles",
    ),
    ChildKind(
        "RoleBinding", _RBAC, "v1", "rolebindings",
        verbs=_ALL,
        why="roles over the artifacts of a shared repository",
        watch=_OWNED,
        immutable=Immutable(("roleRef",), "recreate"),
        setting="shared_roles",
    ),
)  # fmt: skip

_BY_KIND: Final[Mapping[str, ChildKind]] = {row.kind: row for row in CHILD_KINDS}


def child_kind(kind: str) -> ChildKind | None:
    """The row of a kind; None for custom resources of Outfitter and for kinds that it does not use."""
    return _BY_KIND.get(kind)
