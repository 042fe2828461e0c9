"""The values of the chart that the guide of BuildKit names."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "buildkit.md").read_text(encoding="utf-8")


def test_values_exist() -> None:
    values = yaml.safe_load((ROOT / "deploy" / "chart" / "values.yaml").read_text())["buildkit"]
    named = set(re.findall(r"`buildkit\.(\w+)`", PAGE))
    assert named
    assert named <= set(values)
    (example,) = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
    assert set(example["buildkit"]) <= set(values)
