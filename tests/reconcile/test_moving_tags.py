"""An image that its registry can change is noted where one content is promised: in a version, and in a cache."""

from __future__ import annotations

import pytest

from outfitter.api.patterns import tag_can_move
from world import World, asset, issues

DIGEST = f"@sha256:{'0' * 64}"
IMAGES = [
    ("scorer", True),
    ("registry.example.com/ml/scorer", True),
    ("registry.example.com:5000/ml/scorer", True),
    ("registry.example.com/ml/scorer:latest", True),
    ("registry.example.com:5000/ml/scorer:latest", True),
    ("registry.example.com/ml/scorer:1", False),
    ("registry.example.com:5000/ml/scorer:1", False),
    ("registry.example.com/ml/scorer:latest-1", False),
    (f"registry.example.com/ml/scorer{DIGEST}", False),
    (f"registry.example.com/ml/scorer:latest{DIGEST}", False),
]


@pytest.mark.parametrize(("image", "moves"), IMAGES)
async def test_versions_and_caches_name_it(image: str, moves: bool) -> None:
    groups = [{"containers": [{"imageUri": image, "port": 8080}]}]
    world = World(
        asset("Artifact", "version", {"locked": True, "containerGroups": groups}),
        asset("Artifact", "draft", {"containerGroups": groups}),
        asset("NimCache", "cache", {"image": image}),
    )
    await world.settle()
    noted = ["MovingTag"] if moves else []
    assert tag_can_move(image) is moves
    assert issues(world.status("Artifact", "version")) == noted
    assert issues(world.status("NimCache", "cache")) == noted
    assert issues(world.status("Artifact", "draft")) == []
    assert world.status("Artifact", "version")["phase"] == "Locked"
    assert world.status("NimCache", "cache")["phase"] == "Ready"
