"""The admission policy on the operator's own account, as somebody who took the account over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from foreign_crds import foreign_crds, pod_group_crd
from outfitter.api.v1alpha1 import KINDS
from outfitter.children import CHILD_KINDS, child_kind
from outfitter.cluster import access
from outfitter.cluster.client import path_of
from outfitter.cluster.resources import api_resource
from outfitter.codegen.admission import operator_account
from outfitter.codegen.admission.namespace_labels import SYSTEM
from outfitter_sandbox import Sandbox
from outfitter_sandbox.connection import Connection

from .conftest import Manifest, eventually
from .objects import ACCOUNT, apply, namespace

pytestmark = [pytest.mark.cluster, pytest.mark.foreign_crds]
IMAGE = "registry.example.com/box:1"
OURS = {"outfitter.dev/owner-uid": "00000000-0000-0000-0000-000000000000"}
ON_DEMAND = {"outfitter.dev/made-by-operator": "true"}
REFUSED = "outfitter-operator"
RUNS = ("StatefulSet", "Deployment", "Job", "JobSet", "MPIJob")


@pytest.fixture(scope="module")
def operator(sandbox: Sandbox, install: list[Manifest]) -> Iterator[Connection]:
    """Logged in with the account of the operator, every right of every setting included."""
    for manifest in install:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if kind in ("Deployment", "Service") or ("Policy" in kind and name != REFUSED):
            continue
        more = access.volume_rules() + access.role_rules() + access.device_rules()
        more = more if (kind, name) == ("ClusterRole", "outfitter") else []
        apply(sandbox, {**manifest, "rules": manifest["rules"] + more} if more else manifest)
    others = [*foreign_crds("jobset", "mpi-operator", mpijobs="mpi-operator"), pod_group_crd()]
    for manifest in others:
        apply(sandbox, manifest)
    apply(sandbox, namespace("team-o"))
    apply(sandbox, namespace("team-e", **{"outfitter.dev/elevation": "allowed"}))
    for place in ("team-o", *SYSTEM):  # what a binding needs
        apply(sandbox, body("Role", "artrepo-x-owner", place, **SPEC["Role"]))
    account = Connection.from_kubeconfig(sandbox.kubeconfig_for(ACCOUNT))
    probe = body("ConfigMap", labels={}, data={})
    eventually(lambda: create(account, probe), lambda said: "labels everything" in said)
    for kind in ("JobSet", "MPIJob", "PodGroup"):
        eventually(lambda kind=kind: create(account, sample(kind)), lambda said: said == "")
    yield account
    for place in ("team-o", *SYSTEM):
        send(sandbox.connection(), "DELETE", body("Role", "artrepo-x-owner", place), "")
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/outfitter-operator"
    sandbox.connection().request("DELETE", path)
    for manifest in others:
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{manifest['metadata']['name']}"
        sandbox.connection().request("DELETE", path)


def body(
    kind: str, name: str = "x", space: str = "team-o", labels: dict[str, str] | None = None, **rest: Any
) -> Manifest:
    meta = {"name": name, "labels": OURS if labels is None else labels}
    row = api_resource(kind)
    where = {"namespace": space} if row.namespaced else {}
    return {"apiVersion": row.api_version, "kind": kind, "metadata": {**meta, **where}, **rest}


def workload(kind: str, space: str = "team-o", meta: Any = None, **pod: Any) -> Manifest:
    container = {"name": "main", "image": IMAGE, **pod.pop("container", {})}
    spec = {"automountServiceAccountToken": False, "containers": [container], **pod}
    if kind == "Job":
        spec["restartPolicy"] = "Never"
        return body(kind, space=space, spec={"template": {"metadata": meta or {}, "spec": spec}})
    template = {"metadata": meta or {}, "spec": {"restartPolicy": "Never", **spec}}
    if kind == "JobSet":
        job = {"name": "worker", "template": {"spec": {"template": template}}}
        return body(kind, space=space, spec={"replicatedJobs": [job]})
    if kind == "MPIJob":
        plain = {"spec": {"automountServiceAccountToken": False, "containers": [{"name": "main", "image": IMAGE}]}}
        roles = {"Launcher": {"template": plain}, "Worker": {"template": template}}
        return body(kind, space=space, spec={"mpiReplicaSpecs": roles})
    labels = {"metadata": {"labels": {"a": "b"}, **(meta or {})}}
    name = {"serviceName": "x"} if kind == "StatefulSet" else {}
    return body(
        kind, space=space, spec={**name, "selector": {"matchLabels": {"a": "b"}}, "template": {**labels, "spec": spec}}
    )


def send(who: Connection, verb: str, item: Manifest, query: str = "dryRun=All") -> str:
    """ "" if the server takes it, else its words."""
    meta = item["metadata"]
    name = meta["name"] if verb != "POST" else ""
    path = path_of(api_resource(item["kind"]), meta.get("namespace", ""), name)
    kind = "application/merge-patch+json" if verb == "PATCH" else "application/json"
    status, answer = who.answer(verb, f"{path}?{query}", item if verb != "DELETE" else None, kind)
    return "" if status < 300 else str(answer["message"])


def create(who: Connection, item: Manifest) -> str:
    return send(who, "POST", item)


WRITTEN = [kind.kind for kind in CHILD_KINDS if {"create", "delete"} & set(kind.verbs)]
SPEC: dict[str, dict[str, Any]] = {
    "EffectivePolicy": {"spec": {"workloadType": "workspace"}},
    "ConfigMap": {"data": {"a": "b"}},
    "Secret": {"stringData": {"a": "b"}},
    "Service": {"spec": {"ports": [{"port": 80}]}},
    "PersistentVolumeClaim": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    },
    "PersistentVolume": {
        "spec": {
            "accessModes": ["ReadOnlyMany"],
            "capacity": {"storage": "1Gi"},
            "csi": {"driver": "d", "volumeHandle": "h"},
        }
    },
    "PodGroup": {"spec": {"minMember": 4}},
    "ControllerRevision": {"revision": 1, "data": {"a": 1}},
    "ResourceClaimTemplate": {
        "spec": {"spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}}]}}}
    },
    "HorizontalPodAutoscaler": {
        "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}}
    },
    "PodDisruptionBudget": {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}}},
    "Ingress": {"spec": {"defaultBackend": {"service": {"name": "x", "port": {"number": 80}}}}},
    "Role": {"rules": [{"apiGroups": ["outfitter.dev"], "resources": ["artifacts"], "verbs": ["get"]}]},
    "RoleBinding": {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "artrepo-x-owner"}},
}


def sample(kind: str, **rest: Any) -> Manifest:
    """What the operator may create of a kind."""
    if kind in RUNS:
        return workload(kind, rest.pop("space", "team-o"))
    name = {"Role": "artrepo-y-owner", "RoleBinding": "artrepo-x-owner"}.get(kind, "x")
    return body(kind, name, **{**SPEC[kind], **rest})


RESTRICTED = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "c",
            "image": IMAGE,
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}
CREATED = [kind for kind in WRITTEN if kind not in ("Event", "Pod")]
LABELLED = [kind for kind in CREATED if kind != "EffectivePolicy"]
"""All EffectivePolicies are the operator's, also those that somebody changed."""


