"""What a real node is called on this machine. One name everywhere, so that what a crash leaves behind is recognised."""

from __future__ import annotations

from pathlib import Path

MARK = "outfitter-node"  # the bridge (15 characters at most), the cgroup, the run folder, the folder in a sandbox
BRIDGE = MARK
RUN = Path("/run") / MARK  # sockets and mounts of containerd; it exists exactly while a real node is up or left over
RECORD = RUN / "record.json"
SOCKET = RUN / "containerd.sock"
SHIM_SOCKETS = Path("/run/containerd/s")  # where shims of every containerd of this machine keep theirs
# The kubelet's files are in the sandbox's folder; mounted here they have names that are short enough for sockets.
KUBELET = RUN / "kubelet"
CGROUP = f"/{MARK}"
NODE_ADDRESS = "10.244.0.1"  # of the bridge: the API server, the kubelet and DNS listen here and nowhere else
HARDWARE_ADDRESS = "0a:58:0a:f4:00:01"  # a locally administered one, with the address above in it
POD_RANGE = "10.244.0.0/24"
DOMAIN = "cluster.local"
PAUSE_SAMPLE = "pause:1"
TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))  # kube-proxy chooses these names itself
# Programs of the kubelet and of containerd have these paths built in. They are removed if they were absent before.
FIXED_PATHS = (
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/lib/cni",
    "/run/containerd",
    "/usr/libexec/kubernetes",
)
# What the kubelet, kube-proxy and we change.
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
