"""Whoever has Outfitter create addresses, URLs or volumes may create them directly."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter_sandbox import Sandbox

from .objects import Manifest, apply, custom
from .test_admission import IMAGE, OURS, Person, becomes, grant, guarded, person, tries

__all__ = ["guarded", "person"]  # fixtures
pytestmark = pytest.mark.cluster
PODS = ("", "pods", ["create"], list[str]())
KINDS = (*OURS, *(("outfitter.dev", plural, ["create", "update", "patch", "get"], list[str]())
                  for plural in ("distributedtrainings", "inferences", "nimcaches")))  # fmt: skip


def box(**more: Any) -> Manifest:
    return custom("Workspace", "box", "team-x", {"image": IMAGE, **more})


def env(**more: Any) -> Manifest:
    return custom("Environment", "env", "team-x", {"image": IMAGE, **more})


def mastered(**master: Any) -> Manifest:
    spec = {"image": IMAGE, "distributedFramework": "PyTorch", "masterSpec": {"image": IMAGE, **master}}
    return custom("DistributedTraining", "many", "team-x", spec)


def source(**pvc: Any) -> Manifest:
    return custom("DataSource", "data", "team-x", {"pvc": {"path": "/d", **pvc}})


def tool(type_: str) -> dict[str, Any]:
    return {"name": "t", "toolType": "custom", "connectionType": type_, "containerPort": 80}


NEW = {"claimInfo": {"size": "1Gi"}}
CASES: dict[str, tuple[str, str, Manifest]] = {
    "node port of an environment": ("", "services", env(connections=[tool("NodePort")])),
    "load balancer of an environment": ("", "services", env(connections=[tool("LoadBalancer")])),
    "URL of an environment": ("networking.k8s.io", "ingresses", env(connections=[tool("ExternalUrl")])),
    "node port of a workload": ("", "services", box(connections=[tool("NodePort")])),
    "URL of a workload": ("networking.k8s.io", "ingresses", box(connections=[tool("ExternalUrl")])),
    "node port of a port": ("", "services", box(ports=[{"container": 80, "serviceType": "NodePort"}])),
    "load balancer of a port": ("", "services", box(ports=[{"container": 80, "serviceType": "LoadBalancer"}])),
    "URL of a serving port": (
        "networking.k8s.io",
        "ingresses",
        custom("Inference", "i", "team-x", {"image": IMAGE, "servingPort": {"container": 8000}}),
    ),
    "URL of a port": ("networking.k8s.io", "ingresses", box(exposedUrls=[{"container": 80}])),
    "node port of a run": ("", "services", env(run={"connections": [tool("NodePort")]})),
    "node port of a master": ("", "services", mastered(connections=[tool("NodePort")])),
    "URL of a master": ("networking.k8s.io", "ingresses", mastered(exposedUrls=[{"container": 80}])),
    "volume of a master": (
        "",
        "persistentvolumeclaims",
        mastered(storage={"pvc": [{"name": "d", "path": "/d", **NEW}]}),
    ),
    "volume of a source": ("", "persistentvolumeclaims", source(**NEW)),
    "volume of a workload": (
        "",
        "persistentvolumeclaims",
        box(storage={"pvc": [{"name": "d", "path": "/d", **NEW}]}),
    ),
    "model of an artifact": (
        "",
        "persistentvolumeclaims",
        custom(
            "Artifact",
            "nim",
            "team-x",
            {"type": "nim", "containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8000}]}], "run": {}},
        ),
    ),
    "model cache": ("", "persistentvolumeclaims", custom("NimCache", "m", "team-x", {"image": IMAGE})),
}
FREE = {
    "an address inside": box(ports=[{"container": 80, "serviceType": "ClusterIP"}]),
    "a master without an address": mastered(ports=[{"container": 80}]),
    "an existing volume": source(existingPvc=True, claimName="d"),
    "a mounted volume": box(storage={"pvc": [{"name": "d", "path": "/d", "existingPvc": True, "claimName": "d"}]}),
}


def test_each_needs_the_right_to_create_it(guarded: Sandbox, person: Person) -> None:
    """One user for all: rights take a moment until they count."""
    carl = person("carl", *KINDS, PODS)
    becomes(carl, FREE["an address inside"], "")
    becomes(carl, CASES["model cache"][2], "You need the verb create on persistentvolumeclaims")
    for name, item in FREE.items():
        assert tries(carl, item) == "", name
    for name, (_, plural, item) in CASES.items():
        assert f"You need the verb create on {plural} in namespace team-x" in tries(carl, item), name
    rights = [(group, plural, ["create"], list[str]()) for group, plural in {case[:2] for case in CASES.values()}]
    grant(guarded, "carl", *KINDS, PODS, *rights)
    for name, (_, _, item) in CASES.items():
        becomes(carl, item, "")
        assert tries(carl, item) == "", name


def test_to_delete_data_with_the_object_needs_delete_on_claims(guarded: Sandbox, person: Person) -> None:
    claims = ("", "persistentvolumeclaims", ["create"], list[str]())
    dora = person("dora", *KINDS, PODS, claims)
    item = source(**NEW)
    becomes(dora, item, "")
    path = "/apis/outfitter.dev/v1alpha1/namespaces/team-x/datasources"
    assert guarded.connection().answer("POST", path, item)[0] == 201
    item["spec"]["reclaimPolicy"] = "Delete"
    assert "You need the verb delete on persistentvolumeclaims in namespace team-x" in tries(dora, item)
    grant(guarded, "dora", *KINDS, PODS, ("", "persistentvolumeclaims", ["create", "delete"], []))
    becomes(dora, item, "")


def test_to_move_an_artifact_needs_share_on_both_repositories(guarded: Sandbox, person: Person) -> None:
    """Who may change one artifact, because its repository is shared, cannot take it from the owners."""
    served = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]}
    path = "/apis/outfitter.dev/v1alpha1/namespaces/team-x/artifacts"
    item = custom("Artifact", "moved", "team-x", {**served, "repositoryRef": {"name": "one"}})
    assert guarded.connection().answer("POST", path, item)[0] == 201
    mine = ("outfitter.dev", "artifacts", ["get", "update", "patch", "create"], ["moved"])
    edna = person("edna", mine, PODS)
    item["spec"]["repositoryRef"]["name"] = "two"
    refused = "You need the verb share on both repositories"
    becomes(edna, item, refused)
    share = ("outfitter.dev", "artifactrepositories", ["share"])
    grant(guarded, "edna", mine, PODS, (*share, ["two"]))
    assert refused in tries(edna, item)
    grant(guarded, "edna", mine, PODS, (*share, ["one", "two"]))
    becomes(edna, item, "")
    grant(guarded, "edna", ("outfitter.dev", "artifacts", ["get", "update", "patch", "delete", "create"], []), PODS)
    becomes(edna, item, "")


def test_other_owner_references_need_the_right_to_delete(guarded: Sandbox, person: Person) -> None:
    """An owner that does not exist has the garbage collector delete the object, which no policy judges."""
    path = "/apis/outfitter.dev/v1alpha1/namespaces/team-x/artifacts"
    served = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]}
    item = custom("Artifact", "owned", "team-x", served)
    assert guarded.connection().answer("POST", path, item)[0] == 201
    mine = ("outfitter.dev", "artifacts", ["get", "update", "patch", "create"], ["owned"])
    gwen = person("gwen", mine, PODS)
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "11111111-1111-1111-1111-111111111111"}
    item["metadata"]["ownerReferences"] = [owner]
    becomes(gwen, item, "You need the verb delete on it")
    grant(guarded, "gwen", ("outfitter.dev", "artifacts", ["get", "update", "patch", "create", "delete"], []), PODS)
    becomes(gwen, item, "")


def test_a_shared_config_map_must_be_readable(guarded: Sandbox, person: Person) -> None:
    shay = person("shay", *KINDS, PODS)
    item = custom("DataSource", "leak", "team-x", {"configMapVolume": {"configMap": "internal", "mountPath": "/x"}})
    becomes(shay, item, "")
    item["spec"]["scope"] = {"type": "cluster"}
    becomes(shay, item, "You need the verb get on it")
    grant(guarded, "shay", *KINDS, PODS, ("", "configmaps", ["get"], ["internal"]))
    becomes(shay, item, "")


def test_an_empty_label_of_a_namespace_is_a_label(guarded: Sandbox, person: Person) -> None:
    """By its presence a namespace takes part."""
    nina = person("nina", ("", "namespaces", ["get", "patch", "update"], []))
    apply(guarded, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "plain"}})
    for name in ("plain", "kube-public"):
        for label in ("project", "department", "elevation"):
            for value in ("", "x"):
                body = {"metadata": {"labels": {f"outfitter.dev/{label}": value}}}
                where = f"/api/v1/namespaces/{name}?dryRun=All"
                status, _ = nina.answer("PATCH", where, body, "application/merge-patch+json")
                assert status == 403, (name, label, value)
