"""The guide lists each failure of a data source as the status tells it."""

from __future__ import annotations

from pathlib import Path

from outfitter.observe.fetches import CODES

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "data.md"


def test_the_table_has_each_failure() -> None:
    rows = [f"| `{row.code}` | `{row.reason}` | {row.cause} | {row.remedy} |" for row in CODES]
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    first = lines.index(rows[0])
    assert lines[first : first + len(rows) + 1] == [*rows, ""]
