"""The guide: every reason is explained, every link leads somewhere, every manifest is valid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from outfitter.api.validation import strict_errors
from outfitter.codegen.chart import camel
from outfitter.settings import Settings

from . import reasons
from .conftest import ROOT, Manifest

GUIDE = ROOT / "docs" / "guide"
PAGES = [GUIDE / f"{name}.md" for name in ("concepts", "gitops", "installation", "security", "troubleshooting")]
TROUBLES = (GUIDE / "troubleshooting.md").read_text(encoding="utf-8")


def test_every_reason_is_explained_and_no_other() -> None:
    """Collected from the code that writes them."""
    written = reasons.written()
    assert len(written) > 40, "the collection has lost its sources"
    explained = re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", TROUBLES, re.MULTILINE)
    assert sorted(explained) == sorted(set(explained)), "explained twice"
    assert set(explained) == written


@pytest.mark.parametrize(
    ("function", "heading"),
    [("stalled", "Somebody has to act"), ("waiting", "It goes on by itself"), ("note", "Notes")],
)
def test_reasons_stand_under_the_right_heading(function: str, heading: str) -> None:
    """Whoever reads `Stalled` looks under what a person has to do."""
    section = TROUBLES.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found = reasons.calls(function)
    assert found
    assert found <= set(re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", section, re.MULTILINE))


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """Files and headings of the repository."""
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        assert not anchor or anchor in _anchors(path), target


def _manifests(page: Path) -> Iterator[Manifest]:
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        yield from (item for item in yaml.safe_load_all(block) if isinstance(item, dict))


def test_manifests_in_the_guide_are_valid() -> None:
    """Those of our kinds, in strict mode."""
    ours = [
        item
        for page in PAGES
        for item in _manifests(page)
        if str(item.get("apiVersion", "")).startswith("outfitter.dev/")
    ]
    assert ours
    for item in ours:
        assert strict_errors(item) == []


def test_values_in_the_guide_exist(values: Manifest) -> None:
    """`settings.x` and the dotted values of the chart."""
    known = {f"settings.{camel(name)}" for name in Settings.model_fields}
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"settings\.\w+", text)) <= known | {"settings.md", "settings.py"}
    sections = "|".join(name for name, value in values.items() if isinstance(value, dict) and name != "settings")
    for path in re.findall(rf"(?<![\w./])(?:{sections})(?:\.\w+)+(?==|`)", text):
        at = values
        for part in path.split("."):
            assert part in at, path
            at = at[part]
