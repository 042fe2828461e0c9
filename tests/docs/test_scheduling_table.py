"""Each row of the table in docs/guide/scheduling.md: settings and fields give what the row says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.codegen.chart_settings import camel
from outfitter.settings import Settings
from world import TEAM, World, asset, issues, namespace

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "scheduling.md").read_text()
ROWS = re.findall(r"^\| `(\{.*?\})` \| `(\{.*\})` \| (.*) \|$", PAGE.partition("## What is rendered")[2], re.MULTILINE)
NAMES = {camel(name): name for name in Settings.model_fields}
CONTROLLER = ("kai.scheduler/", "kueue.x-k8s.io/")


def lines(node: Any) -> Iterator[str]:
    """Every scalar of a manifest, with its key."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from lines(value) if isinstance(value, dict | list) else [f"{key}: {value}"]
    elif isinstance(node, list):
        for item in node:
            yield from lines(item)


@pytest.mark.parametrize(("settings", "fields", "says"), ROWS)
async def test_row(settings: str, fields: str, says: str) -> None:
    labels = {"outfitter.dev/project": TEAM, "outfitter.dev/queue": "team-gpus"}
    spec = {"image": "registry.example.com/u:1", **yaml.safe_load(fields)}
    chosen = {NAMES[name]: value for name, value in yaml.safe_load(settings).items()}
    world = World(namespace(TEAM, labels), asset("Workspace", "w", spec), settings=chosen)
    await world.settle()
    found = issues(world.status("Workspace", "w"))
    stateful_set = world.find("StatefulSet", "w")
    assert ("rejected" in says) == (stateful_set is None)
    rendered = [*lines(stateful_set), *(line for body in world.all("ResourceClaimTemplate") for line in lines(body))]
    top = list(lines((stateful_set or {}).get("metadata", {}).get("labels", {})))
    named = re.findall(r"`([^`]+)`", says)
    assert named or "nothing" in says
    for part in named:
        if ": " not in part:
            assert part in found
        else:
            assert part in rendered
            assert part in top or not part.startswith(CONTROLLER)
    reasons = {"NotEnforced", "FractionsUnsupported", "PriorityUnknown", "QueueForbidden"}
    assert reasons & {*found} == reasons & {*named}
    if "no resource" in says:
        assert not any(line.startswith("nvidia.com/") for line in rendered)


def test_every_backend_has_rows() -> None:
    """The table would be empty if its layout changed."""
    given = {pair for settings, _, _ in ROWS for pair in yaml.safe_load(settings).items()}
    wanted = {("gpuBackend", name) for name in ("kai", "hami", "dra")} | {("queueBackend", n) for n in ("kai", "kueue")}
    assert wanted <= given


def test_the_words_are_those_of_the_operator() -> None:
    from outfitter.api.priorities import PRIORITIES

    part = PAGE.partition("## Priorities")[2].partition("## Queues")[0]
    assert {word: int(value) for word, value in re.findall(r"`([a-z-]+)` \| (\d+)", part)} == dict(PRIORITIES)


def test_the_table_of_backends() -> None:
    """What each backend can, as the table of the renderer says."""
    from outfitter.render.gpu import BACKENDS

    rows = re.findall(r"^\| `(\w+)` \| yes \| yes \| (.*?) \|", PAGE.partition("## Parts of GPUs")[2], re.MULTILINE)
    assert {name: text != "no" for name, text in rows} == {name: each.parts for name, each in BACKENDS.items()}
    assert {name for name, text in rows if "each container" in text} == {
        name for name, each in BACKENDS.items() if each.several_parts
    }
