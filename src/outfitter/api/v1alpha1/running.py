"""The status of something that runs."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.types import StatusName, StatusUrl, list_atomic, list_map
from outfitter.api.v1alpha1.connections import ConnectionStatuses


class Phase(StrEnum):
    """Where a workload stands."""

    CREATING = "Creating"
    PENDING = "Pending"
    INITIALIZING = "Initializing"
    RUNNING = "Running"
    DEGRADED = "Degraded"
    UPDATING = "Updating"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    RESUMING = "Resuming"
    COMPLETED = "Completed"
    FAILED = "Failed"
    DELETING = "Deleting"
    TERMINATING = "Terminating"
    UNKNOWN = "Unknown"


class Outdated(Model):
    """Something the workload was built from that has changed since. Restart to take it up."""

    kind: StatusName
    """Kind of the object."""
    namespace: StatusName = ""
    """Its namespace."""
    name: StatusName
    """Its name."""
    used_generation: int | None = None
    """The generation in use."""
    generation: int | None = None
    """The generation there is now; absent if it was deleted."""
    reason: Literal["Edited", "Rotated", "Deleted", "Replaced"] | None = None
    """`Edited`: its spec changed. `Rotated`: its secret changed. `Deleted`: it is gone. `Replaced`: another object has
    its name now.
    """


class RelatedUrlStatus(Model):
    """A link that belongs to the workload."""

    name: StatusName
    """Name of the link."""
    url: StatusUrl
    """Where it leads, with placeholders filled."""
    type: Annotated[str, Field(max_length=63)] | None = None
    """What it leads to."""


class Phased(Model):
    """Where a workload stands."""

    phase: Phase | None = None
    """Where it stands, for people. Scripts should read the conditions."""


class PodsStatus(Model):
    """What is known of the pods of anything that runs."""

    replicas: Annotated[int, Field(ge=0)] | None = None
    """Pods there are."""
    ready_replicas: Annotated[int, Field(ge=0)] | None = None
    """Pods that are ready."""
    selector: Annotated[str, Field(max_length=1024)] | None = None
    """Label selector of the pods, as a string, for the scale subresource."""
    revision: StatusName | None = None
    """ControllerRevision that holds what runs: the submission, the assets and the pod template as they were used."""
    outdated: Annotated[tuple[Outdated, ...], list_atomic(64)] = ()
    """What changed since the workload started. Nothing of it is taken up before a restart."""
    connections: ConnectionStatuses = ()
    """Where the tools can be reached."""
    related_urls: Annotated[tuple[RelatedUrlStatus, ...], list_map("name", 64)] = ()
    """Links that belong to the workload."""


class RunningStatus(PodsStatus, Phased):
    """The part of the status of anything that runs."""
