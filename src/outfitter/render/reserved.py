"""Labels and annotations that users cannot set on pods and claims."""

from __future__ import annotations

from typing import Final

from outfitter.api.base import GROUP
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
# Labels and annotations by which other programs give a pod an identity, a network, devices or another runtime. Pod
# Security checks none of them.
_PRIVILEGED: Final = (
    "iam.amazonaws.com/", "eks.amazonaws.com/", "vpc.amazonaws.com/", "iam.gke.io/", "aadpodidbinding",
    "azure.workload.identity/", "vault.hashicorp.com/", "secrets.hashicorp.com/",
    "sidecar.istio.io/", "traffic.sidecar.istio.io/", "proxy.istio.io/", "inject.istio.io/", "istio.io/",
    "ambient.istio.io/", "linkerd.io/", "config.linkerd.io/", "consul.hashicorp.com/", "kuma.io/",
    "k8s.v1.cni.cncf.io/", "v1.multus-cni.io/", "cni.projectcalico.org/", "cilium.io/", "policy.cilium.io/",
    "io.cilium", "k8s.ovn.org/", "ovn.kubernetes.io/", "kubernetes.io/ingress-bandwidth",
    "kubernetes.io/egress-bandwidth",
    "io.kubernetes.cri-o.", "io.kubernetes.cri.", "io.katacontainers.", "cdi.k8s.io/", "nri.io/", "devices.nri.io/",
    "mounts.nri.io/", "network-interfaces.nri.io/", "ulimits.nri.containerd.io/", "container.seccomp.security.alpha",
    "seccomp.security.alpha", "nvidia.cdi.k8s.io/", "networks.opencontainers.io/", "vault.security.banzaicloud.io/",
    "injector.tumblr.com/", "networking.gke.io/", "openshift.io/", "dapr.io/", "scheduler.alpha.kubernetes.io/",
    "node.kubernetes.io/",
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


def left_out(name: str, settings: Settings | None = None) -> str:
    """Return why an object does not get a label or annotation; "" if it does.

    `settings`: for pods, whose names can give privileges.
    """
    if name in _RESERVED_NAMES or name.startswith(_RESERVED):
        return "belongs to another tool, and is left out. Remove it from the spec."
    if settings and name.startswith(_PRIVILEGED) and not name.startswith(settings.privileged_names or ("\0",)):
        return (
            "can give a pod privileges, and is left out. Remove it from the spec, or ask an administrator "
            "to add it to settings.allowedMetadata."
        )
    return ""
