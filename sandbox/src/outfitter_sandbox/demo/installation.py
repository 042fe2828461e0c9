"""Start a sandbox for the demo, with Outfitter's CRDs and RBAC rights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from outfitter.api.v1alpha1 import KINDS
from outfitter.cli.console import progress
from outfitter.cli.documents import read
from outfitter.errors import ConfigurationError
from outfitter_sandbox import Sandbox, nodes
from outfitter_sandbox.connection import APPLY_PATCH, Connection
from outfitter_sandbox.demo import real_node
from outfitter_sandbox.demo.cluster import Object
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.sandbox_cluster import SandboxCluster

OPERATOR_NAMESPACE: Final = "outfitter-system"
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
_POLICIES: Final[dict[str, str]] = {
    "ValidatingAdmissionPolicy": f"{_ADMISSION}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{_ADMISSION}/validatingadmissionpolicybindings",
}
_RIGHTS: Final[dict[str, str]] = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "ClusterRole": f"{_RBAC}/clusterroles",
    "ClusterRoleBinding": f"{_RBAC}/clusterrolebindings",
    "Role": f"{_RBAC}/namespaces/{{namespace}}/roles",
    "RoleBinding": f"{_RBAC}/namespaces/{{namespace}}/rolebindings",
}
_NODES: Final[Mapping[str, str]] = {
    nodes.REAL: "a real node: kubelet, kube-scheduler, kube-proxy, containerd, runc, CoreDNS",
    nodes.SIMULATED: "a simulated node",
}


@contextlib.contextmanager
def installed(
    report: Report, objects: Sequence[Object], folder: Path, install: Path, node: str
) -> Iterator[SandboxCluster]:
    """Run a sandbox with CRDs and the operator's rights during the block."""
    if not install.is_file():
        raise ConfigurationError(f"{install} does not exist. Run the demo in a checkout, or set --install.")
    with contextlib.ExitStack() as stack:
        with report.stage("Start a control plane"):
            report.info(f"etcd, kube-apiserver, kube-controller-manager, and {_NODES[node]}")
            with progress() as step:
                gpus = real_node.GPUS if node == nodes.REAL else None
                sandbox = stack.enter_context(Sandbox.up(root=folder, node=node, gpus=gpus, progress=step))
            report.success(f"Kubernetes answers at {sandbox.url}")
            if node == nodes.REAL:
                real_node.load_images(sandbox, folder / "images", report)
                objects = real_node.resized(sandbox, objects, report)
        with report.stage("Install Outfitter"):
            sandbox.apply_crds(install)
            # Its garbage collector discovers new kinds only every 30 s.
            sandbox.restart("kube-controller-manager")
            report.success(f"the API server serves {len(KINDS)} kinds: {', '.join(kind.name for kind in KINDS)}")
            kubeconfig = _grant_rights(sandbox, install, report)
            _protect(sandbox, install, report)
        yield SandboxCluster(sandbox, objects, kubeconfig, folder / "operator.log")


def _grant_rights(sandbox: Sandbox, install: Path, report: Report) -> Path:
    """Apply Namespace, ServiceAccount and roles; the kubeconfig of the account."""
    connection = sandbox.connection()
    rights = [document.body for document in read([str(install)])[0] if document.body["kind"] in _RIGHTS]
    account = next(body["metadata"] for body in rights if body["kind"] == "ServiceAccount")
    for body in rights:
        _apply(connection, body)
    user = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    report.success(f"the operator has only the rights that {install} grants to {user}")
    return sandbox.kubeconfig_for(user)


def _protect(sandbox: Sandbox, install: Path, report: Report) -> None:
    """Apply the admission policies, which judge what users apply."""
    connection = sandbox.connection()
    bodies = [document.body for document in read([str(install)])[0] if document.body["kind"] in _POLICIES]
    for body in bodies:
        _apply(connection, body)
    names = [body["metadata"]["name"] for body in bodies if body["kind"] == "ValidatingAdmissionPolicy"]
    report.success(f"the API server checks what users apply: {', '.join(names)}")


def _apply(connection: Connection, body: Mapping[str, Any]) -> None:
    meta = body["metadata"]
    path = (_RIGHTS | _POLICIES)[body["kind"]].format(namespace=meta.get("namespace", ""))
    connection.request("PATCH", f"{path}/{meta['name']}?fieldManager=demo&force=true", body, APPLY_PATCH)
