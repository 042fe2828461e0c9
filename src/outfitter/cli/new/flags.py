"""The flags of `outfitter new`: one table, from each flag to the field that it sets in each kind.

Names are those of kubectl and of Run:ai's command line, where these have one. Models are not imported, so that help and
completion stay quick; a test checks that every field exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from outfitter.cli.new import values

KINDS: Final[Mapping[str, str]] = {
    "workspace": "Workspace",
    "training": "Training",
    "distributedtraining": "DistributedTraining",
    "inference": "Inference",
    "environment": "Environment",
    "computeresource": "ComputeResource",
    "datasource": "DataSource",
    "credential": "Credential",
    "workloadtemplate": "WorkloadTemplate",
    "artifact": "Artifact",
    "nimcache": "NimCache",
}
"""Name on the command line -> kind."""
SHORT_NAMES: Final[Mapping[str, str]] = {
    "wsp": "workspace",
    "trn": "training",
    "dtrn": "distributedtraining",
    "infr": "inference",
    "envr": "environment",
    "compute": "computeresource",
    "dsrc": "datasource",
    "cred": "credential",
    "wtpl": "workloadtemplate",
    "art": "artifact",
    "nimc": "nimcache",
}
"""Short name of kubectl -> name on the command line."""
ALIASES: Final[Mapping[str, str]] = {
    "--gpu-devices-request": "--gpus",
    "--gpu-portion-request": "--gpu-portion",
    "--gpu-memory-request": "--gpu-memory",
    "--cpu-core-request": "--cpu",
    "--cpu-core-limit": "--cpu-limit",
    "--cpu-memory-request": "--memory",
    "--cpu-memory-limit": "--memory-limit",
    "--environment-variable": "--env",
    "--url": "--external-url",
    "--run-as-uid": "--run-as-user",
    "--pvc-size": "--size",
    "--mount-path": "--path",
}
"""Name in Run:ai's command line or in a manifest -> flag."""
_WORKLOADS: Final = ("Workspace", "Training", "DistributedTraining", "Inference")
_PODS: Final = (*_WORKLOADS, "WorkloadTemplate")
_TOP: Final = (*_PODS, "Environment")  # the fields of the container are at the top of the spec
_ASSETS: Final = ("Environment", "ComputeResource", "DataSource", "Credential", "WorkloadTemplate")


@dataclass(frozen=True)
class Flag:
    """A flag, and the path below `spec` that it sets in each kind that has the field.

    `[]` in a path adds an item to a list, and `{}` at its end adds entries to a map: such flags are repeatable. Of
    several paths with `|` between them, the one counts whose first field another flag has set.
    """

    names: tuple[str, ...]
    fields: Mapping[str, str]
    help: str
    metavar: str = "TEXT"
    read: Callable[[str], Any] = values.text
    of: Mapping[str, str] = field(default_factory=dict)
    """Kind -> the help for it, where it differs."""
    example: str = ""
    """A value for the comments of a new manifest; "" for a flag that they do not name."""
    also: Mapping[str, Any] = field(default_factory=dict)
    """Further fields that the flag sets, beside its own."""
    switch: bool = False
    """A flag without a value, for true."""

    @property
    def parameter(self) -> str:
        """Return the name of its parameter in Python."""
        return self.names[0].removeprefix("--").replace("-", "_")

    def repeats(self, kind: str) -> bool:
        """Return whether it can be given several times."""
        return "[]" in self.fields[kind] or "{}" in self.fields[kind]


def _in(path: str, *kinds: str) -> dict[str, str]:
    return dict.fromkeys(kinds, path)


def _compute(name: str) -> dict[str, str]:
    return _in(f"compute.{name}", *_PODS) | {"ComputeResource": name}


_RUN: Final = dict.fromkeys(("Environment", "Artifact"), "Run it, with this ComputeResource.")
_CONTAINER: Final = "containerGroups[0].containers[0]"

