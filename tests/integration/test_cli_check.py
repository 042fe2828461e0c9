"""`outfitter check` and `outfitter uninstall` on an installation from deploy/install.yaml, in a sandbox of its own.

The tests run in order: broken, whole, removed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from outfitter.api.v1alpha1 import ALL_KINDS, GROUP
from outfitter.children import CHILD_KINDS
from outfitter.cli.app import application
from outfitter.errors import ApiError
from outfitter.naming import LABEL_OWNER_UID
from outfitter_sandbox import Sandbox

from .harness import rights
from .harness.client import MERGE, Api, Object, eventually
from .harness.process import Operator
from .harness.space import Space

LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{rights.SYSTEM}/leases"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
TEAM = "team-a"
OLD = "2020-01-01T00:00:00.000000Z"
WIDE = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ClusterRole", "ClusterRoleBinding")
OF_AN_OPERATOR = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Deployment")
SETTINGS = {"static_pv_drivers": "", "s3_backend": "init", "shared_roles": "false"}

Command = Callable[..., Result]


@dataclass
class Installed:
    """A cluster with install.yaml, whose Deployment has a simulated pod. The operator is a process beside it."""

    sandbox: Sandbox
    api: Api
    operator: Operator
    manifests: list[Object]

    def restore(self, kind: str, name: str) -> None:
        """Apply an object of install.yaml again."""
        for item in self.manifests:
            if (item["kind"], item["metadata"]["name"]) == (kind, name):
                self.api.apply(item)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("installed")
    with rights.INSTALL.open() as file:
        manifests = [item for item in yaml.load_all(file, yaml.CSafeLoader) if item]
    with Sandbox.up(root=folder) as sandbox:
        api = Api(sandbox)
        for item in sorted(manifests, key=lambda item: item["kind"] != "Namespace"):
            api.apply(item)
        sandbox.restart("kube-controller-manager")  # else its garbage collector learns of new kinds half a minute later
        api.create({"kind": "Namespace", "metadata": {"name": TEAM, "labels": {f"{GROUP}/project": TEAM}}})
        api.wait("Deployment", rights.SYSTEM, "outfitter", lambda item: item["status"]["availableReplicas"] == 1, 60)
        operator = Operator(sandbox.kubeconfig_for(rights.USER), folder / "operator.log", **SETTINGS)
        yield Installed(sandbox, api, operator, manifests)
        if operator.running:
            operator.kill()


@pytest.fixture
def call(installed: Installed) -> Command:
    def run(*words: str, user: str = "") -> Result:
        config: Path = installed.sandbox.kubeconfig_for(user) if user else installed.sandbox.kubeconfig
        return CliRunner().invoke(application(), [*words, "--kubeconfig", str(config)])

    return run


def checks(done: Result, state: str) -> list[str]:
    found = json.loads(done.stdout)["checks"]
    return [f"{item['check']}: {item['message']}" for item in found if item["state"] == state]


BROKEN = (
    "crds: CustomResourceDefinition imagequeries.outfitter.dev does not exist.",
    "crds: CustomResourceDefinition registries.outfitter.dev is of version 0.0.9",
    "crds: CustomResourceDefinition nimcaches.outfitter.dev was edited: its schema is not that of version 0.1.0. "
    "It differs in spec.description (missing).",
    "leader: Lease outfitter-system/outfitter has not been renewed since",
    "policies: ValidatingAdmissionPolicy outfitter-share does not exist",
    "policies: ValidatingAdmissionPolicyBinding outfitter-labels does not exist",
    "policies: ValidatingAdmissionPolicyBinding outfitter-offers does not deny",
    "policies: ValidatingAdmissionPolicy outfitter-readers was edited",
    "operator rights: ServiceAccount outfitter-system/outfitter lacks the right to",
)


def test_each_broken_part_is_named(installed: Installed, call: Command) -> None:
    api = installed.api
    lease = {"holderIdentity": "gone", "renewTime": OLD, "acquireTime": OLD, "leaseDurationSeconds": 1}
    meta = {"name": "outfitter", "namespace": rights.SYSTEM}
    api.connection.request("POST", LEASE, {"metadata": meta, "spec": lease})
    api.delete("CustomResourceDefinition", "", f"imagequeries.{GROUP}")
    for plural, label in (("registries", "0.0.9"), ("nimcaches", "0.1.0")):
        crd = api.need("CustomResourceDefinition", "", f"{plural}.{GROUP}")
        crd["metadata"]["labels"]["app.kubernetes.io/version"] = label
        del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["description"]
        api.connection.request("PUT", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{GROUP}", crd)
    api.delete("ValidatingAdmissionPolicy", "", "outfitter-share")
    api.delete("ValidatingAdmissionPolicyBinding", "", "outfitter-labels")
    api.patch("ValidatingAdmissionPolicyBinding", "", "outfitter-offers", {"spec": {"validationActions": ["Warn"]}})
    api.patch("ValidatingAdmissionPolicy", "", "outfitter-readers", {"spec": {"failurePolicy": "Ignore"}})
    api.delete("ValidatingAdmissionPolicy", "", "outfitter-effective")
    api.delete("ValidatingAdmissionPolicyBinding", "", "outfitter-effective")
    api.delete("ClusterRoleBinding", "", "outfitter")
    api.gone("CustomResourceDefinition", "", f"imagequeries.{GROUP}")
    done = call("check", "-n", "default", "-o", "json")
    assert done.exit_code == 1, done.stderr
    problems = checks(done, "problem")
    for text in BROKEN:
        assert [line for line in problems if line.startswith(text)], (text, problems)
    assert len(problems) == len(BROKEN)
    notes = checks(done, "note")
    assert any("admission policies are off: effective," in line for line in notes)
    assert any("kubectl label namespace default outfitter.dev/project=default" in line for line in notes)
    api.delete("ValidatingAdmissionPolicyBinding", "", "outfitter-offers")  # an apply would join the lists
    for kind in WIDE:
        for item in installed.manifests:
            if item["kind"] == kind and not item["metadata"]["name"].startswith("outfitter-policy-"):
                api.apply(item)
    for plural in ("imagequeries", "registries", "nimcaches"):
        installed.restore("CustomResourceDefinition", f"{plural}.{GROUP}")


def test_a_whole_installation_has_no_problem(installed: Installed, call: Command) -> None:
    installed.operator.start()
    done = call("check", "-n", TEAM, "-o", "json")
    assert checks(done, "problem") == []
    assert done.exit_code == 0
    assert {line.partition(":")[0] for line in checks(done, "ok")} >= {
        "kubernetes", "crds", "operator", "versions", "leader", "policies", "operator rights", "project", "quota",
        "your rights",
    }  # fmt: skip
    assert "0 problems" in call("check", "-n", TEAM).stdout
    assert call("check", "--pre").exit_code == 0


@pytest.fixture
def second(installed: Installed) -> Iterator[str]:
    """Another installation of an older version, in Namespace ml: its operator has never led, and no policies."""
    api, home, made = installed.api, "ml", []
    api.create({"kind": "Namespace", "metadata": {"name": home}})
    for item in deepcopy(installed.manifests):
        if item["metadata"]["name"] != "outfitter" or item["kind"] not in OF_AN_OPERATOR:
            continue
        meta = item["metadata"]
        if "namespace" in meta:
            meta["namespace"] = home
        else:
            meta["name"] = "ml-outfitter"
        for subject in item.get("subjects", ()):
            subject["namespace"] = home
        if "roleRef" in item:
            item["roleRef"]["name"] = "ml-outfitter"
        meta["labels"]["app.kubernetes.io/version"] = "0.0.9"
        made.append(api.create(item))
    yield f"{home}/outfitter"
    for item in made:
        api.delete(item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])
    api.gone("Deployment", home, "outfitter")


def test_two_installations_are_kept_apart(installed: Installed, call: Command, second: str) -> None:
    """Each has a section with its own Lease, rights and settings; what both claim is a problem."""
    done = call("check", "-n", TEAM, "-o", "json")
    found = json.loads(done.stdout)["checks"]
    sections = [f"installation {title}" for title in ("ml/outfitter", "outfitter-system/outfitter")]
    by_section = {title: {item["check"]: item for item in found if item["section"] == title} for title in sections}
    assert {item["section"] for item in found} == {"cluster", "crds", *sections, f"namespace {TEAM}"}
    ml, main = (by_section[title] for title in sections)
    assert (ml["leader"]["state"], main["leader"]["state"]) == ("problem", "ok")
    assert "Lease ml/outfitter does not exist" in ml["leader"]["message"]
    assert "ServiceAccount ml/outfitter lacks the right to" in ml["operator rights"]["message"]
    assert main["operator rights"]["state"] == "ok"
    assert "The operator is of version 0.0.9, and this command of version 0.1.0." in ml["versions"]["message"]
    assert "ingress" in ml.keys() & main.keys()
    crds = checks(done, "note")
    assert any(
        "crds: Operators of several versions share the CustomResourceDefinitions: ml/outfitter 0.0.9," in line
        for line in crds
    ), crds
    served = f"project: Namespace {TEAM} is served by 2 installations: ml/outfitter, outfitter-system/outfitter."
    assert any(line.startswith(served) for line in checks(done, "problem"))
    seen = call("uninstall", "--dry-run")
    assert (seen.exit_code, "several installations: ml/outfitter, outfitter-system/outfitter" in seen.stderr) == (
        2,
        True,
    )
    assert f"Installation {second} stays" in call("uninstall", "--dry-run", "-n", rights.SYSTEM).stderr


def test_a_deployment_that_a_tenant_labelled_is_no_installation(installed: Installed, call: Command) -> None:
    """It sorts first by name, names a Lease of the cluster, and a release of Helm."""
    forged = next(item for item in deepcopy(installed.manifests) if item["kind"] == "Deployment")
    forged["metadata"] |= {"namespace": "a-tenant", "annotations": {"meta.helm.sh/release-name": "--help"}}
    forged["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {"name": "OUTFITTER_LEASE_NAMESPACE", "value": "kube-system"},
        {"name": "OUTFITTER_LEASE_NAME", "value": "kube-controller-manager"},
    ]
    forged["spec"]["replicas"] = 0
    api = installed.api
    api.create({"kind": "Namespace", "metadata": {"name": "a-tenant"}})
    api.create(forged)
    done = call("uninstall", "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "Installation outfitter-system/outfitter: " in done.stdout
    assert "helm" not in done.stdout
    found = json.loads(call("check", "-n", TEAM, "-o", "json").stdout)["checks"]
    sections = dict.fromkeys(item["section"] for item in found if item["section"].startswith("installation "))
    assert list(sections) == ["installation outfitter-system/outfitter", "installation a-tenant/outfitter"]
    api.delete("Deployment", "a-tenant", "outfitter")
    api.gone("Deployment", "a-tenant", "outfitter")


def test_a_user_without_rights(call: Command) -> None:
    done = call("check", "-n", TEAM, "-o", "json", user="bob")
    assert done.exit_code == 1
    (line,) = checks(done, "problem")
    assert line.startswith("your rights: You cannot create workspaces")
    notes = checks(done, "note")
    assert any(
        line.startswith('operator: not checked: User "bob" cannot list resource "deployments"') for line in notes
    )
    assert any(line.startswith("crds: not checked") for line in notes)
    assert "You cannot create namespaces" in call("check", "--pre", user="bob").stdout


def _make_objects(api: Api) -> None:
    """A workload with assets in use, a version, a policy, a copy in another namespace, and objects of users."""
    home, team = Space(api, rights.SYSTEM), Space(api, TEAM)
    home.secret("login", username="u", password="p")
    scope = {"type": "cluster"}
    home.make("Credential", "shared", {"type": "password", "secretRef": {"name": "login"}, "scope": scope})
    team.make("DataSource", "data", {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi"}}})
    team.make("ComputeResource", "small", {"cpuCoreRequest": 1})
    team.make(
        "WorkloadPolicy", "own", {"workloadType": "workspace", "rules": {"compute": {"gpuDevicesRequest": {"max": 1}}}}
    )
    group = {"containers": [{"imageUri": "registry.example.com/scorer:1", "port": 8080}]}
    team.make("Artifact", "scorer", {"locked": True, "containerGroups": [group]})
    password = {"name": "PASSWORD", "credential": {"name": "shared", "key": "password"}}
    assets = {"dataSources": [{"name": "data"}], "compute": {"name": "small"}}
    team.running("box", {"assets": assets, "environmentVariables": [password]})
    team.wait("Artifact", "scorer", lambda item: item["status"].get("version") == 1)
    team.wait("Secret", "cred-shared", bool)
    team.wait("EffectivePolicy", "workspace", bool)
    team.wait("ComputeResource", "small", lambda item: item["status"]["usedBy"]["total"] == 1)
    labels = {LABEL_OWNER_UID: "forged", "app.kubernetes.io/managed-by": "outfitter"}
    api.create({"kind": "ConfigMap", "metadata": {"name": "mine", "namespace": TEAM, "labels": labels}})


def _rejected(api: Api, name: str) -> str:
    """What the API server answers to the deletion of a Workspace; "" if it would delete it."""
    try:
        api.connection.request("DELETE", f"/apis/{GROUP}/v1alpha1/namespaces/{TEAM}/workspaces/{name}?dryRun=All")
    except ApiError as error:
        return error.message
    return ""


def test_what_rejects_a_deletion_is_named(installed: Installed, call: Command) -> None:
    """A policy of another program, and a webhook that does not answer. Nothing else is deleted meanwhile."""
    api = installed.api
    Space(api, TEAM).running("kept")
    rule = {"apiGroups": [GROUP], "apiVersions": ["*"], "operations": ["DELETE"], "resources": ["workspaces"]}
    policy: Object = {"matchConstraints": {"resourceRules": [rule]}}
    policy["validations"] = [{"expression": "false", "message": "not on Friday"}]
    api.create({"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "keep"}, "spec": policy})
    binding = {"policyName": "keep", "validationActions": ["Deny"]}
    api.create({"kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "keep"}, "spec": binding})
    eventually(lambda: "not on Friday" in _rejected(api, "kept"))
    done = call("uninstall", "--yes")
    assert done.exit_code == 1
    assert f"Workspace {TEAM}/kept cannot be deleted: " in done.stderr
    assert "not on Friday. Change or remove what refuses this, then run the command again" in done.stderr
    api.delete("ValidatingAdmissionPolicyBinding", "", "keep")
    api.delete("ValidatingAdmissionPolicy", "", "keep")
    hook = {
        "name": "keep.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    api.connection.request("POST", WEBHOOKS, {"metadata": {"name": "keep"}, "webhooks": [hook]})
    eventually(lambda: "failed calling webhook" in _rejected(api, "kept"))
    done = call("uninstall", "--yes", "--timeout", "1")
    assert done.exit_code == 1
    text = f"still there: Workspace {TEAM}/kept. The API server refuses to delete it: "
    assert text in done.stderr
    assert 'failed calling webhook "keep.example.com"' in done.stderr
    api.need("Deployment", rights.SYSTEM, "outfitter")
    api.connection.request("DELETE", f"{WEBHOOKS}/keep")
    eventually(lambda: not _rejected(api, "kept"))
    api.delete("Workspace", TEAM, "kept")
    api.gone("Workspace", TEAM, "kept")


def test_uninstall_goes_on_and_leaves_nothing_but_data(installed: Installed, call: Command) -> None:
    api = installed.api
    _make_objects(api)
    finalizer = {"metadata": {"finalizers": ["example.com/hold"]}}
    api.patch("Credential", rights.SYSTEM, "shared", finalizer, type_=MERGE)
    done = call("uninstall", "--crds", "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "Workspace" in done.stdout
    done = call("uninstall", "--crds")
    assert (done.exit_code, "Add --yes" in done.stderr) == (2, True)
    api.need("Workspace", TEAM, "box")
    # Held by another program: the command names it, and goes on later, also without an operator.
    done = call("uninstall", "--crds", "--yes", "--timeout", "3")
    assert done.exit_code == 1
    assert "still there: Credential outfitter-system/shared." in done.stderr
    assert "example.com/hold" in done.stderr
    api.gone("EffectivePolicy", TEAM, "workspace")  # by the operator
    assert installed.operator.stop() == 0
    api.patch("Credential", rights.SYSTEM, "shared", {"metadata": {"finalizers": None}}, type_=MERGE)
    done = call("uninstall", "--crds", "--yes", "--timeout", "60")
    assert done.exit_code == 0, done.stderr
    assert f"kubectl delete persistentvolumeclaim data -n {TEAM}" in done.stdout
    assert f"kubectl delete namespace {rights.SYSTEM}" in done.stdout
    _assert_only_data_is_left(api)
    assert "Nothing to delete." in call("uninstall", "--yes").stdout
    assert call("uninstall", "--delete-data", "--yes").exit_code == 0
    assert api.get("PersistentVolumeClaim", TEAM, "data") is None


def _assert_only_data_is_left(api: Api) -> None:
    for kind in ALL_KINDS:
        assert api.get("CustomResourceDefinition", "", f"{kind.plural}.{GROUP}") is None
    left = [
        (kind.kind, item["metadata"]["name"])
        for kind in CHILD_KINDS
        if kind.kind not in ("Event", "Namespace") and kind.group != GROUP and not kind.optional
        for item in api.list(kind.kind, labelSelector=LABEL_OWNER_UID)
    ]
    assert sorted(left) == [("ConfigMap", "mine"), ("PersistentVolumeClaim", "data")]
    part_of = "app.kubernetes.io/part-of=outfitter"
    for kind in (*WIDE, "Deployment", "Role", "RoleBinding", "Service", "ServiceAccount", "Pod"):
        assert api.list(kind, labelSelector=part_of) == []
    assert api.connection.request("GET", LEASE)["items"] == []
    assert api.get("Secret", rights.SYSTEM, "login") is not None
