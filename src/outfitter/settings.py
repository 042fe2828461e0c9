"""Environment -> frozen Settings, read once at start: `OUTFITTER_<NAME>` each, lists comma-separated.

One module: it is one model, from which the values of the chart and their page are generated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from outfitter import setting_checks as checks
from outfitter.api.patterns import LABEL_VALUE_PATTERN, NAME_PATTERN, REPOSITORY_WITH_HOST
from outfitter.api.priorities import CLASS_PREFIX, PRIORITIES
from outfitter.api.registry_hosts import RegistryHost, registry_hosts

EXTRA_KEY_PATTERN: Final = r"^([A-Za-z0-9][-A-Za-z0-9./:_]*)?$"


class Settings(BaseSettings):
    """The settings of the operator. The values of the chart fill them."""

    model_config = SettingsConfigDict(env_prefix="OUTFITTER_", frozen=True, use_attribute_docstrings=True)

    system_namespace: str = "outfitter-system"
    """Namespace of assets with a wider scope than one project. The chart: `sharedNamespace`, else that of the operator.
    """
    watch_namespaces: Annotated[tuple[str, ...], NoDecode] = ()
    """Namespaces that the operator serves, with Roles instead of ClusterRoles. Empty: all."""
    domain: Annotated[str, AfterValidator(checks.plain_domain)] = Field(
        default="", max_length=189, json_schema_extra={"pattern": f"^({checks.DOMAIN_PATTERN})?$"}
    )
    """Host suffix of connection URLs, for instance `apps.example.com`: a DNS name in lower case, without scheme, port
    and slash. Empty: ExternalUrl connections are refused.
    """
    ingress_class: str = ""
    """ingressClassName of rendered Ingresses. Empty: the cluster's default class."""
    ingress_tls: bool = True
    """Whether connection URLs are https. The certificate is the ingress controller's default one."""
    ingress_auth_annotations: Annotated[str, AfterValidator(checks.annotations_of_ingresses)] = ""
    """Annotations that make the ingress controller admit signed-in users only, as a JSON object of texts. Every URL of
    a connection gets them, and a serving port with `authorizationType: authenticatedUsers`. Empty: nothing checks
    logins, so everyone who can reach the ingress can open the URLs.
    """
    allowed_metadata: str = ""
    """Names, or beginnings of names, of labels and annotations that give pods privileges in the cluster and that users
    may set, separated by commas: for cloud identities, service meshes, networks and runtimes, such as
    `azure.workload.identity/`. Empty: none, they are left out with a note.
    """
    home_dir: str = "/home/outfitter"
    """Mount path of the home directory where the environment does not set HOME."""
    nfs_backend: Literal["inline", "csi"] = "inline"
    """How nfs volumes are mounted. `csi` uses nfs.csi.k8s.io inline volumes, which Pod Security restricted allows."""
    node_type_label: str = "outfitter.dev/node-type"
    """Node label that `nodeType` selects by."""
    node_pool_label: str = "outfitter.dev/node-pool"
    """Node label that `nodePools` selects by."""
    gpu_backend: Literal["none", "kai", "hami", "dra"] = "none"
    """What gives GPUs to pods. `none`: the device plugin, whole devices only. `kai`: the KAI scheduler, also parts of
    devices. `hami`: HAMi, also parts. `dra`: dynamic resource allocation, whole devices and MIG.
    """
    gpu_device_class: str = Field(default="gpu.nvidia.com", min_length=1, pattern=NAME_PATTERN)
    """DeviceClass of whole GPUs, for `gpuBackend: dra`."""
    mig_device_class: str = Field(default="mig.nvidia.com", min_length=1, pattern=NAME_PATTERN)
    """DeviceClass of MIG slices, for `gpuBackend: dra`."""
    mig_strategy: Literal["none", "mixed", "single"] = "mixed"
    """MIG strategy of the GPU device plugin: `mixed` asks for nvidia.com/mig-PROFILE, `single` for nvidia.com/gpu.
    `none`: there is no MIG, and `migProfile` is rejected.
    """
    queue_backend: Literal["none", "kai", "kueue"] = "none"
    """Whose label names the queue of a workload: that of KAI or of Kueue. With `kai`, and with `gpuBackend: kai`, the
    KAI scheduler schedules all pods. `none`: queues have no effect.
    """
    default_queue: str = Field(default="", max_length=63, pattern=LABEL_VALUE_PATTERN)
    """Queue of workloads that name none, in a Namespace without label outfitter.dev/queue. Empty: `default-queue` for
    KAI, none for Kueue.
    """
    scheduler_name: str = Field(default="", max_length=253, pattern=f"^({NAME_PATTERN.strip('^$')})?$")
    """schedulerName of all pods. Empty: kai-scheduler with KAI, else that of the cluster."""
    priority_classes: Annotated[str, AfterValidator(checks.priority_classes)] = ""
    """PriorityClass of each priority word, as a JSON object of texts, such as `{"high": "important"}`. A word that it
    lacks has the class `outfitter-WORD`, which `priorityClasses.create` of the chart creates.
    """
    identity_policy: str = "outfitter-identity"
    """Name of the MutatingAdmissionPolicy that stamps on each object who wrote it, and of its binding."""
    identity_uid_key: str = Field(default="", pattern=EXTRA_KEY_PATTERN)
    """Key in the extra fields of a login that holds the user id for `uidGidSource: fromIdpToken`. Empty: none."""
    identity_gid_key: str = Field(default="", pattern=EXTRA_KEY_PATTERN)
    """Key in the extra fields of a login that holds the id of the primary group. Empty: none."""
    identity_groups_key: str = Field(default="", pattern=EXTRA_KEY_PATTERN)
    """Key in the extra fields of a login that holds the ids of the supplementary groups. Empty: none."""
    activity_image: str = Field(default="", max_length=512)
    """Image of the container that watches a workspace with `idleTimeoutSeconds`: one that contains this version of
    Outfitter. The nodes must be able to pull it for pods in all namespaces. Empty: the chart sets the image of the
    operator; without the chart, `idleTimeoutSeconds` is rejected.
    """
    git_image: str = Field(default="docker.io/alpine/git:v2.49.1", min_length=1, max_length=512)
    """Image of the container that checks out the repositories of git sources: one with sh, git, ssh, timeout,
    grep, head, sed, tr, cut and du."""
    git_known_hosts: str = Field(default="", max_length=65536)
    """Host keys of Git servers, as lines of a known_hosts file. A Credential with key known_hosts has its own. Empty:
    each Credential for ssh needs that key.
    """
    git_timeout_seconds: int = Field(default=600, ge=10)
    """Longest time in seconds of one attempt to check out a repository."""
    s3_image: str = Field(default="docker.io/rclone/rclone:1.75.1", min_length=1, max_length=512)
    """Image of the container that copies the buckets of s3 sources: one with sh, rclone, timeout, grep,
    head, sed, tr, cut, df and du."""
    s3_timeout_seconds: int = Field(default=3600, ge=10)
    """Longest time in seconds of one attempt to copy a bucket."""
    s3_backend: Literal["init", "csi"] = "init"
    """How s3 sources get into pods. `init`: a container copies the bucket when the pod starts. `csi`: buckets in
    `s3Buckets` without a login are mounted by `s3Driver`, all others are copied. Needs rights on PersistentVolumes.
    """
    s3_driver: str = Field(default="", max_length=63, pattern=f"^({NAME_PATTERN.strip('^$')})?$")
    """CSI driver that mounts buckets, for `s3Backend: csi`: Mountpoint for Amazon S3, `s3.csi.aws.com`, or one with the
    same attributes and mount options.
    """
    s3_buckets: Annotated[str, AfterValidator(checks.buckets)] = Field(default="", max_length=65536)
    """Buckets, separated by commas, that `s3Driver` may mount in every served namespace, with its own identity:
    `public-*` of Amazon S3, `https://minio.example.com/sets` of another store. `*` matches any characters. Empty:
    none.
    """
    data_size_limit: str = Field(default="10Gi", pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$")
    """Largest size of a git or s3 source without `sizeLimit`. The pods request as much ephemeral storage."""
    data_authorities: str = Field(default="", max_length=262144)
    """Certificates of authorities in PEM that git and s3 sources trust beside those of their image."""
    build_backend: Literal["buildkit", "daemonless", "job"] = "buildkit"
    """What builds images. `buildkit`: a Job with a client, and the daemon of `buildkitAddress` or `buildkitCredential`.
    `daemonless`: a Job with its own daemon; its Namespaces need Pod Security level baseline and the label
    outfitter.dev/elevation=allowed. `job`: a Job with the container of `buildTemplate`.
    """
    buildkit_address: str = Field(default="", max_length=512, pattern=checks.DAEMON_PATTERN)
    """Address of the daemon, such as `tcp://buildkitd.builds.svc:1234`. Empty: that of `buildkitCredential`; without
    both, `buildBackend: buildkit` builds nothing.
    """
    buildkit_credential: str = Field(default="", max_length=253, pattern=f"^({NAME_PATTERN.strip('^$')})?$")
    """Name of the Credential of type genericSecret with the TLS client of the daemon: keys ca.crt, tls.crt and tls.key
    (or ca.pem, cert.pem and key.pem), and `address` where it is another daemon. The narrowest scope of that name
    counts, so that departments can have daemons of their own. Empty: no TLS.
    """
    build_image: str = Field(default="docker.io/moby/buildkit:v0.34.2", min_length=1, max_length=512)
    """Image of the build container: one with sh and buildctl; for `daemonless` the one of `deploy/builder`."""
    build_template: Annotated[str, AfterValidator(checks.build_template)] = Field(default="", max_length=65536)
    """Container for `buildBackend: job`, as a JSON object with image, command, args, env, resources and
    securityContext. $(CONTEXT), $(DOCKERFILE), $(DESTINATION), $(CACHE), $(DIGEST_FILE) and $(WORK) are replaced.
    """
    build_repository: str = Field(default="", max_length=512, pattern=f"^({REPOSITORY_WITH_HOST})?$")
    """Repository below which images without imageUri are pushed, such as `registry.example.com/builds`: to
    NAMESPACE/ARTIFACT below it. Empty: imageUri is required.
    """
    build_cache: Literal["registry", "none"] = "registry"
    """Where layers are kept between builds. `registry`: under tag `cache` of the repository that gets the image."""
    build_resources: Annotated[str, AfterValidator(checks.build_resources)] = ""
    """Requests and limits of the build container, as a JSON object, such as
    `{"requests": {"cpu": "1", "memory": "2Gi"}}`. Empty: none.
    """
    build_size_limit: str = Field(default="10Gi", pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$")
    """Largest size of the files of one build, and of its source."""
    build_timeout_seconds: int = Field(default=3600, ge=60)
    """Longest time in seconds of one build."""
    builds_at_once: int = Field(default=5, ge=1, le=1000)
    """Builds of one namespace at the same time; others wait."""
    nim_volume_size: str = Field(default="150Gi", pattern=r"^[0-9]+(\.[0-9]+)?(Mi|Gi|Ti)$")
    """Size of the volume of a model if neither Artifact nor NimCache sets one."""
    nim_cache_grace_seconds: int = Field(default=3600, ge=60)
    """Seconds for which a NimCache on demand is kept after its last user."""
    nim_download_seconds: int = Field(default=21600, ge=60)
    """Longest time in seconds of one attempt to download a model."""
    static_pv_drivers: str = ""
    """CSI drivers, separated by commas, whose volumes may be mounted in several namespaces at once, as NimCaches with
    `sharing: staticPV`, shared data volumes and `dataSharing` ask for. Empty: none, and the operator needs no right on
    PersistentVolumes.
    """
    shared_roles: bool = False
    """Whether `sharedRoles` of an ArtifactRepository are honoured, as Roles and RoleBindings. The operator must then
    hold what it hands out: rights to change and delete artifacts, which it does not use. Turned off, Roles that are
    there stay.
    """
    registry_hosts: Annotated[str, AfterValidator(checks.hosts)] = ""
    """Image registries that a Registry may name, as a JSON object from hosts to options, such as
    `{"registry.example.com": {}}`. Options: `authHosts`, further hosts of token services; `addresses`, `public`
    (default), `private` for those of private networks, or `loopback`; `plainHttp`; `caBundle`, certificates in PEM;
    `dialect`, `oci`, `harbor` or `hub`. Empty: none, and the operator connects to no registry.
    """
    registry_seconds: int = Field(default=3600, ge=60)
    """Seconds after which the operator looks at a registry again."""
    image_query_seconds: int = Field(default=600, ge=10)
    """Seconds after which an ImageQuery is deleted, with or without an answer."""
    image_watch_seconds: Annotated[int, AfterValidator(checks.off_or_a_minute)] = Field(default=3600, ge=0)
    """Seconds after which the operator asks again which image a tag is, for workloads that run it and a Registry with
    `watchImages`: at least 60. 0: never.
    """
    workers: int = Field(default=16, ge=1, le=128)
    """Number of reconciliations at the same time."""
    max_requests: int = Field(default=32, ge=1, le=512)
    """Number of requests to the API server at the same time; lowered while the server reports that it is busy."""
    resync_seconds: int = Field(default=1800, ge=60)
    """Seconds after which each object is reconciled again. Costs no request if nothing changed."""
    hold_seconds: float = Field(default=10, ge=0)
    """Grace period in seconds before a workload that loses readiness is reported as not Ready."""
    used_by_seconds: float = Field(default=10, ge=0)
    """Least number of seconds between two writes of the usedBy of an asset, and of further edits in `outdated`."""
    lease_name: str = "outfitter"
    """Name of the Lease. Its namespace and name identify this installation."""
    lease_namespace: str = ""
    """Namespace of the Lease: that of the operator. Empty: the system namespace."""
    replaced_installations: str = Field(default="", pattern="^[-a-z0-9./, ]*$")
    """Installations whose objects this one takes over, as namespace and name of their Leases, separated by commas:
    `old-system/outfitter`. Stop them first. An installation whose namespace is gone needs no entry.
    """
    lease_seconds: int = Field(default=15, ge=3)
    """Seconds after which a leader that did not renew its Lease can be replaced."""
    probe_port: int = Field(default=8080, ge=0, le=65535)
    """Port of /healthz, /readyz and /metrics; 0 chooses a free one."""
    probe_host: str = ""
    """Address of the probe port. Empty: all addresses of the machine, IPv4 and IPv6."""
    object_metrics: bool = False
    """Whether /metrics of the leader has a series for each custom resource, `outfitter_object_status`, with its
    namespace, name and state. The alerts of the chart then name the objects.
    """
    tracing: bool = False
    """Whether the operator sends a trace of each reconciliation, by OTLP over HTTP. The variables `OTEL_*` of the
    OpenTelemetry SDK set the address, headers and sampling.
    """
    kubeconfig: str = ""
    """Path of a kubeconfig. Empty: in-cluster, else the usual KUBECONFIG."""
    identity: str = ""
    """Name of this replica in the Lease. Empty: the host's name and a random suffix."""
    log_format: Literal["plain", "json"] = "plain"
    """Format of log lines."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is logged."""

    @property
    def ingress_auth(self) -> dict[str, str]:
        """The annotations of an Ingress for signed-in users; none where nothing checks logins."""
        return json.loads(self.ingress_auth_annotations or "{}")  # type: ignore[no-any-return]

    @property
    def class_names(self) -> Mapping[str, str]:
        """The name of the PriorityClass of each word."""
        given = json.loads(self.priority_classes or "{}")
        return {word: given.get(word, f"{CLASS_PREFIX}{word}") for word in PRIORITIES}

    @property
    def uses_kai(self) -> bool:
        """Whether the KAI scheduler schedules the pods."""
        return "kai" in (self.gpu_backend, self.queue_backend)

    @property
    def has_queues(self) -> bool:
        """Whether the cluster has queues."""
        return self.uses_kai or self.queue_backend != "none"

    @property
    def privileged_names(self) -> tuple[str, ...]:
        """The beginnings of the labels and annotations that users may set although they give privileges."""
        return tuple(checks.parts(self.allowed_metadata))

    @property
    def registries(self) -> Mapping[str, RegistryHost]:
        """The options of each image registry that a Registry may name."""
        return registry_hosts(self.registry_hosts)

    @property
    def installation(self) -> str:
        """The name of this installation: namespace and name of its Lease."""
        return f"{self.home}/{self.lease_name}"

    @property
    def home(self) -> str:
        """The namespace of the Lease."""
        return self.lease_namespace or self.system_namespace

    @property
    def replaced(self) -> frozenset[str]:
        """The installations whose objects this one takes over."""
        return frozenset(checks.parts(self.replaced_installations))

    @property
    def shared_drivers(self) -> frozenset[str]:
        """The CSI drivers that may be shared."""
        return frozenset(checks.parts(self.static_pv_drivers))

    @property
    def creates_volumes(self) -> bool:
        """Whether the operator creates PersistentVolumes."""
        return bool(self.static_pv_drivers) or self.s3_backend == "csi"

    @property
    def builds_images(self) -> bool:
        """Whether the operator builds images."""
        if self.build_backend == "buildkit":
            return bool(self.buildkit_address or self.buildkit_credential)
        return self.build_backend == "daemonless" or bool(self.build_template)

    def mounts_bucket(self, bucket: str) -> bool:
        """Whether the CSI driver may mount a bucket, written as in `s3Buckets`."""
        if self.s3_backend != "csi":
            return False
        patterns = (re.escape(part).replace(r"\*", "[a-z0-9.-]*") for part in checks.parts(self.s3_buckets))
        return any(re.fullmatch(pattern, bucket) for pattern in patterns)

    @field_validator("watch_namespaces", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(checks.parts(value)) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_scheduler(self) -> Self:
        if self.queue_backend == "kueue" and self.gpu_backend == "kai":
            raise PydanticCustomError(
                "backends", "queueBackend kueue does not go with gpuBackend kai, which has queues of its own"
            )
        return self

    @model_validator(mode="after")
    def _one_driver(self) -> Self:
        if self.s3_backend == "csi" and not self.s3_driver:
            raise PydanticCustomError("driver", "s3Backend csi needs the name of a CSI driver in s3Driver")
        if self.s3_backend == "csi" and self.watch_namespaces:
            raise PydanticCustomError(
                "volumes", "s3Backend csi needs PersistentVolumes, which are cluster-scoped. Remove watchNamespaces"
            )
        return self
