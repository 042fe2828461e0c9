"""Renamed and moved container groups on a real API server: the old pods end, and nothing outlives its owner."""

from __future__ import annotations

from typing import Any

from .harness.client import Object, eventually, ready
from .harness.space import Space
from .test_artifacts import image


def group(name: str, tag: str, port: int = 8080) -> Object:
    """A container group of one container."""
    return {"name": name, "containers": [{"imageUri": f"registry.example.com/{tag}", "port": port}]}


def run_images(space: Space) -> list[str]:
    """The images of all pods that are not being deleted."""
    pods = [item for item in space.list("Pod") if "deletionTimestamp" not in item["metadata"]]
    return sorted(container["image"].rpartition("/")[2] for item in pods for container in item["spec"]["containers"])


def uid(item: Any) -> str:
    return str(item["metadata"]["uid"])


def test_a_version_with_another_group_name_rolls_in_one_deployment(space: Space) -> None:
    for number, name in ((1, "default"), (2, "server")):
        spec = {"locked": True, "repositoryRef": {"name": "scorer"}, "version": number}
        space.make("Artifact", f"scorer-{number}", {**spec, "containerGroups": [group(name, f"scorer:{number}")]})
        space.ready("Artifact", f"scorer-{number}")
    space.make("Inference", "scoring", {"artifact": {"repository": "scorer", "version": 1}, "replicas": 2})
    space.ready("Inference", "scoring")
    deployment = uid(space.need("Deployment", "scoring"))
    assert run_images(space) == ["scorer:1"] * 2
    space.spec("Inference", "scoring", artifact={"repository": "scorer", "version": 2})
    space.wait("Inference", "scoring", lambda item: ready(item) and item["status"]["artifact"]["version"] == 2)
    assert uid(space.need("Deployment", "scoring")) == deployment
    eventually(lambda: run_images(space), lambda found: found == ["scorer:2"] * 2, what="old pods run on")
    space.delete("Inference", "scoring")
    eventually(lambda: run_images(space), lambda found: not found, what="pods outlive the Inference")


def test_a_moved_and_a_renamed_group_keep_deployment_and_address(space: Space) -> None:
    front, back = group("front", "front:1"), group("back", "back:1", 8081)
    space.make("Artifact", "pair", {"containerGroups": [front, back], "run": {}})
    space.ready("Artifact", "pair")
    before = {name: uid(space.need("Deployment", name)) for name in ("pair", "pair-back")}
    selector = space.need("Service", "pair")["spec"]["selector"]
    space.spec("Artifact", "pair", containerGroups=[group("rear", "rear:1", 8081), front])
    space.wait("Deployment", "pair-back", lambda item: image(item).endswith("rear:1"))
    space.ready("Artifact", "pair")
    assert {item["metadata"]["name"]: uid(item) for item in space.list("Deployment")} == before
    assert space.need("Service", "pair")["spec"]["selector"] == selector
    assert space.need("Service", "pair-rear")["spec"]["selector"] != selector
    space.gone("Service", "pair-back")
    eventually(lambda: run_images(space), lambda found: found == ["front:1", "rear:1"], what="old pods run on")
    space.delete("Artifact", "pair")
    eventually(lambda: run_images(space), lambda found: not found, what="pods outlive the Artifact")
