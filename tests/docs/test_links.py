"""Every link of every Markdown file leads somewhere, and the index leads to every page."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pages import DOCS, INDEX, ROOT, anchors, images, links, markdown

PAGES = markdown()


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_the_pages_are_found() -> None:
    assert len(PAGES) > 50
    assert {ROOT / "README.md", INDEX} <= set(PAGES)
    assert sum(1 for page in PAGES for _ in links(page)) > 150


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in links(page):
        assert ROOT in link.path.parents, f"{link.target} is outside of the repository"
        assert link.path.exists(), f"{link.target} does not exist"
        if link.anchor and link.path.suffix == ".md":
            assert link.anchor in anchors(link.path), f"{link.target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_pictures_exist(page: Path) -> None:
    assert [str(image) for image in images(page) if not image.is_file()] == []


def test_the_index_leads_to_every_page() -> None:
    """Directly, or over the page of a folder."""
    reached = {link.path for link in links(INDEX)} | {INDEX}
    for folder in [page for page in reached if page.name == INDEX.name]:
        reached |= {link.path for link in links(folder)}
    missing = sorted(_name(page) for page in DOCS.rglob("*.md") if page not in reached)
    assert not missing, "add a line to docs/README.md, or to README.md of the page's folder"
