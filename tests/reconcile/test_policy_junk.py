"""Any JSON at any place of a WorkloadPolicy: an error with its field, never an exception in a planner."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outfitter.api.v1alpha1.policyfields import SECTIONS, policy_fields
from outfitter.plan.policy import plan_effective
from outfitter.snapshot import Key
from world import SYSTEM, TEAM, World, asset, namespace, reason

IMAGE: Final = "registry.example.com/box:1"
LABELS: Final = {"outfitter.dev/project": TEAM, "outfitter.dev/department": "research"}
RUNS: Final = {
    "workspace": asset("Workspace", "box", {"image": IMAGE, "labels": [{"name": "a", "value": "b"}]}),
    "inference": asset("Inference", "box", {"image": IMAGE, "servingPort": {"container": 80}}),
}
Place = tuple[str | int, ...]


def _places(workload_type: str) -> Iterator[Place]:
    """Yield every place of a spec that the model of a policy leaves open, and the objects above each."""
    for section in SECTIONS[workload_type]:
        imposed = ("imposedAssets", *([section] if section else []))
        yield from (imposed, (*imposed, 0), (*imposed, 0, "name"), (*imposed, 0, "scope"), (*imposed, 0, "mountPath"))
        for path, table in policy_fields(workload_type, section).items():
            steps = (*([section] if section else []), *path.split("."))
            for end in range(len(steps)):
                yield from (("defaults", *steps[: end + 1]), ("rules", *steps[: end + 1]))
            words = table.rules
            if table.type == "itemized":
                for part in ("instances", "attributes"):
                    yield from (("defaults", *steps, part), ("rules", *steps, part))
                yield ("defaults", *steps, "instances", 0)
                for name in table.content:
                    yield ("defaults", *steps, "instances", 0, *name.split("."))
                yield ("defaults", *steps, "instances", 0, "exclude")
                for name, attribute in table.attributes.items():
                    yield ("defaults", *steps, "attributes", *name.split("."))
                    yield from (("rules", *steps, "attributes", *name.split("."), word) for word in attribute.rules)
                steps = (*steps, "instances")
            yield from (("rules", *steps, word) for word in words)


def _put(tree: Any, place: Place, value: Any) -> None:
    for step, after in itertools.pairwise(place):
        empty: Any = [] if isinstance(after, int) else {}
        if isinstance(step, int):
            tree.append(empty)
            tree = tree[-1]
        else:
            tree = tree.setdefault(step, empty)
    if isinstance(place[-1], int):
        tree.append(value)
    else:
        tree[place[-1]] = value


PLACES: Final = [(name, place) for name in SECTIONS for place in _places(name)]
NUMBERS: Final = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["Imagenet", "data", "1Gi", "1e400", "-1", "", "a/b", "A", "image", "compute.cpuCoreLimit", "name", "x" * 300]
)
KEYS: Final = st.sampled_from(["name", "value", "field", "factor", "instances", "attributes", "scope", "x"]) | TEXTS
JSON: Final = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def _policy(name: str, where: str, spec: dict[str, Any]) -> dict[str, Any]:
    return asset("WorkloadPolicy", name, spec, where, creationTimestamp="2026-01-01T00:00:00Z")


@settings(max_examples=250)
@given(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2), JSON, st.data())
def test_no_planner_raises(places: list[tuple[str, Place]], value: Any, data: st.DataObject) -> None:
    """Of the policy, of a wider one, of a workload that starts, and of the EffectivePolicy."""
    workload_type = places[0][0]
    spec: dict[str, Any] = {"workloadType": workload_type}
    _put(spec, places[0][1], value)
    wide: dict[str, Any] = {"workloadType": workload_type}
    if len(places) > 1 and places[1][0] == workload_type:
        _put(wide, places[1][1], data.draw(JSON))
    source = asset("DataSource", "data", {"nfs": {"server": "s", "path": "/p", "mountPath": "/data"}}, SYSTEM)
    runs = RUNS.get(workload_type)
    objects = [namespace(TEAM, LABELS), source, _policy("own", TEAM, spec), _policy("wide", SYSTEM, wide)]
    world = World(*objects, *([deepcopy(runs)] if runs else []))
    world.plan("WorkloadPolicy", "own")
    world.plan("WorkloadPolicy", "wide", SYSTEM)
    if runs:
        world.plan(runs["kind"], "box")
    plan_effective(world.reader(Key("EffectivePolicy", TEAM, workload_type)), TEAM, workload_type)


NOT_REFERENCES: Final = {
    "an upper-case name": ({"name": "Imagenet"}, ".name"),
    "an empty name": ({"name": ""}, ".name"),
    "a long name": ({"name": "x" * 300}, ".name"),
    "no name": ({"scope": "cluster"}, ".name"),
    "a number": ({"name": 7}, ".name"),
    "a null": ({"name": None}, ".name"),
    "an unknown scope": ({"name": "data", "scope": "galaxy"}, ".scope"),
    "a scope that is an object": ({"name": "data", "scope": {"type": "cluster"}}, ".scope"),
    "a text": ("data", ""),
    "a list": (["data"], ""),
}


@pytest.mark.parametrize("name", NOT_REFERENCES)
@pytest.mark.parametrize("workload_type", SECTIONS)
async def test_what_is_no_reference_is_an_error_at_its_field(workload_type: str, name: str) -> None:
    """In the list of each section, beside one that is. Nothing starts until it is corrected."""
    entry, field = NOT_REFERENCES[name]
    source = asset("DataSource", "data", {"nfs": {"server": "s", "path": "/p", "mountPath": "/data"}})
    entries = [{"name": "data"}, entry]
    for section in SECTIONS[workload_type]:
        imposed = {section: entries} if section else entries
        world = World(source, _policy("own", TEAM, {"workloadType": workload_type, "imposedAssets": imposed}))
        runs = RUNS.get(workload_type)
        world.load([deepcopy(runs)] if runs else [])
        await world.settle()
        (error,) = world.status("WorkloadPolicy", "own")["errors"]
        where = f"{section}.imposedAssets" if section else "imposedAssets"
        assert (error["field"], error["reason"]) == (f"{where}[1]{field}", "unsupported")
        if runs:
            assert reason(world.status(runs["kind"], "box")) == "PolicyInvalid"


@pytest.mark.parametrize("imposed", ["x", 1, True, 0.5, {}, {"worker": "x"}, {"name": "data"}, [1], [[]]])
@pytest.mark.parametrize("workload_type", SECTIONS)
async def test_any_other_shape_is_an_error(workload_type: str, imposed: Any) -> None:
    world = World(_policy("own", TEAM, {"workloadType": workload_type, "imposedAssets": imposed}))
    await world.settle()
    status = world.status("WorkloadPolicy", "own")
    if workload_type == "distributed" and imposed == {}:
        assert "errors" not in status
    else:
        assert all("imposedAssets" in error["field"] for error in status["errors"])
