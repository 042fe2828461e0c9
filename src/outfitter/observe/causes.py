"""The table of messages of kubelet, scheduler, controllers and admission plugins, each with the remedy.

Patterns are those of Kubernetes 1.29 to 1.36 and of common CSI drivers. A message without a row is shown as it is.
One module, because the first row that fits counts: their order is part of the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from outfitter.observe.fields import FieldNames
from outfitter.problems import foreign_name
from outfitter.reasons import Reason

_CAUSE_LIMIT: Final = 240  # characters of a foreign text
# Parts that differ at each attempt. Each change of a message costs a status write.
_CHANGING: Final = (
    (re.compile(r"(?<!pvc-)\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "..."),
    (re.compile(r'"?\b[0-9a-f]{12,}\b"?'), "..."),
    (re.compile(r"\b(of|for|in) [Pp]od \S+"), r"\1 a pod"),
    (re.compile(r",? ?\b[Rr]equest ?[Ii][Dd]:? \S+"), ""),
    (re.compile(r"^rpc error: code = \w+ desc = |(?<=: )rpc error: code = \w+ desc = "), ""),
)
# What a program prints may be a key: text after a word for one, the user of a URL, known beginnings, long words.
_SECRET_WORD: Final = r"(?:key|token|secret|passw|pwd|auth|bearer|credential)(?!\w*(?:Error|Exception))\w*"  # noqa: S105 - words, no secret
_KEY_LIKE: Final = (
    re.compile(r"(//)[^/\s@]+(?=@)"),
    re.compile(rf"(?i)(\b[\w-]*{_SECRET_WORD}[\"']?(?:\s*[:=]\s*|\s+)[\"']?)[^\s\"',}}]+"),
    re.compile(r"()\b(?:AKIA|ASIA|hf_|sk-|ghp_|gho_|glpat-|nvapi-|xox[a-z]-|eyJ)[\w.-]+"),
    re.compile(r"()[A-Za-z0-9+/_=-]{24,}"),
    re.compile(r"(=)\S{6,}"),
)


class Source(StrEnum):
    """Where a message comes from."""

    CONTAINER = "container"  # the reason for which a container waits
    POD = "pod"  # an Event about a pod
    SCHEDULER = "scheduler"  # the condition PodScheduled
    CLAIM = "claim"  # an Event about a PersistentVolumeClaim
    ADMISSION = "admission"  # the API server rejected a pod
    AUTOSCALER = "autoscaler"  # a condition of a HorizontalPodAutoscaler


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of message: `codes` are reasons of Kubernetes, `cause` and `remedy` have the groups of `pattern`.

    A row without a pattern is the last of its codes. Field names in braces are those of FieldNames.
    """

    source: Source
    codes: tuple[str, ...]
    pattern: str
    reason: Reason
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Cause:
    """A message that was found in the table. `precise`: by its text, and not only by its code.

    `foreign`: the text is that of the message, not of the table.
    """

    reason: Reason
    text: str
    remedy: str
    precise: bool
    foreign: bool = False


_CONFIG: Final = ("CreateContainerConfigError",)
_MOUNT: Final = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
_PROVISION: Final = ("ProvisioningFailed",)
_SANDBOX: Final = ("FailedCreatePodSandBox", "NetworkNotReady")
_SCALING: Final = (
    "FailedGetResourceMetric", "FailedGetContainerResourceMetric", "FailedGetPodsMetric", "FailedGetObjectMetric",
    "FailedGetExternalMetric", "FailedComputeMetricsReplicas", "InvalidMetricSourceType", "InvalidSelector",
)  # fmt: skip
_IMAGE_REMEDY: Final = (
    "Check the name and tag of the image, and whether a dockerRegistry Credential covers its registry."
)
_HELD_VOLUME: Final = (
    "The pod starts once the other one has ended. If its node is lost, ask an administrator to delete the node."
)
_RUNS_AS_ROOT: Final = (
    r"container has runAsNonRoot and image (?:will run as root|has non-numeric user \([^)]*\))"
    r"|container's runAsUser breaks non-root policy"
)
_LIMIT_RANGE: Final = (
    r"(?:minimum|maximum) \S+ usage per \w+ is |max limit to request ratio per |must be less than or equal to \S+ limit"
)

