"""Every reason that a status can show: one row each, with its usual level, its meaning and its remedy.

One module: it is one table.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Level(IntEnum):
    """How serious a problem is, and whether the user must resolve it."""

    NOTE = 1  # everything works, with a remark for the user
    UNDER_WAY = 2  # nothing is wrong: ready, or a dependency is being created
    WAITING = 3  # resolved when an object appears, or by a retry
    STALLED = 4  # the user must fix something


class Reason(StrEnum):
    """The reason of a condition or issue: a CamelCase word that scripts can compare.

    `level` is the usual one; a problem can have another. `meaning` and `remedy` are Markdown: the troubleshooting
    guide and the reference pages are generated from them.
    """

    level: Level
    meaning: str
    remedy: str

    def __new__(cls, value: str, level: Level, meaning: str, remedy: str = "") -> Reason:
        """Create a member from one row of the table."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.level = level
        member.meaning = meaning
        member.remedy = remedy
        return member

    BUILD_FAILED = (
        "BuildFailed",
        Level.STALLED,
        "A step of the Dockerfile failed, or the Dockerfile is invalid.",
        "Read the end of the log in the status. Correct the Dockerfile or the source, then build again.",
    )
    BUILD_CANCELLED = (
        "BuildCancelled",
        Level.STALLED,
        "`spec.cancel` stopped the build.",
        "Create a new ImageBuild, or raise `buildRequest` of the Artifact.",
    )
    BUILD_INTERRUPTED = (
        "BuildInterrupted",
        Level.STALLED,
        "The pod of a build was stopped from outside, for example because its node was drained.",
        "Build again.",
    )
    BUILD_TIMEOUT = (
        "BuildTimeout",
        Level.STALLED,
        "A build took longer than `settings.buildTimeoutSeconds`.",
        "Make its steps shorter, or ask an administrator for more time.",
    )
    BUILDER_UNREACHABLE = (
        "BuilderUnreachable",
        Level.STALLED,
        "BuildKit cannot be reached, or its node does not let it run in a pod.",
        "Ask an administrator to check the daemon that builds images. Then build again.",
    )
    CATALOGUE_MISSING = (
        "CatalogueMissing",
        Level.STALLED,
        "An ImageQuery asks for repositories, and the image registry gives no list of them.",
        "Set `spec.repository`, or name the repositories in `spec.repositories` of the Registry.",
    )
    COMPLETED = (
        "Completed",
        Level.UNDER_WAY,
        "The workload or the build ran to its end with success.",
    )
    CONFLICT = (
        "Conflict",
        Level.STALLED,
        "Two parts of one pod use the same variable, mount path, port, name or host.",
        "Change or `exclude` one of the two that the message names.",
    )
    CREDENTIAL_FORBIDDEN = (
        "CredentialForbidden",
        Level.STALLED,
        "The author of the workload cannot use the Credential. It is private and another user created it, it is "
        "private and the user is a shared download, or `userCredential` names one that is not private.",
        "Create your own Credential, name another one, or let its creator change the spec of the workload.",
    )
    DOCKERFILE_NOT_FOUND = (
        "DockerfileNotFound",
        Level.STALLED,
        "The source has no Dockerfile at that path, or the path leads out of the source.",
        "Correct the path of the Dockerfile. It is relative to the root of the source.",
    )
    DOMAIN_MISSING = (
        "DomainMissing",
        Level.STALLED,
        "A connection has type ExternalUrl, but the operator has no domain.",
        "Ask an administrator to set `settings.domain`, or choose another `connectionType`.",
    )
    DRAFT_FORBIDDEN = (
        "DraftForbidden",
        Level.STALLED,
        "A draft Artifact would replace a running locked one.",
        "Lock the draft first.",
    )
    ELEVATION_FORBIDDEN = (
        "ElevationForbidden",
        Level.STALLED,
        "The pod would be [elevated](concepts.md#elevation).",
        "Remove the settings that the message lists, or ask an administrator to label the Namespace "
        "`outfitter.dev/elevation=allowed`.",
    )
    ELEVATION_REVOKED = (
        "ElevationRevoked",
        Level.NOTE,
        "An [elevated](concepts.md#elevation) workload runs, but its Namespace does not allow elevation any more.",
        "Suspend the workload, remove the settings that the message lists, or ask for the label "
        "`outfitter.dev/elevation=allowed`.",
    )
    FORBIDDEN = (
        "Forbidden",
        Level.STALLED,
        "An admission policy rejected a write, or the operator lacks a right.",
        "Read the server's answer in the message. For a missing right, install the roles of the operator's version.",
    )
    FRACTIONS_UNSUPPORTED = (
        "FractionsUnsupported",
        Level.STALLED,
        "The workload requests part of a GPU, which needs a scheduler that shares devices, or a MIG profile where "
        "there is no MIG.",
        "Request whole devices or a MIG profile. An administrator can set "
        "[`settings.gpuBackend`](scheduling.md), and `global.gpuSharing` of KAI.",
    )
    HOST_FORBIDDEN = (
        "HostForbidden",
        Level.STALLED,
        "The host of a custom URL is not below the operator's domain.",
        "Use a host below it.",
    )
    IDENTITY_INVALID = (
        "IdentityInvalid",
        Level.STALLED,
        "`uidGidSource: fromIdpToken` finds an id in the login that is no valid number.",
        "Ask an administrator of the logins to correct the field that the message names.",
    )
    IDENTITY_MISSING = (
        "IdentityMissing",
        Level.STALLED,
        "The author of an object is not known, or his login lacks an id that the object asks for.",
        "Follow the message: apply a change of the spec, or ask an administrator of the logins to add the field.",
    )
    IMAGE_NOT_FOUND = (
        "ImageNotFound",
        Level.STALLED,
        "The image registry has no such repository or tag, or shows it to other logins only; or the Registry does not "
        "cover the repository.",
        "Correct `repository` or `digestOf`, or name another Registry. An ImageQuery is answered once: create a new "
        "one.",
    )
    INVALID_SPEC = (
        "InvalidSpec",
        Level.STALLED,
        "A field is missing or invalid, possibly only after assets and inline fields are merged.",
        "Correct the field at the start of the message.",
    )
    LOST_PHASE = (
        "LostPhase",
        Level.STALLED,
        "The PersistentVolume of a claim no longer exists, or the claim of a data volume is deleted.",
        "Restore the volume, or delete the claim so that a new, empty one is created. Create the claim of a data "
        "volume again for its PersistentVolume.",
    )
    LIMIT_RANGE_VIOLATION = (
        "LimitRangeViolation",
        Level.STALLED,
        "A LimitRange of the Namespace does not allow the requests, limits or size. It also sets limits that are left "
        "out, which can be lower than a request.",
        "Set requests, limits or size within the LimitRange: `kubectl describe limitrange`.",
    )
    MALFORMED_SECRET = (
        "MalformedSecret",
        Level.STALLED,
        "The Secret of a Credential has the expected keys, but their content is malformed.",
        "Correct the key that the message names. Outfitter never shows its content.",
    )
    NAME_TAKEN = (
        "NameTaken",
        Level.STALLED,
        "Another object already has the name that a child object needs.",
        "Delete or rename that object, or choose another name for yours. Outfitter checks again every minute.",
    )
    NEEDS_IDENTITY = (
        "NeedsIdentity",
        Level.STALLED,
        "A field needs to know who wrote the object, and the API server does not say it.",
        "Ask an administrator to install the identity policies, which need Kubernetes 1.36, or remove the field.",
    )
    NFS_OUTSIDE_RESTRICTED = (
        "NfsOutsideRestricted",
        Level.STALLED,
        "A Namespace that enforces Pod Security `restricted` does not allow inline nfs volumes.",
        "Ask an administrator to set `settings.nfsBackend: csi`, or to relax the Namespace to `baseline`.",
    )
    NODE_PORT_MISSING = (
        "NodePortMissing",
        Level.STALLED,
        "The Environment leaves the choice of the node port to you.",
        "Set `nodePort` for this connection.",
    )
    NOT_BUILDABLE = (
        "NotBuildable",
        Level.STALLED,
        "An ImageBuild names an Artifact whose image is not built: of type nim, without imageBuildConfig, or a locked "
        "version.",
        "Name another Artifact. Continue a locked version with a clone.",
    )
    NOTHING_TO_LOCK = (
        "NothingToLock",
        Level.STALLED,
        "A locked Artifact has no container groups.",
        "Set `containerGroups`.",
    )
    OVERRIDE_FORBIDDEN = (
        "OverrideForbidden",
        Level.STALLED,
        "The spec sets a user or group id that the shared Environment reserves.",
        "Remove it, or use an Environment with `overrideUidGidInWorkspace: true`.",
    )
    PRIORITY_UNKNOWN = (
        "PriorityUnknown",
        Level.STALLED,
        "`priorityClass` is neither a PriorityClass of the cluster nor a word with a class.",
        "Use one that the message names. An administrator can create the classes of the words with "
        "[`priorityClasses.create`](scheduling.md#priorities).",
    )
    POLICY_VIOLATION = (
        "PolicyViolation",
        Level.STALLED,
        "The workload breaks rules of the [policies](policies.md) of its project. A workload that runs keeps running.",
        "Each issue names field, rule and policy. Change the field, or ask the author of the policy.",
    )
    DUPLICATE_POLICY = (
        "DuplicatePolicy",
        Level.STALLED,
        "An older WorkloadPolicy is for the same scope and type of workload. Only the older one counts.",
        "Move the rules into the older one, or delete one of the two.",
    )
    POD_REFUSED = (
        "PodRefused",
        Level.STALLED,
        "An admission policy rejected the pod.",
        "Follow the policy's text in the message.",
    )
    POD_SECURITY_VIOLATION = (
        "PodSecurityViolation",
        Level.STALLED,
        "The Pod Security level of the Namespace rejected the pod.",
        "Change the Environment to fit it, or ask an administrator to relax the label "
        "`pod-security.kubernetes.io/enforce`.",
    )
    PUSH_REJECTED = (
        "PushRejected",
        Level.STALLED,
        "The image registry rejected an image that was built.",
        "Follow the text of the registry in the message. Then build again.",
    )
    REFERENCE_INVALID = (
        "ReferenceInvalid",
        Level.STALLED,
        "The referenced asset cannot be used. It is empty, or its scope is valid only in the system namespace.",
        "Correct that asset.",
    )
    REFUSED = (
        "Refused",
        Level.STALLED,
        "The API server rejected a manifest as invalid or too large.",
        "Correct the field that the message names, or make the spec smaller.",
    )
    REGISTRY_NOT_ALLOWED = (
        "RegistryNotAllowed",
        Level.STALLED,
        "The host of a Registry is not in the list of the administrator, or the registry leads to a host or an address "
        "that is not. Outfitter sent nothing there.",
        "Ask an administrator to add the host that the message names to "
        "[`settings.registryHosts`](registries.md#allow-a-host).",
    )
    REPLICATION_ERROR = (
        "ReplicationError",
        Level.STALLED,
        "A shared Credential, or the volume of a shared NimCache or DataSource, cannot be copied into a Namespace. "
        "Another Secret, claim or volume has its name. For the shared object this is a note, because its other users "
        "are served.",
        "Delete or rename that object.",
    )
    REPOSITORY_FULL = (
        "RepositoryFull",
        Level.STALLED,
        "The ArtifactRepository holds the maximum number of versions.",
        "Delete old versions, or use another repository.",
    )
    SCALE_TO_ZERO_UNSUPPORTED = (
        "ScaleToZeroUnsupported",
        Level.STALLED,
        "`minReplicas` is 0, but nothing holds requests while no pod runs.",
        "Set 1 or more.",
    )
    SCOPE_FORBIDDEN = (
        "ScopeForbidden",
        Level.STALLED,
        "A wide scope is set outside the system namespace, or `run` is set on a shared Environment.",
        "Create the asset in the system namespace, or remove `scope`. Create a Workspace in place of `run`.",
    )
    TYPE_MISMATCH = (
        "TypeMismatch",
        Level.STALLED,
        "The ArtifactRepository holds Artifacts of the other type.",
        "Name another repository.",
    )
    TYPE_NOT_SUPPORTED = (
        "TypeNotSupported",
        Level.STALLED,
        "The `supportedTypes` of an asset exclude this type of workload, or it cannot have a field or volume.",
        "Use another asset, or extend the list.",
    )
    UNSUPPORTED = (
        "Unsupported",
        Level.STALLED,
        "The field is valid, but this version or this installation does not support it. `sharing: staticPV`, "
        "`dataSharing` and `sharedScopes` need a permitted driver, `sharedRoles` needs a setting, and a [mounted "
        "bucket](data.md#mounted-buckets) must still be listed when its claim is created again.",
        "Remove the field, or restart the workload. An administrator can add the driver to "
        "`settings.staticPvDrivers`, or set [`settings.sharedRoles`](security.md#sharing-artifacts).",
    )
    URL_MISSING = (
        "UrlMissing",
        Level.STALLED,
        "`customUrl` is set without a URL.",
        "Set `externalUrl`.",
    )
    SNAPSHOT_LOST = (
        "SnapshotLost",
        Level.STALLED,
        "The snapshot of the cloned Artifact was replaced; or it was deleted, and that Artifact changed or is gone.",
        "Restore the ControllerRevision that the message names, or lock a new Artifact. Running pods continue.",
    )
    VERSION_CHANGED = (
        "VersionChanged",
        Level.STALLED,
        "The version that runs was deleted, and its number now has other content.",
        "Run another version, or restore the Artifact with its former content. Running pods continue.",
    )
    VERSION_TAKEN = (
        "VersionTaken",
        Level.STALLED,
        "The number in `spec.version` belongs, or belonged, to another Artifact.",
        "Choose another number, or none.",
    )

    ACCESS_DENIED = (
        "AccessDenied",
        Level.WAITING,
        "A pod may not read a repository or bucket, or not push an image, although its login is correct.",
        "Ask the owner for the right, or use another Credential.",
    )
    BUCKET_NOT_FOUND = (
        "BucketNotFound",
        Level.WAITING,
        "The object store has no bucket of that name.",
        "Correct `bucket` and `url` of the [data source](data.md).",
    )
    CACHE_NOT_READY = (
        "CacheNotReady",
        Level.WAITING,
        "The NimCache of the image is not filled yet, or its shared volume is not in this Namespace yet.",
        "The message has the first cause of the NimCache. Without one, no action is needed.",
    )
    CONTAINER_CONFIG_INVALID = (
        "ContainerConfigInvalid",
        Level.WAITING,
        "A Secret, ConfigMap or key of the container is missing, or its settings do not work on this node.",
        "Read the kubelet's text in the message.",
    )
    CONTAINER_START_FAILED = (
        "ContainerStartFailed",
        Level.WAITING,
        "The container could not be started.",
        "Check `command`, `workingDir`, and whether the image works with its user.",
    )
    ENDPOINT_UNREACHABLE = (
        "EndpointUnreachable",
        Level.WAITING,
        "A pod cannot reach the server of a repository or bucket, or an image registry.",
        "Check the address, the certificate and the network policies of the Namespace. The pod tries again.",
    )
    FETCH_FAILED = (
        "FetchFailed",
        Level.WAITING,
        "The program that fetches a repository or bucket failed.",
        "Read the log of the container: `kubectl logs POD -c CONTAINER`.",
    )
    FETCH_TIMEOUT = (
        "FetchTimeout",
        Level.WAITING,
        "Fetching a repository or bucket took too long.",
        "Check the server. An administrator can raise `gitTimeoutSeconds` and `s3TimeoutSeconds`.",
    )
    HOST_KEY_CHANGED = (
        "HostKeyChanged",
        Level.WAITING,
        "A Git server shows another host key than the known one.",
        "Ask its administrator whether the key changed. If so, correct `known_hosts`; if not, somebody listens.",
    )
    HOST_KEY_UNKNOWN = (
        "HostKeyUnknown",
        Level.WAITING,
        "No host key of a Git server is known.",
        "Add the line that `ssh-keyscan HOST` prints to key `known_hosts` of the Secret.",
    )
    LOGIN_REJECTED = (
        "LoginRejected",
        Level.WAITING,
        "The server of a repository or bucket, or an image registry, rejected the login, or wants one.",
        "Correct the Secret of the Credential, or name a Credential.",
    )
    REPOSITORY_NOT_FOUND = (
        "RepositoryNotFound",
        Level.WAITING,
        "The Git server or image registry has no such repository, or shows it to other logins only.",
        "Correct `repository` or `repositories`, or the login.",
    )
    REVISION_NOT_FOUND = (
        "RevisionNotFound",
        Level.WAITING,
        "The repository has no such branch, tag or commit.",
        "Correct `revision` or `branch`.",
    )
    POLICY_INVALID = (
        "PolicyInvalid",
        Level.WAITING,
        "A WorkloadPolicy of the project is invalid, so no workload of its type starts or changes there. What runs "
        "keeps running.",
        "Ask the author of the WorkloadPolicy to correct it: its status has the errors.",
    )
    CRASH_LOOP_BACK_OFF = (
        "CrashLoopBackOff",
        Level.WAITING,
        "The container exits again and again.",
        "The message has the exit code. Read the log: `kubectl -n team-a logs jupyter-0 --previous`.",
    )
    CREDENTIAL_NOT_READY = (
        "CredentialNotReady",
        Level.WAITING,
        "A Credential has not published its Secret yet.",
        "The message has the first cause of the Credential. Without one, no action is needed.",
    )
    DEADLINE_EXCEEDED = (
        "DeadlineExceeded",
        Level.WAITING,
        "One attempt to download a model took too long.",
        "Check the network, or raise the operator's `nimDownloadSeconds`.",
    )
    DELETING = (
        "Deleting",
        Level.WAITING,
        "The object is being deleted, and a finalizer of another tool blocks it.",
        "Check `metadata.finalizers`. Outfitter sets none.",
    )
    DOWNLOAD_FAILED = (
        "DownloadFailed",
        Level.WAITING,
        "A download failed. Outfitter retries it with growing delays.",
        "Read the log of the Job in the NimCache's status: `kubectl logs`.",
    )
    HOST_TAKEN = (
        "HostTaken",
        Level.WAITING,
        "Another Ingress already uses this host.",
        "Choose another host or name. The message names the host.",
    )
    IMAGE_NOT_BUILT = (
        "ImageNotBuilt",
        Level.WAITING,
        "A container has imageBuildConfig, and no build of its image is complete.",
        "Set `buildRequest` of the Artifact, or wait for its ImageBuild.",
    )
    IMAGE_PULL_FAILED = (
        "ImagePullFailed",
        Level.WAITING,
        "The image cannot be pulled.",
        "Check its name and tag, and whether a dockerRegistry Credential covers its registry.",
    )
    INITIALIZATION_TIMEOUT = (
        "InitializationTimeout",
        Level.WAITING,
        "The pods did not become ready in time.",
        "Read their log, or raise `servingConfiguration.initializationTimeoutSeconds`.",
    )
    KEY_NOT_FOUND = (
        "KeyNotFound",
        Level.WAITING,
        "A Secret or ConfigMap lacks a key.",
        "Add the key, or name another one under `keys`.",
    )
    KEY_REJECTED = (
        "KeyRejected",
        Level.WAITING,
        "The model's registry rejected the key.",
        "Correct the Secret of the ngcApiKey Credential. Outfitter uses a corrected key at once.",
    )
    NAMESPACE_TERMINATING = (
        "NamespaceTerminating",
        Level.WAITING,
        "The Namespace is being deleted.",
        "No action is needed. Its objects are deleted with it.",
    )
    NODE_LOST = (
        "NodeLost",
        Level.WAITING,
        "The node of a pod does not answer, so the state of the pod is unknown.",
        "Check the node. The pod continues when the node returns. If the node is lost, run `kubectl delete node`; "
        "Kubernetes then creates new pods.",
    )
    NO_GANG_SCHEDULER = (
        "NoGangScheduler",
        Level.NOTE,
        "The pods of a distributed training are scheduled one by one, so that some can wait while others hold their "
        "resources.",
        "Install KAI or Kueue and set `queueBackend`, or request less than what is free.",
    )
    NO_SPACE = (
        "NoSpace",
        Level.WAITING,
        "The volume of a download, a repository, a bucket or a build is full.",
        "Raise `size` of the NimCache, if its StorageClass allows growth; or `sizeLimit` of the data source. For a "
        "build, ask an administrator for more storage.",
    )
    NOT_CREATED = (
        "NotCreated",
        Level.WAITING,
        "A referenced object does not exist, or a child object could not be created yet.",
        "Create the object that the message names.",
    )
    OOM_KILLED = (
        "OOMKilled",
        Level.WAITING,
        "The container exceeded its memory limit.",
        "Raise `compute.cpuMemoryLimit`, and `cpuMemoryRequest` with it.",
    )
    OUT_OF_MEMORY = (
        "OutOfMemory",
        Level.WAITING,
        "A download exceeded its memory limit.",
        "Raise `compute.cpuMemoryLimit` of the NimCache.",
    )
    PENDING = (
        "Pending",
        Level.WAITING,
        "No volume is bound to the claim yet, or another requirement of a download is missing.",
        "Check StorageClass, capacity and access modes: `kubectl describe pvc`.",
    )
    CONTROLLER_MISSING = (
        "ControllerMissing",
        Level.WAITING,
        "The cluster serves JobSets or MPIJobs, but no controller has looked at that of the training for a minute.",
        "Ask an administrator to start that controller, or set `backend` to `native` and restart the training.",
    )
    FRAMEWORK_UNSUPPORTED = (
        "FrameworkUnsupported",
        Level.STALLED,
        "The cluster cannot run the distributed training as it is asked for.",
        "Install what the message names, or change `distributedFramework`, `backend` or `numWorkers`.",
    )
    GANG = (
        "GangScheduled",
        Level.NOTE,
        "All pods of a distributed training are scheduled together, or none of them.",
        "No action is needed.",
    )
    JOB_DELETED = (
        "JobDeleted",
        Level.STALLED,
        "The Job of a workload that ends was deleted. Whether it had done its work is not known.",
        "Change the annotation `outfitter.dev/restartedAt` to run it again, or suspend it and start it.",
    )
    POD_FAILED = (
        "PodFailed",
        Level.WAITING,
        "The pod ended.",
        "Read the message, and `kubectl describe pod`.",
    )
    POD_NOT_TERMINATED = (
        "PodNotTerminated",
        Level.WAITING,
        "A deleted pod does not end. It holds its volumes and devices, and pods that replace it may have to wait.",
        "Check the finalizers of the pod, and its node. The message has the time at which it should have ended.",
    )
    POD_SANDBOX_FAILED = (
        "PodSandboxFailed",
        Level.WAITING,
        "The node cannot set up the network or the runtime of a pod.",
        "Ask an administrator to check the network plugin of the node that the message or `kubectl get pod -o wide` "
        "names.",
    )
    PROVISIONING_FAILED = (
        "ProvisioningFailed",
        Level.WAITING,
        "No volume can be created or bound for a claim.",
        "Correct StorageClass, size or access modes. A claim that was never bound is created again with new values.",
    )
    QUEUED = (
        "Queued",
        Level.WAITING,
        "KAI or Kueue holds the pods until their [queue](scheduling.md#queues) has capacity, or another controller "
        "holds them by a scheduling gate.",
        "Wait, request less, or use another queue.",
    )
    QUEUE_FORBIDDEN = (
        "QueueForbidden",
        Level.STALLED,
        "The workload names another queue than the label `outfitter.dev/queue` of its Namespace, and KAI limits queues "
        "to no Namespace.",
        "Remove `queue`, or ask an administrator to change the label.",
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        Level.WAITING,
        "The quota of the Namespace is exhausted, or it requires fields that the pod does not set.",
        "Free some of the quota, request less, or set the required fields.",
    )
    REFERENCE_DELETING = (
        "ReferenceDeleting",
        Level.WAITING,
        "The referenced asset is being deleted.",
        "Refer to another one.",
    )
    REFERENCE_NOT_FOUND = (
        "ReferenceNotFound",
        Level.WAITING,
        "The referenced asset is neither in this Namespace nor shared with it.",
        "Check the name, the label `outfitter.dev/project` of the Namespace, and the scope of the asset.",
    )
    REGISTRY_UNREACHABLE = (
        "RegistryUnreachable",
        Level.WAITING,
        "The image registry does not answer, or not as a registry does.",
        "Check the URL and the network. Outfitter asks again after a minute, and then less often.",
    )
    REPLACING = (
        "Replacing",
        Level.WAITING,
        "An object of a former owner of this name must be deleted first.",
        "If this lasts, check the finalizers of that object.",
    )
    REPOSITORY_DELETING = (
        "RepositoryDeleting",
        Level.WAITING,
        "The ArtifactRepository is being deleted.",
        "If this lasts, check its finalizers.",
    )
    RUNS_AS_ROOT = (
        "RunsAsRoot",
        Level.WAITING,
        "The image runs as root, or names its user in a form that the kubelet cannot check.",
        "Set `security.runAsUid` with `uidGidSource: custom`, or use another image. Set `runAsNonRoot: false` where "
        "the Namespace allows root.",
    )
    SOURCE_NOT_READY = (
        "SourceNotReady",
        Level.WAITING,
        "The Artifact that a clone is made from is not complete.",
        "The message has the first cause of that Artifact. Without one, no action is needed.",
    )
    TOO_MANY_QUERIES = (
        "TooManyQueries",
        Level.WAITING,
        "The Namespace has many ImageQueries. The oldest are answered.",
        "Delete those that you do not need, or wait: each is deleted after `settings.imageQuerySeconds`.",
    )
    UNAVAILABLE = (
        "Unavailable",
        Level.WAITING,
        "The API server did not accept a write.",
        "No action is needed. Outfitter retries.",
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        Level.WAITING,
        "No node fits the pod.",
        "Read the scheduler's text in the message: GPUs, memory, taints, volumes in another zone.",
    )
    VERSION_NOT_FOUND = (
        "VersionNotFound",
        Level.WAITING,
        "The ArtifactRepository has no such version, or no longer has it.",
        "Check `status.versions` of the repository.",
    )
    VOLUME_MOUNT_FAILED = (
        "VolumeMountFailed",
        Level.WAITING,
        "A volume cannot be attached to the node of a pod, or mounted there.",
        "Read the kubelet's text in the message. A ReadWriteOnce volume moves once its former pod has ended.",
    )
    WAITING = (
        "Waiting",
        Level.WAITING,
        "A problem or a missing dependency blocks the object.",
        "Read `status.issues`.",
    )

    ANSWERED = (
        "Answered",
        Level.UNDER_WAY,
        "The image registry answered the query.",
    )
    BOUND = (
        "Bound",
        Level.UNDER_WAY,
        "The claims of a DataSource are bound.",
    )
    BUILD_WAITS = (
        "BuildWaits",
        Level.UNDER_WAY,
        "The namespace has as many builds as `settings.buildsAtOnce` allows, and the ImageBuild waits for its turn.",
    )
    BUILDING = (
        "Building",
        Level.UNDER_WAY,
        "The image is built.",
    )
    CONNECTING = (
        "Connecting",
        Level.UNDER_WAY,
        "The operator looks at the image registry for the first time.",
    )
    COUNTING = (
        "Counting",
        Level.UNDER_WAY,
        "An ArtifactRepository counts the versions of its Artifacts.",
    )
    DOWNLOADING = (
        "Downloading",
        Level.UNDER_WAY,
        "A model is being downloaded.",
    )
    FETCHING_DATA = (
        "FetchingData",
        Level.UNDER_WAY,
        "A pod fetches a repository or bucket before its containers start.",
    )
    LOCKED = (
        "Locked",
        Level.UNDER_WAY,
        "The Artifact is a version.",
    )
    LOCKING = (
        "Locking",
        Level.UNDER_WAY,
        "The Artifact waits for its version number.",
    )
    PROGRESSING = (
        "Progressing",
        Level.UNDER_WAY,
        "Pods or child objects are being created.",
    )
    READY = (
        "Ready",
        Level.UNDER_WAY,
        "A NimCache holds the model.",
    )
    RUNNING = (
        "Running",
        Level.UNDER_WAY,
        "All pods are ready.",
    )
    SHARING = (
        "Sharing",
        Level.UNDER_WAY,
        "Outfitter writes the Roles and RoleBindings of an ArtifactRepository.",
    )
    PREEMPTED = (
        "Preempted",
        Level.UNDER_WAY,
        "A more important workload took the resources, and `terminateAfterPreemption` is set: the workload is stopped.",
        "Change the annotation `outfitter.dev/restartedAt` to start it again.",
    )
    RESTART_REQUIRED = (
        "RestartRequired",
        Level.STALLED,
        "The spec changed in a part that a Job cannot change while it runs, or after it ended.",
        "While it runs, stop the workload and start it again. After its end, change the annotation "
        "`outfitter.dev/restartedAt`.",
    )
    RUN_FAILED = (
        "RunFailed",
        Level.STALLED,
        "The Job of a workload that ends failed, and none of its pods is left that says why.",
        "Look into the log of your cluster. Change the annotation `outfitter.dev/restartedAt` to run it again.",
    )
    RUNTIME_EXCEEDED = (
        "RuntimeExceeded",
        Level.UNDER_WAY,
        "The workspace ran for as long as `maxRuntimeSeconds` allows: it is stopped.",
        "Change the annotation `outfitter.dev/restartedAt` to start it again.",
    )
    IDLE = (
        "Idle",
        Level.UNDER_WAY,
        "The workspace was not used for as long as `idleTimeoutSeconds` allows: it is stopped.",
        "Change the annotation `outfitter.dev/restartedAt` to start it again.",
    )
    STOPPED = (
        "Stopped",
        Level.UNDER_WAY,
        "The workload is suspended as requested. Set `suspend` to false to start it.",
    )
    STOPPING = (
        "Stopping",
        Level.UNDER_WAY,
        "The pods are being stopped.",
    )
    SYNCED = (
        "Synced",
        Level.UNDER_WAY,
        "The Secret of a Credential, or the ConfigMap of a DataSource, is in every Namespace of its scope.",
    )
    UPDATING = (
        "Updating",
        Level.UNDER_WAY,
        "Pods are being replaced by newer ones.",
    )
    VALID = (
        "Valid",
        Level.UNDER_WAY,
        "An asset that creates no objects is valid.",
    )

    AUTOSCALING_FAILED = (
        "AutoscalingFailed",
        Level.NOTE,
        "An autoscaler cannot read its metric, so the number of pods stays as it is.",
        "Set the request that the message names, or ask an administrator to check the metrics API.",
    )
    ACTIVITY_UNKNOWN = (
        "ActivityUnknown",
        Level.NOTE,
        "The container that watches for use does not run or has failed. The workspace keeps running, also if it is "
        "idle.",
        "Check that the nodes can pull the image of the container, and its log.",
    )
    CLAIM_DIFFERS = (
        "ClaimDiffers",
        Level.NOTE,
        "`claimInfo` differs from the claim that `existingPvc` names. Outfitter never changes such a claim.",
        "Set the value of the claim, or use another claim.",
    )
    CLAIM_LEFT = (
        "ClaimLeft",
        Level.NOTE,
        "A Namespace left the scope of a shared DataSource. Its claim and the data in it stay until you delete them.",
    )
    CLUSTER_LOCAL = (
        "ClusterLocal",
        Level.NOTE,
        "The operator has no domain, so the workload is reachable only inside the cluster.",
    )
    DRAFT = (
        "Draft",
        Level.NOTE,
        "The Artifact is a draft, which can change. Lock it before others run it.",
    )
    FIELD_OVERRIDDEN = (
        "FieldOverridden",
        Level.NOTE,
        "Another writer changes a field of a child object back after each write: an admission policy, a controller, or "
        "a second installation of Outfitter. Outfitter keeps that value, and tries again after 30 seconds, then after "
        "growing times up to 10 minutes.",
        "Change the writer that the message names, or set the same value in the asset.",
    )
    FS_GROUP_UNSET = (
        "FsGroupUnset",
        Level.NOTE,
        "A container fails, and its pod mounts a claim for which no group is set. A new volume usually belongs to "
        "root, and a user of the image cannot write there.",
        "Set a group id: the volumes of the pod then belong to that group. Set `security.uidGidSource` "
        "in any case, which ends this note.",
    )
    LIMIT_RANGE_APPLIED = (
        "LimitRangeApplied",
        Level.NOTE,
        "A LimitRange of the Namespace added limits that the spec leaves out.",
        "Set the limits yourself if these are too low.",
    )
    MOVING_TAG = (
        "MovingTag",
        Level.NOTE,
        "A locked Artifact or a NimCache names an image with the tag latest or without a tag. The registry can change "
        "that image, so the version or the cached model is not one content for good.",
        "Name an image with a version or a digest: in a new Artifact, or in a new NimCache.",
    )
    NO_NAMESPACE_IN_SCOPE = (
        "NoNamespaceInScope",
        Level.NOTE,
        "The scope of a shared asset matches no Namespace.",
        "Check the name of the department. A Namespace is in scope with the label `outfitter.dev/project`.",
    )
    POLICY_CONFLICT = (
        "PolicyConflict",
        Level.NOTE,
        "A wider policy has rules for fields of this one, and wins. The rest of this policy counts.",
    )
    NO_CATALOGUE = (
        "NoCatalogue",
        Level.NOTE,
        "The image registry answers, and gives no list of its repositories.",
        "Name the repositories in `spec.repositories`, or set a credential that may list them.",
    )
    NOT_ENFORCED = (
        "NotEnforced",
        Level.NOTE,
        "The field has no effect here, for example a GPU limit for a whole device.",
    )
    PLACEHOLDER_UNRESOLVED = (
        "PlaceholderUnresolved",
        Level.NOTE,
        "A `${NAME}` in a link does not name a variable with a plain value. The link keeps it unchanged.",
    )
    PROMPT_UNSET = (
        "PromptUnset",
        Level.NOTE,
        "The Environment asks its users to set a variable.",
    )
    SEVERAL_KEYS = (
        "SeveralKeys",
        Level.NOTE,
        "Several Credentials of type ngcApiKey can be used, and the Artifact names none. Outfitter uses the oldest one "
        "of the Namespace, so a key that is added later changes nothing.",
        "Name one: set the variable `NGC_API_KEY` with source `credential`.",
    )
    SINGLE_NODE = (
        "SingleNode",
        Level.NOTE,
        "The claim of a shared data volume has no access mode for several nodes. While a pod mounts it on one node, "
        "pods on other nodes may not start.",
        "Use a claim with access mode ReadOnlyMany or ReadWriteMany.",
    )
    SIZE_KEPT = (
        "SizeKept",
        Level.NOTE,
        "A size was reduced, but the volume of the claim already has its former size. A volume cannot shrink.",
        "Set the size that the message names, or create another claim and copy the data.",
    )
    VOLUME_IN_USE = (
        "VolumeInUse",
        Level.NOTE,
        "Pods of a Namespace mount a shared volume that it may not use any more, that has moved, or that is being "
        "deleted. The claim there goes, or is replaced, when no pod mounts it.",
        "Suspend the workloads that the message is about.",
    )
    RESERVED = (
        "Reserved",
        Level.NOTE,
        "A label or annotation that belongs to another tool is left out of the pod.",
    )


def reason_named(name: str) -> Reason | None:
    """Return the reason of that name, as a status holds it; None for one of another version."""
    return next((reason for reason in Reason if str(reason) == name), None)
