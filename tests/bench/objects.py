"""What every scenario of the benchmark needs on a server: namespaces, and two accounts with equal rights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from outfitter.cluster.access import cluster_rules, system_rules
from outfitter.naming import LABEL_DEPARTMENT, LABEL_PROJECT

Object = dict[str, Any]

SYSTEM = "outfitter-system"
DOMAIN = "apps.example.com"
PER_NAMESPACE = 100  # objects
ACCOUNTS = ("outfitter", "bare")  # the operator and what it is compared with: equal rights, equal authentication


def user(account: str) -> str:
    """The name that the audit log knows a ServiceAccount by."""
    return f"system:serviceaccount:{SYSTEM}:{account}"


def foundation(teams: Iterable[str], department: str = "") -> list[tuple[str, Object]]:
    """(path, object) of everything that has to be there before assets and what uses them."""
    spaces = [("/api/v1/namespaces", _namespace(SYSTEM, {}))]
    more = {LABEL_DEPARTMENT: department} if department else {}
    spaces += [("/api/v1/namespaces", _namespace(team, {LABEL_PROJECT: team, **more})) for team in sorted(set(teams))]
    return [*spaces, *_rights()]


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
