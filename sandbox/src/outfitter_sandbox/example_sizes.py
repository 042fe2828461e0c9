"""Resource requests of deploy/examples, and smaller ones for small machines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from outfitter.api.quantities import parse_quantity

# The sum of the requests of all examples, with two more copies of their model during the rollout of its next version.
CORES: Final = 16
MEMORY_GIB: Final = 140
FEWER_CORES: Final = 10  # divisor for a small machine
LESS_MEMORY: Final = 16
SMALL_CORES: Final = CORES / FEWER_CORES
SMALL_MEMORY_GIB: Final = MEMORY_GIB / LESS_MEMORY


def fits(allocatable: Iterable[Mapping[str, str]]) -> bool:
    """Whether every node has room for the unchanged examples.

    `allocatable` is from the status of each Node.
    """
    return all(
        parse_quantity(amounts["cpu"]) >= CORES and parse_quantity(amounts["memory"]) >= MEMORY_GIB << 30
        for amounts in allocatable
    )


def smaller(manifest: Any) -> Any:
    """A manifest (or part) with a tenth of the cores, a sixteenth of the memory."""
    if isinstance(manifest, list):
        return [smaller(item) for item in manifest]
    if not isinstance(manifest, dict):
        return manifest
    return {key: _smaller(key, value) for key, value in manifest.items()}


def machine_too_small() -> str:
    """Why this machine has no room even for the smaller examples; empty when it has."""
    if sys.platform != "linux":
        return ""  # a real node does not run there at all
    cores, memory = os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    if cores >= SMALL_CORES and memory >= SMALL_MEMORY_GIB:
        return ""
    return (
        f"the pods of the examples need at least {SMALL_CORES:.1f} cores and {SMALL_MEMORY_GIB:.1f} GiB, "
        f"this machine has {cores} and {memory:.1f}"
    )


def _smaller(key: str, value: Any) -> Any:
    if key.startswith("cpuCore"):
        return round(value / FEWER_CORES, 3)
    if key.startswith("cpuMemory"):
        return f"{max(int(parse_quantity(value)) // LESS_MEMORY >> 20, 1)}Mi"
    return smaller(value)
