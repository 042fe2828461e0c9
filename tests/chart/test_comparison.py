"""docs/comparison.md: everything that it points at exists, and nothing that users asked for lacks an answer."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from outfitter.cli.app import application

from .conftest import ROOT

PAGE = ROOT / "docs" / "comparison.md"
TEXT = PAGE.read_text(encoding="utf-8")
_FOLDERS = ("crds/", "deploy/", "docs/", "src/", "tests/")
# Numbers of the issues and pull requests that research found users' wishes in.
_ASKED = (
    634, 288, 594, 700, 710, 887, 910, 921, 663, 693, 1572, 1645, 2527, 735, 762, 907, 640, 681, 271, 407, 182, 611,
    219, 730, 729, 731, 297,
)  # fmt: skip


def _rows(section: str = "") -> list[list[str]]:
    text = TEXT.partition(f"## {section}\n")[2].partition("\n## ")[0] if section else TEXT
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| topic ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def _pointers() -> Iterator[str]:
    for row in _rows():
        yield from re.findall(r"`([^`]+)`", row[-1])


@cache
def _functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _exists(pointer: str) -> bool:
    name, _, function = pointer.partition("::")
    path = ROOT / name
    return path.exists() and (not function or function in _functions(path))


def test_every_row_is_whole() -> None:
    """Topic, two sides, one of three verdicts, and something to look at."""
    rows = _rows()
    assert len(rows) > 70
    for row in rows:
        assert len(row) == 5, row
        assert all(row), row
        assert row[3] in ("better", "equal", "missing"), row


def test_every_file_and_test_exists() -> None:
    found = [pointer for pointer in _pointers() if pointer.startswith(_FOLDERS)]
    assert len(found) > 50
    assert [pointer for pointer in found if not _exists(pointer)] == []


def test_every_row_that_claims_something_points_at_something() -> None:
    """A file, a test, or a command that can be typed."""
    for row in _rows():
        shown = [
            each for each in re.findall(r"`([^`]+)`", row[4]) if each.startswith((*_FOLDERS, "make ", "outfitter "))
        ]
        assert shown or row[3] == "missing", row


@pytest.mark.parametrize(("program", "known"), [("make", "Makefile"), ("outfitter", "")])
def test_every_command_exists(program: str, known: str) -> None:
    commands = {
        command.name or getattr(command.callback, "__name__", "") for command in application().registered_commands
    }
    if known:
        commands = set(re.findall(r"^([a-z-]+):", (ROOT / known).read_text(encoding="utf-8"), re.MULTILINE))
    typed = [pointer.split()[1] for pointer in _pointers() if pointer.startswith(f"{program} ")]
    assert typed
    assert set(typed) <= commands


def test_what_users_asked_for_is_answered() -> None:
    """Each wish has a row; where the answer is no, the row says more than that."""
    rows = _rows("What its users asked for")
    told = {int(number) for row in rows for number in re.findall(r"#(\d+)\]", row[0])}
    assert told == set(_ASKED)
    for row in rows:
        assert row[3] != "missing" or len(row[4]) > 40 or "see *" in row[4], row


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert "://" in target or (PAGE.parent / target.partition("#")[0]).exists(), target
