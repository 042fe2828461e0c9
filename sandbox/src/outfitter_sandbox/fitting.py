"""deploy/examples on a small machine: whether its nodes have room for them, and the same with smaller requests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from outfitter.api.quantities import parse_quantity

# What all examples ask for together, with a second and a third copy of their model while its next version is rolled in.
CORES: Final = 16
MEMORY_GIB: Final = 140
FEWER_CORES: Final = 10  # how many times smaller
LESS_MEMORY: Final = 16
SMALL_CORES: Final = CORES / FEWER_CORES
SMALL_MEMORY_GIB: Final = MEMORY_GIB / LESS_MEMORY


def fits(allocatable: Iterable[Mapping[str, str]]) -> bool:
    """Whether every node has room for the examples as they are written; `allocatable` is of each Node's status."""
    return all(
        parse_quantity(each["cpu"]) >= CORES and parse_quantity(each["memory"]) >= MEMORY_GIB << 30
        for each in allocatable
    )


def smaller(node: Any) -> Any:
    """A manifest, or a part of one, with a tenth of the cores and a sixteenth of the memory."""
    if isinstance(node, list):
        return [smaller(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: _smaller(key, value) for key, value in node.items()}


def why_too_small() -> str:
    """Why not even the smaller examples have room on this machine, or nothing."""
    if sys.platform != "linux":
        return ""  # no real node runs there at all
    cores, memory = os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    if cores >= SMALL_CORES and memory >= SMALL_MEMORY_GIB:
        return ""
    return (
        f"the pods of the examples need {SMALL_CORES:.1f} cores and {SMALL_MEMORY_GIB:.1f} GiB at the least, "
        f"this machine has {cores} and {memory:.1f}"
    )


def _smaller(key: str, value: Any) -> Any:
    if key.startswith("cpuCore"):
        return round(value / FEWER_CORES, 3)
    if key.startswith("cpuMemory"):
        return f"{max(int(parse_quantity(value)) // LESS_MEMORY >> 20, 1)}Mi"
    return smaller(value)
