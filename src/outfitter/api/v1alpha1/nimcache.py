"""NimCache: the model of one image, downloaded once and shared by all that run it."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.quantities import parse_quantity, quantity_cel
from outfitter.api.refs import CredentialRef
from outfitter.api.rules import Node, Rule, Transition, frozen
from outfitter.api.types import Image, Label, LabelValue, Message, Name, Quantity, StatusName, Text, list_set
from outfitter.api.v1alpha1.artifactstatus import CachePhase, Count, Time
from outfitter.api.v1alpha1.asset import SCOPE_KEPT, AssetStatus, Description, Scope, Targets
from outfitter.api.v1alpha1.compute import ComputeFields
from outfitter.api.v1alpha1.placement import NodePools, Tolerations
from outfitter.api.v1alpha1.variables import EnvironmentVariables
from outfitter.api.v1alpha1.volumes import AccessModes

NEW_CACHE = "make a new NimCache"


def _not_shrunk(new: Node, old: Node) -> bool:
    return "size" not in new or "size" not in old or parse_quantity(new["size"]) >= parse_quantity(old["size"])


class NimCacheSpec(Model):
    """Which model to keep, where, and for whom."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *(
            Rule(
                f"!has(self.claimName) || !has(self.{field})",
                f"{field} describes a new claim: remove it, or claimName",
                lambda spec, field=field: "claimName" not in spec or field not in spec,  # type: ignore[misc]
                field=field,
            )
            for field in ("size", "storageClass", "accessModes")
        ),
        Rule(
            "!has(self.sharing) || !has(self.scope) || self.scope.type != 'project'",
            "sharing is for a cache of wider scope: remove it, or scope project",
            lambda spec: "sharing" not in spec or spec.get("scope", {}).get("type") != "project",
            field="sharing",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        SCOPE_KEPT,
        Transition(
            "self.image == oldSelf.image",
            f"image cannot change after creation: {NEW_CACHE}, one for each image",
            lambda new, old: new.get("image") == old.get("image"),
            "image",
        ),
        Transition(
            "!has(self.size) || !has(oldSelf.size) || "
            f"{quantity_cel('self.size')}.compareTo({quantity_cel('oldSelf.size')}) >= 0",
            "size may grow but never shrink",
            _not_shrunk,
            "size",
        ),
        frozen("storageClass", NEW_CACHE),
        frozen("accessModes", NEW_CACHE),
        frozen("claimName", NEW_CACHE),
    )

    image: Image
    """Model image, exactly as artifacts write it: the cache serves those whose image is the same text. Cannot change.
    """
    description: Description | None = None
    """What this is for, in 1 to 250 characters."""
    credential: CredentialRef | None = None
    """Credential of type ngcApiKey: to pull the image and to download the model. Default: none, for what needs no key.
    """
    scope: Scope | None = None
    """Who may use this cache. Default: the namespace it is in; in the operator's own namespace, the whole cluster.
    Cannot change after creation.
    """
    claim_name: Label | None = None
    """Use this claim of the namespace, which holds the model already: nothing is downloaded, no key is needed, and it
    is never changed or deleted. Default: a new claim. Cannot change.
    """
    size: Quantity | None = None
    """Capacity of the claim, such as 150Gi. Default: as the operator is set, 150Gi. May grow later where the storage
    class allows, never shrink.
    """
    storage_class: Name | None = None
    """Storage class. Default: the cluster's default class. Cannot change."""
    access_modes: AccessModes | None = None
    """How many nodes may mount it. Default: many, reading and writing. Cannot change."""
    profiles: Annotated[tuple[Text, ...], list_set(32)] = ()
    """Profiles of the model to download, by id. Default: the one that the image chooses for the GPUs it finds."""
    environment_variables: EnvironmentVariables = ()
    """Environment variables of the download, such as a proxy or NIM_REPOSITORY_OVERRIDE for a mirror."""
    compute: ComputeFields = ComputeFields()
    """CPU, memory and GPUs of the download. Default: no requests and no limits."""
    node_type: LabelValue | None = None
    """Download only on nodes of this type. Default: any node."""
    node_pools: NodePools = ()
    """Node pools to download in, most wanted first. Default: any."""
    tolerations: Tolerations = ()
    """Taints of nodes that the download tolerates."""
    sharing: Literal["download", "staticPV"] | None = None
    """How other namespaces get it. `download` (default): each has a cache of its own, filled with its own key.
    `staticPV`: they mount the same volume, read-only; only with storage drivers that an admin listed.
    """
    retain: bool = False
    """Keep the cache after its last user. Default: false: it is deleted some time after its last user if the
    operator made it. The claim is deleted with the cache.
    """


class DownloadProgress(Model):
    """How far a download is. What the image does not tell is absent."""

    bytes: Count | None = None
    """Bytes there are."""
    total_bytes: Count | None = None
    """Bytes there will be."""
    files: Count | None = None
    """Files there are."""
    total_files: Count | None = None
    """Files there will be."""
    started_at: Time | None = None
    """When the download began, RFC 3339 in UTC."""


class DownloadFailure(Model):
    """Why the last attempt failed."""

    reason: Annotated[str, Field(max_length=128)]
    """One word: ImagePullFailed, KeyRejected, NoSpace, OutOfMemory, DeadlineExceeded, else DownloadFailed."""
    message: Message = ""
    """What went wrong and what to do about it."""
    time: Time | None = None
    """When, RFC 3339 in UTC."""


class NimCacheStatus(AssetStatus):
    """State of the cache."""

    phase: CachePhase | None = None
    """Pending, Downloading, Ready or Failed; Deleting at the end. Failed attempts are repeated, each later than the one
    before.
    """
    claim_name: StatusName | None = None
    """Claim that holds the model."""
    job_name: StatusName | None = None
    """Job that downloads it, or did last."""
    progress: DownloadProgress | None = None
    """How far the download is."""
    attempts: Count | None = None
    """Downloads begun since the last success."""
    failure: DownloadFailure | None = None
    """Why the last attempt failed; absent once one succeeded."""
    next_attempt_at: Time | None = None
    """When the next attempt begins, RFC 3339 in UTC."""
    completed_at: Time | None = None
    """When the model was complete, RFC 3339 in UTC."""
    unused_since: Time | None = None
    """When the last user went, RFC 3339 in UTC; absent while there is one."""
    targets: Targets | None = None
    """Namespaces that should mount the same volume, and those that can, for staticPV."""


class NimCache(CustomResource):
    """The model of one image, downloaded once into a volume and shared by all that run it."""

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
    SELECTABLE: ClassVar[tuple[str, ...]] = (".spec.image", ".spec.scope.type", ".status.phase", ".status.syncStatus")

    spec: NimCacheSpec
    """Which model to keep."""
    status: NimCacheStatus = NimCacheStatus()
    """What the operator made of it. Written by the operator only."""
