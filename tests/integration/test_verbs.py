"""The daily commands of a user on a real server: what the operator does after them, and what they say of failures."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import Stack
from .harness.client import DEADLINE, Object, condition, eventually
from .harness.process import OUTFITTER
from .harness.proxy import Fault, Proxy
from .harness.space import Space

RBAC = "rbac.authorization.k8s.io"
GROUPS = [{"containers": [{"port": 8080, "imageUri": "registry.example.com/scorer:1"}]}]
AUTOSCALING = {"minReplicas": 1, "maxReplicas": 3, "metric": "cpu", "metricThreshold": 80}
_FAILED = {"exec": 125, "open": 1}

Command = Callable[..., subprocess.CompletedProcess[str]]
Finished = list[subprocess.CompletedProcess[str]]


@pytest.fixture
def call(space: Space, stack: Stack) -> Command:
    """A command in the namespace of the test, as ann unless another kubeconfig is given."""
    everything = {"apiGroups": ["outfitter.dev"], "resources": ["*"], "verbs": ["get", "list", "watch", "patch"]}
    seen = {"apiGroups": ["", "apps"], "resources": ["pods", "statefulsets", "deployments"], "verbs": ["list"]}
    _allow_ann(space, [everything, seen], "works")
    ann = stack.sandbox.kubeconfig_for("ann")

    def run(*words: str, kubeconfig: Path = ann) -> subprocess.CompletedProcess[str]:
        command = [str(OUTFITTER), words[0], "-n", space.name, "--kubeconfig", str(kubeconfig), *words[1:]]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    return run


def _allow_ann(space: Space, rules: list[Object], name: str) -> None:
    space.native("Role", name, rules=rules)
    subject = {"kind": "User", "name": "ann", "apiGroup": RBAC}
    space.native("RoleBinding", name, subjects=[subject], roleRef={"kind": "Role", "name": name, "apiGroup": RBAC})


def phase(word: str) -> Callable[[Object], bool]:
    return lambda item: item["status"]["phase"] == word


def test_stop_start_and_restart(space: Space, call: Command) -> None:
    space.running("box")
    first = space.need("Pod", "box-0")["metadata"]["uid"]
    done = call("stop", "workspace/box")
    assert (done.returncode, done.stderr) == (0, "")
    space.wait("Workspace", "box", phase("Stopped"), 60)
    assert "To start it: outfitter start workspace/box" in call("restart", "wsp", "box").stderr
    assert call("start", "workspace", "box").returncode == 0
    space.ready("Workspace", "box")
    second = space.wait("Pod", "box-0", lambda item: item["metadata"]["uid"] != first)["metadata"]["uid"]
    done = call("restart", "workspace/box", "workspace/none")
    assert (done.returncode, "none does not exist" in done.stderr) == (1, True)
    space.wait("Pod", "box-0", lambda item: item["metadata"]["uid"] != second, 60)
    owners = {entry["manager"] for entry in space.need("Workspace", "box")["metadata"]["managedFields"]}
    assert "outfitter-cli" in owners


def test_wait(space: Space, call: Command) -> None:
    """For ready, a phase and the end; an object that is not there yet counts as not ready."""
    early = threading.Thread(target=lambda: seen.append(call("wait", "workspace/box")))
    seen: list[subprocess.CompletedProcess[str]] = []
    early.start()
    space.running("box")
    early.join()
    assert (seen[0].returncode, seen[0].stdout) == (0, f"Workspace {space.name}/box is ready.\n")
    assert call("stop", "workspace/box").returncode == 0
    assert call("wait", "workspace/box", "--for", "stopped").returncode == 0
    late = call("wait", "workspace/box", "workspace/none", "--for", "running", "--timeout", "1")
    assert (late.returncode, late.stdout) == (1, "")
    assert f"Workspace {space.name}/box is not running after 1 s: Stopped: " in late.stderr
    assert f"Workspace {space.name}/none does not exist after 1 s." in late.stderr
    space.delete("Workspace", "box")
    assert call("wait", "workspace/box", "workspace/none", "--for", "deleted").returncode == 0
    space.pods("fail")
    space.make("Training", "tune", {"image": "registry.example.com/tune:1", "backoffLimit": 0})
    failed = call("wait", "training/tune")
    assert (failed.returncode, f"Training {space.name}/tune has failed: " in failed.stderr) == (1, True)


@pytest.fixture
def proxy(stack: Stack) -> Iterator[Proxy]:
    """Between the commands and the API server. The operator does not use it."""
    with Proxy(stack.sandbox) as found:
        yield found


@contextmanager
def waiting(space: Space, stack: Stack, proxy: Proxy, call: Command, *words: str) -> Iterator[Finished]:
    """`outfitter wait` through the proxy, once its watch is open. Its end is in the list after the block.

    With the rights of ann, as a ServiceAccount: the certificate of a user does not pass the proxy.
    """
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": space.name}
    role = {"kind": "Role", "name": "works", "apiGroup": RBAC}
    space.native("RoleBinding", "waits", subjects=[subject], roleRef=role)
    account = stack.sandbox.kubeconfig_for(f"system:serviceaccount:{space.name}:default")
    through = proxy.kubeconfig(account, stack.folder)
    opened = Fault("WATCH", ("/workspaces?", space.name))
    proxy.inject(opened)
    done: Finished = []
    thread = threading.Thread(target=lambda: done.append(call("wait", *words, kubeconfig=through)))
    thread.start()
    eventually(lambda: opened.spent or done)
    assert done == []
    yield done
    thread.join(120)


@pytest.mark.parametrize("how", ["broken", "too old", "refused"])
def test_wait_sees_what_happened_while_its_watch_was_broken(
    space: Space, stack: Stack, proxy: Proxy, call: Command, how: str
) -> None:
    """The connection breaks; then also the position is too old, or the server has not read its roles yet."""
    space.running("box")
    with waiting(space, stack, proxy, call, "workspace/box", "--for", "stopped") as done:
        next_watch = Fault("WATCH", ("/workspaces?", space.name), hold="before", gone=how == "too old")
        proxy.inject(next_watch)
        if how == "refused":
            proxy.inject(Fault("WATCH", ("/workspaces?", space.name), code=403, reason="Forbidden"))
            proxy.faults.reverse()
        eventually(proxy.drop_watches)
        assert next_watch.held.wait(DEADLINE)
        space.spec("Workspace", "box", suspend=True)
        space.wait("Workspace", "box", phase("Stopped"), 60)
        proxy.release(next_watch)
    assert (done[0].returncode, done[0].stdout) == (0, f"Workspace {space.name}/box is stopped.\n"), done[0].stderr


def test_wait_sees_a_deletion_while_its_watch_was_broken(
    space: Space, stack: Stack, proxy: Proxy, call: Command
) -> None:
    """Also if the object is gone from the history of the server."""
    space.running("box")
    with waiting(space, stack, proxy, call, "workspace/box", "--for", "deleted") as done:
        next_watch = Fault("WATCH", ("/workspaces?", space.name), hold="before", gone=True)
        proxy.inject(next_watch)
        eventually(proxy.drop_watches)
        assert next_watch.held.wait(DEADLINE)
        space.delete("Workspace", "box")
        space.gone("Workspace", "box")
        proxy.release(next_watch)
    assert (done[0].returncode, done[0].stdout) == (0, f"Workspace {space.name}/box is deleted.\n"), done[0].stderr


def test_wait_outlives_the_api_server(space: Space, stack: Stack, proxy: Proxy, call: Command) -> None:
    space.running("box")
    with waiting(space, stack, proxy, call, "workspace/box", "--for", "stopped") as done:
        with stack.outage():
            stack.sandbox.restart("kube-apiserver")
            eventually(lambda: stack.api.connection.answer("GET", "/readyz")[0], lambda code: code == 200, 60)
        eventually(lambda: space.spec("Workspace", "box", suspend=True), seconds=60)
    assert (done[0].returncode, done[0].stdout) == (0, f"Workspace {space.name}/box is stopped.\n"), done[0].stderr
    assert "Traceback" not in done[0].stderr


def test_by_labels(space: Space, call: Command) -> None:
    for name, labels in (("red", {"team": "a"}), ("blue", {"team": "b"})):
        space.make("Workspace", name, {"image": "registry.example.com/a:1", "suspend": True}, labels=labels)
    done = call("start", "workspaces", "-l", "team=a")
    assert (done.returncode, done.stdout) == (0, f"Workspace {space.name}/red starts.\n")
    assert space.need("Workspace", "blue")["spec"]["suspend"] is True


def test_a_completed_run_runs_again(space: Space, call: Command) -> None:
    space.pods("complete")
    space.make("Training", "tune", {"image": "registry.example.com/tune:1"})
    item = space.wait("Training", "tune", phase("Completed"), 60)
    assert "has completed" in call("stop", "training/tune").stderr
    assert "outfitter restart training/tune" in call("start", "training/tune").stderr
    first = item["status"]["run"]["uid"]
    assert call("restart", "trn/tune").returncode == 0
    space.wait("Training", "tune", lambda seen: seen["status"]["run"]["uid"] not in ("", first), 60)


def test_scale(space: Space, call: Command) -> None:
    spec = {"image": "registry.example.com/scorer:1", "servingPort": {"container": 8080}}
    space.make("Inference", "scoring", spec)
    space.ready("Inference", "scoring")
    assert call("scale", "inference/scoring", "--replicas", "2").returncode == 0
    space.wait("Deployment", "scoring", lambda item: item["spec"]["replicas"] == 2)
    space.make("Inference", "by-load", {**spec, "autoscaling": AUTOSCALING})
    done = call("scale", "inference/by-load", "--replicas", "2")
    assert (done.returncode, "is scaled by load. Change spec.autoscaling" in done.stderr) == (1, True)


def test_lock(space: Space, call: Command) -> None:
    space.make("Artifact", "scorer", {"containerGroups": GROUPS})
    done = call("lock", "artifact/scorer")
    text = f"Artifact {space.name}/scorer is version 1 of ArtifactRepository scorer.\n"
    assert (done.returncode, done.stdout) == (0, text), done.stderr
    assert call("lock", "artifact", "scorer").stdout == text
    space.make("Artifact", "empty", {})
    done = call("lock", "artifact/empty")
    assert (done.returncode, "The Artifact has no containers to lock" in done.stderr) == (1, True)


def test_trace_finds_the_container_that_crashes(space: Space, call: Command) -> None:
    space.make("ComputeResource", "small", {"cpuCoreRequest": 1})
    space.pods("crash")
    space.make("Workspace", "box", {"image": "registry.example.com/box:1", "assets": {"compute": {"name": "small"}}})
    item = space.wait("Workspace", "box", lambda seen: condition(seen, "Ready").get("reason") == "CrashLoopBackOff", 60)
    done = call("trace", "workspace/box", "-o", "json")
    data = json.loads(done.stdout)
    assert done.returncode == 1
    assert [(node["kind"], node["state"]) for node in data["references"]] == [("ComputeResource", "ready")]
    assert [(node["kind"], node["name"]) for node in data["failing"]] == [
        ("StatefulSet", "box"),
        ("Pod", "box-0"),
        ("Container", "main"),
    ]
    assert item["status"]["issues"][0]["message"] in data["conclusion"]
    assert "Secret" in data["hiddenKinds"]
    assert data["conclusion"] in call("trace", "workspace/box").stdout


def test_without_rights(space: Space, stack: Stack, call: Command) -> None:
    space.running("box")
    bob = stack.sandbox.kubeconfig_for("bob")
    for words in (("stop", "workspace/box"), ("logs", "workspace/box"), ("trace", "workspace/box")):
        done = call(*words, kubeconfig=bob)
        assert (done.returncode, 'User "bob" cannot get' in done.stderr) == (1, True), done.stderr
    done = call("logs", "workspace/box")
    assert (done.returncode, 'User "ann" cannot get resource "pods/log"' in done.stderr) == (1, True), done.stderr
    actions = {
        "pods/exec": ("exec", "workspace/box", "--", "ls"),
        "pods/portforward": ("open", "wsp/box", "--port", "1"),
    }
    both = [{"apiGroups": [""], "resources": [*actions], "verbs": ["create", "get"]}]
    _allow_ann(space, [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}], "reads-pods")
    for resource, words in actions.items():
        done = call(*words)
        text = f'User "ann" cannot get resource "{resource}"'
        assert (done.returncode, text in done.stderr) == (_FAILED[words[0]], True), done.stderr
    _allow_ann(space, both, "enters-pods")
    for words in actions.values():  # the API server passes the request on to a kubelet, which a simulated node has not
        done = call(*words)
        assert (done.returncode, "forbidden" in done.stderr) == (_FAILED[words[0]], False), done.stderr
        assert "Traceback" not in done.stderr