def test_every_kind_that_the_account_may_write_is_judged() -> None:
    """By RBAC and by the policy: the same kinds."""
    written = {
        (row.group, row.resource.split("/")[0])
        for row in access.table()
        if {"create", "delete", "patch", "update"} & set(row.verbs) and row.resource != "leases"
    }
    assert set(operator_account.resources()) == written


@pytest.mark.parametrize("kind", CREATED)
def test_what_outfitter_makes_is_allowed(operator: Connection, kind: str) -> None:
    assert create(operator, sample(kind)) == ""


def test_a_role_without_rules_is_allowed(operator: Connection) -> None:
    assert create(operator, body("Role", "artrepo-y-owner", rules=[])) == ""


@pytest.mark.parametrize("kind", LABELLED)
def test_nothing_is_created_without_the_label(operator: Connection, kind: str) -> None:
    item = sample(kind)
    item["metadata"]["labels"] = {}
    assert REFUSED in create(operator, item)


@pytest.mark.parametrize("place", SYSTEM)
@pytest.mark.parametrize("kind", [kind for kind in CREATED if api_resource(kind).namespaced])
def test_nothing_is_written_in_the_namespaces_of_kubernetes(operator: Connection, place: str, kind: str) -> None:
    item = sample(kind, space=place) if kind not in ("Role", "RoleBinding") else sample(kind)
    item["metadata"]["namespace"] = place
    assert "namespaces of Kubernetes" in create(operator, item)


