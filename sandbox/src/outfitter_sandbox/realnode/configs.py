"""The configuration files of a real node, as text. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outfitter_sandbox.images import full_name
from outfitter_sandbox.realnode import marks

NODE_NAME = "sandbox"


@dataclass(frozen=True)
class Ports:
    """The kubelet listens on the bridge; the health ports are on loopback."""

    kubelet: int
    kubelet_health: int
    proxy_health: int
    proxy_metrics: int


@dataclass(frozen=True)
class Place:
    """Where one real node keeps its files: `folder` in the sandbox's folder, sockets and mounts in the run folder."""

    directory: Path
    ports: Ports

    @property
    def folder(self) -> Path:
        """Of everything that is the node's and needs space."""
        return self.directory / marks.MARK

    @property
    def pki(self) -> Path:
        """The sandbox's certificates."""
        return self.directory / "pki"

    @property
    def volumes(self) -> Path:
        """Local volumes, one folder each."""
        return self.folder / "volumes"

    def kubeconfig(self, user: str) -> Path:
        """Of one component."""
        return self.directory / f"{user}.kubeconfig"


def files(place: Place, parts: Mapping[str, Path], cluster: str) -> dict[Path, str]:
    """Path -> content of everything that the components read; `cluster` is the context in the kubeconfigs."""
    folder = place.folder
    return {
        folder / "containerd.toml": containerd(place, parts["runc"], parts["bridge"].parent),
        folder / "cni" / "10-bridge.conflist": json.dumps(network(place), indent=2),
        folder / "certs.d" / "_default" / "hosts.toml": 'server = "http://127.0.0.1:1"\n',
        folder / "kubelet.json": json.dumps(kubelet(place), indent=2),
        folder / "kube-proxy.json": json.dumps(kube_proxy(place), indent=2),
        folder / "resolv.conf": f"nameserver {marks.NODE_ADDRESS}\n",
        folder / "Corefile": corefile(place, cluster),
    }


def containerd(place: Place, runc: Path, plugins: Path) -> str:
    """Version 3 of the file, for containerd 2. Registries are a closed port: an absent image fails at once."""
    q = _quoted
    cri = "plugins.'io.containerd.cri.v1.runtime'"
    return f"""version = 3
root = {q(place.folder / "containerd")}
state = {q(marks.RUN / "containerd")}
temp = {q(marks.RUN / "containerd-temporary")}
imports = []
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.erofs", "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = {q(marks.SOCKET)}
[ttrpc]
  address = {q(f"{marks.SOCKET}.ttrpc")}
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = {q(full_name(marks.PAUSE_SAMPLE))}
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = {q(place.folder / "certs.d")}
[{cri}]
  netns_mounts_under_state_dir = true
  # Without CAP_SYS_RESOURCE nobody may lower an OOM score, and the pause container asks for it.
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
        Root = {q(marks.RUN / "runc")}
        SystemdCgroup = false
"""


def network(place: Place) -> dict[str, Any]:
    """Pods hang on our bridge; their addresses are written down in the node's folder."""
    addresses = {
        "type": "host-local",
        "dataDir": str(place.folder / "addresses"),
        "ranges": [[{"subnet": marks.POD_RANGE, "gateway": marks.NODE_ADDRESS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": marks.BRIDGE, "isGateway": True, "ipMasq": False, "hairpinMode": True}
    return {"cniVersion": "1.0.0", "name": marks.MARK, "plugins": [bridge | {"ipam": addresses}]}


def kubelet(place: Place) -> dict[str, Any]:
    """KubeletConfiguration. No systemd, no iptables, cgroups of either version, images are never collected."""
    pki, ports = place.pki, place.ports
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": marks.NODE_ADDRESS,
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
        "containerRuntimeEndpoint": f"unix://{marks.SOCKET}",
        "clusterDomain": marks.DOMAIN,
        "clusterDNS": [marks.NODE_ADDRESS],
        "resolvConf": str(place.folder / "resolv.conf"),
        "podLogsDir": str(place.folder / "pod-logs"),
        "volumePluginDir": str(place.folder / "volume-plugins"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": marks.CGROUP,
        "failCgroupV1": False,  # newer kubelets refuse version 1 otherwise
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        # What was imported cannot be pulled again, so it is not collected, and a full disk evicts late.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%",
        },
        "oomScoreAdj": 0,  # lowering it needs CAP_SYS_RESOURCE
        "maxOpenFiles": 20000,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
        "maxPods": 100,
    }  # fmt: skip


def kube_proxy(place: Place) -> dict[str, Any]:
    """KubeProxyConfiguration: nftables, and the machine's connection tracking is left alone."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": NODE_NAME,
        "clientConnection": {"kubeconfig": str(place.kubeconfig("kube-proxy"))},
        "clusterCIDR": marks.POD_RANGE,
        "detectLocalMode": "ClusterCIDR",
        "healthzBindAddress": f"127.0.0.1:{place.ports.proxy_health}",
        "metricsBindAddress": f"127.0.0.1:{place.ports.proxy_metrics}",
        "nodePortAddresses": [f"{marks.NODE_ADDRESS}/32"],
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def corefile(place: Place, cluster: str) -> str:
    """Names of the cluster are answered, all others do not exist: nothing leaves the machine."""
    return f"""{marks.DOMAIN}:53 in-addr.arpa:53 {{
  bind {marks.NODE_ADDRESS}
  errors
  kubernetes {marks.DOMAIN} in-addr.arpa {{
    kubeconfig {_quoted(place.kubeconfig("coredns"))} {cluster}
    pods insecure
    ttl 1
  }}
}}
.:53 {{
  bind {marks.NODE_ADDRESS}
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
"""


def _quoted(text: str | Path) -> str:
    """A string of TOML or of a Corefile."""
    return json.dumps(str(text))
