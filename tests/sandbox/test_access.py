"""Users, the audit log, CRDs and controllers on the real server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio import client, config

from outfitter_sandbox import Sandbox
from outfitter_sandbox.errors import SandboxError

from .conftest import Cluster, eventually, found


def list_pods(kubeconfig: Path, namespace: str) -> str:
    """What the ordinary Kubernetes client gets with that kubeconfig: `listed N` or the HTTP status."""

    async def ask() -> str:
        api = await config.new_client_from_config(config_file=str(kubeconfig))  # type: ignore[no-untyped-call]
        async with api:
            try:
                pods = await client.CoreV1Api(api).list_namespaced_pod(namespace)
            except client.ApiException as error:
                return str(error.status)
            return f"listed {len(pods.items)}"

    return asyncio.run(ask())


def grant(cluster: Cluster, subject: dict[str, Any]) -> None:
    """Leave to list pods in the namespace."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{cluster.namespace}"
    cluster.create(
        f"{rbac}/roles",
        {"metadata": {"name": "see"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]},
    )
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "see"}
    cluster.create(f"{rbac}/rolebindings", {"metadata": {"name": "see"}, "roleRef": role, "subjects": [subject]})


def test_a_service_account_may_do_what_rbac_grants(cluster: Cluster) -> None:
    user = f"system:serviceaccount:{cluster.namespace}:default"
    kubeconfig = cluster.sandbox.kubeconfig_for(user)
    assert kubeconfig.stat().st_mode & 0o077 == 0
    assert list_pods(kubeconfig, cluster.namespace) == "403"
    grant(cluster, {"kind": "ServiceAccount", "name": "default", "namespace": cluster.namespace})
    assert list_pods(kubeconfig, cluster.namespace) == "listed 0"
    assert list_pods(kubeconfig, "default") == "403"


def test_a_user_gets_the_rights_of_the_groups(cluster: Cluster) -> None:
    grant(cluster, {"kind": "Group", "name": "devs", "apiGroup": "rbac.authorization.k8s.io"})
    assert list_pods(cluster.sandbox.kubeconfig_for("alice", ["devs"]), cluster.namespace) == "listed 0"
    assert list_pods(cluster.sandbox.kubeconfig_for("alice"), cluster.namespace) == "403"


def test_a_missing_service_account_is_named(cluster: Cluster) -> None:
    with pytest.raises(
        SandboxError, match=f"no ServiceAccount absent in namespace {cluster.namespace}.*Next: kubectl create"
    ):
        cluster.sandbox.kubeconfig_for(f"system:serviceaccount:{cluster.namespace}:absent")
    with pytest.raises(SandboxError, match="no namespace absent"):
        cluster.sandbox.kubeconfig_for("system:serviceaccount:absent:default")
    with pytest.raises(SandboxError, match="is not a ServiceAccount"):
        cluster.sandbox.kubeconfig_for("system:serviceaccount:default")


def test_writes_since_a_mark(cluster: Cluster) -> None:
    mark = cluster.sandbox.audit_mark()
    cluster.create(cluster.path("configmaps"), {"metadata": {"name": "one"}})
    cluster.get("configmaps", "one")

    def ours() -> list[tuple[str, str, str, int]]:
        entries = [
            each for each in cluster.sandbox.audit(mark) if each.namespace == cluster.namespace and each.name == "one"
        ]
        return [(each.verb, each.resource, each.user, each.code) for each in entries if each.user == "sandbox-admin"]

    expected = [("create", "configmaps", "sandbox-admin", 201), ("get", "configmaps", "sandbox-admin", 200)]
    eventually(lambda: ours() == expected)
    writes = [each for each in cluster.sandbox.audit(mark) if each.is_write and each.name == "one"]
    assert [each.verb for each in writes] == ["create"]
    assert writes[0].stage == "ResponseComplete"
    assert cluster.sandbox.audit(cluster.sandbox.audit_mark() + 10_000_000) == []


def test_crds_are_served_when_applied(shared_sandbox: Sandbox, tmp_path: Path) -> None:
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.test.example"},
        "spec": {"group": "test.example", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    (tmp_path / "widgets.yaml").write_text(yaml.safe_dump(definition))
    shared_sandbox.apply_crds(tmp_path)
    body = {"apiVersion": "test.example/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": {"size": 1}}
    shared_sandbox.connection().request("POST", "/apis/test.example/v1/namespaces/default/widgets", body)
    schema["properties"]["spec"]["properties"]["colour"] = {"type": "string"}  # type: ignore[index]
    (tmp_path / "widgets.yaml").write_text(yaml.safe_dump(definition))
    shared_sandbox.apply_crds(tmp_path)  # replaces
    seen = found(shared_sandbox, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.test.example")
    assert seen is not None
    assert "colour" in str(seen["spec"])
    with pytest.raises(SandboxError, match="holds no CustomResourceDefinition"):
        shared_sandbox.apply_crds(tmp_path / "absent")


def test_deleted_owners_and_namespaces_are_collected(cluster: Cluster) -> None:
    owner = cluster.create(cluster.path("configmaps"), {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    cluster.create(cluster.path("configmaps"), {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    cluster.connection.request("DELETE", cluster.path("configmaps", "owner"))
    eventually(lambda: found(cluster.sandbox, cluster.path("configmaps", "owned")) is None)
