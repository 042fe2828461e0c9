"""The table of messages: real texts of Kubernetes and of CSI drivers, each with its row."""

from __future__ import annotations

import re

import pytest

from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import kind_of
from outfitter.observe.causes import ROWS, Source, explain, known, stable
from outfitter.observe.fields import ARTIFACT, ENVIRONMENT, INFERENCE_OF_ARTIFACT, INLINE, NIM_CACHE, FieldNames
from outfitter.reasons import Level

CONFIG, MOUNT, ATTACH, SANDBOX = (
    "CreateContainerConfigError",
    "FailedMount",
    "FailedAttachVolume",
    "FailedCreatePodSandBox",
)
PROVISION, METRIC = "ProvisioningFailed", "FailedGetResourceMetric"

MESSAGES = [
    (Source.CONTAINER, CONFIG, "couldn't find key token in Secret team-a/keys", "Secret team-a/keys lacks key token"),
    (Source.CONTAINER, CONFIG, "couldn't find key a.b in ConfigMap team-a/c", "ConfigMap team-a/c lacks key a.b"),
    (Source.CONTAINER, CONFIG, 'secret "keys" not found', "Secret keys does not exist"),
    (Source.CONTAINER, CONFIG, 'configmap "c" not found', "ConfigMap c does not exist"),
    (Source.CONTAINER, CONFIG, "services have not yet been read at least once", "services have not yet"),
    (Source.CONTAINER, CONFIG, "container has runAsNonRoot and image will run as root (pod: x)", "run as root"),
    (Source.CONTAINER, CONFIG, "container's runAsUser breaks non-root policy (pod: x)", "breaks non-root policy"),
    (Source.CONTAINER, "CreateContainerError", "context deadline exceeded", "context deadline exceeded"),
    (Source.CONTAINER, "RunContainerError", "exec: no such file", "exec: no such file"),
    (Source.CONTAINER, "ImagePullBackOff", "Back-off pulling image", "Back-off"),
    (Source.CONTAINER, "ErrImagePull", "not found", "not found"),
    (Source.CONTAINER, "ErrImageNeverPull", "not present", "not present"),
    (Source.CONTAINER, "InvalidImageName", "couldn't parse", "parse"),
    (Source.CONTAINER, "CrashLoopBackOff", "back-off 10s", "back-off"),
    (Source.POD, ATTACH, 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) w-0', "another node"),
    (
        Source.POD, ATTACH,
        'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node and can\'t be '
        "attached to another", "another node",
    ),
    (Source.POD, MOUNT, 'MountVolume.SetUp failed for volume "s" : secret "keys" not found', "Secret keys does not"),
    (Source.POD, MOUNT, 'MountVolume.SetUp failed for volume "c" : configmap "c" not found', "ConfigMap c does not"),
    (Source.POD, MOUNT, 'MountVolume.SetUp failed for volume "s" : references non-existent secret key: a', "key a"),
    (
        Source.POD, MOUNT,
        "MountVolume.MountDevice failed: kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: "
        "driver name efs.csi.aws.com not found in the list of registered CSI drivers", "CSI driver efs.csi.aws.com",
    ),
    (
        Source.POD, MOUNT,
        "MountVolume.SetUp failed: mount failed: exit status 32 Output: mount.nfs: access denied by server while "
        "mounting nas:/x", "cannot be mounted: \"access denied\"",
    ),
    (Source.POD, MOUNT, 'volume "d": persistentvolumeclaim "d" not found', "PersistentVolumeClaim d does not exist"),
    (Source.POD, MOUNT, "Unable to attach or mount volumes: timed out waiting for the condition", "timed out"),
    (
        Source.POD, SANDBOX,
        'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "'
        + "7c" * 32 + '": plugin type="flannel" failed (add): open /run/flannel/subnet.env: no such file or directory',
        "subnet.env",
    ),
    (
        Source.POD, SANDBOX,
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for "
        '"nvidia" is configured', "container runtime nvidia",
    ),
    (
        Source.POD, SANDBOX,
        "Failed to create pod sandbox: plugin failed (add): add cmd: failed to assign an IP address to container",
        "no free pod address",
    ),
    (Source.POD, "NetworkNotReady", "network is not ready: cni plugin not initialized", "cni plugin not initialized"),
    (Source.SCHEDULER, "Unschedulable", '0/1 nodes: persistentvolumeclaim "d" not found', "Claim d does not exist"),
    (Source.SCHEDULER, "Unschedulable", "0/1 nodes: pod has unbound immediate PersistentVolumeClaims", "unbound"),
    (Source.SCHEDULER, "Unschedulable", "0/2 nodes: 2 node(s) had volume node affinity conflict", "2 node(s)"),
    (Source.SCHEDULER, "Unschedulable", "0/2 nodes: 2 Insufficient nvidia.com/gpu.", "2 Insufficient nvidia.com/gpu"),
    (Source.SCHEDULER, "Unschedulable", "2 node(s) didn't match Pod's node affinity/selector", "2 node(s)"),
    (Source.SCHEDULER, "Unschedulable", "1 node(s) had untolerated taint {a: b}", "taint {a: b}"),
    (
        Source.SCHEDULER, "Unschedulable",
        "team-gpus quota has reached the allowable limit of GPUs. Limit is 8 GPUs, currently 6 GPUs allocated and "
        "workload requested 4 GPUs", "queue team-gpus has reached its limit of GPUs",
    ),
    (
        Source.SCHEDULER, "Unschedulable",
        "Non-preemptible workload is over quota. Use a preemptible workload to go over quota.", "no quota left",
    ),
    (Source.SCHEDULER, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates", "gates"),
    (Source.SCHEDULER, "Unschedulable", "0/1 nodes are available: 1 Too many pods.", "Too many pods"),
    (Source.SCHEDULER, "SchedulerError", "binding volumes: context deadline exceeded", "binding volumes"),
    (Source.CLAIM, PROVISION, 'storageclass.storage.k8s.io "fast" not found', "StorageClass fast does not exist"),
    (
        Source.CLAIM, PROVISION,
        'failed to provision volume with StorageClass "gp3": rpc error: code = InvalidArgument desc = Volume '
        "capabilities MULTI_NODE_MULTI_WRITER not supported. Only AccessModes[ReadWriteOnce] supported.",
        "capabilities",
    ),
    (
        Source.CLAIM, PROVISION,
        'failed to provision volume with StorageClass "local-path": NodePath only supports ReadWriteOnce and '
        "ReadWriteOncePod (1.22+) access modes", "NodePath",
    ),
    (
        Source.CLAIM, PROVISION,
        'failed to provision volume with StorageClass "standard": rpc error: code = InvalidArgument desc = '
        "VolumeCapabilities is invalid: specified multi writer with mount access type", "multi writer",
    ),
    (
        Source.CLAIM, PROVISION,
        "rpc error: code = ResourceExhausted desc = Maximum quota of disks exceeded, request id: "
        "0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f", "Maximum quota",
    ),
    (Source.CLAIM, "FailedBinding", "volume already bound to a different claim.", "different claim"),
    (Source.CLAIM, "VolumeMismatch", 'Cannot bind to requested volume "v": requested PV is too small', "too small"),
    (Source.CLAIM, PROVISION, "rpc error: code = Internal desc = something", "something"),
    (Source.ADMISSION, "", 'pods "w" is forbidden: violates PodSecurity "restricted:latest": x', "violates"),
    (Source.ADMISSION, "", 'pods "w" is forbidden: exceeded quota: q', "exceeded"),
    (Source.ADMISSION, "", 'pods "w" is forbidden: failed quota: q: must specify limits.cpu', "failed"),
    (
        Source.ADMISSION, "",
        'pods "w" is forbidden: maximum memory usage per Container is 1Gi, but limit is 4Gi', "maximum",
    ),
    (Source.ADMISSION, "", 'pods "w" is forbidden: cpu max limit to request ratio per Container is 2', "ratio"),
    (
        Source.ADMISSION, "",
        'Pod "w" is invalid: spec.containers[0].resources.requests: Invalid value: "800Mi": must be less than or equal '
        "to memory limit of 512Mi", "800Mi",
    ),
    (
        Source.ADMISSION, "",
        'admission webhook "x" denied the request: attempting to create a pod team-a/w-0 with gpu sharing request, '
        "while GPU sharing is disabled", "GPU sharing",
    ),
    (Source.ADMISSION, "", 'admission webhook "x" denied the request: no', "webhook"),
    (
        Source.AUTOSCALER, METRIC,
        "the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu in "
        "container main of Pod w-6d4cf56db6-abcde", "request no cpu",
    ),
    (
        Source.AUTOSCALER, METRIC,
        "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for "
        "resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested "
        "resource (get pods.metrics.k8s.io)", "no metrics of its pods",
    ),
    (Source.AUTOSCALER, "FailedGetScale", "the HPA controller was unable to get the target's scale", "target's scale"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "code", "message", "text"), MESSAGES)
@pytest.mark.parametrize("names", [INLINE, ENVIRONMENT, ARTIFACT, INFERENCE_OF_ARTIFACT, NIM_CACHE])
def test_messages_of_kubernetes(source: Source, code: str, message: str, text: str, names: FieldNames) -> None:
    """The cause keeps what matters, and the remedy is made of sentences, for every kind."""
    cause = explain(source, code, message, names)
    assert cause is not None
    assert text in cause.text
    assert cause.reason.level in (Level.NOTE, Level.WAITING, Level.STALLED)
    assert "{" not in cause.remedy
    assert not cause.remedy or re.fullmatch(r"[A-Z0-9].*(\.|: kubectl [^.]+)", cause.remedy)


def test_every_row_has_a_message() -> None:
    """Otherwise a row before it hides it."""
    used = {cause.remedy + cause.reason for item in MESSAGES if (cause := explain(*item[:3], INLINE))}
    for row in ROWS:
        texts = [item for item in MESSAGES if item[0] is row.source and (not row.codes or item[1] in row.codes)]
        assert any(re.search(row.pattern, item[2]) for item in texts), row
    assert len(used) >= len({row.remedy + row.reason for row in ROWS})


def test_a_code_without_a_row_is_no_cause() -> None:
    """A container that is created, and an Event that explains nothing."""
    assert explain(Source.CONTAINER, "ContainerCreating", "", INLINE) is None
    assert explain(Source.POD, "Scheduled", "assigned", INLINE) is None
    assert "Scheduled" not in known(Source.POD)


ATTEMPTS = [
    (
        'failed to setup network for sandbox "0123456789abcdef0123456789abcdef": no',
        'failed to setup network for sandbox "fedcba9876543210fedcba9876543210": no',
    ),
    (
        "rpc error: code = Internal desc = failed, RequestID: 0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f",
        "rpc error: code = Internal desc = failed, RequestID: 1a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f",
    ),
    ("missing for Pod w-1", "missing for Pod w-2"),
]


@pytest.mark.parametrize(("first", "second"), ATTEMPTS)
def test_texts_do_not_differ_between_attempts(first: str, second: str) -> None:
    """Each change of a message costs a status write."""
    assert stable(first) == stable(second)


def test_a_long_text_is_bounded() -> None:
    """A driver can repeat its whole log."""
    assert len(stable("word " * 1000)) < 260


FIELDS = {
    "Workspace": INLINE, "Inference": INLINE, "Environment": ENVIRONMENT, "Artifact": ARTIFACT, "NimCache": NIM_CACHE,
}  # fmt: skip
FIELD = r"\b[a-z]\w*(?:\[\])?(?:\.[\w\[\]]+)+|\b[a-z]+[A-Z]\w*"
OTHER_OBJECTS = {"cpuMemoryLimit", "cpuMemoryRequest"}  # of the ComputeResource that the sentence names


@pytest.mark.parametrize("kind", FIELDS)
def test_remedies_name_fields_that_the_kind_has(kind: str) -> None:
    """Every word of them that looks like a field."""
    names = FIELDS[kind]
    words = " ".join(getattr(names, field) for field in FieldNames.__dataclass_fields__)
    found = {word.rstrip(".,:") for word in re.findall(FIELD, words)}
    assert found or kind == "NimCache"
    for path in found - OTHER_OBJECTS:
        assert has_field(kind, path), path


def has_field(kind: str, path: str) -> bool:
    """Whether a path, or a field of that name anywhere in the spec, exists."""
    spec = resource_schema(kind_of(kind).model)["properties"]["spec"]
    steps = path.replace("[]", "").split(".")
    if len(steps) == 1:
        return f"'{path}'" in str(spec)
    at = spec
    for step in steps:
        at = (at.get("items") or at)["properties"].get(step)
        if at is None:
            return False
    return True
