"""The pages that are typed word for word on a sandbox: each command prints what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import typed
from .pages import DOCS

PAGES = [
    DOCS / "guide" / "quickstart.md",
    DOCS / "guide" / "identity.md",
    *sorted((DOCS / "tutorials").glob("*-engineer.md")),
]


@pytest.mark.cluster
@pytest.mark.kubectl
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_print_what_the_page_shows(page: Path, tmp_path: Path, update: bool) -> None:
    failed: list[str] = []
    printed: list[str] = []
    with typed.shell(tmp_path) as shell:
        for block in typed.blocks(page):
            code, output = shell.run(block.commands)
            printed.append(output)
            if block.shown is None and code != 0:
                failed.append(f"$ {block.commands}{output}exit code {code}")
    if update:
        page.write_text(typed.updated(page, printed), encoding="utf-8")
    assert not failed, "\n".join(failed)
    for block, output in zip(typed.blocks(page), printed, strict=True):
        if block.shown is not None:
            assert typed.comparable(output) == typed.comparable(block.shown), block.commands


def test_every_page_shows_output() -> None:
    assert len(PAGES) == 5
    for page in PAGES:
        assert sum(1 for block in typed.blocks(page) if block.shown) >= 5, page


def test_outputs_are_compared_without_what_differs_from_run_to_run() -> None:
    one = "a-0123456789abcdef  2m10s  10.96.1.2  2026-11-28T10:00:00Z \n"
    other = "a-fedcba9876543210  4s     10.96.30.40  2027-01-01T00:00:00Z\n"
    assert typed.comparable(one) == typed.comparable(other)
    assert typed.comparable(one) != typed.comparable(one.replace("a-", "b-"))
