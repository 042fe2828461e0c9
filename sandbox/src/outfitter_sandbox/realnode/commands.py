"""Command lines and certificates of the components of a real node.

Pure but for `issue`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from outfitter_sandbox import certificates, components, kubeconfigs
from outfitter_sandbox.components import API_SERVER, CONTROLLER_MANAGER, ETCD, Layout
from outfitter_sandbox.realnode import names
from outfitter_sandbox.realnode.configs import NODE_NAME, Place

CONTAINERD, SCHEDULER, KUBELET, PROXY = "containerd", "kube-scheduler", "kubelet", "kube-proxy"
DNS, AGENT = "coredns", "node-agent"
# A wave starts when the one before it is ready.
WAVES = ((ETCD, CONTAINERD), (API_SERVER,), (CONTROLLER_MANAGER, SCHEDULER, KUBELET, PROXY, DNS, AGENT))
USERS = {
    SCHEDULER: ("system:kube-scheduler", ()),
    KUBELET: (f"system:node:{NODE_NAME}", ("system:nodes",)),
    PROXY: ("system:kube-proxy", ()),
    DNS: ("outfitter-dns", ()),
}


def commands(
    layout: Layout, place: Place, parts: Mapping[str, Path], *, controllers: str, resources: Mapping[str, str]
) -> dict[str, list[str]]:
    """Component -> command.

    `parts` is program -> path, `resources` the extended resources of the node.
    """
    pki = layout.pki
    control = [
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--enable-admission-plugins=NodeRestriction",
    ]
    scheduler = place.kubeconfig(SCHEDULER)
    return {
        ETCD: components.etcd(layout, parts[ETCD]),
        CONTAINERD: _with_path(parts, [str(parts[CONTAINERD]), f"--config={place.folder / 'containerd.toml'}"]),
        API_SERVER: [
            *components.api_server(layout, parts[API_SERVER], authorization="Node,RBAC", endpoints="lease"), *control,
        ],
        CONTROLLER_MANAGER: [
            *components.controller_manager(layout, parts[CONTROLLER_MANAGER], controllers),
            f"--flex-volume-plugin-dir={place.folder / 'volume-plugins'}",
        ],
        SCHEDULER: [
            str(parts[SCHEDULER]), f"--kubeconfig={scheduler}", f"--authentication-kubeconfig={scheduler}",
            f"--authorization-kubeconfig={scheduler}", "--leader-elect=false", "--secure-port=0",
        ],
        KUBELET: _with_path(parts, [
            str(parts[KUBELET]), f"--config={place.folder / 'kubelet.json'}",
            f"--kubeconfig={place.kubeconfig(KUBELET)}", f"--hostname-override={NODE_NAME}",
            f"--node-ip={names.NODE_ADDRESS}", f"--root-dir={names.KUBELET}", f"--cert-dir={pki}",
        ]),
        PROXY: _with_path(parts, [str(parts[PROXY]), f"--config={place.folder / 'kube-proxy.json'}"]),
        DNS: [str(parts[DNS]), "-conf", str(place.folder / "Corefile")],
        AGENT: [
            sys.executable, "-P", "-m", "outfitter_sandbox.realnode.agent",
            f"--kubeconfig={place.kubeconfig('node')}", f"--volumes={place.volumes}",
            *(f"--resource={name}={count}" for name, count in resources.items()),
        ],
    }  # fmt: skip


def issue(layout: Layout, cluster: str) -> None:
    """Write certificates and kubeconfigs of the node's components."""
    pki = layout.pki
    address = [names.NODE_ADDRESS]
    certificates.issue(pki, "kubelet-server", common_name=NODE_NAME, dns=[NODE_NAME], addresses=address)
    certificates.issue(
        pki, "apiserver-kubelet", common_name="kube-apiserver-kubelet-client", organizations=["system:masters"]
    )
    origin = kubeconfigs.Origin(cluster, layout.url, pki)
    for name, (user, groups) in USERS.items():
        certificates.issue(pki, name, common_name=user, organizations=groups)
        kubeconfigs.with_certificate(layout.directory / f"{name}.kubeconfig", origin, name, user)


def resources(gpus: int, slices: Mapping[str, int]) -> dict[str, str]:
    """Extended resources of the node: GPUs, and MIG slices by profile.

    A profile is for instance {"1g.10gb": 4}.
    """
    whole = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    return whole | {f"nvidia.com/mig-{profile}": str(count) for profile, count in slices.items()}


def _with_path(parts: Mapping[str, Path], command: list[str]) -> list[str]:
    """Set a PATH with the programs that the components look up."""
    folders = dict.fromkeys(
        str(parts[name].parent) for name in ("containerd-shim-runc-v2", "runc", "nft", "mount", "ip")
    )
    return ["/usr/bin/env", f"PATH={':'.join((*folders, os.environ.get('PATH', os.defpath)))}", *command]
