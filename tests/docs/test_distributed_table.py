"""Each row of the table in docs/guide/distributed-training.md: what is installed and asked for gives what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from outfitter.codegen.chart_settings import camel
from outfitter.settings import Settings
from world import TEAM, World, asset, condition, issues, namespace

from .test_scheduling_table import lines

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "distributed-training.md").read_text()
TABLE = PAGE.partition("## What is created")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| ([\w, ]+) \| `(\{.*?\})` \| `(\{.*\})` \| (.*) \| (.*)\|$", TABLE, re.MULTILINE)
NAMES = {camel(name): name for name in Settings.model_fields}
OPTIONAL = ("JobSet", "MPIJob", "PodGroup")
CREATED = ("Job", "Service", *OPTIONAL)


@pytest.mark.parametrize(("installed", "settings", "fields", "says", "gang"), ROWS)
async def test_row(installed: str, settings: str, fields: str, says: str, gang: str) -> None:
    given = {"image": "registry.example.com/u:1", "distributedFramework": "PyTorch", "numWorkers": 3}
    spec = {**given, **yaml.safe_load(fields)}
    if "masterSpec" not in spec:
        spec["masterSpecSameAsWorker"] = True
    chosen = {NAMES[name]: value for name, value in yaml.safe_load(settings).items()}
    world = World(namespace(TEAM), asset("DistributedTraining", "w", spec), settings=chosen)
    for kind in OPTIONAL:
        world.caches.set_served(kind, kind in installed)
    await world.settle()
    status = world.status("DistributedTraining", "w")
    made = [body for kind in CREATED for body in world.all(kind)]
    named = re.findall(r"`([^`]+)`", says)
    counts = {kind: int(number) for number, kind in re.findall(r"`(\d+) (\w+)`", says)}
    assert {kind: len(world.all(kind)) for kind in CREATED} == {**dict.fromkeys(CREATED, 0), **counts}
    rendered = [line for body in made for line in lines(body)]
    for part in named:
        assert re.match(r"\d+ ", part) or part in rendered or part in issues(status)
    found = condition(status, "GangScheduled")
    assert ([found["reason"]] if found else []) == re.findall(r"`(\w+)`", gang)


def test_every_row_is_read() -> None:
    """A row that no longer fits the pattern would be left out in silence."""
    assert len(ROWS) == len([line for line in TABLE.splitlines() if line.startswith("|")]) - 2
    assert {kind for kind in CREATED for row in ROWS if kind in row[3]} == set(CREATED)
