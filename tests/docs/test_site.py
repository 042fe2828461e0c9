"""The docs site builds without a warning, and has the files that its pages link to."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import site
from .pages import DOCS, ROOT

pytestmark = pytest.mark.slow


def test_the_site_builds(tmp_path: Path) -> None:
    site.build(tmp_path / "built")
    folder = tmp_path / "built" / "site"
    for page in (
        "",
        "guide/quickstart/",
        "reference/",
        "decisions/0001-equal-means-covered/",
        "repository/CONTRIBUTING/",
    ):
        assert (folder / page / "index.html").is_file(), page
    assert (folder / "repository/deploy/examples/10-notebook.yaml").is_file()
    assert (folder / "guide/screens/status.svg").is_file()
    assert len(list(folder.rglob("index.html"))) >= len(list(DOCS.rglob("*.md")))


def test_links_out_of_the_docs_are_rewritten() -> None:
    text = site.rewritten(DOCS / "guide" / "installation.md")
    assert "(../repository/deploy/chart/README.md)" in text
    assert "](../../" not in text
    assert "](../development/testing.md)" in site.rewritten(ROOT / "CONTRIBUTING.md")
