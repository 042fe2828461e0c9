"""The guide lists each failure of a build as the status tells it, and its builders are those of the golden cases."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from outfitter.observe.builds import CODES
from outfitter.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "images.md").read_text(encoding="utf-8")
TEMPLATES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
CASES = ROOT / "tests" / "render" / "cases" / "imagebuild"


def test_the_table_has_each_failure() -> None:
    rows = [f"| `{row.code}` | `{row.reason}` | {row.cause} | {row.remedy} |" for row in CODES]
    lines = PAGE.splitlines()
    first = lines.index(rows[0])
    assert lines[first : first + len(rows) + 1] == [*rows, ""]


@pytest.mark.parametrize(("number", "name"), [(0, "kaniko"), (1, "buildah"), (2, "buildpacks")])
def test_each_builder_is_rendered(number: int, name: str) -> None:
    """And accepted as a setting."""
    options = next(yaml.safe_load_all((CASES / name / "given.yaml").read_text()))
    assert json.loads(options["settings"]["build_template"]) == TEMPLATES[number]
    assert Settings(build_backend="job", build_template=json.dumps(TEMPLATES[number])).builds_images


def test_there_is_no_other_builder() -> None:
    assert len(TEMPLATES) == 3
