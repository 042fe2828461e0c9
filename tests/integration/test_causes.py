"""Causes that the cluster knows: what its own controllers, and a kubelet's Events, add to the status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .conftest import Stack
from .harness.client import condition, message, ready, stalls, waits
from .harness.rights import SYSTEM
from .harness.space import Space

IMAGE = "registry.example.com/box:1"
NOW = "2026-01-01T00:00:00Z"


def issues(item: dict[str, Any]) -> dict[str, str]:
    return {each["issue"]: each["message"] for each in item["status"].get("issues", ())}


def report(space: Space, about: dict[str, Any], code: str, text: str) -> None:
    """An Event as a kubelet or provisioner writes it, begun long ago."""
    meta = about["metadata"]
    regarding = {"kind": about["kind"], "name": meta["name"], "namespace": space.name, "uid": meta["uid"]}
    times = {"firstTimestamp": NOW, "lastTimestamp": NOW, "count": 3, "type": "Warning"}
    space.native(
        "Event", f"{meta['name']}.{code.lower()}", involvedObject=regarding, reason=code, message=text, **times
    )


def test_a_class_that_does_not_exist_and_the_way_back(space: Space) -> None:
    """The volume controller reports it; the workload tells it; another class heals both."""
    claim = {"size": "1Gi", "storageClass": "nowhere"}
    space.make("DataSource", "home", {"pvc": {"path": "/data", "claimInfo": claim}})
    space.make("Workspace", "box", {"image": IMAGE, "assets": {"dataSources": [{"name": "home"}]}})
    said = space.wait("DataSource", "home", waits("ProvisioningFailed"))
    assert "StorageClass nowhere does not exist" in message(said)
    said = space.wait("Workspace", "box", waits("ProvisioningFailed"))
    assert f"PersistentVolumeClaim {space.name}/home is not bound: StorageClass nowhere" in message(said)
    space.delete("Workspace", "box")
    space.wait("DataSource", "home", lambda item: item["status"]["usedBy"]["total"] == 0)
    space.delete("DataSource", "home")
    space.gone("DataSource", "home")
    # The claim stays, as it may hold data. It was never bound, so the next DataSource of its name may change it.
    space.make("DataSource", "home", {"pvc": {"path": "/data", "claimInfo": {**claim, "storageClass": "standard"}}})
    space.ready("DataSource", "home")


def test_a_volume_that_cannot_be_shared(stack: Stack, space: Space) -> None:
    """From the Event of a provisioner."""
    name = f"slow-{space.name}"
    stack.api.create({"kind": "StorageClass", "metadata": {"name": name}, "provisioner": "example.com/none"})
    claim = {"size": "1Gi", "storageClass": name, "accessModes": {"readWriteMany": True}}
    space.make("DataSource", "home", {"pvc": {"path": "/data", "claimInfo": claim}})
    made = space.wait("PersistentVolumeClaim", "home", bool)
    report(space, made, "ProvisioningFailed", "Volume capabilities MULTI_NODE_MULTI_WRITER not supported.")
    said = space.wait("DataSource", "home", waits("ProvisioningFailed"))
    assert "Use a new claim with readWriteOnce in accessModes" in message(said)
    stack.api.delete("StorageClass", "", name)


def test_a_pod_that_waits_for_a_volume(space: Space) -> None:
    """From the Events of its kubelet, until the pod starts."""
    space.pods("hang")
    space.make("Workspace", "box", {"image": IMAGE})
    pod = space.wait("Pod", "box-0", lambda pod: pod["status"].get("containerStatuses"))
    waiting = [
        {**each, "state": {"waiting": {"reason": "ContainerCreating"}}} for each in pod["status"]["containerStatuses"]
    ]
    conditions = [each for each in pod["status"]["conditions"] if each["type"] == "PodScheduled"]
    conditions.append({"type": "PodReadyToStartContainers", "status": "False"})
    status = {"phase": "Pending", "containerStatuses": waiting, "conditions": conditions}
    space.edit("Pod", "box-0", {"status": status}, sub="status")
    report(space, pod, "FailedAttachVolume", 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) w')
    said = space.wait("Workspace", "box", waits("VolumeMountFailed"))
    assert "still attached to another node" in message(said)
    space.pods("ready")
    space.ready("Workspace", "box")


def test_a_limit_range_changes_and_refuses_pods(space: Space) -> None:
    """Limits that it adds are a note; a request above them is refused with the way out."""
    limits = [{"type": "Container", "default": {"cpu": "500m", "memory": "512Mi"}, "max": {"memory": "1Gi"}}]
    space.native("LimitRange", "lr", spec={"limits": limits})
    space.make("Workspace", "plain", {"image": IMAGE})
    said = space.wait("Workspace", "plain", lambda item: ready(item) and "LimitRangeApplied" in issues(item))
    assert "memory limit for container main" in issues(said)["LimitRangeApplied"]
    space.make("Workspace", "above", {"image": IMAGE, "compute": {"cpuMemoryRequest": "800Mi"}})
    assert "LimitRange" in message(space.wait("Workspace", "above", stalls("LimitRangeViolation")))
    space.make("Workspace", "big", {"image": IMAGE, "compute": {"cpuMemoryRequest": "2Gi", "cpuMemoryLimit": "4Gi"}})
    assert "1Gi" in message(space.wait("Workspace", "big", stalls("LimitRangeViolation")))


def test_an_old_pod_that_does_not_end(space: Space) -> None:
    """Which, since when, and what holds it."""
    space.running("box")
    space.edit("Pod", "box-0", {"metadata": {"finalizers": ["example.com/hold"]}})
    space.delete("Pod", "box-0", gracePeriodSeconds=0)
    said = space.wait("Workspace", "box", lambda item: "PodNotTerminated" in issues(item))
    since = space.need("Pod", "box-0")["metadata"]["deletionTimestamp"]
    assert (
        f"Pod box-0 should have ended at {since}, but finalizers hold it: example.com/hold"
        in issues(said)["PodNotTerminated"]
    )
    space.edit("Pod", "box-0", {"metadata": {"finalizers": None}})
    space.wait("Workspace", "box", lambda item: ready(item) and not issues(item))


def test_an_autoscaler_without_metrics(space: Space) -> None:
    """The sandbox has no metrics API, as many clusters at first."""
    scaling = {"minReplicas": 1, "maxReplicas": 3, "metric": "cpu", "metricThreshold": 60}
    spec = {"image": IMAGE, "servingPort": {"container": 8080}, "compute": {"cpuCoreRequest": 0.1}}
    space.make("Inference", "scorer", {**spec, "autoscaling": scaling})
    said = space.wait("Inference", "scorer", lambda item: ready(item) and "AutoscalingFailed" in issues(item), 90)
    assert "provides no metrics of its pods" in issues(said)["AutoscalingFailed"]


def test_a_scope_that_matches_no_namespace(stack: Stack, spaces: Callable[..., Space]) -> None:
    """A note, until a namespace is in the department."""
    home = Space(stack.api, SYSTEM)
    scope = {"type": "department", "name": "reserch"}
    home.make("Environment", "nobody", {"image": IMAGE, "scope": scope})
    try:
        home.wait("Environment", "nobody", lambda item: "NoNamespaceInScope" in issues(item))
        spaces(department="reserch")
        home.wait("Environment", "nobody", lambda item: ready(item) and not issues(item))
    finally:
        home.delete("Environment", "nobody")


def test_a_status_edited_by_hand_is_repaired(space: Space) -> None:
    """By any other writer of the subresource."""
    told = space.running("box")["status"]
    for forged in ({"message": "all is lost", "syncStatus": "Failed"}, {"conditions": []}, {"readyReplicas": 7}):
        space.edit("Workspace", "box", {"status": forged}, sub="status")
        space.wait("Workspace", "box", lambda item: _same(item["status"], told))


def _same(status: dict[str, Any], told: dict[str, Any]) -> bool:
    """Equal but for the times of conditions that were gone."""

    def plain(whole: dict[str, Any]) -> dict[str, Any]:
        conditions = [{**each, "lastTransitionTime": ""} for each in whole["conditions"]]
        return {**whole, "conditions": conditions}

    return plain(status) == plain(told)


def test_an_artifact_sets_user_and_group(space: Space) -> None:
    """An image that runs as root can run as another user, and its volumes belong to the group."""
    context = {"runAsUser": 1000, "runAsGroup": 100}
    container = {"imageUri": "vllm/vllm-openai:v0.11.0", "port": 8000, "securityContext": context}
    space.make("Artifact", "vllm", {"containerGroups": [{"containers": [container]}], "run": {}})
    made = space.ready("Artifact", "vllm")
    assert condition(made, "Ready")["reason"] == "Running"
    pod = space.need("Deployment", "vllm")["spec"]["template"]["spec"]
    security = pod["containers"][0]["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"]) == (1000, 100)
    assert pod["securityContext"]["fsGroup"] == 100


def test_a_claim_beyond_a_limit_range(space: Space) -> None:
    """The refusal of the API server has the bound."""
    space.native("LimitRange", "lr", spec={"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "2Gi"}}]})
    space.make("DataSource", "big", {"pvc": {"path": "/data", "claimInfo": {"size": "10Gi"}}})
    said = message(space.wait("DataSource", "big", stalls("LimitRangeViolation")))
    assert "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 10Gi. Set a size within it" in said
