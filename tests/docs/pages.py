"""The Markdown files of the repository: their headings, links and code blocks, as GitHub reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
FOLDERS = ("docs", "deploy", "src", "sandbox", "tests")  # the others are built, or not ours
FENCE = re.compile(r"^( *)(`{3,})(.*?)$(.*?)^\1\2`*$", re.MULTILINE | re.DOTALL)
IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
LINK = re.compile(r"(?<!!)\[([^\]\[]*)\]\(([^)\s]+)\)")


class Link(NamedTuple):
    """A link of a page. `path` is the file or folder of the repository; `anchor` may be empty."""

    text: str
    target: str
    path: Path
    anchor: str


def markdown() -> list[Path]:
    """Return all Markdown files of the repository."""
    found = [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))]
    return sorted(path for path in found if "node_modules" not in path.parts)


def documented_removal() -> str:
    """Return the commands of the guide that remove everything."""
    section = (DOCS / "guide" / "installation.md").read_text(encoding="utf-8").partition("### Removing everything")[2]
    return section.partition("```sh\n")[2].partition("```")[0]


def prose(page: Path) -> str:
    """Return the text of a page without its code blocks and inline code."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)


def links(page: Path) -> Iterator[Link]:
    """Yield the links of a page to files and headings of the repository."""
    for text, target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if not re.match(r"[a-z]+:", target):
            name, _, anchor = target.partition("#")
            yield Link(text, target, (page.parent / name).resolve() if name else page, anchor)


def images(page: Path) -> list[Path]:
    """Return the files of the pictures that a page shows."""
    return [(page.parent / target).resolve() for target in IMAGE.findall(FENCE.sub("", page.read_text("utf-8")))]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    plain = [LINK.sub(r"\1", heading).replace("`", "") for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in plain}
