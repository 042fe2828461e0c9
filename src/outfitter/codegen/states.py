"""What a kind's phases mean, which reasons its status can give, and how to look into it: the end of its reference page.

What each reason means stands in docs/guide/troubleshooting.md, once for all kinds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from outfitter.api.v1alpha1.artifact import ArtifactPhase
from outfitter.api.v1alpha1.artifactstatus import CachePhase
from outfitter.api.v1alpha1.running import Phase


@dataclass(frozen=True)
class States:
    """`phases` by the field of the status that holds them; `reasons` beside those of every kind; `looking` as steps."""

    reasons: tuple[str, ...]
    looking: tuple[str, ...]
    phases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


EVERY_KIND: Final = ("Deleting", "Forbidden", "InvalidSpec", "NamespaceTerminating", "NotCreated", "QuotaExceeded",
                     "Refused", "Unavailable")  # fmt: skip
"""Reasons that any object can show: what the API server answers to a write, and what cannot be read at all."""

RUN_PHASES: Final[Mapping[str, str]] = {
    Phase.CREATING: "The children are made; no controller has looked at them yet.",
    Phase.PENDING: "Something that it refers to is missing, or no node has taken the pods: see `issues`.",
    Phase.INITIALIZING: "The pods are on nodes and start: images are pulled, a model is loaded.",
    Phase.RUNNING: "All pods are ready.",
    Phase.DEGRADED: "It was running, and a pod is not ready now: see `issues`.",
    Phase.UPDATING: "Pods are replaced by newer ones.",
    Phase.STOPPING: "The pods end, as asked.",
    Phase.STOPPED: "Stopped as asked; volumes, Services and addresses stay. Ready, because it is as it should be.",
    Phase.RESUMING: "It was stopped and starts again.",
    Phase.FAILED: "It never started, and a person must act: see `issues`.",
    Phase.DELETING: "It is being deleted.",
}
ARTIFACT_PHASES: Final[Mapping[str, str]] = {
    ArtifactPhase.DRAFT: "It may be edited freely. Lock it with `locked: true`.",
    ArtifactPhase.LOCKING: "It waits for its number, which its ArtifactRepository gives; this takes a moment.",
    ArtifactPhase.LOCKED: "It is version `status.version`; everything but `run` is frozen. Go on with a clone.",
    ArtifactPhase.LOCK_FAILED: "It cannot become a version: see `issues`, and edit it, or set `locked` to false again.",
    ArtifactPhase.DELETING: "It is being deleted.",
}
CACHE_PHASES: Final[Mapping[str, str]] = {
    CachePhase.PENDING: "Something is missing before the download can begin, such as the key or the claim.",
    CachePhase.DOWNLOADING: "The Job `status.jobName` downloads; `status.progress.startedAt` says since when.",
    CachePhase.READY: "The claim `status.claimName` holds the model.",
    CachePhase.FAILED: "The last attempt failed for `status.failure.reason`; the next is at `status.nextAttemptAt`.",
    CachePhase.DELETING: "It is being deleted.",
}

_COMPUTE: Final = ("FractionsUnsupported", "NotEnforced")
_REFERENCES: Final = ("ReferenceDeleting", "ReferenceInvalid", "ReferenceNotFound")
_PODS: Final = (
    "ContainerConfigInvalid", "ContainerStartFailed", "CrashLoopBackOff", "ImagePullFailed", "NodeLost", "OOMKilled",
    "PodFailed", "PodRefused", "PodSecurityViolation", "RunsAsRoot", "Unschedulable",
)  # fmt: skip
_CLAIMS: Final = ("LostPhase", "NameTaken", "Replacing")
_RUNS: Final = (
    *_COMPUTE, *_REFERENCES, *_PODS, *_CLAIMS, "Conflict", "CredentialNotReady", "ElevationForbidden", "HostTaken",
    "KeyNotFound", "NfsOutsideRestricted", "Progressing", "Running", "Stopped", "Stopping", "Unsupported", "Updating",
    "Waiting",
)  # fmt: skip
_TOOLS: Final = ("DomainMissing", "HostForbidden", "NodePortMissing", "OverrideForbidden", "PlaceholderUnresolved",
                 "PromptUnset", "Reserved", "UrlMissing")  # fmt: skip
_SERVES: Final = ("CacheNotReady", "ClusterLocal", "InitializationTimeout", "ScaleToZeroUnsupported", "SourceNotReady")

_DATA: Final = (
    *_REFERENCES, *_CLAIMS, "Bound", "ClaimLeft", "KeyNotFound", "Pending", "Progressing", "ReplicationError",
    "ScopeForbidden", "Synced", "Unsupported", "Valid", "WaitForFirstConsumer",
)  # fmt: skip
_SECRETS: Final = (
    "KeyNotFound", "MalformedSecret", "NameTaken", "Replacing", "ReplicationError", "ScopeForbidden", "Synced",
    "Unsupported", "Waiting",
)  # fmt: skip
_VERSIONS: Final = (
    "Draft", "Locked", "LockFailed", "Locking", "NothingToLock", "RepositoryDeleting", "RepositoryFull",
    "SnapshotLost", "TypeMismatch", "VersionTaken",
)  # fmt: skip
_DOWNLOADS: Final = (
    *_COMPUTE, *_REFERENCES, *_PODS, *_CLAIMS, "Conflict", "CredentialNotReady", "DeadlineExceeded", "DownloadFailed",
    "Downloading", "Failed", "KeyNotFound", "KeyRejected", "NoSpace", "OutOfMemory", "Pending", "Progressing", "Ready",
    "ReplicationError", "Reserved", "ScopeForbidden", "Unsupported", "Unused", "Valid",
)  # fmt: skip


def _looking(kind: str, *steps: str) -> tuple[str, ...]:
    return (
        f"`kubectl -n team-a get {kind} -o wide`, then `outfitter status {kind}/NAME -n team-a`: every issue in full.",
        *steps,
        "Nothing in the status at all: is `outfitter.dev/reconcile: disabled` on it, does the operator run, is the "
        "namespace one of its `watchNamespaces`?",
    )


_EXPLAIN = "`outfitter explain {kind}/NAME -n team-a`: where each value of the pod comes from, and what is newer."
_PODS_OF = (
    "`kubectl -n team-a get pods -l outfitter.dev/owner-kind={name},outfitter.dev/owner-name=NAME`, then `describe` "
    "and `logs --previous` of one that is not ready."
)
_EDIT_WITHOUT_EFFECT = (
    "An edit of an asset has no effect: by design, see `status.outdated`. Restart: `kubectl -n team-a annotate {kind} "
    "NAME --overwrite outfitter.dev/restartedAt=$(date +%s)`."
)


def _running(kind: str, name: str, *more: str) -> tuple[str, ...]:
    steps = (_EXPLAIN, _PODS_OF, *more)
    return _looking(kind, *(step.replace("{kind}", kind).replace("{name}", name) for step in steps))


_USERS = "Who uses it: `status.usedBy`. Whether a namespace may: its labels `outfitter.dev/project` and `department`."

STATES: Final[Mapping[str, States]] = {
    "Environment": States(
        (*_RUNS, *_TOOLS, "ScopeForbidden", "TypeNotSupported", "Valid"),
        _running("environment", "Environment", _EDIT_WITHOUT_EFFECT, _USERS),
        {"phase": RUN_PHASES},
    ),
    "ComputeResource": States(
        (*_COMPUTE, "ScopeForbidden", "Valid"),
        _looking("computeresource", _USERS, "What a pod gets from it: `outfitter explain workspace/NAME -n team-a`."),
    ),
    "DataSource": States(
        _DATA,
        _looking(
            "datasource",
            "`kubectl -n team-a describe pvc -l outfitter.dev/owner-kind=DataSource,outfitter.dev/owner-name=NAME`: "
            "StorageClass, capacity, access modes, events.",
            "A claim that outlived its DataSource: `kubectl get pvc -A -l outfitter.dev/retained`.",
            _USERS,
        ),
    ),
    "Credential": States(
        _SECRETS,
        _looking(
            "credential",
            "Keys of the Secret, without values: `kubectl -n team-a describe secret NAME`; keys that are published: "
            "`status.keys`.",
            "Namespaces that have it: `kubectl get secrets -A -l outfitter.dev/owner-kind=Credential,"
            "outfitter.dev/owner-name=NAME`; `status.targets` counts them.",
            _USERS,
        ),
    ),
    "Workspace": States(
        (*_RUNS, *_TOOLS, "ScopeForbidden", "TypeNotSupported"),
        _running("workspace", "Workspace", _EDIT_WITHOUT_EFFECT),
        {"phase": RUN_PHASES},
    ),
    "Inference": States(
        (*_RUNS, *_TOOLS, *_SERVES, "Draft", "DraftForbidden", "ScopeForbidden", "TypeNotSupported", "VersionNotFound"),
        _running(
            "inference",
            "Inference",
            "What runs: `status.artifact` (name, version, generation); pods of each group: `status.containerGroups`.",
            "It does not answer: `status.url`; then `kubectl -n team-a get endpointslices -l "
            "kubernetes.io/service-name=NAME`: no address means that no pod is ready.",
            "It does not scale: `kubectl -n team-a describe hpa NAME`; cpu and memory need requests and a metrics "
            "server. With `autoscaling`, `kubectl scale` changes nothing.",
            "A new version is not taken up: it is waited for (`VersionNotFound`, `CacheNotReady`), refused "
            "(`DraftForbidden`), or its pods do not become ready; what ran goes on meanwhile.",
            _EDIT_WITHOUT_EFFECT,
        ),
        {"phase": RUN_PHASES},
    ),
    "Artifact": States(
        (*_RUNS, *_SERVES, *_VERSIONS),
        _running(
            "artifact",
            "Artifact",
            "Locking does not end: `kubectl -n team-a get artrepo $(kubectl -n team-a get artifact NAME -o "
            "jsonpath={.status.repository}) -o yaml`: its issues, and the numbers that are taken.",
            "An edit is refused as frozen: it is a version. Make a new Artifact with `cloneFrom: {name: NAME}`.",
            "It cannot be deleted: versions and what others use are kept. The message names the users; "
            "`outfitter.dev/force-delete=true` as an annotation lets it go.",
            "The model does not load: `status.nimCache` names the NimCache, `status.claimName` the volume. The first "
            "start may take 20 minutes; `kubectl -n team-a logs deployment/NAME -f` shows how far it is.",
        ),
        {"phase": ARTIFACT_PHASES, "runPhase": RUN_PHASES},
    ),
    "ArtifactRepository": States(
        ("Counting", "NameTaken", "Replacing", "RepositoryFull", "Sharing", "Unsupported", "Unused"),
        _looking(
            "artifactrepository",
            "Its artifacts: `kubectl -n team-a get artifacts --field-selector status.repository=NAME`.",
            "A number is missing: it belonged to an artifact that was deleted (`status.retiredVersions`), or was "
            "skipped by a `spec.version`. Numbers are never given twice.",
            "It cannot be deleted: it holds artifacts. Delete those first. One that the operator made goes by itself.",
            "What somebody may do with its artifacts: `kubectl -n team-a auth can-i --list --as USER`; the Roles for "
            "that: `kubectl -n team-a get roles,rolebindings -l outfitter.dev/owner-name=NAME`.",
        ),
    ),
    "NimCache": States(
        _DOWNLOADS,
        _looking(
            "nimcache",
            "How the download goes: `kubectl -n team-a logs job/$(kubectl -n team-a get nimcache NAME -o "
            "jsonpath={.status.jobName}) -f`.",
            "Why the last one failed: `status.failure`; how often: `status.attempts`; when next: "
            "`status.nextAttemptAt`. A corrected Secret, or an edit of the NimCache, is tried at once.",
            "The pod of the Job does not start: `kubectl -n team-a describe pod -l "
            "outfitter.dev/owner-kind=NimCache,outfitter.dev/owner-name=NAME`: image pull, taints, claim.",
            "The claim is not bound: `kubectl -n team-a describe pvc NAME`. The default asks for ReadWriteMany; where "
            "no storage class offers that, write the NimCache yourself with `accessModes: {readWriteOnce: true}`.",
            "It serves nobody: `image` must be the same text as in the artifact, tag and registry included.",
            "It went away: one that the operator made goes `nimCacheGraceSeconds` after its last user; `retain: true` "
            "keeps it.",
        ),
        {"phase": CACHE_PHASES},
    ),
}
"""By kind."""
