"""A field that is null is an absent field: the same children, revisions and status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.api.shape import without_nulls
from world import World, secret

FILE = Path(__file__).parents[1] / "integration" / "objects" / "nulls.yaml"
OBJECTS = list(yaml.safe_load_all(FILE.read_text()))


@pytest.mark.parametrize("given", OBJECTS, ids=lambda item: item["kind"])
async def test_nulls_change_nothing(given: dict[str, Any]) -> None:
    worlds = [World(secret("nulls", {"User": "u", "Password": "p"}), body) for body in (given, without_nulls(given))]
    for world in worlds:
        await world.settle()
    nulls, without = worlds
    assert nulls.writes() == without.writes()
    assert [write.manifest for write in nulls.cluster.writes] == [write.manifest for write in without.cluster.writes]
