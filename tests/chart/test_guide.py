"""The guide: every reason is explained, every manifest is valid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from outfitter.api.validation import strict_errors
from outfitter.codegen.chart_settings import camel
from outfitter.codegen.reason_tables import troubleshooting_page
from outfitter.errors import ConfigurationError
from outfitter.reasons import Level, Reason
from outfitter.settings import Settings

from .conftest import ROOT, Manifest

GUIDE = ROOT / "docs" / "guide"
PAGES = [
    GUIDE / f"{name}.md" for name in ("concepts", "gitops", "identity", "installation", "security", "troubleshooting")
]
TROUBLES = (GUIDE / "troubleshooting.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("level", Level)
def test_each_reason_is_in_the_table_of_its_level(level: Level) -> None:
    """Once, and in no other table."""
    table = TROUBLES.partition(f"<!-- generated table: {level.name} -->")[2].partition("<!-- end")[0]
    listed = re.findall(r"^\| `([A-Z][A-Za-z]+)` \| [A-Z`].*\. \|", table, re.MULTILINE)
    assert listed == [reason.value for reason in Reason if reason.level is level]


def test_a_guide_without_a_mark_is_rejected() -> None:
    """A table would be missing without a word."""
    with pytest.raises(ConfigurationError, match="no table between"):
        troubleshooting_page(TROUBLES.replace("<!-- generated table: NOTE -->", ""))


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
