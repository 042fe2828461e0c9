"""NimCache: the model of one image, downloaded once and shared by all workloads with that image."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.refs import CredentialRef
from outfitter.api.rules import Rule, Transition, frozen, positive
from outfitter.api.types import Image, LabelValue, Message, Name, Quantity, StatusName, Text, Time, list_set
from outfitter.api.v1alpha1.artifactstatus import CachePhase, Count
from outfitter.api.v1alpha1.asset import SCOPE_KEPT, AssetStatus, Description, Scope, Targets
from outfitter.api.v1alpha1.compute import ComputeFields
from outfitter.api.v1alpha1.labels import Annotations, Labels
from outfitter.api.v1alpha1.placement import NodePools, Tolerations
from outfitter.api.v1alpha1.variables import EnvironmentVariables
from outfitter.api.v1alpha1.volumes import AccessModes

NEW_CACHE = "Create a new NimCache."
_OF_THE_DOWNLOAD = (
    "credential", "profiles", "environmentVariables", "compute", "nodeType", "nodePools", "tolerations",
    "labels", "annotations",
)  # fmt: skip


class NimCacheSpec(Model):
    """The model, its storage and its scope."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *(
            Rule(
                f"!has(self.claimName) || !has(self.{field})",
                f"{field} describes a new claim. Remove {field} or claimName.",
                lambda spec, field=field: "claimName" not in spec or field not in spec,  # type: ignore[misc]
                field=field,
            )
            for field in ("size", "storageClass", "accessModes")
        ),
        *(
            Rule(
                f"!has(self.claimName) || !has(self.{field})",
                f"{field} is for a download, and claimName names a claim that holds the model. Remove {field} or "
                "claimName.",
                lambda spec, field=field: "claimName" not in spec or field not in spec,  # type: ignore[misc]
                field=field,
            )
            for field in _OF_THE_DOWNLOAD
        ),
        positive("size"),
        Rule(
            "!has(self.sharing) || !has(self.scope) || self.scope.type != 'project'",
            "sharing is valid only for a NimCache of wider scope. Remove sharing, or change scope.",
            lambda spec: "sharing" not in spec or spec.get("scope", {}).get("type") != "project",
            field="sharing",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        SCOPE_KEPT,
        Transition(
            "self.image == oldSelf.image",
            "image cannot change after creation. Create a new NimCache for each image.",
            lambda new, old: new.get("image") == old.get("image"),
            "image",
        ),
        frozen("storageClass", NEW_CACHE),
        frozen("accessModes", NEW_CACHE),
        frozen("claimName", NEW_CACHE),
    )

    image: Image
    """Model image. The cache serves artifacts whose `imageUri` is the same text. Cannot change."""
    description: Description | None = None
    """Purpose, in 1 to 250 characters."""
    credential: CredentialRef | None = None
    """Credential of type ngcApiKey, to pull the image and to download the model. Default: none, where no key is needed.
    """
    scope: Scope | None = None
    """Namespaces that may use this cache. Default: its own; for a cache in the operator's namespace, the whole cluster.
    Cannot change after creation.
    """
    claim_name: Name | None = None
    """Use this claim of the namespace, which holds the model: nothing is downloaded, no key is needed, and the claim is
    never changed or deleted. Default: a new claim. Cannot change.
    """
    size: Quantity | None = None
    """Capacity of the claim, such as 150Gi. Default: the setting of the operator, 150Gi. It can be increased where the
    storage class allows, and never decreased.
    """
    storage_class: Name | None = None
    """Storage class. Default: the cluster's default class. Cannot change."""
    access_modes: AccessModes | None = None
    """Access modes. Default: readWriteMany. Cannot change."""
    profiles: Annotated[tuple[Text, ...], list_set(32)] = ()
    """Profiles of the model to download, by id. Default: the one that the image chooses for its GPUs."""
    environment_variables: EnvironmentVariables = ()
    """Environment variables of the download, such as a proxy or NIM_REPOSITORY_OVERRIDE for a mirror. The volume is
    mounted where NIM_CACHE_PATH points.
    """
    compute: ComputeFields = ComputeFields()
    """CPU, memory and GPUs of the download. Default: no requests and no limits."""
    node_type: LabelValue | None = None
    """Download only on nodes of this type. Default: any node."""
    node_pools: NodePools = ()
    """Node pools to download in, in order of preference. Default: any."""
    tolerations: Tolerations = ()
    """Taints of nodes that the download tolerates."""
    labels: Labels = ()
    """Labels for the Job of the download, its pods and the claim, as admission policies may demand. An edit starts a
    running download again.
    """
    annotations: Annotations = ()
    """Annotations for the same objects."""
    sharing: Literal["download", "staticPV"] | None = None
    """Access from other namespaces. `download` (default): each has a cache of its own, downloaded with its own key.
    `staticPV`: they mount the same volume, read-only; only with storage drivers that an administrator lists.
    """
    retain: bool = False
    """Keep the cache after its last user. Default: false: a cache that the operator created is deleted some time after
    its last user. The claim is deleted with the cache.
    """


class DownloadProgress(Model):
    """Progress of a download. Images report no figures that could be shown."""

    started_at: Time | None = None
    """When the download began, RFC 3339 in UTC."""


class DownloadFailure(Model):
    """Cause of the last failure."""

    reason: Annotated[str, Field(max_length=128)]
    """ImagePullFailed, KeyRejected, NoSpace, OutOfMemory, DeadlineExceeded or DownloadFailed."""
    message: Message = ""
    """Cause and remedy."""
    time: Time | None = None
    """When, RFC 3339 in UTC."""


class NimCacheStatus(AssetStatus):
    """State of the cache."""

    phase: CachePhase | None = None
    """Pending, Downloading, Ready or Failed; Deleting at the end. Failed attempts are retried with increasing delays.
    """
    claim_name: StatusName | None = None
    """Claim that holds the model."""
    job_name: StatusName | None = None
    """Job of the current or last download."""
    progress: DownloadProgress | None = None
    """Progress of the download."""
    attempts: Count | None = None
    """Downloads started since the last success."""
    failure: DownloadFailure | None = None
    """Cause of the last failure; absent after a success."""
    next_attempt_at: Time | None = None
    """Time of the next attempt, RFC 3339 in UTC."""
    completed_at: Time | None = None
    """Time at which the model was complete, RFC 3339 in UTC."""
    unused_since: Time | None = None
    """Time at which the last user was removed, RFC 3339 in UTC; absent while the cache has users."""
    targets: Targets | None = None
    """Namespaces that should mount the same volume, and those that can mount it, for staticPV."""


class NimCache(CustomResource):
    """The model of one image, downloaded once into a volume and shared by all workloads with that image."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Phase", path=".status.phase"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Image", path=".spec.image"),
        Column(name="Claim", path=".status.claimName"),
        Column(name="Downloading", path=".status.progress.startedAt", type="date"),
        Column(name="Used", path=".status.usedBy.total", type="integer"),
        Column(name="Status", path=".status.syncStatus", wide=True),
        Column(name="Attempts", path=".status.attempts", type="integer", wide=True),
        Column(name="Size", path=".spec.size", wide=True),
        Column(name="Scope", path=".spec.scope.type", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.image",
        ".spec.scope.type",
        ".status.phase",
        ".status.syncStatus",
        ".status.createdBy",
        ".status.updatedBy",
    )

    spec: NimCacheSpec
    """Desired state."""
    status: NimCacheStatus = NimCacheStatus()
    """Observed state. Only the operator writes it."""
