"""The README of the chart lists every value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from outfitter.codegen.chart_readme import chart_readme

from .conftest import CHART, Manifest

ABOUT = {"name": "box", "description": "A chart", "kubeVersion": ">=1.33.0-0", "version": "1.2.3"}


def paths(values: Any, path: str = "") -> Iterator[str]:
    """The path of every value that is no mapping of others."""
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from paths(value, f"{path}.{name}" if path else name)
    else:
        yield path


def test_every_value_has_a_row(values: Manifest) -> None:
    text = (CHART / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| `", text, re.MULTILINE)
    assert rows == list(paths(values))


def test_rows_have_the_comment_above_the_key() -> None:
    text = """\
# Not part of a value.

# Two lines,
# and a | sign.
image:
  # The tag.
  tag: ""
  pull: [a, b]
flags: {}
"""
    page = chart_readme(ABOUT, text)
    assert page.startswith("# Box\n\nA chart.\n")
    assert "Kubernetes 1.33 or newer" in page
    assert page.endswith("""\
|---|---|---|
| `image` |  | Two lines, and a \\| sign. |
| `image.tag` | `""` | The tag. |
| `image.pull` | `["a", "b"]` |  |
| `flags` | `{}` |  |
""")
