"""Tags: labels of child objects, one text in the status, and nothing that restarts a pod."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.api.v1alpha1.artifactspec import TAGGED_LIMIT
from world import World, asset, issues

GROUPS = [{"containers": [{"imageUri": "registry.example.com/s:1", "port": 8080}]}]
PREFIX = "tags.outfitter.dev/"


def artifact(*tags: tuple[str, str], **spec: Any) -> dict[str, Any]:
    """An Artifact with tags."""
    listed = [{"name": name, "value": value} for name, value in tags]
    return asset("Artifact", "scorer", {"containerGroups": GROUPS, "tags": listed, **spec})


def labels(world: World, kind: str, name: str = "scorer") -> dict[str, str]:
    """The labels of a child that come from tags, without their prefix."""
    found = world.get(kind, name)["metadata"]["labels"]
    return {key.removeprefix(PREFIX): value for key, value in found.items() if key.startswith(PREFIX)}


async def test_children_have_a_label_for_each_tag_and_follow_edits_without_a_restart() -> None:
    world = World(artifact(("team", "nlp"), ("stage", "prod"), run={"servingPort": {}}))
    await world.settle()
    for kind in ("Deployment", "Service"):
        assert labels(world, kind) == {"team": "nlp", "stage": "prod"}
    template = world.get("Deployment", "scorer")["spec"]["template"]
    assert not any(key.startswith(PREFIX) for key in template["metadata"]["labels"])
    before = world.get("Deployment", "scorer")["metadata"]["generation"], world.status("Artifact", "scorer")["revision"]
    world.edit("Artifact", "scorer", tags=[{"name": "team", "value": "cv"}])
    await world.settle()
    for kind in ("Deployment", "Service"):
        assert labels(world, kind) == {"team": "cv"}
    after = world.get("Deployment", "scorer")["metadata"]["generation"], world.status("Artifact", "scorer")["revision"]
    assert after == before
    assert "NotEnforced" not in issues(world.status("Artifact", "scorer"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name of team", "nlp"),
        ("team", "natural language"),
        ("a" * 64, "nlp"),
        ("team", "x" * 64),
        ("a/b", "c"),
        ("-", "c"),
    ],
)
async def test_a_tag_that_cannot_be_a_label_is_a_note(name: str, value: str) -> None:
    world = World(artifact((name, value), ("stage", "prod"), run={}))
    await world.settle()
    assert labels(world, "Deployment") == {"stage": "prod"}
    status = world.status("Artifact", "scorer")
    assert issues(status) == ["NotEnforced"]
    assert name[:63] in status["message"]
    assert status["tagged"] == ",".join(sorted((f"{name}={value}", "stage=prod")))


async def test_an_empty_value_is_a_label() -> None:
    world = World(artifact(("urgent", ""), run={}))
    await world.settle()
    assert labels(world, "Deployment") == {"urgent": ""}


async def test_a_definition_has_no_children_and_no_note() -> None:
    world = World(artifact(("name of team", "nlp")))
    await world.settle()
    status = world.status("Artifact", "scorer")
    assert (issues(status), status["tagged"]) == ([], "name of team=nlp")


async def test_many_long_tags_are_cut() -> None:
    tags = [(f"tag-{number:02}", "v" * 900) for number in range(64)]
    world = World(artifact(*tags))
    await world.settle()
    text = world.status("Artifact", "scorer")["tagged"]
    assert (len(text), text[-1]) == (TAGGED_LIMIT, "…")


async def test_labels_of_the_user_win_nothing_over_a_tag_and_stay_beside_it() -> None:
    own = [{"name": f"{PREFIX}team", "value": "forged"}, {"name": "cost", "value": "42"}]
    world = World(artifact(("team", "nlp"), run={"labels": own}))
    await world.settle()
    found = world.get("Deployment", "scorer")["metadata"]["labels"]
    assert (found[f"{PREFIX}team"], found["cost"]) == ("nlp", "42")


async def test_the_roles_of_a_repository_have_its_tags() -> None:
    shared = [{"subject": {"kind": "User", "name": "ann"}, "role": "OWNER"}]
    spec = {"tags": [{"name": "team", "value": "nlp"}, {"name": "a b", "value": "c"}], "sharedRoles": shared}
    world = World(asset("ArtifactRepository", "scorers", spec), settings={"shared_roles": True})
    await world.settle()
    for kind in ("Role", "RoleBinding"):
        assert labels(world, kind, "artrepo-scorers-owner") == {"team": "nlp"}
    status = world.status("ArtifactRepository", "scorers")
    assert (status["tagged"], issues(status)) == ("a b=c,team=nlp", ["NotEnforced"])