ROWS: Final[tuple[Row, ...]] = (
    # The kubelet reads the user of the image only here, so no earlier check can report it.
    Row(Source.CONTAINER, _CONFIG, _RUNS_AS_ROOT, Reason.RUNS_AS_ROOT, "", "{user} or use another image."),
    Row(
        Source.CONTAINER, _CONFIG, r"couldn't find key (\S+) in (Secret|ConfigMap) (\S+)",
        Reason.CONTAINER_CONFIG_INVALID, "{1} {2} lacks key {0}", "Add the key.",
    ),
    Row(
        Source.CONTAINER, _CONFIG, r'secret "([^"]+)" not found',
        Reason.CONTAINER_CONFIG_INVALID, "Secret {0} does not exist", "Create it.",
    ),
    Row(
        Source.CONTAINER, _CONFIG, r'configmap "([^"]+)" not found',
        Reason.CONTAINER_CONFIG_INVALID, "ConfigMap {0} does not exist", "Create it.",
    ),
    Row(
        Source.CONTAINER, _CONFIG, "",
        Reason.CONTAINER_CONFIG_INVALID, "", "Create the Secret, ConfigMap or key that the container needs.",
    ),
    Row(
        Source.CONTAINER, ("CreateContainerError",), "",
        Reason.CONTAINER_CONFIG_INVALID, "", "Correct the settings of the container.",
    ),
    Row(
        Source.CONTAINER, ("RunContainerError",), "",
        Reason.CONTAINER_START_FAILED, "", "Check {command}, and whether the image works with its user.",
    ),
    Row(Source.CONTAINER, ("ImagePullBackOff", "ErrImagePull"), "", Reason.IMAGE_PULL_FAILED, "", _IMAGE_REMEDY),
    Row(
        Source.CONTAINER, ("ErrImageNeverPull",), "",
        Reason.IMAGE_PULL_FAILED, "", "The node does not have the image. Set imagePullPolicy IfNotPresent.",
    ),
    Row(
        Source.CONTAINER, ("InvalidImageName",), "",
        Reason.IMAGE_PULL_FAILED, "", "Correct the name of the image.",
    ),
    Row(
        Source.CONTAINER, ("CrashLoopBackOff",), "",
        Reason.CRASH_LOOP_BACK_OFF, "", "Read its log: kubectl logs --previous",
    ),

    Row(
        Source.POD, _MOUNT, r"Multi-Attach error|already (?:exclusively )?(?:attached|mounted|used)|is already used by",
        Reason.VOLUME_MOUNT_FAILED, "its volume is still attached to another node", _HELD_VOLUME,
    ),
    Row(
        Source.POD, _MOUNT, r'secret "([^"]+)" not found',
        Reason.VOLUME_MOUNT_FAILED, "Secret {0} does not exist", "Create it.",
    ),
    Row(
        Source.POD, _MOUNT, r'configmap "([^"]+)" not found',
        Reason.VOLUME_MOUNT_FAILED, "ConfigMap {0} does not exist", "Create it.",
    ),
    Row(
        Source.POD, _MOUNT, r"references non-existent (secret|config) key: (\S+)",
        Reason.VOLUME_MOUNT_FAILED, "a {0} volume refers to key {1}, which does not exist",
        "Add the key, or correct its name.",
    ),
    Row(
        Source.POD, _MOUNT, r'persistentvolumeclaim "([^"]+)" not found',
        Reason.VOLUME_MOUNT_FAILED, "PersistentVolumeClaim {0} does not exist", "Create it.",
    ),
    Row(
        Source.POD, _MOUNT, r"driver name (\S+) not found in the list of registered CSI drivers",
        Reason.VOLUME_MOUNT_FAILED, "CSI driver {0} does not run on its node",
        "Ask an administrator to install the driver there.",
    ),
    Row(
        Source.POD, _MOUNT, r"(?i)(permission denied|access denied|connection timed out|no such file[^:.\n]*)",
        Reason.VOLUME_MOUNT_FAILED, "its volume cannot be mounted: {0}", "Check server, path and rights of the volume.",
    ),
    Row(
        Source.POD, _MOUNT, "",
        Reason.VOLUME_MOUNT_FAILED, "", "Check the volume, or ask an administrator to check the storage driver.",
    ),
    Row(
        Source.POD, _SANDBOX, r'no runtime for "([^"]+)" is configured',
        Reason.POD_SANDBOX_FAILED, "its node has no container runtime {0}",
        "Ask an administrator to install the runtime there.",
    ),
    Row(
        Source.POD, _SANDBOX, r"(?i)no (?:more )?(?:available )?(?:ip|addresses)|assign an ip|range is full",
        Reason.POD_SANDBOX_FAILED, "its node has no free pod address",
        "Stop other pods, or ask an administrator to extend the address range.",
    ),
    Row(
        Source.POD, _SANDBOX, "",
        Reason.POD_SANDBOX_FAILED, "", "Ask an administrator to check the network plugin of the node.",
    ),

    Row(
        Source.SCHEDULER, (), r'persistentvolumeclaim "([^"]+)" not found',
        Reason.UNSCHEDULABLE, "PersistentVolumeClaim {0} does not exist", "Create it.",
    ),
    Row(
        Source.SCHEDULER, (), r"unbound immediate PersistentVolumeClaims",
        Reason.UNSCHEDULABLE, "", "Check its claims, and the provisioner of their StorageClass.",
    ),
    Row(
        Source.SCHEDULER, (), r"available persistent volumes to bind|volume node affinity conflict|non-existent PV",
        Reason.UNSCHEDULABLE, "", "Its volume is bound to other nodes. Free capacity there, or use another volume.",
    ),
    Row(
        Source.SCHEDULER, (), r"Insufficient (\S+?)[.,]?(?:\s|$)",
        Reason.UNSCHEDULABLE, "", "{less}, or {place}free capacity of {0}.",
    ),
    Row(
        Source.SCHEDULER, (), r"didn't match Pod's node affinity/selector",
        Reason.UNSCHEDULABLE, "", "{place}ask an administrator to label nodes.",
    ),
    Row(
        Source.SCHEDULER, (), r"untolerated taint",
        Reason.UNSCHEDULABLE, "", "{place}ask an administrator which nodes the namespace may use.",
    ),
    Row(
        Source.SCHEDULER, ("SchedulingGated",), "",
        Reason.QUEUED, "", "It starts when Kueue, or the controller that set the gate, removes it.",
    ),
    # KAI. Its own text counts what the queue has allocated, so it changes with every other workload.
    Row(
        Source.SCHEDULER, (), r"(\S+) quota has reached the allowable limit of (\w+)",
        Reason.QUEUED, "queue {0} has reached its limit of {1}", "It starts when the queue has capacity.",
    ),
    Row(
        Source.SCHEDULER, (), r"[Nn]on-preemptible workload is over quota",
        Reason.QUEUED, "its queue has no quota left for non-preemptible workloads",
        "It starts when the queue has some. A preemptible workload may exceed the quota.",
    ),
    Row(Source.SCHEDULER, (), "", Reason.UNSCHEDULABLE, "", "{less}, or {place}free capacity."),

    Row(
        Source.CLAIM, _PROVISION, r'storageclass\.storage\.k8s\.io "([^"]+)" not found',
        Reason.PROVISIONING_FAILED, "StorageClass {0} does not exist",
        "Ask an administrator to create it, or use a new claim with another storageClass.",
    ),
    Row(
        Source.CLAIM, _PROVISION, r"(?i)access ?mode|multi[-_ ]?(?:node|writer)|volume ?capabilit|ReadWriteMany",
        Reason.PROVISIONING_FAILED, "",
        "Use a new claim with readWriteOnce in accessModes, or with a storageClass that several nodes can mount.",
    ),
    Row(
        Source.CLAIM, _PROVISION, r"(?i)quota|insufficient|no space|not enough|out ?of ?(?:range|capacity)|exhausted",
        Reason.PROVISIONING_FAILED, "", "Set a smaller size, or ask an administrator for more storage.",
    ),
    Row(
        Source.CLAIM, ("FailedBinding", "VolumeMismatch"), "",
        Reason.PROVISIONING_FAILED, "", "Create a PersistentVolume that fits, or use a new claim with a storageClass.",
    ),
    Row(
        Source.CLAIM, _PROVISION, "",
        Reason.PROVISIONING_FAILED, "", "Check storageClass, size and accessModes, or ask an administrator.",
    ),

    Row(
        Source.ADMISSION, (), r"violates PodSecurity", Reason.POD_SECURITY_VIOLATION, "",
        "Change the Environment (runAsNonRoot, no added capabilities, no hostPath), or ask an administrator to relax "
        "the label pod-security.kubernetes.io/enforce of the namespace.",
    ),
    Row(
        Source.ADMISSION, (), r"exceeded quota", Reason.QUOTA_EXCEEDED, "",
        "Free some of the quota, request less compute, or ask an administrator to raise the quota.",
    ),
    Row(
        Source.ADMISSION, (), r"failed quota", Reason.QUOTA_EXCEEDED, "",
        "The quota requires these resources. Set them in compute.",
    ),
    Row(
        Source.ADMISSION, (), _LIMIT_RANGE, Reason.LIMIT_RANGE_VIOLATION, "",
        "A LimitRange of the namespace bounds or sets this. Set requests and limits within it: {compute}.",
    ),
    Row(
        Source.ADMISSION, (), r"gpu sharing request, while GPU sharing is disabled", Reason.FRACTIONS_UNSUPPORTED, "",
        "Ask an administrator to set global.gpuSharing of KAI, or request whole devices.",
    ),
    Row(Source.ADMISSION, (), "", Reason.POD_REFUSED, "", ""),

    Row(
        Source.AUTOSCALER, _SCALING, r"missing request for (\S+)",
        Reason.AUTOSCALING_FAILED, "the pods request no {0}", "Set a request for it: {compute}.",
    ),
    Row(
        Source.AUTOSCALER, _SCALING, r"no metrics returned|unable to fetch metrics|could not find the requested",
        Reason.AUTOSCALING_FAILED, "the cluster provides no metrics of its pods",
        "Ask an administrator to check the metrics API, for example metrics-server.",
    ),
    Row(
        Source.AUTOSCALER, (), "",
        Reason.AUTOSCALING_FAILED, "", "The number of pods stays as it is. Ask an administrator to check the metrics.",
    ),
)  # fmt: skip
"""The first row that fits counts."""


