"""Every reason that a status can show: one row each, with its usual level, its meaning and its remedy."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Level(IntEnum):
    """How serious a problem is, and who resolves it."""

    NOTE = 1  # everything works; the user should know it
    UNDER_WAY = 2  # nothing is wrong; a dependency is being made
    WAITING = 3  # resolves itself when something appears, or is retried
    STALLED = 4  # a person must act


class Reason(StrEnum):
    """A CamelCase word that scripts may compare.

    `level` is the usual one; a problem can state another. `meaning` and `remedy` are Markdown: the troubleshooting
    guide and the reference pages are generated from them.
    """

    level: Level
    meaning: str
    remedy: str

    def __new__(cls, value: str, level: Level, meaning: str, remedy: str = "") -> Reason:
        """One row of the table."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.level = level
        member.meaning = meaning
        member.remedy = remedy
        return member

    CONFLICT = (
        "Conflict",
        Level.STALLED,
        "two parts of one pod want the same variable, mount path, port, name or host",
        "change or `exclude` one of the two that the message names",
    )
    DOMAIN_MISSING = (
        "DomainMissing",
        Level.STALLED,
        "a connection of type ExternalUrl, but the operator has no domain",
        "an admin sets `settings.domain`; or choose another connectionType",
    )
    DRAFT_FORBIDDEN = (
        "DraftForbidden",
        Level.STALLED,
        "a draft Artifact is to replace a locked one that runs",
        "lock the draft first",
    )
    ELEVATION_FORBIDDEN = (
        "ElevationForbidden",
        Level.STALLED,
        "the pod would be [elevated](concepts.md#elevation), whoever wrote that part",
        "remove what the message lists; or an admin labels the Namespace `outfitter.dev/elevation=allowed`",
    )
    FORBIDDEN = (
        "Forbidden",
        Level.STALLED,
        "the API server refused a write: an admission policy or a missing right",
        "the message has the server's words; if it is a right, the operator's roles are not those of its version",
    )
    FRACTIONS_UNSUPPORTED = (
        "FractionsUnsupported",
        Level.STALLED,
        "part of a GPU is asked for, which needs a scheduler that shares devices",
        "ask for whole devices or a MIG profile",
    )
    HOST_FORBIDDEN = (
        "HostForbidden",
        Level.STALLED,
        "a custom URL whose host is not under the operator's domain",
        "use a host under it",
    )
    INVALID_SPEC = (
        "InvalidSpec",
        Level.STALLED,
        "a field is missing or wrong, perhaps only once assets and inline fields are put together",
        "correct the field at the start of the message",
    )
    LOST_PHASE = (
        "LostPhase",
        Level.STALLED,
        "the PersistentVolume of a claim is gone",
        "restore the volume, or delete the claim and let a new one be made; the data of the old one is not in it",
    )
    MALFORMED_SECRET = (
        "MalformedSecret",
        Level.STALLED,
        "the Secret that a Credential names has its keys, but not what belongs into them",
        "correct the Secret; its content is never shown",
    )
    NAME_TAKEN = (
        "NameTaken",
        Level.STALLED,
        "an object of the name that is needed exists and is not Outfitter's",
        "delete or rename it, or choose another name here. It is looked for again every minute",
    )
    NFS_OUTSIDE_RESTRICTED = (
        "NfsOutsideRestricted",
        Level.STALLED,
        "an inline nfs volume in a Namespace that enforces Pod Security `restricted`",
        "an admin sets `settings.nfsBackend: csi`, or relaxes the Namespace to `baseline`",
    )
    NODE_PORT_MISSING = (
        "NodePortMissing",
        Level.STALLED,
        "the Environment leaves the node port to you",
        "set `nodePort` for this connection",
    )
    NOTHING_TO_LOCK = (
        "NothingToLock",
        Level.STALLED,
        "a locked Artifact without container groups",
        "give `containerGroups`",
    )
    OVERRIDE_FORBIDDEN = (
        "OverrideForbidden",
        Level.STALLED,
        "a user or group id is set, which the shared Environment reserves for itself",
        "remove it, or use an Environment with `overrideUidGidInWorkspace: true`",
    )
    POD_REFUSED = (
        "PodRefused",
        Level.STALLED,
        "an admission policy refused the pod",
        "the message has its words",
    )
    POD_SECURITY_VIOLATION = (
        "PodSecurityViolation",
        Level.STALLED,
        "the Namespace's Pod Security level refused the pod",
        "make the Environment fit; or an admin relaxes `pod-security.kubernetes.io/enforce`",
    )
    REFERENCE_INVALID = (
        "ReferenceInvalid",
        Level.STALLED,
        "the asset that is referred to cannot be used: its scope counts only in the system namespace, or it is empty",
        "correct that asset",
    )
    REFUSED = (
        "Refused",
        Level.STALLED,
        "the API server called a manifest invalid",
        "correct the field that the server names",
    )
    REPLICATION_ERROR = (
        "ReplicationError",
        Level.STALLED,
        "a shared Credential, or the volume of a shared NimCache, cannot be brought into a Namespace, because "
        "a Secret, claim or volume of that name is there already",
        "delete or rename that one",
    )
    REPOSITORY_FULL = (
        "RepositoryFull",
        Level.STALLED,
        "the ArtifactRepository holds as many versions as it can",
        "delete old ones, or use another repository",
    )
    SCALE_TO_ZERO_UNSUPPORTED = (
        "ScaleToZeroUnsupported",
        Level.STALLED,
        "`minReplicas: 0`, but nothing keeps requests while there is no pod",
        "set 1 or more",
    )
    SCOPE_FORBIDDEN = (
        "ScopeForbidden",
        Level.STALLED,
        "a wide scope outside the system namespace, or `run` on a shared Environment",
        "create the asset in the system namespace, or leave `scope` out; make a Workspace instead of `run`",
    )
    TYPE_MISMATCH = (
        "TypeMismatch",
        Level.STALLED,
        "the ArtifactRepository is for the other type of Artifact",
        "name another repository",
    )
    TYPE_NOT_SUPPORTED = (
        "TypeNotSupported",
        Level.STALLED,
        "the Environment's `supportedTypes` leaves this kind of workload out",
        "use another Environment, or extend the list",
    )
    UNSUPPORTED = (
        "Unsupported",
        Level.STALLED,
        "a valid field that this version cannot honour; `sharing: staticPV` where no driver, or not this one, "
        "may be shared, or with `watchNamespaces`; `sharedRoles` of a repository where no admin turned that "
        "on",
        "remove it; an admin can add the driver to `settings.staticPvDrivers`, or set "
        "[`settings.sharedRoles`](security.md#sharing-artifacts)",
    )
    URL_MISSING = (
        "UrlMissing",
        Level.STALLED,
        "`customUrl` is set but there is no URL",
        "give `externalUrl`",
    )
    SNAPSHOT_LOST = (
        "SnapshotLost",
        Level.STALLED,
        "what a version took over from the artifact it was cloned from was deleted, and that artifact has "
        "changed or is gone",
        "restore the ControllerRevision that the message names, or lock a new artifact; what runs goes on",
    )
    VERSION_TAKEN = (
        "VersionTaken",
        Level.STALLED,
        "the number in `spec.version` belongs, or belonged, to another Artifact",
        "choose another number, or none",
    )

    CACHE_NOT_READY = (
        "CacheNotReady",
        Level.WAITING,
        "the NimCache of the image is being made or filled, or its shared volume is being brought here",
        "the NimCache's status: `kubectl get nimcache` shows since when it is downloading and why it waits",
    )
    CONTAINER_CONFIG_INVALID = (
        "ContainerConfigInvalid",
        Level.WAITING,
        "a Secret, ConfigMap or key that the container needs is not there, or its settings do not work on this node",
        "the message of the kubelet behind it",
    )
    CONTAINER_START_FAILED = (
        "ContainerStartFailed",
        Level.WAITING,
        "the container could not be started",
        "command, workingDir, and whether the image fits its user",
    )
    CRASH_LOOP_BACK_OFF = (
        "CrashLoopBackOff",
        Level.WAITING,
        "the container ends again and again; the exit code is in the message",
        "`kubectl -n team-a logs jupyter-0 --previous`",
    )
    CREDENTIAL_NOT_READY = (
        "CredentialNotReady",
        Level.WAITING,
        "a Credential has not delivered its Secret yet",
        "the Credential's status",
    )
    DEADLINE_EXCEEDED = (
        "DeadlineExceeded",
        Level.WAITING,
        "one attempt to download a model took too long",
        "the network; the operator's `nimDownloadSeconds`",
    )
    DELETING = (
        "Deleting",
        Level.WAITING,
        "the object is being deleted and another tool's finalizer holds it",
        "`metadata.finalizers`; Outfitter sets none",
    )
    DOWNLOAD_FAILED = (
        "DownloadFailed",
        Level.WAITING,
        "a download ended for a reason that its log tells; it is tried again, each time later",
        "`kubectl logs` of the Job in the NimCache's status",
    )
    HOST_TAKEN = (
        "HostTaken",
        Level.WAITING,
        "another Ingress had this host first",
        "which one: it is in the message. Choose another host or name",
    )
    IMAGE_PULL_FAILED = (
        "ImagePullFailed",
        Level.WAITING,
        "the image cannot be pulled",
        "its name and tag, and whether a dockerRegistry Credential covers its registry",
    )
    INITIALIZATION_TIMEOUT = (
        "InitializationTimeout",
        Level.WAITING,
        "pods did not become ready in time",
        "their log; `servingConfiguration.initializationTimeoutSeconds`",
    )
    KEY_NOT_FOUND = (
        "KeyNotFound",
        Level.WAITING,
        "a Secret or ConfigMap is there but lacks a key",
        "add the key, or name another under `keys`",
    )
    KEY_REJECTED = (
        "KeyRejected",
        Level.WAITING,
        "the key was refused; a corrected one is tried at once",
        "the Secret behind the ngcApiKey Credential",
    )
    NAMESPACE_TERMINATING = (
        "NamespaceTerminating",
        Level.WAITING,
        "the Namespace is being deleted",
    )
    NODE_LOST = (
        "NodeLost",
        Level.WAITING,
        "the node of a pod does not answer, so nobody knows how the pod is",
        "the node: it goes on when that is back; `kubectl delete node` if it is gone for good, then pods are made anew",
    )
    NO_SPACE = (
        "NoSpace",
        Level.WAITING,
        "the volume is full",
        "the NimCache's `size`, which may grow where the StorageClass allows",
    )
    NOT_CREATED = (
        "NotCreated",
        Level.WAITING,
        "an object that is referred to does not exist, or a child could not be made yet",
        "create what the message names",
    )
    OOM_KILLED = (
        "OOMKilled",
        Level.WAITING,
        "the container ran out of memory",
        "raise `compute.cpuMemoryLimit`, and `cpuMemoryRequest` with it",
    )
    OUT_OF_MEMORY = (
        "OutOfMemory",
        Level.WAITING,
        "a download ran out of memory",
        "the NimCache's `compute.cpuMemoryLimit`",
    )
    PENDING = (
        "Pending",
        Level.WAITING,
        "no volume is bound to the claim yet",
        "`kubectl describe pvc`: StorageClass, capacity, access modes",
    )
    POD_FAILED = (
        "PodFailed",
        Level.WAITING,
        "the pod ended",
        "the message; `kubectl describe pod`",
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        Level.WAITING,
        "the Namespace's quota has no room, or wants every pod to say more",
        "free some, ask for less, or set the fields it wants",
    )
    REFERENCE_DELETING = (
        "ReferenceDeleting",
        Level.WAITING,
        "the asset that is referred to is being deleted",
        "refer to another one",
    )
    REFERENCE_NOT_FOUND = (
        "ReferenceNotFound",
        Level.WAITING,
        "there is no such asset here, nor one shared with this Namespace",
        "the name; whether the Namespace has label `outfitter.dev/project`; whether the asset's scope covers it",
    )
    REPLACING = (
        "Replacing",
        Level.WAITING,
        "an object of a former owner of this name has to go first",
        "a finalizer on that object, if it lasts",
    )
    REPOSITORY_DELETING = (
        "RepositoryDeleting",
        Level.WAITING,
        "the ArtifactRepository is being deleted",
        "a finalizer on it, if it lasts",
    )
    RUNS_AS_ROOT = (
        "RunsAsRoot",
        Level.WAITING,
        "the image runs as root, or names its user by a word that the kubelet cannot check",
        "`security.runAsUid` with `uidGidSource: custom`, or another image; `runAsNonRoot: false` where the "
        "namespace allows root",
    )
    SOURCE_NOT_READY = (
        "SourceNotReady",
        Level.WAITING,
        "the Artifact that a clone is made from is not complete itself",
        "that Artifact's status",
    )
    UNAVAILABLE = (
        "Unavailable",
        Level.WAITING,
        "the API server did not take a write",
        "nothing; it is tried again",
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        Level.WAITING,
        "no node fits the pod",
        "the scheduler's words in the message: GPUs, memory, taints, volumes of another zone",
    )
    VERSION_NOT_FOUND = (
        "VersionNotFound",
        Level.WAITING,
        "the ArtifactRepository has no such version (any more)",
        "`status.versions` of the repository",
    )
    WAITING = (
        "Waiting",
        Level.WAITING,
        "something above stands in the way; the issues say what",
        "`status.issues`",
    )

    BOUND = (
        "Bound",
        Level.UNDER_WAY,
        "the claims of a DataSource are bound",
    )
    COUNTING = (
        "Counting",
        Level.UNDER_WAY,
        "an ArtifactRepository counts the versions of its Artifacts",
    )
    DOWNLOADING = (
        "Downloading",
        Level.UNDER_WAY,
        "a model is being downloaded",
    )
    FAILED = (
        "Failed",
        Level.UNDER_WAY,
        "the last attempt to download failed; the next one is in the status",
    )
    LOCKED = (
        "Locked",
        Level.UNDER_WAY,
        "the Artifact is a version",
    )
    LOCK_FAILED = (
        "LockFailed",
        Level.UNDER_WAY,
        "the Artifact cannot become a version; the issues say why",
    )
    LOCKING = (
        "Locking",
        Level.UNDER_WAY,
        "the Artifact waits for its number",
    )
    PROGRESSING = (
        "Progressing",
        Level.UNDER_WAY,
        "pods or children are being made",
    )
    READY = (
        "Ready",
        Level.UNDER_WAY,
        "a NimCache holds the model",
    )
    RUNNING = (
        "Running",
        Level.UNDER_WAY,
        "all pods are ready",
    )
    SHARING = (
        "Sharing",
        Level.UNDER_WAY,
        "the Roles and RoleBindings of an ArtifactRepository are being written",
    )
    STOPPED = (
        "Stopped",
        Level.UNDER_WAY,
        "suspended as asked; set `suspend` to false to start it",
    )
    STOPPING = (
        "Stopping",
        Level.UNDER_WAY,
        "the pod is being stopped",
    )
    SYNCED = (
        "Synced",
        Level.UNDER_WAY,
        "a Credential is in every Namespace in scope",
    )
    UNUSED = (
        "Unused",
        Level.UNDER_WAY,
        "a NimCache or ArtifactRepository that was made on demand goes, as nothing needs it; where it stays, "
        "the operator's log says what refuses its deletion",
    )
    UPDATING = (
        "Updating",
        Level.UNDER_WAY,
        "a pod is being replaced by a newer one",
    )
    VALID = (
        "Valid",
        Level.UNDER_WAY,
        "an asset that makes nothing is in order",
    )
    WAIT_FOR_FIRST_CONSUMER = (
        "WaitForFirstConsumer",
        Level.UNDER_WAY,
        "a claim is bound once the first pod uses it, as its StorageClass wants",
    )

    CLAIM_LEFT = (
        "ClaimLeft",
        Level.NOTE,
        "a namespace left the scope of a shared DataSource; its claim and the data in it stay until somebody "
        "deletes them",
    )
    CLUSTER_LOCAL = (
        "ClusterLocal",
        Level.NOTE,
        "no domain is set, so that it can be reached inside the cluster only",
    )
    DRAFT = (
        "Draft",
        Level.NOTE,
        "what runs is a draft of others, which may change: lock it",
    )
    NOT_ENFORCED = (
        "NotEnforced",
        Level.NOTE,
        "a limit that nothing enforces, such as a GPU limit for a whole device",
    )
    PLACEHOLDER_UNRESOLVED = (
        "PlaceholderUnresolved",
        Level.NOTE,
        "a `${NAME}` in a link is not a variable with a plain value; it is left as it is",
    )
    PROMPT_UNSET = (
        "PromptUnset",
        Level.NOTE,
        "the Environment asks whoever uses it to set a variable",
    )
    RESERVED = (
        "Reserved",
        Level.NOTE,
        "a label or annotation that belongs to another tool was left out of the pod",
    )
