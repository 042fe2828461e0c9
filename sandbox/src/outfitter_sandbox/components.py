"""The command line of every component of a control plane. No I/O."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

SERVICE_RANGE = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"  # the first of the range: the `kubernetes` Service
ETCD, API_SERVER, CONTROLLER_MANAGER, NODE = "etcd", "kube-apiserver", "kube-controller-manager", "node"


@dataclass(frozen=True)
class Layout:
    """Files and ports of a sandbox."""

    directory: Path
    api_port: int
    etcd_port: int
    peer_port: int
    address: str = "127.0.0.1"  # of the API server; pods of a real node must reach it

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.directory / "pki"

    @property
    def url(self) -> str:
        """URL of the API server."""
        return f"https://{self.address}:{self.api_port}"

    @property
    def etcd_url(self) -> str:
        """URL of etcd for its clients."""
        return f"https://127.0.0.1:{self.etcd_port}"

    def log(self, component: str) -> Path:
        """Log file of one component."""
        return self.directory / "logs" / f"{component}.log"


def commands(
    layout: Layout,
    binaries: Mapping[str, Path],
    *,
    controllers: str,
    node: bool,
    gpus: int,
    slices: Mapping[str, int] = MappingProxyType({}),
    emulated: str = "",
) -> dict[str, list[str]]:
    """Component -> command, in start order. `emulated`: the minor version that the API server acts as, if given."""
    result = {ETCD: etcd(layout, binaries[ETCD]), API_SERVER: api_server(layout, binaries[API_SERVER])}
    if emulated:
        result[API_SERVER].append(f"--emulated-version={emulated}")
    if CONTROLLER_MANAGER in binaries:
        result[CONTROLLER_MANAGER] = controller_manager(layout, binaries[CONTROLLER_MANAGER], controllers)
    if node:
        result[NODE] = [
            sys.executable, "-P", "-m", "outfitter_sandbox.simulated_node",
            f"--kubeconfig={layout.directory / 'node.kubeconfig'}", f"--gpus={gpus}",
            *(f"--mig={profile}={count}" for profile, count in slices.items()),
        ]  # fmt: skip
    return result


def etcd(layout: Layout, binary: Path) -> list[str]:
    """Command of etcd, without fsync and with mutual TLS.

    Its data does not outlive the sandbox, and other users of the machine reach loopback.
    """
    pki, peer = layout.pki, f"https://127.0.0.1:{layout.peer_port}"
    tls = {"cert-file": pki / "etcd.crt", "key-file": pki / "etcd.key", "trusted-ca-file": pki / "etcd-ca.crt"}
    return [
        str(binary), "--name=sandbox", f"--data-dir={layout.directory / 'etcd'}", "--unsafe-no-fsync=true",
        "--log-level=warn",
        f"--listen-client-urls={layout.etcd_url}", f"--advertise-client-urls={layout.etcd_url}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=sandbox={peer}",
        *(f"--{prefix}{flag}={path}" for prefix in ("", "peer-") for flag, path in tls.items()),
        "--heartbeat-interval=20", "--election-timeout=200",  # a single member; the default waits a second
        "--client-cert-auth=true", "--peer-client-cert-auth=true", "--quota-backend-bytes=8589934592",
    ]  # fmt: skip


def api_server(layout: Layout, binary: Path, *, authorization: str = "RBAC", endpoints: str = "none") -> list[str]:
    """Command of kube-apiserver with RBAC, audit log and default admission.

    `endpoints` is the reconciler of the `kubernetes` Service's endpoints; without pods they have no use.
    """
    pki = layout.pki
    return [
        str(binary), f"--etcd-servers={layout.etcd_url}", f"--etcd-cafile={pki / 'etcd-ca.crt'}",
        f"--etcd-certfile={pki / 'etcd-client.crt'}", f"--etcd-keyfile={pki / 'etcd-client.key'}",
        f"--bind-address={layout.address}", f"--secure-port={layout.api_port}",
        # Required on a machine with loopback only: Endpoints may not hold a loopback address.
        f"--advertise-address={layout.address}", f"--endpoint-reconciler-type={endpoints}",
        f"--tls-cert-file={pki / 'apiserver.crt'}", f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}", "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'service-account.pub'}",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--service-cluster-ip-range={SERVICE_RANGE}", "--allow-privileged=true",
        f"--authorization-mode={authorization}",
        f"--audit-policy-file={layout.directory / 'audit-policy.json'}",
        f"--audit-log-path={layout.directory / 'audit.log'}",
        "--audit-log-maxsize=1000000",  # MB, so never rotated: offsets into the file stay valid
        "--profiling=false",
    ]  # fmt: skip


def controller_manager(layout: Layout, binary: Path, controllers: str) -> list[str]:
    """Command of kube-controller-manager, with a ServiceAccount per controller."""
    kubeconfig, pki = layout.directory / "controller-manager.kubeconfig", layout.pki
    return [
        str(binary), f"--kubeconfig={kubeconfig}", f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}", f"--service-account-private-key-file={pki / 'service-account.key'}",
        f"--root-ca-file={pki / 'ca.crt'}", "--use-service-account-credentials=true", "--leader-elect=false",
        "--bind-address=127.0.0.1", "--secure-port=0", f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--allocate-node-cidrs=false", f"--controllers={controllers}",
        "--kube-api-qps=300", "--kube-api-burst=600",  # the default of 20 makes deleting a busy namespace slow
    ]  # fmt: skip
