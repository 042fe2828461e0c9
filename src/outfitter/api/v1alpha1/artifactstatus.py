"""The parts of a status that belong to what runs from container groups and model caches."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.types import StatusName, StatusUrl, list_map

Count = Annotated[int, Field(ge=0)]
Time = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]


class CachePhase(StrEnum):
    """Where a model cache stands."""

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
    """Pods there are."""
    ready_replicas: Count | None = None
    """Pods that are ready."""


class UsedCache(Model):
    """The model cache that a nim artifact runs from."""

    name: StatusName
    """Name of the NimCache."""
    namespace: StatusName | None = None
    """Its namespace, where that is another one."""
    claim_name: StatusName | None = None
    """Claim with the model, in the namespace of the pods."""
    phase: CachePhase | None = None
    """Where the cache stands."""


class ServingStatus(Model):
    """What is known of anything that serves requests."""

    url: StatusUrl | None = None
    """Where requests are answered; the address inside the cluster if there is no other."""
    container_groups: Annotated[tuple[GroupStatus, ...], list_map("name", 8)] = ()
    """State of each container group."""
    claim_name: StatusName | None = None
    """Claim with the model, for a nim artifact with a volume of its own."""
    nim_cache: UsedCache | None = None
    """The shared model cache, for a nim artifact that uses one."""
