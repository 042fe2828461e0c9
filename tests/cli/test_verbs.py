"""`restart`, `stop`, `start`, `scale` and `lock`: what they change, what they refuse, and what they print."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from outfitter.api.v1alpha1 import KINDS
from outfitter.cli import changes
from outfitter.cli.lock import LockProgress, locked_text
from outfitter.cli.target import Target, one_target, targets
from outfitter.cli.wait import known_states, states
from outfitter.errors import ConfigurationError, OutfitterError
from outfitter.naming import ANNOTATION_RECONCILE, ANNOTATION_RESTARTED_AT

from .conftest import Invoke
from .fake_api import FakeApi, Object

GROUPS = [{"containers": [{"port": 8080, "imageUri": "a:1"}]}]


def body(kind: str, spec: Object, name: str = "box", **status: Any) -> Object:
    meta = {"name": name, "namespace": "team-a", "uid": f"uid-{name}", "generation": 1}
    return {"kind": kind, "metadata": meta, "spec": spec, "status": status}


@pytest.fixture
def api() -> Iterator[FakeApi]:
    fake = FakeApi()
    yield fake
    fake.close()


@pytest.fixture
def call(api: FakeApi, invoke: Invoke, tmp_path: Path) -> Callable[..., Any]:
    """A command with the kubeconfig of the fake server, whose namespace is team-a."""
    kubeconfig = api.kubeconfig(tmp_path)
    return lambda *arguments: invoke(*arguments, "--kubeconfig", kubeconfig)


def test_several_words_are_several_objects() -> None:
    assert [(item.kind.name, item.name) for item in targets(["wsp/alice", "trn/tune"])] == [
        ("Workspace", "alice"),
        ("Training", "tune"),
    ]
    assert [item.name for item in targets(["workspaces", "alice", "bob", "alice"])] == ["alice", "bob"]
    assert one_target(["wsp", "alice"]) == Target(targets(["wsp/alice"])[0].kind, "alice")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["workspace"], "The name is missing. Use workspace/NAME."),
        (["workspace/"], "The name is missing"),
        (["workspace/alice", "bob"], "Kind bob does not exist"),
    ],
)
def test_words_that_name_no_object(words: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        targets(words)


def test_one_object_and_not_two() -> None:
    with pytest.raises(ConfigurationError, match="for one object, not for 2"):
        one_target(["workspace", "alice", "bob"])


def test_stop_start_and_restart(api: FakeApi, call: Callable[..., Any]) -> None:
    """One field each, by a merge patch with a field manager of its own."""
    item = api.add(body("Workspace", {"image": "a"}))
    seen = call("stop", "workspace/box")
    assert (seen.exit_code, item["spec"]["suspend"]) == (0, True), seen.output
    assert seen.stdout == "Workspace team-a/box stops: its pods end, and its volumes stay.\n"
    assert "is stopped already" in call("stop", "wsp", "box").stdout
    assert "To start it: outfitter start workspace/box -n team-a" in call("restart", "wsp/box").stderr
    assert call("start", "wsp/box").stdout == "Workspace team-a/box starts.\n"
    assert item["spec"]["suspend"] is False
    assert "is started already" in call("start", "wsp/box").stdout
    assert call("restart", "wsp/box").exit_code == 0
    first = item["metadata"]["annotations"][ANNOTATION_RESTARTED_AT]
    assert call("restart", "wsp/box").exit_code == 0
    assert item["metadata"]["annotations"][ANNOTATION_RESTARTED_AT] > first
    assert len(api.patches) == 4  # nothing is written where nothing changes
    assert {*api.managers} == {"outfitter-cli"}


def test_several_objects_go_on_after_an_error(api: FakeApi, call: Callable[..., Any]) -> None:
    one, two = (api.add(body("Training", {"image": "a"}, name)) for name in ("one", "two"))
    seen = call("stop", "training", "one", "none", "two")
    assert seen.exit_code == 1
    assert one["spec"]["suspend"] is two["spec"]["suspend"] is True
    text = "Training team-a/none does not exist. To list them: outfitter status training -n team-a"
    assert seen.stderr.strip() == text


def test_a_definition_that_runs_is_stopped_in_its_run(api: FakeApi, call: Callable[..., Any]) -> None:
    item = api.add(body("Environment", {"image": "a", "run": {}}))
    assert call("stop", "envr/box").exit_code == 0
    assert item["spec"]["run"] == {"suspend": True}


def test_what_does_not_run(api: FakeApi, call: Callable[..., Any]) -> None:
    api.add(body("Environment", {"image": "a"}))
    api.add(body("ComputeResource", {"cpuCoreRequest": 1}))
    api.add(body("Inference", {"image": "a", "replicas": 0}))
    for arguments, text in (
        (("stop", "envr/box"), "is a definition. Set spec.run in it to run it."),
        (("restart", "compute/box"), "ComputeResource team-a/box does not run. Kinds that run: environment, workspace"),
        (("start", "infr/box"), "has 0 replicas. To start it: outfitter scale inference/box -n team-a --replicas 1"),
        (("scale", "compute/box", "--replicas", "2"), "cannot be scaled. Kinds that can: inference, artifact."),
        (("lock", "envr/box"), "Environment team-a/box cannot be locked. Only an Artifact can."),
        (("logs", "envr/box"), "is a definition"),
    ):
        seen = call(*arguments)
        assert (seen.exit_code, text in seen.stderr) == (1, True), seen.output
    assert api.patches == []


def test_what_has_ended(api: FakeApi, call: Callable[..., Any]) -> None:
    api.add(body("Training", {"image": "a"}, run={"result": "Completed", "revision": "r"}))
    assert "has completed: it has no pods to stop" in call("stop", "trn/box").stderr
    assert "To run it again: outfitter restart training/box -n team-a" in call("start", "trn/box").stderr
    assert call("restart", "trn/box").exit_code == 0
    assert changes.stop(body("Training", {"image": "a"}, run={"result": "Failed", "revision": "r"})).value is True


def test_what_outfitter_stopped_starts_by_the_annotation() -> None:
    change = changes.start(body("Workspace", {"image": "a"}, halted={"reason": "Idle"}), "t")
    assert change.patch == {"metadata": {"annotations": {ANNOTATION_RESTARTED_AT: "t"}}}


def test_scale(api: FakeApi, call: Callable[..., Any]) -> None:
    item = api.add(body("Inference", {"image": "a"}))
    run = api.add(body("Artifact", {"containerGroups": GROUPS, "run": {"suspend": True}}))
    assert call("scale", "infr/box", "--replicas", "3").stdout == (
        "Inference team-a/box is scaled from 1 to 3 replicas.\n"
    )
    assert item["spec"]["replicas"] == 3
    assert "has 3 replicas already" in call("scale", "infr/box", "--replicas", "3").stdout
    seen = call("scale", "artifact/box", "--replicas", "2")
    assert run["spec"]["run"]["replicas"] == 2
    assert "It is stopped. To start it: outfitter start artifact/box -n team-a" in seen.stdout
    assert call("scale", "infr/box", "--replicas", "-1").exit_code == 2


@pytest.mark.parametrize(
    ("spec", "status", "text"),
    [
        ({"autoscaling": {"maxReplicas": 3}}, {}, "is scaled by load. Change spec.autoscaling, or remove it."),
        ({}, {"scaling": {"autoscaling": {"maxReplicas": 3}}}, "is scaled by load"),
        (
            {"containerGroups": [{"name": "default", "replicas": 2}]},
            {"containerGroups": [{"name": "default"}]},
            "each container group has its own number of pods. Change spec.containerGroups.",
        ),
    ],
)
def test_what_is_scaled_otherwise(spec: Object, status: Object, text: str) -> None:
    with pytest.raises(OutfitterError, match=text):
        changes.scale(body("Inference", spec, **status), 2)


@pytest.mark.parametrize(
    ("manager", "program"),
    [("argocd-controller", "Argo CD"), ("kustomize-controller", "Flux"), ("helm-controller", "Flux"), ("kubectl", "")],
)
def test_a_field_that_git_owns(api: FakeApi, call: Callable[..., Any], manager: str, program: str) -> None:
    item = body("Workspace", {"image": "a"})
    fields = {"f:spec": {"f:suspend": {}}}
    item["metadata"]["managedFields"] = [{"manager": manager, "operation": "Apply", "fieldsV1": fields}]
    api.add(item)
    note = f"{program} owns spec.suspend and will set it back. Change it in Git as well."
    assert (note in call("stop", "wsp/box").stderr) is bool(program)
    assert "Git" not in call("start", "wsp/box").stderr or program


def test_notes_and_errors_of_a_change() -> None:
    paused, going = body("Workspace", {}), body("Workspace", {})
    paused["metadata"]["annotations"] = {ANNOTATION_RECONCILE: "disabled"}
    assert "is paused by annotation" in changes.stop(paused).notes[0]
    going["metadata"]["deletionTimestamp"] = "2026-11-30T00:00:00Z"
    with pytest.raises(OutfitterError, match="is being deleted"):
        changes.stop(going)


def test_without_the_right_to_change(api: FakeApi, call: Callable[..., Any]) -> None:
    api.add(body("Workspace", {}))
    api.forbidden.add("workspaces")
    seen = call("stop", "wsp/box")
    assert (seen.exit_code, "Ask an administrator for this permission" in seen.stderr) == (1, True)


def test_lock_prints_the_version(api: FakeApi, call: Callable[..., Any]) -> None:
    item = api.add(body("Artifact", {"containerGroups": GROUPS}, phase="Draft", observedGeneration=1))

    def operator(stored: Object) -> None:
        own = {"phase": "Locked", "version": 3, "repository": "boxes", "observedGeneration": 2}
        stored["status"] = own

    api.after_patch = operator
    seen = call("lock", "artifact/box")
    assert (seen.exit_code, item["spec"]["locked"]) == (0, True), seen.output
    assert seen.stdout == "Artifact team-a/box is version 3 of ArtifactRepository boxes.\n"
    assert call("lock", "artifact/box").stdout == seen.stdout
    assert len(api.patches) == 1


def test_the_progress_of_a_lock() -> None:
    lines: list[str] = []
    progress = LockProgress(2, 5, lines.append)
    item = body("Artifact", {}, phase="LockFailed", observedGeneration=1)
    assert progress.seen(item) is None  # the status is older than the lock
    assert "did not see the change within 5 s" in progress.too_late()
    waits = body("Artifact", {}, phase="Locking", message="A build runs.", observedGeneration=2)
    assert progress.seen(waits) is progress.seen(copy.deepcopy(waits)) is None
    assert lines == ["A build runs."]
    assert "after 5 s: A build runs. The lock goes on." in progress.too_late()
    item = body("Artifact", {}, phase="LockFailed", observedGeneration=2, issues=[{"issue": "X", "message": "No."}])
    with pytest.raises(OutfitterError, match="Artifact team-a/box is not locked: No"):
        progress.seen(item)
    done = body("Artifact", {}, phase="Locked", version=1, observedGeneration=2)
    assert progress.seen(done) is done
    assert locked_text(done) == "Artifact team-a/box is version 1."


def test_a_selector_needs_a_kind_and_finds_something(api: FakeApi, call: Callable[..., Any]) -> None:
    api.add(body("Workspace", {}))
    named = call("stop", "workspace/box", "-l", "team=nlp")
    assert (named.exit_code, "Use it with KIND" in named.stderr) == (2, True)
    assert call("stop", "workspaces").exit_code == 2
    nothing = call("stop", "trainings", "-l", "team=nlp")
    assert nothing.exit_code == 1
    assert "No Training has the labels team=nlp in namespace team-a." in nothing.stderr
    assert api.patches == []


def test_wait_refuses_a_state_that_cannot_be(call: Callable[..., Any]) -> None:
    wrong = call("wait", "workspace/box", "--for", "runing")
    assert wrong.exit_code == 2
    assert "A Workspace is never runing. Did you mean running? States are: ready, deleted, creating" in wrong.stderr
    assert call("wait", "credential/box", "--for", "running").exit_code == 2


def test_every_offered_state_fits_some_kind() -> None:
    known = {state for kind in KINDS for state in known_states(kind)}
    assert set(states("")) <= known