FLAGS: Final = (
    Flag(("--image", "-i"),
         _in("image", *_TOP, "NimCache") | {"DataSource": "image.reference", "Artifact": f"{_CONTAINER}.imageUri"},
         "Container image.", "IMAGE", of={"DataSource": "OCI image with the files."}),
    Flag(("--environment",), _in("assets.environment.name", *_PODS), "Environment to use.", "NAME", example="torch"),
    Flag(("--compute",),
         _in("assets.compute.name", *_PODS) | _in("run.compute.name", "Environment", "Artifact"),
         "ComputeResource to use.", "NAME", of=_RUN, example="small"),
    Flag(("--data",), _in("assets.dataSources[].name", *_PODS) | _in("run.dataSources[].name", "Environment"),
         "DataSource to mount; repeatable.", "NAME", example="imagenet"),
    Flag(("--template",), _in("template.name", *_WORKLOADS), "WorkloadTemplate to start from.", "NAME"),
    Flag(("--artifact",), _in("artifact", "Inference"), "Artifact to run, or the version of a repository.",
         "NAME|REPOSITORY@VERSION", values.artifact),
    Flag(("--repository",), _in("repositoryRef.name", "Artifact"), "ArtifactRepository that counts its versions.",
         "NAME", example="scorer"),
    Flag(("--clone-from",), _in("cloneFrom.name", "Artifact"), "Artifact to copy what other flags do not set.",
         "NAME"),
    Flag(("--workload-type",), _in("workloadType", "WorkloadTemplate"), "Kind of workload that starts from it.",
         "workspace|training|distributed|inference"),
    Flag(("--gpus", "-g"), _compute("gpuDevicesRequest"), "GPUs of each pod.", "NUMBER",
         values.integer, example="1"),
    Flag(("--gpu-portion",), _compute("gpuPortionRequest"), "Part of one GPU, such as 0.5.",
         "NUMBER", values.portion, also={"gpuRequestType": "portion", "gpuDevicesRequest": 1}),
    Flag(("--gpu-memory",), _compute("gpuMemoryRequest"), "Memory of one GPU, such as 8Gi.",
         "SIZE", also={"gpuRequestType": "memory", "gpuDevicesRequest": 1}),
    Flag(("--cpu",), _compute("cpuCoreRequest"), "CPU cores to reserve, such as 0.5 or 500m.",
         "CORES", values.cores),
    Flag(("--cpu-limit",), _compute("cpuCoreLimit"), "Limit of CPU cores.", "CORES", values.cores),
    Flag(("--memory",), _compute("cpuMemoryRequest"), "Memory to reserve, such as 8Gi.", "SIZE"),
    Flag(("--memory-limit",), _compute("cpuMemoryLimit"), "Limit of memory.", "SIZE"),
    Flag(("--large-shm",), _compute("largeShmRequest"), "Size /dev/shm like the memory, for data loaders.",
         switch=True),
    Flag(("--env", "-e"),
         _in("environmentVariables[]", *_TOP) | {"Artifact": f"{_CONTAINER}.environmentVars[]"},
         "Environment variable; repeatable. For secret values use --env-credential.", "NAME=VALUE",
         values.named_value, example="MODE=fast"),
    Flag(("--env-credential",), _in("environmentVariables[]", *_TOP),
         "Environment variable with one key of a Credential; repeatable.", "NAME=CREDENTIAL/KEY",
         values.from_credential),
    Flag(("--port",),
         _in("ports[].container", "Workspace", "Training", "DistributedTraining", "WorkloadTemplate")
         | {"Inference": "servingPort.container", "Artifact": f"{_CONTAINER}.port"},
         "Port that the program listens on; repeatable.", "PORT", values.integer,
         of=dict.fromkeys(("Inference", "Artifact"), "Port for requests.")),
    Flag(("--external-url",), _in("exposedUrls[].container", *_PODS),
         "Port that gets a URL; repeatable.", "PORT", values.integer),
    Flag(("--tool",), _in("connections[]", "Workspace", "Environment"),
         "Tool with a URL, such as jupyter-notebook=8888; repeatable.", "TOOL=PORT", values.tool,
         example="jupyter-notebook=8888"),
    Flag(("--framework",), _in("distributedFramework", "DistributedTraining"),
         "Framework that connects the pods. Default: PyTorch.", "PyTorch|MPI|TF|XGBoost|JAX"),
    Flag(("--workers",), _in("numWorkers", "DistributedTraining"), "Number of workers, beside the master.", "NUMBER",
         values.integer),
    Flag(("--completions",), _in("completions", "Training"), "Pods that must succeed.", "NUMBER", values.integer),
    Flag(("--parallelism",), _in("parallelism", "Training"), "Most pods at the same time.", "NUMBER", values.integer),
    Flag(("--backoff-limit",), _in("backoffLimit", "Training", "DistributedTraining"),
         "Failures after which it fails.", "NUMBER", values.integer),
    Flag(("--replicas",), {"Inference": "replicas", "Artifact": "run.replicas"}, "Number of pods.", "NUMBER",
         values.integer),
    Flag(("--min-replicas",), _in("autoscaling.minReplicas", "Inference"), "Fewest pods, scaled by load.", "NUMBER",
         values.integer),
    Flag(("--max-replicas",), _in("autoscaling.maxReplicas", "Inference"), "Most pods, scaled by load.", "NUMBER",
         values.integer),
    Flag(("--metric",), _in("autoscaling.metric", "Inference"), "Metric of the load, such as cpu.", "NAME"),
    Flag(("--metric-threshold",), _in("autoscaling.metricThreshold", "Inference"), "Value of the metric for one pod.",
         "NUMBER", values.integer),
    Flag(("--working-dir",), _in("workingDir", *_TOP), "Directory in which the program starts.", "PATH"),
    Flag(("--image-pull-policy",), _in("imagePullPolicy", *_TOP), "When to pull the image.",
         "Always|IfNotPresent|Never"),
    Flag(("--run-as-user",), _in("security.runAsUid", *_TOP), "User id of the program.", "UID",
         values.integer, also={"uidGidSource": "custom"}),
    Flag(("--priority",), _in("priorityClass", *_PODS), "Priority, such as high, or a PriorityClass.", "NAME"),
    Flag(("--queue",), _in("queue", *_PODS), "Queue of the scheduler.", "NAME"),
    Flag(("--node-pools",), _in("nodePools[]", *_PODS), "Node pool, in order of preference; repeatable.", "NAME"),
    Flag(("--node-type",), _in("nodeType", *_PODS), "Run only on nodes of this type.", "TYPE"),
    Flag(("--label", "-l"), _in("labels[]", *_PODS), "Label of the pods and other children; repeatable.", "NAME=VALUE",
         values.named_value),
    Flag(("--annotation",), _in("annotations[]", *_PODS), "Annotation of the children; repeatable.", "NAME=VALUE",
         values.named_value),
    Flag(("--max-runtime",), _in("maxRuntimeSeconds", "Workspace"), "Seconds after which it is stopped.", "SECONDS",
         values.integer),
    Flag(("--idle-timeout",), _in("idleTimeoutSeconds", "Workspace"), "Seconds without use after which it is stopped.",
         "SECONDS", values.integer, example="3600"),
    Flag(("--suspend",), _in("suspend", *_WORKLOADS), "Create it stopped.", switch=True),
    Flag(("--type",), {"Credential": "type", "Artifact": "type"},
         "password, accessKey, dockerRegistry, genericSecret or ngcApiKey.", "TYPE",
         of={"Artifact": "service or nim. Default: service."}),
    Flag(("--secret",), _in("secretRef.name", "Credential"), "Secret of the namespace with the data.", "NAME"),
    Flag(("--key",), _in("keys{}", "Credential"), "Key of the Secret, where its name differs; repeatable.",
         "KEY=KEY_OF_SECRET", values.pair),
    Flag(("--size",), {"DataSource": "pvc.claimInfo.size", "NimCache": "size"}, "Size of a new volume.",
         "SIZE"),
    Flag(("--storage-class",), {"DataSource": "pvc.claimInfo.storageClass", "NimCache": "storageClass"},
         "Class of the new volume.", "NAME"),
    Flag(("--existing-pvc",), _in("pvc.claimName", "DataSource"), "Claim of the namespace to mount.", "NAME",
         also={"existingPvc": True}),
    Flag(("--git",), _in("git.repository", "DataSource"), "Git repository.", "URL"),
    Flag(("--revision",), _in("git.revision", "DataSource"), "Branch, tag or commit of --git.", "NAME"),
    Flag(("--bucket",), _in("s3.bucket", "DataSource"), "Bucket of an object store.", "NAME"),
    Flag(("--bucket-url",), _in("s3.url", "DataSource"), "Object store of --bucket. Default: Amazon S3.", "URL"),
    Flag(("--nfs",), _in("nfs", "DataSource"), "Directory of an NFS server.", "SERVER:PATH", values.nfs),
    Flag(("--config-map",), _in("configMapVolume.configMap", "DataSource"), "ConfigMap of the namespace.", "NAME"),
    Flag(("--path",),
         {"DataSource": "pvc.path|git.path|s3.path|nfs.mountPath|image.mountPath|configMapVolume.mountPath"},
         "Mount path of the data.", "PATH"),
    Flag(("--credential",),
         {"DataSource": "git.credential.name|s3.credential.name", "NimCache": "credential.name"},
         "Credential of --git or --bucket.", "NAME", of={"NimCache": "Credential of type ngcApiKey."}),
    Flag(("--scope",), _in("scope", *_ASSETS, "NimCache"), "Who may use it: cluster, tenant, or department:NAME.",
         "TYPE[:NAME]", values.scope),
    Flag(("--description",), _in("description", *_PODS, *_ASSETS[:4], "Artifact", "NimCache"), "Purpose.", "TEXT"),
)  # fmt: skip
"""In the order of help and of the manifest."""


def flags_of(kind: str) -> tuple[Flag, ...]:
    """Return the flags of a kind."""
    return tuple(flag for flag in FLAGS if kind in flag.fields)


def kinds_with(name: str) -> tuple[str, ...]:
    """Return the words of the kinds that a flag fits; none for a flag that no kind has."""
    found = {kind for flag in FLAGS if name in flag.names for kind in flag.fields}
    return tuple(word for word, kind in KINDS.items() if kind in found)