def test_every_effective_policy_is_the_operators(operator: Connection, sandbox: Sandbox) -> None:
    """It replaces what somebody wrote or changed."""
    item = body("EffectivePolicy", "workspace", labels={}, **SPEC["EffectivePolicy"])
    assert create(operator, item) == ""
    assert send(sandbox.connection(), "POST", item, "") == ""
    try:
        assert send(operator, "PATCH", {**item, "spec": {"rules": {"image": {"required": True}}}}) == ""
        assert send(operator, "DELETE", item) == ""
    finally:
        send(sandbox.connection(), "DELETE", item, "")


@pytest.mark.parametrize("kind", [*LABELLED, "Pod"])
def test_what_others_made_is_neither_changed_nor_deleted(operator: Connection, sandbox: Sandbox, kind: str) -> None:
    item = sample(kind) if kind != "Pod" else body("Pod", spec=RESTRICTED)
    item["metadata"] = {**item["metadata"], "name": "artrepo-theirs", "labels": {}}
    assert send(sandbox.connection(), "POST", item, "") == ""
    row = child_kind(kind)
    assert row is not None
    try:
        assert "only what it made" in send(operator, "DELETE", item)
        if "patch" in row.verbs:
            item["metadata"]["labels"] = OURS
            assert "only what it made" in send(operator, "PATCH", item)
    finally:
        send(sandbox.connection(), "DELETE", item, "")


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_custom_resources_are_created_on_demand_only(operator: Connection, sandbox: Sandbox, kind: str) -> None:
    """Also with the rights that the account holds only to hand them out."""
    specs: dict[str, dict[str, Any]] = {"NimCache": {"image": IMAGE}, "ArtifactRepository": {}}
    if kind in specs:
        assert create(operator, body(kind, labels=ON_DEMAND, spec=specs[kind])) == ""
        assert REFUSED in create(operator, body(kind, labels={}, spec=specs[kind]))
    if kind not in ("Artifact", "ArtifactRepository"):
        return
    served = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]}
    item = body(kind, "theirs", labels={}, spec=served if kind == "Artifact" else {})
    assert send(sandbox.connection(), "POST", item, "") == ""
    assert REFUSED in send(operator, "DELETE", item)
    assert REFUSED in send(operator, "PATCH", {**item, "spec": {"description": "x"}})
    send(sandbox.connection(), "DELETE", item, "")


def test_an_image_query_is_deleted_and_nothing_else(operator: Connection, sandbox: Sandbox) -> None:
    """Also one that a user created: its time is over."""
    item = body("ImageQuery", "theirs", labels={}, spec={"registry": {"name": "images"}})
    assert send(sandbox.connection(), "POST", item, "") == ""
    assert create(operator, body("ImageQuery", labels=ON_DEMAND, spec=item["spec"])) != ""
    assert send(operator, "PATCH", {**item, "metadata": {**item["metadata"], "labels": OURS}}) != ""
    assert send(operator, "DELETE", item) == ""
    send(sandbox.connection(), "DELETE", item, "")


SERVED = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]}
KEPT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "no repository counted it": ({}, {"repositoryUid": None}),
    "it is being locked": ({"locked": True}, {}),
    "it is a version": ({}, {"version": 1}),
    "it is in use": ({}, {"usedBy": {"total": 1}}),
    "it runs": ({"run": {}}, {}),
}


def counted(sandbox: Sandbox, spec: dict[str, Any], status: dict[str, Any]) -> Manifest:
    """An Artifact of a user that a repository counted."""
    item = body("Artifact", "theirs", labels={}, spec={**SERVED, **spec})
    assert send(sandbox.connection(), "POST", item, "") == ""
    given = {"repository": "theirs", "repositoryUid": "u", "usedBy": {"total": 0}, **status}
    path = path_of(api_resource("Artifact"), "team-o", "theirs") + "/status"
    sandbox.connection().request("PATCH", path, {"status": given}, "application/merge-patch+json")
    return item


@pytest.mark.parametrize("case", KEPT)
def test_an_artifact_that_something_keeps_is_not_deleted(operator: Connection, sandbox: Sandbox, case: str) -> None:
    item = counted(sandbox, *KEPT[case])
    try:
        assert REFUSED in send(operator, "DELETE", item)
    finally:
        send(sandbox.connection(), "DELETE", item, "")


