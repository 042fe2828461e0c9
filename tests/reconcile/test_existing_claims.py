"""`existingPvc: true` with `claimInfo`: what repeats the claim is fine, what contradicts it is reported."""

from __future__ import annotations

from typing import Any

import pytest

from world import TEAM, World, asset, complete, condition, issues, reason

CLAIM = {
    "accessModes": ["ReadWriteMany", "ReadOnlyMany"],
    "resources": {"requests": {"storage": "10Gi"}},
    "storageClassName": "fast",
    "volumeMode": "Filesystem",
}
SAME = {
    "size": "10240Mi",
    "storageClass": "fast",
    "accessModes": {"readWriteMany": True},
    "volumeMode": "Filesystem",
    "addedAttrValues": [{"key": "example.com/tier", "value": "gold"}],
}
DIFFERENCES: dict[str, tuple[Any, str]] = {
    "size": ("11Gi", "size 10Gi"),
    "storageClass": ("slow", "storage class fast"),
    "accessModes": ({"readWriteOnce": True}, "access modes ReadOnlyMany, ReadWriteMany"),
    "volumeMode": ("Block", "volume mode Filesystem"),
    "addedAttrValues": ([{"key": "example.com/tier", "value": "tin"}], "example.com/tier=gold"),
}


def claim(**changes: Any) -> dict[str, Any]:
    meta = {"name": "lake", "annotations": {"example.com/tier": "gold"}}
    return complete({"kind": "PersistentVolumeClaim", "metadata": meta, "spec": {**CLAIM, **changes}})


def pvc(info: dict[str, Any]) -> dict[str, Any]:
    return {"path": "/data", "existingPvc": True, "claimName": "lake", "claimInfo": info}


def world(info: dict[str, Any]) -> World:
    """An inline volume and a DataSource of the same claim."""
    return World(
        claim(),
        asset("DataSource", "lake", {"pvc": pvc(info)}),
        asset("Workspace", "inline", {"image": "i", "storage": {"pvc": [{"name": "v", **pvc(info)}]}}),
        asset("Workspace", "box", {"image": "i", "assets": {"dataSources": [{"name": "lake"}]}}),
    )


@pytest.mark.parametrize("info", [SAME, {}, {"size": "1Gi"}, *({key: SAME[key]} for key in SAME)])
async def test_repetition_is_fine(info: dict[str, Any]) -> None:
    found = world(info)
    before = found.get("PersistentVolumeClaim", "lake")["spec"]
    await found.settle()
    for kind, name in (("DataSource", "lake"), ("Workspace", "inline"), ("Workspace", "box")):
        assert condition(found.status(kind, name), "Ready")["status"] == "True"  # type: ignore[index]
        assert issues(found.status(kind, name)) == []
    assert found.get("PersistentVolumeClaim", "lake")["spec"] == before


@pytest.mark.parametrize("field", DIFFERENCES)
async def test_a_contradiction_is_reported(field: str) -> None:
    given, has = DIFFERENCES[field]
    found = world({**SAME, field: given})
    before = found.get("PersistentVolumeClaim", "lake")
    await found.settle()
    blocks = field == "volumeMode"  # the pod could not mount it
    for kind, name in (("DataSource", "lake"), ("Workspace", "inline")):
        status = found.status(kind, name)
        (row,) = status["issues"]
        assert row["issue"] == ("InvalidSpec" if blocks else "ClaimDiffers")
        assert has in row["message"]
        assert f"claimInfo.{field}" in row["message"]
        assert f"PersistentVolumeClaim {TEAM}/lake" in row["message"]
        assert (condition(status, "Stalled") is not None) is blocks
    assert reason(found.status("Workspace", "box")) == ("InvalidSpec" if blocks else "Running")
    assert issues(found.status("Workspace", "box")) == (["InvalidSpec"] if blocks else [])
    assert found.get("PersistentVolumeClaim", "lake")["spec"] == before["spec"]


async def test_a_claim_that_is_not_there_comes_first() -> None:
    found = world({"size": "11Gi"})
    found.cluster.user_delete("PersistentVolumeClaim", TEAM, "lake")
    await found.settle()
    assert issues(found.status("Workspace", "inline")) == ["NotCreated"]
