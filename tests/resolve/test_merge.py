"""Layers of one vocabulary: later wins, leaf by leaf, item by item, and every value knows where it is from."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from outfitter.resolve.merge import merge

CASES: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
    ([{"image": "a"}, {"image": "b"}], {"image": "b"}),
    ([{"image": "a"}, {"image": None}], {"image": "a"}),
    ([{"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}], {"a": {"b": 3, "c": 2}}),
    ([{"nodePools": ["a", "b"]}, {"nodePools": ["c"]}], {"nodePools": ["c"]}),
    (
        [{"security": {"supplementalGroups": "1"}}, {"security": {"supplementalGroups": ""}}],
        {"security": {"supplementalGroups": ""}},
    ),
    (
        [
            {"environmentVariables": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]},
            {"environmentVariables": [{"name": "A", "value": "2"}]},
        ],
        {"environmentVariables": [{"name": "A", "value": "2"}, {"name": "B", "value": "1"}]},
    ),
    (
        [
            {"environmentVariables": [{"name": "A", "value": "1", "description": "d"}]},
            {"environmentVariables": [{"name": "A", "secret": {"name": "s", "key": "k"}}]},
        ],
        {"environmentVariables": [{"name": "A", "description": "d", "secret": {"name": "s", "key": "k"}}]},
    ),
    (
        [
            {"environmentVariables": [{"name": "A", "value": "1"}]},
            {"environmentVariables": [{"name": "A", "exclude": True}]},
        ],
        {"environmentVariables": []},
    ),
    (
        [
            {"environmentVariables": [{"name": "A", "exclude": True}]},
            {"environmentVariables": [{"name": "A", "value": "2"}]},
        ],
        {"environmentVariables": [{"name": "A", "value": "2"}]},
    ),
    (
        [
            {"connections": [{"name": "tb", "toolType": "tensorboard", "containerPort": 1}]},
            {"connections": [{"name": "tb", "nodePort": 30000}]},
        ],
        {"connections": [{"name": "tb", "toolType": "tensorboard", "containerPort": 1, "nodePort": 30000}]},
    ),
    (
        [
            {"compute": {"extendedResources": [{"resource": "a/b", "quantity": 1}]}},
            {"compute": {"extendedResources": [{"resource": "a/b", "quantity": 2}]}},
        ],
        {"compute": {"extendedResources": [{"resource": "a/b", "quantity": 2}]}},
    ),
    (
        [
            {"storage": {"nfs": [{"path": "/a", "mountPath": "/a"}, {"path": "/b", "mountPath": "/b"}]}},
            {"storage": {"nfs": [{"mountPath": "/b", "readOnly": False}]}},
        ],
        {"storage": {"nfs": [{"path": "/a", "mountPath": "/a"}, {"path": "/b", "mountPath": "/b", "readOnly": False}]}},
    ),
    (
        [{"environmentVariables": [{"name": "A", "exclude": False, "value": "1"}]}],
        {"environmentVariables": [{"name": "A", "value": "1"}]},
    ),
    ([], {}),
]


@pytest.mark.parametrize(("layers", "wanted"), CASES)
def test_merge(layers: list[dict[str, Any]], wanted: dict[str, Any]) -> None:
    """And the layers are not changed by it."""
    before = deepcopy(layers)
    assert merge((f"layer {number}", layer) for number, layer in enumerate(layers)).fields == wanted
    assert layers == before


def test_origins() -> None:
    """Each leaf and item names the layer that it came from last; what was dropped has none."""
    found = merge(
        [
            ("Environment e", {"image": "a", "args": "x", "environmentVariables": [{"name": "A"}, {"name": "B"}]}),
            ("ComputeResource c", {"compute": {"cpuCoreRequest": 1}}),
            ("Workspace w", {"args": "y", "environmentVariables": [{"name": "A", "exclude": True}, {"name": "C"}]}),
        ]
    )
    assert found.origins == {
        "image": "Environment e",
        "args": "Workspace w",
        "compute.cpuCoreRequest": "ComputeResource c",
        "environmentVariables[B]": "Environment e",
        "environmentVariables[C]": "Workspace w",
    }
