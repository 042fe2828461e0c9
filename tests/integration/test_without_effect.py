"""Fields that cannot have their effect, on the real API server: refused by a rule, else in the status at the field."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.errors import Invalid

from .harness.client import condition, message, ready, stalls
from .harness.space import Space

IMAGE = "registry.example.com/box:1"
LOCAL = {"container": 8000, "clusterLocalAccessOnly": True}
API = {"name": "api", "toolType": "custom", "connectionType": "ServingPort", "containerPort": 8000}
WEB = {"name": "web", "toolType": "mlflow", "connectionType": "ExternalUrl", "containerPort": 5000}
CLAIM = {"path": "/a", "existingPvc": True, "claimName": "c", "ephemeral": True}
SCALED = {"metric": "CPU", "metricThreshold": 70, "maxReplicas": 3}
RETAINED = [{"name": "a", "autoscaling": {"scaleToZeroRetentionSeconds": 60}}]


@pytest.mark.parametrize(
    ("kind", "spec", "what"),
    [
        ("ComputeResource", {"cpuMemoryLimit": 4}, "a number without a unit is bytes"),
        ("Workspace", {"image": IMAGE, "compute": {"cpuMemoryLimit": 4}}, "a number without a unit is bytes"),
        ("Workspace", {"image": IMAGE, "connections": [{**WEB, "externalUrl": "https://x"}]}, "customUrl: true"),
        ("Workspace", {"image": IMAGE, "storage": {"pvc": [CLAIM]}}, "Remove ephemeral or existingPvc"),
        ("DataSource", {"pvc": CLAIM}, "Remove ephemeral or existingPvc"),
        ("Inference", {"image": IMAGE, "autoscaling": SCALED}, "lower case"),
        ("Inference", {"image": IMAGE, "connections": [API, {**API, "name": "b"}]}, "one port for requests"),
        ("Environment", {"image": IMAGE, "connections": [API, {**API, "name": "b"}]}, "one port for requests"),
        ("NimCache", {"image": IMAGE, "claimName": "c", "compute": {"cpuCoreRequest": 1}}, "compute is for a download"),
        ("Inference", {"artifact": {"name": "a"}, "containerGroups": RETAINED}, "set minReplicas to 0"),
    ],
)
def test_refused_by_the_server(space: Space, kind: str, spec: Any, what: str) -> None:
    with pytest.raises(Invalid, match=what):
        space.make(kind, "bad", spec)


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("Inference", {"image": IMAGE}, "spec.servingPort"),
        (
            "Inference",
            {"image": IMAGE, "servingPort": {**LOCAL, "container": 9000}, "connections": [API]},
            "spec.connections[api].containerPort",
        ),
        ("Workspace", {"image": IMAGE, "podAffinity": {"type": "Required"}}, "spec.podAffinity.key"),
        (
            "Workspace",
            {"image": IMAGE, "createHomeDir": True, "environmentVariables": [{"name": "HOME", "value": ""}]},
            "spec.createHomeDir",
        ),
        ("Workspace", {"image": IMAGE, "assets": {"compute": {"name": "other"}}}, "spec.assets.compute"),
    ],
)
def test_refused_in_the_status(space: Space, kind: str, spec: Any, field: str) -> None:
    space.make("ComputeResource", "other", {"supportedTypes": ["training"], "cpuCoreRequest": 1})
    space.make(kind, "box", spec)
    found = space.wait(kind, "box", lambda item: condition(item, "Stalled"))
    assert message(found).startswith(field)
    assert space.get("Deployment", "box") is None
    assert space.get("StatefulSet", "box") is None


def test_a_download_counts_as_inference(space: Space) -> None:
    space.secret("source", NGC_API_KEY="a")
    space.make(
        "Credential", "key", {"type": "ngcApiKey", "secretRef": {"name": "source"}, "supportedTypes": ["training"]}
    )
    space.make("NimCache", "mine", {"image": "nvcr.io/nim/meta/llama:1", "credential": {"name": "key"}})
    found = space.wait("NimCache", "mine", stalls("TypeNotSupported"))
    assert "supports training, not inference" in message(found)
    assert space.list("Job") == []


def test_an_asset_of_another_framework_is_refused(space: Space) -> None:
    space.make("ComputeResource", "small", {"distributedFramework": "PyTorch", "cpuCoreRequest": 0.1})
    space.ready("ComputeResource", "small")
    fields = {"image": IMAGE, "distributedFramework": "JAX", "backend": "native"}
    space.make("DistributedTraining", "many", {**fields, "assets": {"compute": {"name": "small"}}})
    found = space.wait("DistributedTraining", "many", stalls("TypeNotSupported"))
    assert "ComputeResource" in message(found)
    assert message(found).endswith("is for PyTorch, not JAX. Use another ComputeResource.")
    assert space.list("Job") == []
    space.spec("ComputeResource", "small", distributedFramework=None)
    space.wait("DistributedTraining", "many", lambda item: not condition(item, "Stalled"))


def test_the_protocol_of_a_connection_reaches_the_service(space: Space) -> None:
    space.make("Environment", "lab", {"image": IMAGE, "connections": [{**API, "protocol": "grpc"}]})
    space.make("Inference", "box", {"assets": {"environment": {"name": "lab"}}})
    assert ready(space.ready("Inference", "box"))
    (port,) = space.need("Service", "box")["spec"]["ports"]
    assert (port["name"], port["appProtocol"]) == ("grpc", "kubernetes.io/h2c")
