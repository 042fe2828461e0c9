"""Why a claim is not bound is in the status of its owner and of the workload that waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from cause_cases import CLAIM, NOW, event, later
from reason_cases import IMAGE, NAME

from outfitter.status import is_stalled
from world import TEAM, Body, World, asset, complete, issues, reason


def storage_class(name: str = "fast", mode: str = "Immediate") -> Body:
    """A StorageClass."""
    return complete({"kind": "StorageClass", "metadata": {"name": name}, "volumeBindingMode": mode})


def pending(world: World) -> Body:
    """The only claim, as the API server stores it."""
    (claim,) = world.all("PersistentVolumeClaim")
    claim["metadata"]["creationTimestamp"] = NOW
    return world.cluster.user_replace({**claim, "status": {"phase": "Pending"}})


def serious(status: Mapping[str, Any]) -> list[str]:
    """The issues without the note about the group of volumes."""
    return [item for item in issues(status) if item != "FsGroupUnset"]


RWX = "Volume capabilities MULTI_NODE_MULTI_WRITER not supported. Only AccessModes[ReadWriteOnce] supported."
OWNERS = [
    asset("DataSource", NAME, {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi", "storageClass": "fast"}}}),
    asset("Workspace", NAME, {"image": IMAGE, "storage": {"pvc": [CLAIM]}}),
    asset("NimCache", NAME, {"image": IMAGE, "storageClass": "fast"}),
    asset("Artifact", NAME, {
        "type": "nim", "containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8000}]}],
        "storage": {"mode": "dedicatedPvc"}, "run": {},
    }),
]  # fmt: skip


@pytest.mark.parametrize("owner", OWNERS, ids=lambda owner: owner["kind"])
async def test_events_of_a_pending_claim(owner: Body) -> None:
    """What the provisioner answers is an issue of whoever made the claim, until the claim is bound."""
    world = World(owner, storage_class(), binding=False, pods=False, jobs="")
    await world.settle()
    claim, kind = pending(world), owner["kind"]
    world.cluster.user_apply(event(claim, "ProvisioningFailed", RWX))
    await world.once(kind, NAME)
    assert "ProvisioningFailed" not in issues(world.status(kind, NAME)), "it began less than the hold time ago"
    status = await later(world, kind)
    assert serious(status) == ["ProvisioningFailed"]
    assert "Use a new claim with readWriteOnce in accessModes" in status["issues"][0]["message"]
    assert not is_stalled(status)
    world.controllers.binding = True
    world.controllers.run()
    assert serious(await later(world, kind)) == []


@pytest.mark.parametrize("owner", OWNERS[:3], ids=lambda owner: owner["kind"])
async def test_a_storage_class_that_does_not_exist(owner: Body) -> None:
    """Also without an Event: it ends after an hour. A new class heals it."""
    world = World(owner, binding=False, pods=False, jobs="")
    await world.settle()
    kind = owner["kind"]
    pending(world)
    status = await later(world, kind)
    assert serious(status) == ["ProvisioningFailed"]
    assert "StorageClass fast does not exist" in status["message"]
    world.cluster.user_apply(storage_class())
    assert serious(await later(world, kind)) == []


@pytest.mark.parametrize("owner", OWNERS[:3], ids=lambda owner: owner["kind"])
async def test_a_claim_that_waits_for_its_first_pod_is_no_issue(owner: Body) -> None:
    """A DataSource is even ready."""
    world = World(owner, storage_class(mode="WaitForFirstConsumer"), binding=False, pods=False, jobs="")
    await world.settle()
    pending(world)
    status = await later(world, owner["kind"])
    assert serious(status) == []
    assert owner["kind"] != "DataSource" or reason(status) == "Bound"


@pytest.mark.parametrize("owner", OWNERS[:3], ids=lambda owner: owner["kind"])
async def test_a_class_typed_wrong_can_be_corrected(owner: Body) -> None:
    """A claim that was never bound holds no data: it is created again."""
    world = World(owner, storage_class("good"), binding=False, pods=False, jobs="")
    await world.settle()
    pending(world)
    spec = world.get(owner["kind"], NAME)["spec"]
    text = {key: _with_class(value, "good") for key, value in spec.items()}
    world.edit(owner["kind"], NAME, **text)
    await world.settle()
    (claim,) = world.all("PersistentVolumeClaim")
    assert claim["spec"]["storageClassName"] == "good"


def _with_class(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _with_class(item, name) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_class(item, name) for item in value]
    return name if value == "fast" else value


async def test_a_workload_tells_the_cause_of_the_claim_that_it_waits_for() -> None:
    """The DataSource has its claim; the pod cannot be scheduled because of it."""
    source = OWNERS[0]
    refs = {"dataSources": [{"name": NAME}]}
    world = World(source, asset("Workspace", "box", {"image": IMAGE, "assets": refs}), storage_class(), binding=False)
    world.controllers.pods = False
    await world.settle()
    claim = world.get("PersistentVolumeClaim", NAME)
    world.cluster.user_apply(event(claim, "ProvisioningFailed", RWX))
    made = world.get("StatefulSet", "box")
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "box", "uid": made["metadata"]["uid"]}
    unbound = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": unbound}
    meta = {"name": "box-0", "labels": made["metadata"]["labels"], "ownerReferences": [{**owner, "controller": True}]}
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": NAME}}]
    pod = {"kind": "Pod", "metadata": meta, "spec": {"volumes": volumes}}
    world.cluster.user_apply(complete({**pod, "status": {"phase": "Pending", "conditions": [condition]}}))
    status = await later(world, "Workspace", "box")
    assert reason(status) == "ProvisioningFailed"
    assert f"PersistentVolumeClaim {TEAM}/{NAME} is not bound" in status["message"]
