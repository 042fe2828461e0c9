"""install.yaml on a real API server: accepted, restricted, and enough for the operator to work with."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path

import pytest

from outfitter.api.states import NOT_OBSERVED
from outfitter.cluster.access import namespaced_rules, table
from outfitter.errors import Forbidden
from outfitter_sandbox import AuditEntry, Sandbox

from .conftest import Manifest, eventually
from .objects import ACCOUNT, apply, custom, get, namespace, operator, path

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def installed(sandbox: Sandbox, install: list[Manifest]) -> list[Manifest]:
    """install.yaml, applied in strict mode from top to bottom; each CRD is served afterwards."""
    for manifest in install:
        apply(sandbox, manifest)
    for manifest in install:
        if manifest["kind"] == "CustomResourceDefinition":
            plural, group = manifest["spec"]["names"]["plural"], manifest["spec"]["group"]
            eventually(lambda plural=plural, group=group: _served(sandbox, f"/apis/{group}/v1alpha1/{plural}"))
    return install


def _served(sandbox: Sandbox, where: str) -> bool:
    return sandbox.connection().answer("GET", where)[0] == 200


def _deployment(install: list[Manifest]) -> Manifest:
    return next(item for item in install if item["kind"] == "Deployment")


def _container(install: list[Manifest]) -> Manifest:
    (container,) = _deployment(install)["spec"]["template"]["spec"]["containers"]
    return dict(container)


def test_the_server_keeps_every_field(sandbox: Sandbox, installed: list[Manifest]) -> None:
    """Applying it again changes nothing: no field was dropped or rewritten."""
    for manifest in installed:
        # A controller writes the status of a policy meanwhile, that of a Deployment with annotations besides.
        field = "generation" if manifest["kind"] == "ValidatingAdmissionPolicy" else "resourceVersion"
        before = get(sandbox, manifest)["metadata"][field]
        if manifest["kind"] != "Deployment":
            assert apply(sandbox, manifest)["metadata"][field] == before, path(manifest)


def test_the_operators_pod_runs_in_its_restricted_namespace(sandbox: Sandbox, installed: list[Manifest]) -> None:
    """The Deployment's pod passes Pod Security restricted and becomes available."""
    labels = get(sandbox, installed[0])["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    found = eventually(
        lambda: get(sandbox, _deployment(installed)), lambda seen: seen.get("status", {}).get("availableReplicas")
    )
    assert found["status"]["availableReplicas"] == 1


