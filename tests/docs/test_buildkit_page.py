"""The guide lists each failure of a build as the status tells it, and the version of Kubernetes of the chart."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from outfitter.observe.builds import CODES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "buildkit.md").read_text(encoding="utf-8")


def test_the_table_has_each_failure() -> None:
    rows = [f"| `{row.code}` | `{row.reason}` | {row.cause} | {row.remedy} |" for row in CODES]
    lines = PAGE.splitlines()
    first = lines.index(rows[0])
    assert lines[first : first + len(rows) + 1] == [*rows, ""]


def test_values_exist() -> None:
    values = yaml.safe_load((ROOT / "deploy" / "chart" / "values.yaml").read_text())["buildkit"]
    named = set(re.findall(r"`buildkit\.(\w+)`", PAGE))
    assert named
    assert named <= set(values)
    (example,) = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
    assert set(example["buildkit"]) <= set(values)
