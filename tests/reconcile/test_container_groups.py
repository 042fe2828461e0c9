"""Container groups that are renamed, moved, added or removed: one rollout in one Deployment."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.naming import LABEL_CONTAINER_GROUP
from world import TEAM, World, asset

Body = dict[str, Any]


def group(name: str, image: str = "", **fields: Any) -> Body:
    """A container group of one container, with an image of its name."""
    return {"name": name, "containers": [{"imageUri": f"r.example.com/{image or name}:1", "port": 8080}], **fields}


def artifact(*groups: Body, name: str = "pair", **spec: Any) -> Body:
    """An Artifact that runs."""
    return asset("Artifact", name, {"containerGroups": list(groups), "run": {}, **spec})


def deployments(world: World) -> dict[str, str]:
    """Deployment -> uid."""
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in world.all("Deployment")}


def image_at(world: World, service: str) -> str:
    """The image of the pods that a Service selects."""
    selector = world.get("Service", service)["spec"]["selector"].items()
    (found,) = [
        item["spec"]["template"]
        for item in world.all("Deployment")
        if selector <= item["spec"]["template"]["metadata"]["labels"].items()
    ]
    return str(found["spec"]["containers"][0]["image"])


def selectors_fit(world: World) -> bool:
    """Whether every Deployment, and only it, selects the pods of its template."""
    found = [item["spec"] for item in world.all("Deployment")]
    return all(
        [one["selector"]["matchLabels"].items() <= other["template"]["metadata"]["labels"].items() for other in found]
        == [one is other for other in found]
        for one in found
    )


@pytest.mark.parametrize(
    "after",
    [
        [group("server", "default")],
        [group("server")],
        [group("server"), group("extra")],
    ],
)
async def test_a_renamed_group_rolls_in_its_deployment(after: list[Body]) -> None:
    world = World(artifact(group("default")))
    await world.settle()
    before = deployments(world)
    world.edit("Artifact", "pair", containerGroups=after)
    await world.settle()
    assert deployments(world).items() >= before.items()
    assert image_at(world, "pair") == after[0]["containers"][0]["imageUri"]
    assert not [write for write in world.writes() if write[:2] == ("delete", "Deployment")]
    assert [item["name"] for item in world.status("Artifact", "pair")["containerGroups"]] == [
        item["name"] for item in after
    ]
    assert selectors_fit(world)


async def test_a_version_whose_group_has_another_name_rolls_in_the_same_deployment() -> None:
    versions = [
        artifact(group(name), name=f"v{number}", run=None, locked=True, repositoryRef={"name": "scorer"})
        for number, name in enumerate(("default", "server"), start=1)
    ]
    for body in versions:
        del body["spec"]["run"]
    world = World(*versions, asset("Inference", "i", {"artifact": {"repository": "scorer", "version": 1}}))
    await world.settle()
    before = deployments(world)
    world.edit("Inference", "i", artifact={"repository": "scorer", "version": 2})
    await world.settle()
    assert deployments(world) == before
    assert image_at(world, "i") == "r.example.com/server:1"


async def test_an_image_and_an_artifact_share_one_deployment() -> None:
    """The same Inference runs an image first, and then an artifact whose group has any name."""
    other = artifact(group("server"))
    del other["spec"]["run"]
    world = World(other, asset("Inference", "i", {"image": "r.example.com/a:1", "servingPort": {"container": 8080}}))
    await world.settle()
    before = deployments(world)
    world.edit("Inference", "i", image=None, servingPort=None, artifact={"name": "pair"})
    await world.settle()
    assert deployments(world) == before
    assert image_at(world, "i") == "r.example.com/server:1"


async def test_another_order_moves_no_address_and_restarts_nothing() -> None:
    world = World(artifact(group("front"), group("back")))
    await world.settle()
    before = {item["metadata"]["name"]: item["spec"] for item in world.all("Deployment")}
    world.edit("Artifact", "pair", containerGroups=[group("back"), group("front")])
    await world.settle()
    assert {item["metadata"]["name"]: item["spec"] for item in world.all("Deployment")} == before
    assert (image_at(world, "pair"), image_at(world, "pair-back")) == ("r.example.com/front:1", "r.example.com/back:1")


async def test_a_renamed_second_group_keeps_its_deployment_and_gets_an_address_of_its_name() -> None:
    world = World(artifact(group("front"), group("back")))
    await world.settle()
    before = deployments(world)
    world.edit("Artifact", "pair", containerGroups=[group("front"), group("rear")])
    await world.settle()
    assert deployments(world) == before
    assert {item["metadata"]["name"] for item in world.all("Service")} == {"pair", "pair-rear"}
    assert image_at(world, "pair-rear") == "r.example.com/rear:1"
    world.edit("Artifact", "pair", containerGroups=[group("back"), group("front"), group("rear")])
    await world.settle()
    assert deployments(world).items() > before.items()
    assert {image_at(world, f"pair-{name}") for name in ("back", "rear")} == {
        "r.example.com/back:1",
        "r.example.com/rear:1",
    }
    assert selectors_fit(world)


async def test_the_address_stays_when_the_main_group_is_removed() -> None:
    world = World(artifact(group("front"), group("back")))
    await world.settle()
    before = deployments(world)
    world.edit("Artifact", "pair", containerGroups=[group("back")])
    await world.settle()
    assert deployments(world) == {"pair": before["pair"]}
    assert image_at(world, "pair") == "r.example.com/back:1"
    assert selectors_fit(world)


async def test_a_lost_revision_moves_no_group() -> None:
    world = World(artifact(group("front"), group("back")))
    await world.settle()
    world.edit("Artifact", "pair", containerGroups=[group("rear"), group("front")])
    await world.settle()
    before = deployments(world)
    for item in world.all("ControllerRevision"):
        world.cluster.user_delete("ControllerRevision", TEAM, item["metadata"]["name"])
    await world.restart()
    await world.settle()
    assert deployments(world) == before
    assert (image_at(world, "pair"), image_at(world, "pair-rear")) == ("r.example.com/front:1", "r.example.com/rear:1")


async def test_sizes_follow_the_name_of_a_group() -> None:
    sized = {"containerGroups": [{"name": "back", "replicas": 3}]}
    world = World(artifact(group("front"), group("back"), run=sized))
    await world.settle()
    renamed = {"containerGroups": [{"name": "rear", "replicas": 4}]}
    world.edit("Artifact", "pair", containerGroups=[group("front"), group("rear")], run=renamed)
    await world.settle()
    assert world.get("Deployment", "pair-back")["spec"]["replicas"] == 4
    budget = world.get("PodDisruptionBudget", "pair-back")["spec"]["selector"]["matchLabels"]
    assert budget[LABEL_CONTAINER_GROUP] == "back"


async def test_a_deployment_with_another_selector_takes_its_pods_with_it() -> None:
    """No Deployment takes over the ReplicaSets of another selector, so they must not be left behind."""
    world = World(artifact(group("front")))
    await world.settle()
    body = world.get("Deployment", "pair")
    body["spec"]["selector"]["matchLabels"][LABEL_CONTAINER_GROUP] = "mine"
    uid = body["metadata"]["uid"]
    world.cluster.user_replace(body)
    left = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "left",
            "namespace": TEAM,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "pair", "uid": uid}],
        },
        "spec": {},
    }
    world.cluster.user_apply(left)
    await world.settle()
    assert deployments(world)["pair"] != uid
    assert world.find("Pod", "left") is None
