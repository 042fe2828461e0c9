"""What the benchmark puts on a server: namespaces, two shared assets, and workspaces that have six children each."""

from __future__ import annotations

from typing import Any

from outfitter.api.base import API_VERSION
from outfitter.cluster.access import cluster_rules, system_rules
from outfitter.naming import PROJECT

Object = dict[str, Any]

SYSTEM = "outfitter-system"
DOMAIN = "apps.example.com"
PER_NAMESPACE = 100  # workspaces
CHILDREN = 6  # ControllerRevision, StatefulSet, headless Service, Service and Ingress of `lab`, Service of `metrics`
WRITES = CHILDREN + 1  # and one status: nothing in the bench moves a child after it was made

ACCOUNTS = ("outfitter", "bare")  # the operator and what it is compared with: equal rights, equal authentication


def user(account: str) -> str:
    """The name that the audit log knows a ServiceAccount by."""
    return f"system:serviceaccount:{SYSTEM}:{account}"


def namespace_of(number: int) -> str:
    """Where the workspace of that number lives."""
    return f"team-{number // PER_NAMESPACE:03}"


def foundation(count: int) -> list[tuple[str, Object]]:
    """(path, object) of everything that has to be there before `count` workspaces."""
    teams = sorted({namespace_of(number) for number in range(count)})
    spaces = [("/api/v1/namespaces", _namespace(SYSTEM, {}))]
    spaces += [("/api/v1/namespaces", _namespace(team, {PROJECT: team})) for team in teams]
    return [*spaces, *_rights(), *_assets()]


def workspace(name: str, namespace: str) -> Object:
    """A workspace of the kind that people write: an environment, a compute resource, little of its own."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Workspace",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "assets": {"environment": {"name": "jupyter"}, "compute": {"name": "one-gpu"}},
            "environmentVariables": [{"name": "OWNER", "value": name}],
            "ports": [{"name": "metrics", "container": 9090}],
        },
    }


def workspaces(count: int) -> list[Object]:
    """The workspaces that throughput is measured with."""
    return [workspace(f"ws-{number:05}", namespace_of(number)) for number in range(count)]


def workspaces_path(namespace: str = "") -> str:
    """Of the collection, in one namespace or in all."""
    return f"/apis/{API_VERSION}/" + (f"namespaces/{namespace}/" if namespace else "") + "workspaces"


def _namespace(name: str, labels: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _rights() -> list[tuple[str, Object]]:
    """Exactly what the operator is granted where it is installed, for both accounts."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    accounts = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts"
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": SYSTEM} for name in ACCOUNTS]
    meta: Object = {"metadata": {"name": "outfitter"}}
    group = "rbac.authorization.k8s.io"
    return [
        *((accounts, {"metadata": {"name": name}}) for name in ACCOUNTS),
        (f"{rbac}/clusterroles", {**meta, "rules": cluster_rules()}),
        (f"{rbac}/namespaces/{SYSTEM}/roles", {**meta, "rules": system_rules()}),
        (
            f"{rbac}/clusterrolebindings",
            {**meta, "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "outfitter"}, "subjects": subjects},
        ),
        (
            f"{rbac}/namespaces/{SYSTEM}/rolebindings",
            {**meta, "roleRef": {"apiGroup": group, "kind": "Role", "name": "outfitter"}, "subjects": subjects},
        ),
    ]


def _assets() -> list[tuple[str, Object]]:
    here = f"/apis/{API_VERSION}/namespaces/{SYSTEM}"
    environment = {
        "image": "quay.io/jupyter/pytorch-notebook:2026-10-01",
        "environmentVariables": [{"name": "OMP_NUM_THREADS", "value": "4"}],
        "connections": [
            {"name": "lab", "toolType": "jupyter-notebook", "connectionType": "ExternalUrl", "containerPort": 8888}
        ],
    }
    compute = {"gpuDevicesRequest": 1, "cpuCoreRequest": 4, "cpuMemoryRequest": "32Gi", "largeShmRequest": True}
    return [
        (f"{here}/environments", _asset("Environment", "jupyter", environment)),
        (f"{here}/computeresources", _asset("ComputeResource", "one-gpu", compute)),
    ]


def _asset(kind: str, name: str, spec: Object) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": SYSTEM},
        "spec": spec,
    }
