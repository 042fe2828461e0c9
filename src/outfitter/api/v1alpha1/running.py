"""Status of workloads."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.types import Message, StatusName, StatusUrl, Time, list_atomic, list_map, list_set
from outfitter.api.v1alpha1.connections import ConnectionStatuses


class Phase(StrEnum):
    """Phase of a workload."""

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


class Outdated(Model):
    """A dependency of the workload that changed after its start. A restart applies the change."""

    kind: StatusName
    """Kind of the object, or `Image`."""
    namespace: StatusName = ""
    """Its namespace."""
    name: Annotated[str, Field(max_length=1024)]
    """Its name; of an image, the reference with its tag."""
    used_generation: int | None = None
    """The generation in use."""
    generation: int | None = None
    """The newest generation; absent if it was deleted."""
    used_digest: Annotated[str, Field(max_length=135)] | None = None
    """Of an image: the digest that pods run."""
    digest: Annotated[str, Field(max_length=135)] | None = None
    """Of an image: the digest that its tag has now."""
    reason: Literal["Edited", "Rotated", "Deleted", "Replaced", "Added", "Moved"] | None = None
    """`Edited`: its spec changed. `Rotated`: its secret changed. `Deleted`: it was deleted. `Replaced`: another object
    has its name. `Added`: a policy of the project that is newer than the workload. `Moved`: the tag of an image has
    another digest than the one that pods run.
    """


class RelatedUrlStatus(Model):
    """A link that belongs to the workload."""

    name: StatusName
    """Name of the link."""
    url: StatusUrl
    """URL, with values for its placeholders."""
    type: Annotated[str, Field(max_length=63)] | None = None
    """Type of the target."""


class PolicyViolation(Model):
    """One violation of the policies of the project."""

    field: Annotated[str, Field(max_length=1024)]
    """Field of the workload, such as `compute.gpuDevicesRequest` or `labels.instances[cost]`."""
    rule: Annotated[str, Field(max_length=63)]
    """Rule that it breaks: required, canEdit, options, min, max, step, canAdd, locked, duplicate or mountPath."""
    given: Message | None = None
    """Value of the workload."""
    allowed: Message | None = None
    """What the rule allows."""
    policy: Annotated[str, Field(max_length=512)] | None = None
    """The WorkloadPolicy, as namespace and name."""
    scope: Annotated[str, Field(max_length=63)] | None = None
    """Scope of the policy."""
    message: Message | None = None
    """What is wrong, and what to do."""


class DataStatus(Model):
    """A repository or bucket that the pods fetch."""

    name: Annotated[str, Field(max_length=1024)]
    """Name of the DataSource, or of the inline volume."""
    path: Annotated[str, Field(max_length=1024)]
    """Mount path."""
    revision: StatusName | None = None
    """Branch, tag or commit that the spec names."""
    commit: Annotated[str, Field(max_length=64)] | None = None
    """Commit that the newest pod has checked out. Absent until it has."""
    objects: Annotated[int, Field(ge=0)] | None = None
    """Number of objects that the newest pod has copied."""
    bytes: Annotated[int, Field(ge=0)] | None = None
    """Size of these objects together."""


class Phased(Model):
    """Phase of a workload."""

    phase: Phase | None = None
    """Phase, for users. Scripts should read the conditions."""


class PodsStatus(Model):
    """Observed state of the pods of a workload."""

    replicas: Annotated[int, Field(ge=0)] | None = None
    """Number of pods. Of several container groups, of the first one without `replicas` and autoscaling of its own, if
    there is one: autoscalers read this number. `containerGroups` has those of each group.
    """
    ready_replicas: Annotated[int, Field(ge=0)] | None = None
    """Number of ready pods, of the same pods as `replicas`."""
    selector: Annotated[str, Field(max_length=1024)] | None = None
    """Label selector of the pods that `replicas` counts, as a string, for the scale subresource."""
    revision: StatusName | None = None
    """ControllerRevision with the submission, the assets and the pod template that run."""
    outdated: Annotated[tuple[Outdated, ...], list_atomic(64)] = ()
    """Dependencies that changed after the start of the workload. A restart applies the changes."""
    violations: Annotated[tuple[PolicyViolation, ...], list_atomic(64)] = ()
    """Violations of the policies of the project, at most 64. The workload does not start, or keeps what it runs."""
    author: StatusName | None = None
    """User who last changed what the workload runs: not who describes, scales, stops or restarts it. Its private
    Credentials and the ids of its login are his. Absent if not known.
    """
    imposed_data_sources: Annotated[tuple[StatusName, ...], list_set(64)] = ()
    """DataSources that policies mount into the workload."""
    data: Annotated[tuple[DataStatus, ...], list_map("path", 64)] = ()
    """Repositories and buckets that the pods fetch when they start."""
    connections: ConnectionStatuses = ()
    """URLs and ports of the tools."""
    related_urls: Annotated[tuple[RelatedUrlStatus, ...], list_map("name", 64)] = ()
    """Links that belong to the workload."""


class RunningStatus(PodsStatus, Phased):
    """Common part of the status of workloads."""


class RunRecord(Model):
    """The run of a workload that ends. What runs its pods is not created again once it is gone."""

    revision: StatusName
    """The ControllerRevision that it runs."""
    uid: StatusName = ""
    """The uid of its Job, or of what else creates its pods; absent between two attempts."""
    attempt: Annotated[int, Field(ge=1)] | None = None
    """Number of the start of all pods of a distributed training; absent for the first."""
    disruptions: Annotated[int, Field(ge=0)] | None = None
    """Attempts that ended because the cluster drained or preempted a pod. They do not count for `backoffLimit`."""
    restarted_at: Annotated[str, Field(max_length=256)] = ""
    """Value of the annotation `outfitter.dev/restartedAt` when it started. Another value starts another run."""
    result: Literal["Completed", "Failed"] | None = None
    """How it ended; absent while it runs or is stopped. `Completed` is final until a restart."""
    reason: StatusName | None = None
    """Why it failed, or the attempt before this one did."""
    message: Message | None = None
    """Why it failed, and what to do; or why the attempt before this one failed."""


class Halted(Model):
    """Why Outfitter stopped the workload although `suspend` is false."""

    reason: StatusName
    """`Preempted`, `RuntimeExceeded` or `Idle`."""
    message: Message
    """What happened, and how to start the workload again."""
    time: Time
    """When."""
    restarted_at: Annotated[str, Field(max_length=256)] = ""
    """Value of the annotation `outfitter.dev/restartedAt` at that time. Another value starts the workload."""


class ProgressStatus(Model):
    """Pods of a workload that runs to completion."""

    completions: Annotated[int, Field(ge=0)] | None = None
    """Pods that must succeed."""
    active: Annotated[int, Field(ge=0)] | None = None
    """Pods that run or wait."""
    succeeded: Annotated[int, Field(ge=0)] | None = None
    """Pods that ended with success."""
    failed: Annotated[int, Field(ge=0)] | None = None
    """Pods that failed."""


class EndingStatus(Model):
    """State of a workload that runs to completion."""

    progress: ProgressStatus | None = None
    """Its pods by state."""
    start_time: Time | None = None
    """When the run started; after a stop, when it started again. Of a workload that is kept running, only where it has
    `maxRuntimeSeconds`.
    """
    completion_time: Time | None = None
    """When the run ended, with success or not."""
    duration: Annotated[str, Field(max_length=32)] | None = None
    """Time from `startTime` to `completionTime`, such as 1h5m."""
    run: RunRecord | None = None
    """The last run."""
    halted: Halted | None = None
    """Why Outfitter stopped the workload although `suspend` is false; absent otherwise."""
