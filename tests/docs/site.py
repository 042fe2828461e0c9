"""Build the docs site into build/site: `make docs`. docs/README.md is its table of contents.

Pages are copied first, because they link to files outside of docs/, which the site has in a folder of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from docs.pages import DOCS, INDEX, LINK, ROOT, images, links

OUTSIDE = "repository"  # the site's folder for files that are not in docs/
CONFIG: dict[str, Any] = {
    "site_name": "Outfitter",
    "site_description": "A Kubernetes operator for workload assets, and for workloads made from them",
    "docs_dir": "docs",
    "site_dir": "site",
    "theme": {
        "font": False,  # no request to another host
        "features": ["navigation.sections", "navigation.indexes", "navigation.top", "content.code.copy"],
        "palette": [
            {"media": "(prefers-color-scheme: light)", "scheme": "default"},
            {"media": "(prefers-color-scheme: dark)", "scheme": "slate"},
        ],
    },
}


def build(folder: Path) -> None:
    """Write `folder`/site; raises CalledProcessError for a broken link and any other warning."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in sources():
        target = folder / "docs" / _uri(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            target.write_text(rewritten(path), encoding="utf-8")
        else:
            shutil.copyfile(path, target)
    config = folder / "mkdocs.yml"
    config.write_text(yaml.safe_dump({**CONFIG, "nav": navigation()}, sort_keys=False), encoding="utf-8")
    zensical = str(Path(sys.executable).with_name("zensical"))
    subprocess.run([zensical, "build", "--strict", "--clean", "--config-file", str(config)], check=True)


def sources() -> set[Path]:
    """Return the pages of docs/ and, from there on, every file that a page links to or shows."""
    waiting = list(DOCS.rglob("*.md"))
    found = set(waiting)
    while waiting:
        for link in links(waiting.pop()):
            if link.path.is_file() and link.path not in found:
                found.add(link.path)
                waiting += [link.path] if link.path.suffix == ".md" else []
    return found | {image for page in found if page.suffix == ".md" for image in images(page)}


def rewritten(page: Path) -> str:
    """Return a page with links to where the site has the files; a link to a folder without a page becomes text."""

    def replace(match: re.Match[str]) -> str:
        text, target = match.groups()
        name, _, anchor = target.partition("#")
        if not name or ":" in name:
            return match.group()
        path = (page.parent / name).resolve()
        path = path / "README.md" if path.is_dir() else path
        if not path.is_file():
            return text
        relative = os.path.relpath(_uri(path), Path(_uri(page)).parent)
        return f"[{text}]({relative}{'#' if anchor else ''}{anchor})"

    return LINK.sub(replace, page.read_text(encoding="utf-8"))


def navigation() -> list[dict[str, Any]]:
    """Return a section per heading of the index, and an entry per link at the start of a list item."""
    listed = {link.path for link in links(INDEX)}
    sections: list[dict[str, Any]] = [{"Overview": INDEX.name}]
    for part in INDEX.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        items = re.findall(r"^- \[([^\]]+)\]\(([^)#]+)\)", body, re.MULTILINE)
        sections.append({title: [_entry(text, (DOCS / target).resolve(), listed) for text, target in items]})
    return sections


def _entry(title: str, path: Path, listed: set[Path]) -> dict[str, Any]:
    """Return one entry; the page of a folder brings the pages along that the index does not list."""
    if path.name != INDEX.name or DOCS not in path.parents:
        return {title: _uri(path)}
    others = sorted(other for other in path.parent.glob("*.md") if other not in listed)
    return {title: [_uri(path), *(_uri(other) for other in others)]}


def _uri(path: Path) -> str:
    return str(path.relative_to(DOCS)) if DOCS in path.parents else f"{OUTSIDE}/{path.relative_to(ROOT)}"


if __name__ == "__main__":
    build(ROOT / "build" / "docs")