def test_each_part_of_the_security_contexts_is_needed(sandbox: Sandbox, installed: list[Manifest]) -> None:
    """The pod is let in as it is, and refused without any one of what restricted asks for."""
    template = _deployment(installed)["spec"]["template"]
    meta = {"name": "trial", "namespace": "outfitter-system", "labels": template["metadata"]["labels"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
    where = "/api/v1/namespaces/outfitter-system/pods?dryRun=All&fieldValidation=Strict"
    assert sandbox.connection().request("POST", where, pod)["metadata"]["name"] == "trial"
    for part, key in (
        ("container", "allowPrivilegeEscalation"),
        ("container", "capabilities"),
        ("pod", "runAsNonRoot"),
        ("pod", "seccompProfile"),
    ):
        weaker = copy.deepcopy(pod)
        holder = weaker["spec"]["containers"][0] if part == "container" else weaker["spec"]
        del holder["securityContext"][key]
        with pytest.raises(Forbidden, match="violates PodSecurity"):
            sandbox.connection().request("POST", where, weaker)


NOTEBOOK = {
    "image": "registry.example.com/jupyter:1",
    "environmentVariables": [{"name": "KEY", "credential": {"name": "bucket", "key": "AccessKeyId"}}],
    "connections": [
        {"name": "lab", "toolType": "jupyter-notebook", "connectionType": "ExternalUrl", "containerPort": 8888}
    ],
    "run": {"compute": {"name": "small"}, "dataSources": [{"name": "data"}]},
}


def _team(name: str) -> list[Manifest]:
    """A namespace with a notebook that needs one child of nearly every kind."""
    return [
        namespace(name),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "keys", "namespace": name},
            "stringData": {"AccessKeyId": "an-id", "SecretKey": "a-key"},
        },
        custom("Credential", "bucket", name, {"type": "accessKey", "secretRef": {"name": "keys"}}),
        custom(
            "DataSource",
            "data",
            name,
            {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi", "accessModes": {"readWriteOnce": True}}}},
        ),
        custom("Environment", "jupyter", name, NOTEBOOK),
    ]


def _ready(sandbox: Sandbox, manifest: Manifest) -> None:
    def status() -> Manifest:
        found: Manifest = get(sandbox, manifest).get("status") or {}
        return found

    eventually(
        status,
        lambda seen: any(item["type"] == "Ready" and item["status"] == "True" for item in seen.get("conditions", ())),
        60,
    )


def _judge(entries: Iterable[AuditEntry]) -> None:
    """No request was refused for want of a right, and every one is in the table."""
    mine = [entry for entry in entries if entry.user == ACCOUNT]
    assert any(entry.is_write for entry in mine)
    assert [entry.uri for entry in mine if entry.code == 403] == []
    known = {(row.group, row.resource, verb) for row in table() for verb in row.verbs}
    used = {
        (entry.api_group, "/".join(filter(None, (entry.resource, entry.subresource))), entry.verb)
        for entry in mine
        if entry.resource
    }
    assert used - known == set()


def test_the_operator_works_with_the_rights_of_its_account(
    sandbox: Sandbox, installed: list[Manifest], tmp_path: Path
) -> None:
    """Its container's command and environment, the ServiceAccount's token, install.yaml's roles: a notebook runs."""
    shared = custom("ComputeResource", "small", "outfitter-system", {"cpuCoreRequest": 0.5, "cpuMemoryRequest": "1Gi"})
    mark = sandbox.audit_mark()
    with operator(sandbox, _container(installed), tmp_path, OUTFITTER_DOMAIN="apps.example.com") as process:
        for manifest in (shared, *_team("team-a")):
            apply(sandbox, manifest)
        _ready(sandbox, custom("Environment", "jupyter", "team-a", {}))
        assert process.poll() is None
    assert process.returncode == 0, (tmp_path / "operator.log").read_text()
    _judge(sandbox.audit(mark))


def test_with_watch_namespaces_roles_are_enough(sandbox: Sandbox, installed: list[Manifest], tmp_path: Path) -> None:
    """Without any ClusterRole; a namespace that is not named is neither read nor written."""
    kept = [
        item
        for item in installed
        if (item["kind"], item["metadata"]["name"])
        in (("ClusterRole", "outfitter"), ("ClusterRoleBinding", "outfitter"))
    ]
    for manifest in kept:
        sandbox.connection().request("DELETE", path(manifest))
    compute = {"cpuCoreRequest": 0.5, "cpuMemoryRequest": "1Gi"}
    teams = [
        *_team("team-b"),
        *_team("team-c"),
        custom("ComputeResource", "small", "team-b", compute),
        custom("ComputeResource", "small", "team-c", compute),
    ]
    for manifest in teams:
        apply(sandbox, manifest)
    for place in ("team-b", "outfitter-system"):
        for manifest in _roles(place):
            apply(sandbox, manifest)
    mark = sandbox.audit_mark()
    changed = {"OUTFITTER_WATCH_NAMESPACES": "team-b", "OUTFITTER_DOMAIN": "apps.example.com"}
    try:
        with operator(sandbox, _container(installed), tmp_path, **changed) as process:
            _ready(sandbox, custom("Environment", "jupyter", "team-b", {}))
            assert process.poll() is None
    finally:
        for manifest in kept:
            apply(sandbox, manifest)
    assert get(sandbox, custom("Environment", "jupyter", "team-c", {}))["status"] == NOT_OBSERVED
    entries = sandbox.audit(mark)
    assert {entry.namespace for entry in entries if entry.user == ACCOUNT} <= {"team-b", "outfitter-system", ""}
    _judge(entries)


def test_shared_assets_in_a_namespace_of_their_own(sandbox: Sandbox, installed: list[Manifest], tmp_path: Path) -> None:
    """The Lease stays with the operator, which needs nothing else in its own namespace then."""
    kept = [
        item
        for item in installed
        if (item["kind"], item["metadata"]["name"])
        in (("ClusterRole", "outfitter"), ("ClusterRoleBinding", "outfitter"))
    ]
    for manifest in kept:
        sandbox.connection().request("DELETE", path(manifest))
    project = {"name": "team-e", "labels": {"outfitter.dev/project": "team-e"}}
    shared = custom("ComputeResource", "small", "shared-assets", {"cpuCoreRequest": 0.5})
    for manifest in ({**namespace("team-e"), "metadata": project}, namespace("shared-assets"), shared):
        apply(sandbox, manifest)
    for place in ("team-e", "shared-assets"):
        for manifest in _roles(place):
            apply(sandbox, manifest)
    box = custom("Workspace", "box", "team-e", {"image": "registry.example.com/box:1", "suspend": True})
    box["spec"]["assets"] = {"compute": {"name": "small", "scope": "cluster"}}
    mark = sandbox.audit_mark()
    changed = {
        "OUTFITTER_WATCH_NAMESPACES": "team-e",
        "OUTFITTER_SYSTEM_NAMESPACE": "shared-assets",
        "OUTFITTER_LEASE_NAMESPACE": "outfitter-system",
    }
    try:
        with operator(sandbox, _container(installed), tmp_path, **changed) as process:
            apply(sandbox, box)
            _ready(sandbox, box)
            _ready(sandbox, shared)
            assert process.poll() is None
    finally:
        for manifest in kept:
            apply(sandbox, manifest)
    entries = [entry for entry in sandbox.audit(mark) if entry.user == ACCOUNT]
    assert {entry.resource for entry in entries if entry.namespace == "outfitter-system"} == {"leases"}
    assert {entry.namespace for entry in entries} <= {"team-e", "shared-assets", "outfitter-system", ""}
    assert get(sandbox, box)["status"]["installation"] == "outfitter-system/outfitter"


def _roles(place: str) -> list[Manifest]:
    api = "rbac.authorization.k8s.io/v1"
    meta = {"name": "outfitter", "namespace": place}
    subject = {"kind": "ServiceAccount", "name": "outfitter", "namespace": "outfitter-system"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "outfitter"}
    return [
        {"apiVersion": api, "kind": "Role", "metadata": meta, "rules": namespaced_rules()},
        {"apiVersion": api, "kind": "RoleBinding", "metadata": meta, "roleRef": role, "subjects": [subject]},
    ]


def test_the_built_in_roles_cover_our_kinds(sandbox: Sandbox, installed: list[Manifest]) -> None:
    """Who may edit a namespace may edit our objects in it but its policies, who may view it may read all of them."""
    apply(sandbox, namespace("team-d"))
    for user, role in (("adam", "admin"), ("erin", "edit"), ("vera", "view")):
        meta = {"name": user, "namespace": "team-d"}
        subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
        reference = {"kind": "ClusterRole", "name": role, "apiGroup": "rbac.authorization.k8s.io"}
        binding = {"kind": "RoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": meta}
        apply(sandbox, {**binding, "subjects": [subject], "roleRef": reference})
    for user, verb, resource, allowed in (
        ("erin", "create", "workspaces", True),
        ("erin", "delete", "credentials", True),
        ("erin", "get", "environments", True),
        ("erin", "patch", "environments/scale", True),
        ("erin", "patch", "workspaces/status", False),
        ("adam", "create", "workloadpolicies", True),
        ("adam", "update", "effectivepolicies", False),
        ("erin", "create", "workloadtemplates", True),
        ("erin", "update", "workloadpolicies", False),
        ("erin", "update", "effectivepolicies", False),
        ("vera", "list", "workspaces", True),
        ("vera", "list", "workloadpolicies", True),
        ("vera", "list", "effectivepolicies", True),
        ("vera", "create", "workspaces", False),
    ):
        eventually(
            lambda user=user, verb=verb, resource=resource: _may(sandbox, user, verb, resource),
            lambda seen, allowed=allowed: seen is allowed,
        )


def _may(sandbox: Sandbox, user: str, verb: str, resource: str) -> bool:
    name, _, sub = resource.partition("/")
    what = {"group": "outfitter.dev", "resource": name, "subresource": sub, "verb": verb, "namespace": "team-d"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": what},
    }
    answer = sandbox.connection().request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


def test_nothing_but_the_account_has_the_operators_rights(sandbox: Sandbox, installed: list[Manifest]) -> None:
    """The default account of the same namespace may do nothing with our objects."""
    default = "system:serviceaccount:outfitter-system:default"
    assert not _may(sandbox, default, "list", "workspaces")
