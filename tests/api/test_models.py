"""Reading, writing back, and the completeness of merged workloads."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from outfitter.api.base import ObjectMeta
from outfitter.api.conditions import Condition
from outfitter.api.patterns import matches
from outfitter.api.states import READY, SyncStatus
from outfitter.api.v1alpha1 import KINDS, kind_of
from outfitter.api.v1alpha1.computeresource import ComputeResource
from outfitter.api.v1alpha1.environment import Environment
from outfitter.api.v1alpha1.workspace import Workspace, WorkspaceSpec
from outfitter.api.validation import incomplete, runtime_violations, strict_errors


def test_reading_ignores_what_a_newer_operator_wrote() -> None:
    """Unknown fields at any depth, and nulls, do no harm."""
    body = {"spec": {"image": "a", "newer": 1, "command": None, "security": {"newer": {}, "runAsUid": None}}}
    environment = Environment.parse(body)
    assert environment.spec.image == "a"
    assert environment.spec.command is None
    assert environment.spec.to_dict() == {"image": "a", "security": {}}


def test_metadata_is_read() -> None:
    """What the operator needs of it, and nothing else is required."""
    metadata = {"name": "a", "uid": "u", "resourceVersion": "5", "generation": 3, "deletionTimestamp": "t", "x": 1}
    read = ComputeResource.parse({"metadata": metadata, "spec": {}}).metadata
    assert read == ObjectMeta(name="a", uid="u", resource_version="5", generation=3, deletion_timestamp="t")


def test_models_are_frozen() -> None:
    """Nobody edits a spec that was read."""
    environment = Environment.parse({"spec": {}})
    with pytest.raises(ValidationError):
        environment.spec.image = "b"


@pytest.mark.parametrize("typed", [4, 0.5, 4.0])
def test_cores_stay_as_typed(typed: float) -> None:
    """A whole number does not become a fraction on the way."""
    spec = ComputeResource.parse({"spec": {"cpuCoreRequest": typed}}).spec.to_dict()
    assert spec == {"cpuCoreRequest": typed}
    assert type(spec["cpuCoreRequest"]) is type(typed)


@pytest.mark.parametrize("typed", [1000000, "1000000", "500K", "1.5Gi", "1e6"])
def test_quantities_stay_as_typed(typed: int | str) -> None:
    """Neither rounded nor rewritten."""
    assert ComputeResource.parse({"spec": {"cpuMemoryRequest": typed}}).spec.to_dict() == {"cpuMemoryRequest": typed}


def test_sections_are_never_none() -> None:
    """Code may read any section of an empty spec."""
    spec = Workspace.parse({"spec": {}}).spec
    assert spec.security.run_as_uid is None
    assert spec.assets.environment is None
    assert spec.compute.extended_resources == ()
    assert spec.storage.nfs == ()
    assert spec.probes.readiness is None


def test_kinds_know_their_names() -> None:
    """The only list of kinds."""
    assert [kind.name for kind in KINDS] == [
        "Environment",
        "ComputeResource",
        "DataSource",
        "Credential",
        "Registry",
        "ImageQuery",
        "WorkloadTemplate",
        "WorkloadPolicy",
        "Workspace",
        "Training",
        "DistributedTraining",
        "Inference",
        "Artifact",
        "ArtifactRepository",
        "ImageBuild",
        "NimCache",
    ]
    assert {kind.name for kind in KINDS if not kind.status_matters} == {
        "Environment", "ComputeResource", "Registry", "ImageQuery", "WorkloadTemplate", "WorkloadPolicy", "Workspace",
        "Training", "DistributedTraining", "Inference",
    }  # fmt: skip
    assert kind_of("DataSource").categories == ("outfitter", "assets")
    assert kind_of("Workspace").categories == ("outfitter",)
    with pytest.raises(KeyError):
        kind_of("Pod")


def test_pattern_end_is_the_end() -> None:
    """Python's `$` would also match before a final newline."""
    assert not matches("^a$", "a\n")


def test_long_messages_are_cut() -> None:
    """A status write never fails for its length."""
    condition = Condition(type=READY, status="False", reason="Failed", message="x" * 10_000)
    assert len(condition.message) == 4096
    assert condition.message.endswith("…")


def test_sync_status_is_text() -> None:
    """It can go into a manifest as it is."""
    assert f"{SyncStatus.NO_ISSUES_FOUND}" == "No issues found"


