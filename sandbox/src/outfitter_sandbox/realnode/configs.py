"""The configuration files of a real node. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outfitter_sandbox.images import full_name
from outfitter_sandbox.realnode import names

NODE_NAME = "sandbox"
REGISTRIES = "certs.d"


@dataclass(frozen=True)
class Ports:
    """Ports of the kubelet on the bridge, and of health checks on loopback."""

    kubelet: int
    kubelet_health: int
    proxy_health: int
    proxy_metrics: int


@dataclass(frozen=True)
class Place:
    """Files of one real node: `folder` in the sandbox's folder.

    Sockets and mounts are in the run folder.
    """

    directory: Path
    ports: Ports

    @property
    def folder(self) -> Path:
        """Folder of all files of the node that take space."""
        return self.directory / names.NAME

    @property
    def pki(self) -> Path:
        """Certificates of the sandbox."""
        return self.directory / "pki"

    @property
    def volumes(self) -> Path:
        """Folder of local volumes."""
        return self.folder / "volumes"

    def kubeconfig(self, user: str) -> Path:
        """Kubeconfig of one component."""
        return self.directory / f"{user}.kubeconfig"


def files(place: Place, parts: Mapping[str, Path], cluster: str) -> dict[Path, str]:
    """Path -> content of all configuration files.

    `cluster` is the context in the kubeconfigs.
    """
    folder = place.folder
    return {
        folder / "containerd.toml": containerd(place, parts["runc"], parts["bridge"].parent),
        folder / "cni" / "10-bridge.conflist": json.dumps(network(place), indent=2),
        folder / REGISTRIES / "_default" / "hosts.toml": 'server = "http://127.0.0.1:1"\n',
        folder / "kubelet.json": json.dumps(kubelet(place), indent=2),
        folder / "kube-proxy.json": json.dumps(kube_proxy(place), indent=2),
        folder / "resolv.conf": f"nameserver {names.NODE_ADDRESS}\n",
        folder / "Corefile": corefile(place, cluster),
    }


def containerd(place: Place, runc: Path, plugins: Path) -> str:
    """Configuration of containerd 2.

    The registry is a closed port, so that a missing image fails at once.
    """
    q = _quoted
    cri = "plugins.'io.containerd.cri.v1.runtime'"
    return f"""version = 3
root = {q(place.folder / "containerd")}
state = {q(names.RUN / "containerd")}
temp = {q(names.RUN / "containerd-temporary")}
imports = []
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.erofs", "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = {q(names.SOCKET)}
[ttrpc]
  address = {q(f"{names.SOCKET}.ttrpc")}
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = {q(full_name(names.PAUSE_SAMPLE))}
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = {q(place.folder / REGISTRIES)}
[{cri}]
  netns_mounts_under_state_dir = true
  # Lowering an OOM score requires CAP_SYS_RESOURCE, and the pause container lowers it.
  restrict_oom_score_adj = true
  [{cri}.cni]
    bin_dirs = [{q(plugins)}]
    conf_dir = {q(place.folder / "cni")}
    use_internal_loopback = true
  [{cri}.containerd]
    default_runtime_name = "runc"
    [{cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [{cri}.containerd.runtimes.runc.options]
        BinaryName = {q(runc)}
        Root = {q(names.RUN / "runc")}
        SystemdCgroup = false
"""


def network(place: Place) -> dict[str, Any]:
    """Configuration of the CNI plugins: pods connect to the bridge.

    The node's folder records their addresses.
    """
    addresses = {
        "type": "host-local",
        "dataDir": str(place.folder / "addresses"),
        "ranges": [[{"subnet": names.POD_RANGE, "gateway": names.NODE_ADDRESS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": names.BRIDGE, "isGateway": True, "ipMasq": False, "hairpinMode": True}
    return {"cniVersion": "1.0.0", "name": names.NAME, "plugins": [bridge | {"ipam": addresses}]}


def kubelet(place: Place) -> dict[str, Any]:
    """KubeletConfiguration without systemd, iptables and image collection."""
    pki, ports = place.pki, place.ports
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": names.NODE_ADDRESS,
        "port": ports.kubelet,
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": ports.kubelet_health,
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        "rotateCertificates": False,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{names.SOCKET}",
        "clusterDomain": names.DOMAIN,
        "clusterDNS": [names.NODE_ADDRESS],
        "resolvConf": str(place.folder / "resolv.conf"),
        "podLogsDir": str(place.folder / "pod-logs"),
        "volumePluginDir": str(place.folder / "volume-plugins"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": names.CGROUP,
        "failCgroupV1": False,  # new kubelets otherwise refuse version 1
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        # Imported images cannot be pulled again: do not collect them, and evict late.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%",
        },
        "oomScoreAdj": 0,  # lowering it requires CAP_SYS_RESOURCE
        "maxOpenFiles": 20000,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
        "maxPods": 100,
    }  # fmt: skip


def kube_proxy(place: Place) -> dict[str, Any]:
    """KubeProxyConfiguration: nftables, without changes to connection tracking."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": NODE_NAME,
        "clientConnection": {"kubeconfig": str(place.kubeconfig("kube-proxy"))},
        "clusterCIDR": names.POD_RANGE,
        "detectLocalMode": "ClusterCIDR",
        "healthzBindAddress": f"127.0.0.1:{place.ports.proxy_health}",
        "metricsBindAddress": f"127.0.0.1:{place.ports.proxy_metrics}",
        "nodePortAddresses": [f"{names.NODE_ADDRESS}/32"],
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def corefile(place: Place, cluster: str) -> str:
    """Configuration of CoreDNS; names outside the cluster do not exist.

    No query leaves the machine.
    """
    return f"""{names.DOMAIN}:53 in-addr.arpa:53 {{
  bind {names.NODE_ADDRESS}
  errors
  kubernetes {names.DOMAIN} in-addr.arpa {{
    kubeconfig {_quoted(place.kubeconfig("coredns"))} {cluster}
    pods insecure
    ttl 1
  }}
}}
.:53 {{
  bind {names.NODE_ADDRESS}
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
"""


def _quoted(text: str | Path) -> str:
    """A string of TOML or of a Corefile."""
    return json.dumps(str(text))
