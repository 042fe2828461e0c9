"""Names of a real node on this machine.

They are fixed, so that leftovers of a crash can be recognised.
"""

from __future__ import annotations

from pathlib import Path

NAME = "outfitter-node"  # of the bridge (at most 15 characters), cgroup, run folder, and folder in a sandbox
BRIDGE = NAME
RUN = Path("/run") / NAME  # sockets and mounts of containerd; it exists while a real node runs or is left over
RECORD = RUN / "record.json"
SOCKET = RUN / "containerd.sock"
SHIM_SOCKETS = Path("/run/containerd/s")  # of the shims of every containerd of this machine
# A bind mount of the kubelet's folder in the sandbox, with paths that are short enough for sockets.
KUBELET = RUN / "kubelet"
CGROUP = f"/{NAME}"
NODE_ADDRESS = "10.244.0.1"  # of the bridge: the API server, the kubelet and DNS listen on it and on no other address
HARDWARE_ADDRESS = "0a:58:0a:f4:00:01"  # locally administered, contains the address above
POD_RANGE = "10.244.0.0/24"
DOMAIN = "cluster.local"
PAUSE_SAMPLE = "pause:1"
TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))  # kube-proxy sets these names
# Fixed paths of the kubelet and containerd. The cleanup removes those that did not exist before.
FIXED_PATHS = (
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/lib/cni",
    "/run/containerd",
    "/usr/libexec/kubernetes",
)
# Kernel settings that the kubelet, kube-proxy and the sandbox change.
SETTINGS = (
    "net.ipv4.ip_forward",
    "net.bridge.bridge-nf-call-iptables",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
)
