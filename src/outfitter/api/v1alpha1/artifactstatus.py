"""Status of container groups and model caches."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.rules import Rule
from outfitter.api.types import StatusName, StatusUrl, list_map
from outfitter.api.v1alpha1.serving import Autoscaling

Count = Annotated[int, Field(ge=0)]


class CachePhase(StrEnum):
    """Phase of a model cache."""

    PENDING = "Pending"
    DOWNLOADING = "Downloading"
    READY = "Ready"
    FAILED = "Failed"
    DELETING = "Deleting"


class GroupStatus(Model):
    """State of the pods of one container group."""

    name: StatusName
    """Name of the group."""
    deployment: StatusName | None = None
    """Deployment that runs it."""
    replicas: Count | None = None
    """Number of pods."""
    ready_replicas: Count | None = None
    """Number of ready pods."""


class UsedBuild(Model):
    """The newest build of a container's image."""

    name: StatusName
    """Name of the ImageBuild."""
    state: StatusName | None = None
    """Its state."""


class ContainerImage(Model):
    """The image of a container that is built from source."""

    name: StatusName
    """Name of the container."""
    image: Annotated[str, Field(max_length=1024)] | None = None
    """Its image with the digest, once a build has completed. A locked version keeps it."""
    source: StatusName | None = None
    """Digest of source, Dockerfile and destination that the image was built from."""
    build: UsedBuild | None = None
    """Its newest build."""


class ArtifactGroupStatus(GroupStatus):
    """State of one container group of an artifact."""

    containers: Annotated[tuple[ContainerImage, ...], list_map("name", 16)] = ()
    """Containers whose image is built from source."""


class UsedCache(Model):
    """The model cache of a nim artifact."""

    name: StatusName
    """Name of the NimCache."""
    namespace: StatusName | None = None
    """Its namespace, if it is another one."""
    claim_name: StatusName | None = None
    """Claim with the model, in the namespace of the pods."""
    phase: CachePhase | None = None
    """Phase of the cache."""


class AcceptedAutoscaling(Autoscaling):
    """Limits and metric of scaling by load, as they were accepted."""

    RULES: ClassVar[tuple[Rule, ...]] = ()
    PARTIAL: ClassVar[bool] = True


class GroupScaling(Model):
    """Scaling of one container group."""

    name: StatusName
    """Name of the container group."""
    autoscaling: AcceptedAutoscaling
    """Its limits and metric."""


class AcceptedScaling(Model):
    """Scaling in effect, for all pods and for container groups."""

    autoscaling: AcceptedAutoscaling | None = None
    """Limits and metric of the workload."""
    container_groups: Annotated[tuple[GroupScaling, ...], list_map("name", 8)] = ()
    """Container groups with limits and a metric of their own."""


class ServingStatus(Model):
    """Observed state of a workload that serves requests."""

    url: StatusUrl | None = None
    """URL for requests; without a public one, the address inside the cluster."""
    container_groups: Annotated[tuple[GroupStatus, ...], list_map("name", 8)] = ()
    """State of each container group."""
    scaling: AcceptedScaling | None = None
    """Autoscaling of the spec that the policies of the project accepted last. It stays in effect while they refuse a
    newer one.
    """
    claim_name: StatusName | None = None
    """Claim with the model, for a nim artifact with its own volume."""
    nim_cache: UsedCache | None = None
    """The shared model cache, for a nim artifact that uses one."""
