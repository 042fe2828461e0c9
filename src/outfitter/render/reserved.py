"""Labels and annotations that users cannot set on pods and claims."""

from __future__ import annotations

from typing import Final

from outfitter.api.version import GROUP
from outfitter.settings import Settings

# Labels and annotations of tools that would prune or adopt the pod.
_RESERVED: Final = (
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "helm.sh/",
    "kubectl.kubernetes.io/",
    "kopf.",
    f"{GROUP}/",
    # of Kubernetes' own controllers
    "statefulset.kubernetes.io/",
    "apps.kubernetes.io/",
    "batch.kubernetes.io/",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/",
)
# Labels and annotations by which other programs give a pod an identity, secrets, a network, devices, another runtime
# or an exemption from a policy. Pod Security checks none of them. A list of what is allowed is not possible: policies
# and accounting demand labels of any name.
_PRIVILEGED_DOMAINS: Final = (
    # identities of clouds
    "amazonaws.com", "k8s.aws", "gke.io", "cloud.google.com", "azure.com", "azure.workload.identity", "aliyun.com",
    "tencent.com", "tencentcloud.com", "kube2iam.io", "uswitch.com", "spiffe.io",
    # injectors of secrets
    "hashicorp.com", "banzaicloud.io", "banzaicloud.com", "bank-vaults.io", "1password.io", "1password.com",
    "conjur.org", "cyberark.com", "infisical.com", "tumblr.com",
    # meshes
    "istio.io", "linkerd.io", "kuma.io", "openservicemesh.io", "nsm.nginx.com", "dapr.io", "solo.io",
    # networks
    "cncf.io", "multus-cni.io", "projectcalico.org", "cilium.io", "ovn.org", "ovn.kubernetes.io", "antrea.io",
    "opencontainers.io", "tigera.io",
    # runtimes and devices
    "crio.io", "nri.io", "nri.containerd.io", "cdi.k8s.io", "hami.io", "gvisor.dev",
    # exemptions from policies
    "openshift.io", "stackrox.io", "kyverno.io", "gatekeeper.sh", "falco.org", "kubearmor.com",
    "pod-security.kubernetes.io", "security.alpha.kubernetes.io",
    # the scheduler and the node
    "scheduler.alpha.kubernetes.io", "node.kubernetes.io", "node-restriction.kubernetes.io",
)  # fmt: skip
"""Domains before the slash, or whole names, with everything below them."""
_PRIVILEGED: Final = (
    "aadpodidbinding", "akeyless", "io.cilium", "io.kubernetes.cri", "io.katacontainers.", "io.containerd.",
    "run.oci.", "dev.gvisor.", "kubearmor-", "kubernetes.io/ingress-bandwidth", "kubernetes.io/egress-bandwidth",
    "kubernetes.io/config.", "container.seccomp.security.alpha", "seccomp.security.alpha",
)  # fmt: skip
_RESERVED_NAMES: Final = frozenset(
    {
        "app.kubernetes.io/instance",
        "app.kubernetes.io/managed-by",
        "pod-template-hash",
        "controller-revision-hash",
        "controller-uid",
        "job-name",
    }
)


# By these, users would take the queue, priority or GPU that fields and policies decide about.
_OF_KAI: Final = frozenset(
    {
        "kai.scheduler/batch-min-member",
        "kai.scheduler/queue",
        "kai.scheduler/skip-podgrouper",
        "pod-group-name",
        "kai.scheduler/preemptibility",
        "priorityClassName",
        "gpu-fraction",
        "gpu-memory",
        "gpu-fraction-num-devices",
        "gpu-fraction-container-name",
    }
)
_OF_KUEUE: Final = frozenset({"kueue.x-k8s.io/queue-name"})


def left_out(name: str, settings: Settings | None = None) -> str:
    """Return why an object does not get a label or annotation; "" if it does.

    `settings`: for pods, whose names can give privileges.
    """
    if name in _RESERVED_NAMES or name.startswith(_RESERVED):
        return "belongs to another tool, and is left out. Remove it from the spec."
    if settings and name in _of_schedulers(settings):
        return (
            "is what the scheduler reads, and is left out. Set queue, priorityClass, preemptibility or compute instead."
        )
    if settings and _gives_privileges(name) and not name.startswith(settings.privileged_names or ("\0",)):
        return (
            "can give a pod privileges, and is left out. Remove it from the spec, or ask an administrator "
            "to add it to settings.allowedMetadata."
        )
    return ""


def _of_schedulers(settings: Settings) -> frozenset[str]:
    """Return the names that the schedulers of the cluster read."""
    kueue = _OF_KUEUE if settings.queue_backend == "kueue" else frozenset[str]()
    return kueue | (_OF_KAI if settings.uses_kai else frozenset())


def _gives_privileges(name: str) -> bool:
    domain = name.partition("/")[0]
    return name.startswith(_PRIVILEGED) or any(f".{domain}".endswith(f".{known}") for known in _PRIVILEGED_DOMAINS)