def test_all_errors_are_reported_at_once() -> None:
    """Unknown fields with a suggestion, types, bounds and rules, from every corner of the object."""
    body: dict[str, Any] = {
        "apiVersion": "outfitter.dev/v1",
        "kind": "Workspace",
        "metadata": {"name": "Bad_Name", "label": {}},
        "spec": {
            "imagePulPolicy": "Always",
            "tty": True,
            "stdin": False,
            "compute": {"cpuMemoryRequest": "2Gi", "cpuMemoryLimit": "1Gi", "gpuDevicesRequest": "1"},
            "restartPolicy": "always",
        },
        "extra": 1,
    }
    assert [str(error) for error in strict_errors(body)] == [
        "apiVersion: The value must be outfitter.dev/v1alpha1.",
        "extra: The field is unknown.",
        "metadata.label: The field is unknown. Did you mean labels?",
        "metadata.name: The name is not valid. Use at most 50 lower case letters, digits and hyphens, "
        "with a letter first and a letter or digit last.",
        "spec.compute.gpuDevicesRequest: The value must be a whole number, without quotes.",
        "spec.imagePulPolicy: The field is unknown. Did you mean imagePullPolicy?",
        "spec.restartPolicy: The value must be one of Always, OnFailure, Never. Did you mean Always?",
    ]
    spec = body["spec"]
    del spec["imagePulPolicy"], spec["restartPolicy"], spec["compute"]["gpuDevicesRequest"]
    assert [str(error) for error in strict_errors(body)][-2:] == [
        "spec.compute.cpuMemoryLimit: cpuMemoryLimit is less than cpuMemoryRequest. Raise cpuMemoryLimit, or lower "
        "cpuMemoryRequest.",
        "spec.tty: tty needs stdin. Set stdin to true, or remove tty.",
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"kind": "Workspce"}, "kind: 'Workspce' is not a kind of outfitter.dev. Did you mean Workspace?"),
        ({"kind": ["Workspace"]}, "kind: ['Workspace'] is not a kind of outfitter.dev. Did you mean Workspace?"),
        ({}, "kind: None is not a kind of outfitter.dev."),
    ],
)
def test_other_kinds_are_named(body: dict[str, Any], message: str) -> None:
    """A misspelt kind is the first thing to say."""
    assert [str(error) for error in strict_errors(body)] == [message]


@pytest.mark.parametrize("spec", [None, 5, [], "x", {"environmentVariables": "x"}, {"storage": {"nfs": {}}}])
def test_nonsense_is_an_error_not_a_crash(spec: object) -> None:
    """Whatever a file holds, the answer is a list of errors."""
    body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "Workspace", "metadata": {"name": "a"}, "spec": spec}
    assert strict_errors(body)


def test_a_merged_workload_is_judged_whole() -> None:
    """What inline fields may leave open, a merged spec may not."""
    spec = {
        "tty": True,
        "compute": {"gpuRequestType": "portion"},
        "storage": {"nfs": [{"server": "s"}, {"name": "gone", "exclude": True}], "pvc": [{"path": "/p"}]},
        "tolerations": [{"name": "t", "effect": "NoSchedule"}],
        "ports": [{"name": "web"}],
    }
    assert (
        strict_errors(
            {"apiVersion": "outfitter.dev/v1alpha1", "kind": "Workspace", "metadata": {"name": "a"}, "spec": spec}
        )
        == []
    )
    where = {str(error).split(": ", 1)[0] for error in incomplete(WorkspaceSpec, spec)}
    assert where == {
        "image",
        "tty",
        "compute.gpuDevicesRequest",
        "compute.gpuPortionRequest",
        "storage.nfs[0].mountPath",
        "storage.nfs[0].path",
        "storage.pvc[0].claimInfo",
        "tolerations[0].key",
        "tolerations[0].value",
        "ports[0].container",
    }
    assert incomplete(WorkspaceSpec, Workspace.parse({"spec": {"image": "a:1"}}).spec) == []


def test_quotes_of_older_objects_are_checked_at_runtime() -> None:
    """A stored object is read all the same; the same answer for a model as for a manifest."""
    spec = Environment.parse({"spec": {"command": "say 'hi", "args": "fine 'too'"}}).spec
    assert [error.path for error in runtime_violations(spec)] == [("command",)]
    assert [error.path for error in runtime_violations(spec.to_dict())] == [("command",)]
