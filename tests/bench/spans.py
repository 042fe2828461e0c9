"""How long things took, and in which of them the host of a virtual machine gave its cores to others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Stolen:
    """How much of the time of all cores, from when this was made, the host gave to others."""

    def __init__(self) -> None:
        self._stolen, self._all = _ticks()

    @property
    def share(self) -> float:
        """Between 0 and 1; 0 on a machine of one's own."""
        stolen, total = _ticks()
        return (stolen - self._stolen) / max(1, total - self._all)


def _ticks() -> tuple[int, int]:
    """Stolen ones and all; see proc(5), the first line of /proc/stat."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[7], sum(ticks)


class Spans:
    """Milliseconds of each sample."""

    def __init__(self) -> None:
        self._all: list[float] = []
        self._undisturbed: list[float] = []
        self._stolen = Stolen()

    def add(self, span: float, stolen: Stolen) -> None:
        """One more sample; `stolen` was made when it began."""
        self._all.append(span)
        if not stolen.share:
            self._undisturbed.append(span)

    def quantiles(self) -> dict[str, Any]:
        """Of all, and of those in which no tick of any core was stolen (None where there are none)."""
        return {
            **_quantiles(self._all),
            "all": [round(value, 2) for value in self._all],
            "stolen_share": self._stolen.share,
            "undisturbed": _quantiles(self._undisturbed) if self._undisturbed else None,
        }


def _quantiles(spans: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(spans)
    parts = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    return {
        "samples": len(spans),
        **{name: quantile(ordered, part) for name, part in parts.items()},
        "max": ordered[-1],
    }


def quantile(ordered: Sequence[float], part: float) -> float:
    """The nearest rank: of 100 samples, p99 is the 99th."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]
