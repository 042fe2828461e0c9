"""Labels and annotations of the user on every child, where an admission policy may demand them."""

from __future__ import annotations

from typing import Any

import pytest

from world import SYSTEM, World, asset, complete, issues, secret

IMAGE = "registry.example.com/u:1"
GIVEN = {
    "labels": [{"name": "cost-center", "value": "a1"}, {"name": "app.kubernetes.io/managed-by", "value": "me"}],
    "annotations": [{"name": "owner", "value": "ann"}, {"name": "nginx.ingress.kubernetes.io/x", "value": "y"}],
}
URL = {"name": "web", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8080}
KINDS = {
    "Workspace": {
        "image": IMAGE,
        "connections": [URL],
        "storage": {"pvc": [{"name": "d", "path": "/d", "claimInfo": {"size": "1Gi"}}]},
    },
    "Inference": {
        "image": IMAGE,
        "servingPort": {"container": 8000},
        "compute": {"cpuCoreRequest": 1},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 3, "metric": "cpu", "metricThreshold": 50},
    },
}
GROUPS = [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]
IN_PLACE = {
    "Environment": {"image": IMAGE, "connections": [URL], "run": GIVEN},
    "Artifact": {"containerGroups": GROUPS, "run": {"servingPort": {}, **GIVEN}},
    "NimCache": {"image": "nvcr.io/nim/a:1", **GIVEN},
}
SPECS = {**{kind: {**spec, **GIVEN} for kind, spec in KINDS.items()}, **IN_PLACE}
CHILDREN = ("StatefulSet", "Deployment", "Service", "Ingress", "PersistentVolumeClaim", "HorizontalPodAutoscaler",
            "PodDisruptionBudget", "Job")  # fmt: skip


def children(world: World) -> list[dict[str, Any]]:
    return [item for kind in CHILDREN for item in world.all(kind)]


@pytest.mark.parametrize("kind", SPECS)
async def test_every_child_has_them(kind: str) -> None:
    world = World(asset(kind, "w", SPECS[kind]), settings={"domain": "apps.example.com"}, jobs="")
    await world.settle()
    found = children(world)
    assert {item["kind"] for item in found} >= {"Job" if kind == "NimCache" else "Service"}
    for item in found:
        meta = item["metadata"]
        assert meta["labels"]["cost-center"] == "a1", item["kind"]
        assert meta["labels"]["app.kubernetes.io/managed-by"] == "outfitter"
        assert meta["annotations"]["owner"] == "ann"
        obeyed = item["kind"] in ("Service", "Ingress")
        assert ("nginx.ingress.kubernetes.io/x" in meta["annotations"]) is not obeyed
    mark = len(world.cluster.writes)
    await world.settle()
    assert world.writes(mark) == []


async def test_selectors_do_not_change_with_them() -> None:
    world = World(asset("Inference", "w", {**KINDS["Inference"], **GIVEN}))
    await world.settle()
    before = world.get("Deployment", "w")
    world.edit("Inference", "w", labels=[{"name": "cost-center", "value": "b2"}])
    await world.settle()
    after = world.get("Deployment", "w")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["labels"]["cost-center"] == "b2"
    assert after["spec"]["selector"] == before["spec"]["selector"]


async def test_claims_and_copies_of_assets_have_the_labels() -> None:
    labels = GIVEN["labels"]
    world = World(
        asset("DataSource", "claim", {"labels": labels, "pvc": {"path": "/d", "claimInfo": {"size": "1Gi"}}}),
        asset(
            "DataSource", "copy", {"labels": labels, "configMapVolume": {"configMap": "c", "mountPath": "/c"}}, SYSTEM
        ),
        asset("Credential", "c", {"labels": labels, "type": "genericSecret", "secretRef": {"name": "s"}}),
        complete({"kind": "ConfigMap", "metadata": {"name": "c", "namespace": SYSTEM}, "data": {"a": "b"}}),
        secret("s", {"a": "b"}),
    )
    await world.settle()
    for kind, name in (("PersistentVolumeClaim", "claim"), ("ConfigMap", "dsrc-copy"), ("Secret", "cred-c")):
        found = world.get(kind, name)["metadata"]["labels"]
        assert found["cost-center"] == "a1", kind
        assert found["app.kubernetes.io/managed-by"] == "outfitter"
    assert "Reserved" in issues(world.status("DataSource", "claim"))
    world.edit("Credential", "c", labels=[{"name": "cost-center", "value": "b2"}])
    await world.settle()
    assert world.get("Secret", "cred-c")["metadata"]["labels"]["cost-center"] == "b2"


async def test_labels_for_which_nothing_is_created_are_told() -> None:
    labels = GIVEN["labels"]
    world = World(
        asset("DataSource", "own", {"labels": labels, "configMapVolume": {"configMap": "c", "mountPath": "/c"}}),
        complete({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}}),
    )
    await world.settle()
    assert "NotEnforced" in issues(world.status("DataSource", "own"))
