"""At its start, the operator learns the users of every asset without rendering a workload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.simulator.caches import OUR_KINDS
from world import TEAM, World

EXAMPLES = sorted((Path(__file__).parents[2] / "deploy" / "examples").glob("*.yaml"))


def objects(path: Path) -> list[dict[str, Any]]:
    return [item for item in yaml.safe_load_all(path.read_text()) if item]


def references(deps: Any) -> set[tuple[str, str, str]]:
    return {tuple(dep) for dep in deps if dep.kind in OUR_KINDS}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
async def test_the_start_finds_the_references_that_a_reconciliation_reads(path: Path) -> None:
    """Of new objects, where a workload is resolved only, and of those that run, where its revision counts."""
    world = World(*objects(path))
    for _ in range(2):
        keys = world.keys()
        found = {key: references(world.reconciler.dependencies(key)) for key in keys}
        results = {key: await world.reconcile(key) for key in keys}
        missing = {key: references(result.deps) - found[key] for key, result in results.items() if result.deps}
        assert {key: deps for key, deps in missing.items() if deps} == {}
        await world.settle()


async def test_an_object_that_is_going_uses_nothing() -> None:
    """As in its reconciliation: else an asset would gain a user at a restart, and lose it again."""
    by_name = {path.stem: path for path in EXAMPLES}
    world = World(*objects(by_name["50-training"]), *objects(EXAMPLES[0]))
    await world.settle()
    key = next(key for key in list(world.keys()) if references(world.reconciler.dependencies(key)))
    space = world.cluster.find("Namespace", "", key.namespace)
    assert space is not None
    assert key.namespace == TEAM
    space["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.cluster.user_replace(space)
    assert world.reconciler.dependencies(key) == frozenset()
    assert not (await world.reconcile(key)).deps