def test_an_artifact_of_a_deleted_repository_is_deleted_and_never_changed(
    operator: Connection, sandbox: Sandbox
) -> None:
    item = counted(sandbox, {}, {})
    try:
        assert REFUSED in send(operator, "PATCH", {**item, "spec": {"description": "x"}})
        assert send(operator, "DELETE", item) == ""
    finally:
        send(sandbox.connection(), "DELETE", item, "")


TOKEN = {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
ACCOUNTS: dict[str, dict[str, Any]] = {
    "another account": {"serviceAccountName": "admin"},
    "a token": {"automountServiceAccountToken": True},
    "a projected token": {"volumes": [TOKEN]},
}
ELEVATED: dict[str, dict[str, Any]] = {
    "hostNetwork": {"hostNetwork": True},
    "hostPID": {"hostPID": True},
    "hostIPC": {"hostIPC": True},
    "hostPath": {"volumes": [{"name": "h", "hostPath": {"path": "/"}}]},
    "hostPort": {"container": {"ports": [{"containerPort": 80, "hostPort": 80}]}},
    "procMount": {"hostUsers": False, "container": {"securityContext": {"procMount": "Unmasked"}}},
    "SELinux": {"container": {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}},
    "SELinux of the pod": {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}},
    "AppArmor of a container": {"container": {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}},
    "AppArmor of the pod": {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
    "sysctls": {"securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}},
    "a node": {"nodeName": "control-plane"},
    "a runtime": {"runtimeClassName": "other"},
    "iscsi": {"volumes": [{"name": "i", "iscsi": {"targetPortal": "a", "iqn": "iqn.2001-04.com.example:a", "lun": 0}}]},
    "an inline csi volume": {"volumes": [{"name": "c", "csi": {"driver": "other.example.com"}}]},
    "privileged": {"container": {"securityContext": {"privileged": True}}},
    "escalation": {"container": {"securityContext": {"allowPrivilegeEscalation": True}}},
    "capability": {"container": {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}},
    "seccomp of a container": {"container": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}},
    "seccomp of the pod": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    "an init container": {"initContainers": [{"name": "i", "image": IMAGE, "securityContext": {"privileged": True}}]},
    "AppArmor": {
        "meta": {
            "annotations": {"container.apparmor.security.beta.kubernetes.io/main": "unconfined"},
            "labels": {"a": "b"},
        }
    },
    **{
        f"host of {probe} {kind}": {"container": {probe: {kind: {"port": 80, "host": "10.0.0.1"}}}}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
        for kind in ("httpGet", "tcpSocket")
    },
    **{
        f"host of {hook}": {"container": {"lifecycle": {hook: {"httpGet": {"port": 80, "host": "10.0.0.1"}}}}}
        for hook in ("postStart", "preStop")
    },
}


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("name", ACCOUNTS)
def test_no_pod_has_an_account(operator: Connection, kind: str, name: str) -> None:
    """Not even in a Namespace that allows elevation."""
    for space in ("team-o", "team-e"):
        assert "no account of their own" in create(operator, workload(kind, space, **ACCOUNTS[name]))


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("name", ELEVATED)
def test_elevated_pods_need_the_label_of_the_namespace(operator: Connection, kind: str, name: str) -> None:
    assert "beyond Pod Security level restricted" in create(operator, workload(kind, **ELEVATED[name]))
    assert REFUSED not in create(operator, workload(kind, "team-e", **ELEVATED[name]))


FORBIDDEN = {
    "a token of an account": body("Secret", type="kubernetes.io/service-account-token"),
    "a bootstrap token": body("Secret", type="bootstrap.kubernetes.io/token"),
    "an external address": body("Service", spec={"ports": [{"port": 80}], "externalIPs": ["10.9.9.9"]}),
    "an external name": body("Service", spec={"type": "ExternalName", "externalName": "kubernetes.default.svc"}),
    "a volume of a node": body(
        "PersistentVolume",
        spec={"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/"}},
    ),
    "a Role under another name": body("Role", rules=[]),
    "a Role over Secrets": body("Role", "artrepo-x", rules=[{"apiGroups": [""], "resources": ["secrets"],
                                                             "verbs": ["get"]}]),
    "a Role over status": body("Role", "artrepo-x", rules=[{"apiGroups": ["outfitter.dev"],
                               "resources": ["workspaces/status"], "verbs": ["patch"]}]),
    "a binding of a ClusterRole": body(
        "RoleBinding",
        "artrepo-x",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "artrepo-x"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_account_creates_none_of_this(operator: Connection, name: str) -> None:
    assert create(operator, FORBIDDEN[name]) != ""