def known(source: Source) -> frozenset[str]:
    """The codes of a source: the reasons of the Events that are worth caching."""
    return frozenset(code for row in ROWS if row.source is source for code in row.codes)


def explain(source: Source, code: str, message: str, names: FieldNames) -> Cause | None:
    """The row of a message; None for a code without a row."""
    words = asdict(names)
    for row in ROWS:
        if row.source is not source or (row.codes and code not in row.codes):
            continue
        found = re.search(row.pattern, message)
        if found is None:
            continue
        groups = [foreign_name(group or "") for group in found.groups()]
        text = row.cause.format(*groups) if row.cause else _text(row, found, message)
        return Cause(row.reason, text, _sentence(row.remedy, groups, words), bool(row.pattern), not row.cause)
    return None


def _text(row: Row, found: re.Match[str], message: str) -> str:
    # The rest of such a message has names and uids that say nothing more.
    return found[0] if row.reason is Reason.RUNS_AS_ROOT else stable(message)


def _sentence(remedy: str, groups: Sequence[str], words: Mapping[str, str]) -> str:
    text = remedy.format(*groups, **words)
    return text[:1].upper() + text[1:]


def shown(message: str) -> str:
    """The end of a line that a program printed, without words that may be a key: status is read by many."""
    return stable(without_keys(message)[-_CAUSE_LIMIT:])


def without_keys(message: str) -> str:
    """A line that a program printed, without words that may be a key."""
    for pattern in _KEY_LIKE:
        message = pattern.sub(r"\1***", message)
    return message


def stable(message: str) -> str:
    """A foreign text without the parts that differ at each attempt, bounded and without its full stop."""
    for pattern, kept in _CHANGING:
        message = pattern.sub(kept, message)
    message = message.strip()
    if len(message) > _CAUSE_LIMIT:
        message = f"{message[:_CAUSE_LIMIT].rsplit(' ', 1)[0]} ..."
    return message.rstrip(" .,:;")
