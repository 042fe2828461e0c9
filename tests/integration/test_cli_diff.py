"""`outfitter diff` and `outfitter new --apply` on a real server, with the rights of a user."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from outfitter.cli.app import application

from .conftest import Stack
from .harness.client import Object
from .harness.space import GROUP, Space

RBAC = "rbac.authorization.k8s.io"
PLAIN = [
    {"apiGroups": [GROUP], "resources": ["*"], "verbs": ["get", "list", "watch", "create", "patch"]},
    {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["", "batch", "networking.k8s.io"], "resources": ["services", "configmaps", "persistentvolumeclaims",
     "jobs", "ingresses", "namespaces"], "verbs": ["get", "list", "watch"]},
]  # fmt: skip
"""Rights of a user who may not read Secrets."""
SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "create"]}

Command = Callable[..., Result]


def grant(space: Space, user: str, rules: list[Object]) -> None:
    space.native("Role", f"{user}-works", rules=rules)
    space.native(
        "RoleBinding",
        f"{user}-works",
        subjects=[{"kind": "User", "name": user, "apiGroup": RBAC}],
        roleRef={"kind": "Role", "name": f"{user}-works", "apiGroup": RBAC},
    )


@pytest.fixture
def call(space: Space, stack: Stack) -> Command:
    """A command in the namespace of the test, as ann unless another user is given. `files`: objects for -f."""
    grant(space, "ann", [*PLAIN, SECRETS])

    def run(*words: str, user: str = "ann", files: Any = None, text: str = "") -> Result:
        more = ["-n", space.name, "--kubeconfig", str(stack.sandbox.kubeconfig_for(user))]
        given = yaml.safe_dump_all(files) if files else text
        return CliRunner().invoke(application(), [*words, *more, *(["-f", "-"] if files else [])], input=given)

    return run


def workspace(**spec: Any) -> Object:
    body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "Workspace", "metadata": {"name": "box"}}
    return {**body, "spec": {"image": "registry.example.com/box:1", **spec}}


def changed_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def test_an_image(space: Space, call: Command, stack: Stack, tmp_path: Path) -> None:
    """Exactly the field; nothing before and after it; and nothing is written."""
    space.make("Workspace", "box", workspace(ports=[{"container": 80}])["spec"])
    space.ready("Workspace", "box")
    same, other = (
        workspace(ports=[{"container": 80}]),
        workspace(ports=[{"container": 80}], image="a.example.com/box:2"),
    )
    mark = stack.mark()
    done = call("diff", files=[same])
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    assert "0 children change" in done.stderr
    done = call("diff", files=[other])
    assert (done.exit_code, done.stderr.count("child changes")) == (1, 1), done.stderr
    assert "StatefulSet" in done.stdout.splitlines()[0]
    assert "Its pods restart." in done.stdout.splitlines()[0]
    assert [line[1:].strip() for line in changed_lines(done.stdout)] == [
        "image: registry.example.com/box:1",
        "image: a.example.com/box:2",
    ]
    assert [entry for entry in stack.sandbox.audit(mark) if entry.user == "ann" and entry.is_write] == []
    space.spec("Workspace", "box", image="a.example.com/box:2")
    space.ready("Workspace", "box")
    done = call("diff", files=[other])
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr


def test_assets_and_restarts(space: Space, call: Command) -> None:
    """An edit of an asset changes no running workload; a restart would."""
    space.make("ComputeResource", "small", {"cpuCoreRequest": 1})
    space.running("box", assets={"compute": {"name": "small"}})
    edit = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "ComputeResource",
        "metadata": {"name": "small"},
        "spec": {"cpuCoreRequest": 2},
    }
    done = call("diff", files=[edit])
    assert (done.exit_code, done.stdout) == (0, ""), done.stdout + done.stderr
    assert f"Workspace {space.name}/box: no change until it restarts" in done.stderr
    done = call("diff", "--restart", "-o", "json", files=[edit])
    data = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [(item["kind"], item["pods"]) for item in data["changes"]] == [("StatefulSet", "restart")]
    lines = [line for line in changed_lines(data["changes"][0]["diff"]) if "annotations:" not in line]
    assert [line[1:].strip() for line in lines if "restartedAt" not in line] == ["cpu: '1'", "cpu: '2'"]
    assert "Secret" not in data["hiddenKinds"]
    space.spec("ComputeResource", "small", cpuCoreRequest=2)
    assert call("diff", files=[edit]).exit_code == 0
    both = [edit, workspace(assets={"compute": {"name": "small"}}, maxRuntimeSeconds=600)]
    done = call("diff", files=both)
    assert changed_lines(done.stdout) == ["-            cpu: '1'", "+            cpu: '2'"], done.stderr


def test_fields_that_go_and_children_that_come(space: Space, call: Command) -> None:
    """As kubectl applies a file: what it contained before and does not any more goes."""
    full = workspace(ports=[{"container": 80}], environmentVariables=[{"name": "A", "value": "b"}], workingDir="/work")
    last = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(full)}
    space.api.create({**full, "metadata": {"name": "box", "namespace": space.name, "annotations": last}})
    space.ready("Workspace", "box")
    training = {**workspace(compute={"gpuDevicesRequest": 1}), "kind": "Training", "metadata": {"name": "tune"}}
    data = json.loads(call("diff", "-o", "json", files=[workspace(), training]).stdout)
    found = {(item["action"], item["kind"], item["name"]): item for item in data["changes"]}
    assert set(found) == {("change", "StatefulSet", "box"), ("replace", "Service", "box"), ("create", "Job", "tune")}
    assert found["create", "Job", "tune"]["pods"] == "start"
    assert [line[1:].strip() for line in changed_lines(found["change", "StatefulSet", "box"]["diff"])] == [
        "env:",
        "- name: A",
        "value: b",
        "ports:",
        "- containerPort: 80",
        "protocol: TCP",
        "workingDir: /work",
    ]
    space.spec("Workspace", "box", ports=None, environmentVariables=None, workingDir=None)
    space.ready("Workspace", "box")
    assert space.need("Service", "box")["spec"]["clusterIP"] == "None"
    done = call("diff", files=[workspace()])
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr


def server_side_apply(space: Space, body: Object, manager: str) -> None:
    """As `kubectl apply --server-side` and GitOps tools do."""
    path = f"/apis/{GROUP}/v1alpha1/namespaces/{space.name}/workspaces/{body['metadata']['name']}"
    query = f"?fieldManager={manager}&force=true"
    space.api.connection.request("PATCH", path + query, body, "application/apply-patch+yaml")


FULL = workspace(
    ports=[{"container": 80}, {"container": 81}],
    environmentVariables=[{"name": "A", "value": "b"}, {"name": "C", "value": "d"}],
    workingDir="/work",
)
LESS = workspace(ports=[{"container": 81}], environmentVariables=[{"name": "C", "value": "d"}])
REMOVED = ["- name: A", "value: b", "- containerPort: 80", "protocol: TCP", "workingDir: /work"]


def removed_lines(done: Result) -> list[str]:
    """Of the diff of the StatefulSet."""
    (text,) = (item["diff"] for item in json.loads(done.stdout)["changes"] if item["kind"] == "StatefulSet")
    assert [line for line in changed_lines(text) if line[0] == "+"] == []
    return [line[1:].strip() for line in changed_lines(text)]


@pytest.mark.parametrize("manager", ["kubectl", "argocd-controller"])
def test_a_server_side_apply_that_removes_fields(space: Space, stack: Stack, call: Command, manager: str) -> None:
    """Before it, the diff shows what goes; after it, nothing; and the same for the next fields."""
    server_side_apply(space, FULL, manager)
    space.ready("Workspace", "box")
    assert removed_lines(call("diff", "-o", "json", files=[LESS])) == REMOVED
    server_side_apply(space, LESS, manager)
    space.ready("Workspace", "box")
    stack.operator.quiet()
    assert [port["containerPort"] for port in pod_container(space)["ports"]] == [81]
    for files in ([LESS], [{**LESS, "metadata": {"name": "box", "namespace": space.name}}]):
        done = call("diff", files=files)
        assert (done.exit_code, done.stdout) == (0, ""), done.stdout + done.stderr
        assert "without the files too" not in done.stderr
    done = call("diff", "-o", "json", files=[workspace()])
    assert removed_lines(done) == ["env:", "- name: C", "value: d", "ports:", "- containerPort: 81", "protocol: TCP"]


def test_a_field_that_another_applier_still_owns_stays(space: Space, stack: Stack, call: Command) -> None:
    """As with kubectl: a field goes if nobody else applied it."""
    server_side_apply(space, FULL, "kubectl")
    server_side_apply(space, workspace(workingDir="/work"), "other-tool")
    space.ready("Workspace", "box")
    stack.operator.quiet()
    lines = removed_lines(call("diff", "-o", "json", files=[LESS]))
    assert lines == REMOVED[:-1]
    server_side_apply(space, LESS, "kubectl")
    space.ready("Workspace", "box")
    stack.operator.quiet()
    assert pod_container(space)["workingDir"] == "/work"
    done = call("diff", files=[LESS])
    assert (done.exit_code, done.stdout) == (0, ""), done.stdout + done.stderr


def pod_container(space: Space) -> Object:
    found: Object = space.need("StatefulSet", "box")["spec"]["template"]["spec"]["containers"][0]
    return found


def test_a_child_edited_by_hand(space: Space, stack: Stack, call: Command) -> None:
    """While the object is paused, the edit stays. Without the pause, Outfitter repairs what it owns."""
    space.running("box")
    space.annotate("Workspace", "box", reconcile="disabled")
    stack.operator.quiet()
    pod = {"spec": {"enableServiceLinks": True, "terminationGracePeriodSeconds": 7}}
    space.edit("StatefulSet", "box", {"metadata": {"labels": {"mine": "yes"}}, "spec": {"template": pod}})
    assert call("diff", files=[workspace()]).exit_code == 0
    on = {**workspace(), "metadata": {"name": "box", "annotations": {f"{GROUP}/reconcile": "enabled"}}}
    done = call("diff", files=[on])
    assert [line[1:].strip() for line in changed_lines(done.stdout)] == [
        "enableServiceLinks: true",
        "enableServiceLinks: false",
    ], done.stderr
    space.annotate("Workspace", "box", reconcile=None)
    space.wait("StatefulSet", "box", lambda item: item["spec"]["template"]["spec"]["enableServiceLinks"] is False)


def test_secrets_and_rights(space: Space, stack: Stack, call: Command) -> None:
    """Values are never shown; a user who may not read Secrets sees the rest; one without rights gets an error."""
    space.secret("forge", User="ann", Password="hunter2")
    credential = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "Credential",
        "metadata": {"name": "forge"},
        "spec": {"type": "password", "secretRef": {"name": "forge"}},
    }
    variable = {"name": "PW", "credential": {"name": "forge", "key": "Password"}}
    done = call("diff", files=[credential, workspace(environmentVariables=[variable])])
    assert (done.exit_code, done.stderr.count("3 children change")) == (1, 1), done.stderr
    assert "Password: (hidden)" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert "aHVudGVyMg" not in done.stdout + done.stderr
    assert call("new", "credential", "forge", "--type", "password", "--secret", "forge", "--apply").exit_code == 0
    space.ready("Credential", "forge")
    space.running("box", environmentVariables=[variable])
    grant(space, "bob", PLAIN)
    other = workspace(environmentVariables=[variable], image="a.example.com/box:2")
    done = call("diff", files=[credential, other], user="bob")
    assert [line[1:].split(":")[0].strip() for line in changed_lines(done.stdout)] == ["image", "image"], done.stderr
    assert "Secret: changes of these kinds are not shown" in done.stderr
    done = call("diff", files=[other], user="carol")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "You cannot list" in done.stderr


def test_what_is_refused(space: Space, call: Command) -> None:
    space.running("box")
    frozen = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "Credential",
        "metadata": {"name": "forge"},
        "spec": {"type": "password", "secretRef": {"name": "forge"}},
    }
    space.make("Credential", "forge", frozen["spec"])
    frozen["spec"] = {"type": "password", "secretRef": {"name": "other"}}
    done = call("diff", files=[frozen, workspace(assets={"environment": {"name": "none"}})])
    assert done.exit_code == 1
    assert "spec.secretRef" in done.stderr
    assert "Environment none" in done.stderr
    policy = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "WorkloadPolicy",
        "metadata": {"name": "least"},
        "spec": {"workloadType": "workspace", "rules": {"compute": {"cpuCoreRequest": {"required": True}}}},
    }
    done = call("diff", "--restart", files=[policy])
    assert (done.exit_code, "cpuCoreRequest" in done.stderr) == (1, True), done.stderr + done.stdout
    assert call("diff", text="kind: [", files=None).exit_code == 2


def test_new(space: Space, call: Command) -> None:
    """Every example passes the CRD; a Secret is made from what no process list shows."""
    from outfitter.cli.new.command import EXAMPLES

    for word, text in EXAMPLES.items():
        words = text.partition(" -- ")[0].replace(" --prompt --apply", " --secret forge").split()
        done = call("new", word, *words, "--apply")
        assert done.exit_code == 0, done.stderr
        assert "is created." in done.stdout
        assert f"outfitter status {word}/{words[0]} -n {space.name}" in done.stderr
    words = ("new", "credential", "hub", "--type", "ngcApiKey", "--from-stdin", "NGC_API_KEY", "--apply")
    done = call(*words, text="k3y\n")
    assert done.exit_code == 0, done.stderr
    space.ready("Credential", "hub")
    done = call(*words, text="k3y\n")
    assert (done.exit_code, "Secret" in done.stderr, "exists already" in done.stderr) == (1, True, True)
    assert "k3y" not in done.stdout + done.stderr
    done = call("new", "credential", "asked", "--type", "password", "--prompt", "--apply", text="ann\nhunter2\n")
    assert (done.exit_code, "hunter2" in done.output) == (0, False), done.output
    assert {"Password", "User"} <= {*space.ready("Credential", "asked")["status"]["keys"]}
