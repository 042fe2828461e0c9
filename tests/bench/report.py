"""The table on stdout, and the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson


class Bar(NamedTuple):
    """One row: `key` in the file, what it is, the bar, and whether more is better."""

    key: str
    title: str
    bar: float
    moonshot: float
    more_is_better: bool = False
    digits: int = 0


BARS = (
    Bar("throughput_ratio", "throughput, CRs/s over the bare loop", 0.7, 0.9, more_is_better=True, digits=2),
    Bar("extra_writes_per_cr", "API writes per CR beyond children and status", 0, 0, digits=3),
    Bar("idle_requests", "idle: requests other than watches and Lease", 0, 0),
    Bar("restart_writes", "restart: writes", 0, 0),
    Bar("latency_p50_ratio", "apply to all children exist, p50 over that without an operator", 1.3, 1.1, digits=2),
    Bar("latency_p99_ms", "apply to all children exist, p99, ms", 100, 40, digits=1),
    Bar("rss_mib", "memory, MiB", 130, 130, digits=1),
)


def table(result: Mapping[str, Any]) -> str:
    """For people."""
    rows = [("figure", "seen", "bar", "moonshot", "")]
    for bar in BARS:
        if bar.key not in result:
            continue  # not asked for
        value = result[bar.key]
        shown = f"{value:.{bar.digits}f}"
        rows.append((bar.title, shown, f"{bar.bar:g}", f"{bar.moonshot:g}", "ok" if met(bar, value) else "MISSED"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join(
            (
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:4], widths[1:4], strict=True)),
                row[4],
            )
        )
        for row in rows
    ]
    lines.insert(1, "-" * len(lines[1]))
    return "\n".join(line.rstrip() for line in lines)


def met(bar: Bar, value: float) -> bool:
    """Whether a value is as good as its bar."""
    return value >= bar.bar if bar.more_is_better else value <= bar.bar


def missed(result: Mapping[str, Any]) -> list[str]:
    """Keys of the bars that were not met."""
    return [bar.key for bar in BARS if bar.key in result and not met(bar, result[bar.key])]


def write(path: Path, result: Mapping[str, Any]) -> None:
    """As JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
