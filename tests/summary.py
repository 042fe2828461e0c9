"""Adds up the pytest runs of `make test`: `python tests/summary.py RUN...` reads build/runs/RUN.json.

Writes the slowest tests of all runs to build/durations.txt. Prints what was not run, and as the last line the totals
in the form of pytest's own last line. Exits with 1 where a run failed or has no result.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from plugins.reporting import COUNTED, durations

BUILD = Path(__file__).parents[1] / "build"


def closing_line(counts: Counter[str], elapsed: float) -> str:
    """Such as `1 failed, 2530 passed, 12 skipped in 1103.20s (0:18:23)`."""
    parts = [f"{counts[name]} {name}" for name in COUNTED if counts[name] or name == "passed"]
    return f"{', '.join(parts)} in {elapsed:.2f}s ({timedelta(seconds=int(elapsed))})"


def main(names: list[str]) -> int:
    """Returns the exit code."""
    counts: Counter[str] = Counter()
    not_run: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    elapsed, failed = 0.0, []
    for name in names:
        path = BUILD / "runs" / f"{name}.json"
        result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"exit": "no result"}
        counts.update(result.get("counts", {}))
        not_run.update(result.get("not_run", {}))
        seconds.update(result.get("seconds", {}))
        elapsed += result.get("elapsed", 0.0)
        failed += [f"The run `{name}` failed: exit code {result['exit']}"] if result["exit"] else []
    (BUILD / "durations.txt").write_text(durations(seconds))
    print("\nAll runs together; the slowest tests are in build/durations.txt")
    for line in [*failed, *(f"{number} tests were NOT run: {reason}" for reason, number in sorted(not_run.items()))]:
        print(line)
    print(closing_line(counts, elapsed))
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
