"""Smaller resource requests of the examples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from outfitter.api.validation import strict_errors
from outfitter_sandbox import example_sizes
from outfitter_sandbox.demo.examples import load

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"


def test_a_tenth_of_the_cores_and_a_sixteenth_of_the_memory_in_every_field() -> None:
    written = {
        "kind": "Inference",
        "spec": {
            "compute": {"cpuCoreRequest": 0.5, "cpuCoreLimit": 4, "cpuMemoryRequest": "1Gi", "gpuDevicesRequest": 1},
            "containerGroups": [{"replicas": 2, "containers": [{"compute": {"cpuMemoryLimit": "256Mi"}}]}],
        },
    }
    assert example_sizes.smaller(written) == {
        "kind": "Inference",
        "spec": {
            "compute": {
                "cpuCoreRequest": 0.05,
                "cpuCoreLimit": 0.4,
                "cpuMemoryRequest": "64Mi",
                "gpuDevicesRequest": 1,
            },
            "containerGroups": [{"replicas": 2, "containers": [{"compute": {"cpuMemoryLimit": "16Mi"}}]}],
        },
    }


@pytest.mark.parametrize(("written", "small"), [("8M", "1Mi"), ("1.5Gi", "96Mi"), ("17179869184", "1024Mi")])
def test_memory_in_any_unit(written: str, small: str) -> None:
    assert example_sizes.smaller({"cpuMemoryLimit": written}) == {"cpuMemoryLimit": small}


def test_smaller_examples_are_valid_and_nothing_else_changes() -> None:
    changed = set()
    for body in load(EXAMPLES):
        small = example_sizes.smaller(body)
        assert strict_errors(small) == [] or not body["apiVersion"].startswith("outfitter.dev/")
        assert (small != body) == ("cpu" in json.dumps(body)), body["metadata"]["name"]
        changed |= {body["kind"]} if small != body else set()
    assert {"ComputeResource", "Workspace", "Training", "DistributedTraining", "Inference"} <= changed


@pytest.mark.parametrize(
    ("nodes", "fit"),
    [
        ([("16", "146800640Ki")], True),
        ([("15900m", "146800640Ki")], False),
        ([("64", "100Gi")], False),
        ([("64", "256Gi"), ("2", "4Gi")], False),
    ],
)
def test_they_fit_where_every_node_has_room(nodes: list[tuple[str, str]], fit: bool) -> None:
    assert example_sizes.fits({"cpu": cores, "memory": memory} for cores, memory in nodes) is fit
