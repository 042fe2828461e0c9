"""The table of the REST sources: every endpoint and field has a row, and every row has a test or a decision."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from .pages import DOCS, ROOT

PAGE = DOCS / "reference" / "rest-sources.md"
SOURCES: dict[str, dict[str, list[str]]] = yaml.safe_load((Path(__file__).parent / "rest_sources.yaml").read_text())


class Row(NamedTuple):
    """One row of the page."""

    items: list[str]
    native: str
    tests: list[str]
    result: str


def rows() -> Iterator[Row]:
    """Yield the rows of the tables about the sources."""
    for line in PAGE.read_text(encoding="utf-8").partition("## Registries")[2].splitlines():
        if line.startswith("| `"):
            items, native, tests, result = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            yield Row(re.findall(r"`([^`]+)`", items), native, re.findall(r"`([^`]+)`", tests), result)


ROWS = list(rows())


def items() -> list[str]:
    """Return every endpoint, query parameter, field and answer of the sources."""
    lists = (source[part] for source in SOURCES.values() for part in ("endpoints", "parameters", "fields"))
    answers = {code for source in SOURCES.values() for code in source["codes"]}
    return [*(item for listed in lists for item in listed), *sorted(answers)]


@cache
def functions(path: str) -> set[str]:
    """Return the names of the tests in a file."""
    return set(re.findall(r"^(?:async )?def (test_\w+)\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE))


def test_every_item_of_the_sources_has_one_row() -> None:
    found = Counter(item for row in ROWS for item in row.items)
    assert sorted(found) == sorted(set(items()))
    assert [item for item, count in found.items() if count > 1] == []


def test_the_sources_are_whole() -> None:
    """An empty list would make the test above pass."""
    counts = {name: [len(source[part]) for part in source] for name, source in SOURCES.items()}
    assert counts == {"registry": [7, 4, 52, 9], "artifacts": [17, 24, 166, 10]}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.items[0])
def test_a_row_names_a_test_or_a_decision(row: Row) -> None:
    assert row.native, "say what to do instead"
    decision = re.fullmatch(r"\[\d+\]\((\.\./decisions/[^)]+)\)", row.result)
    assert row.result == "works" or decision
    if decision:
        assert (PAGE.parent / decision[1]).resolve().is_file()
    else:
        assert row.tests, "name a test"
    for test in row.tests:
        path, _, name = test.partition("::")
        assert name in functions(path), f"{path} has no test {name}"
