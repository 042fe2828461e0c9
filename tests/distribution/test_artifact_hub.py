"""The facts for Artifact Hub in the packaged chart: all kinds, valid examples, the changelog; nothing invented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.api.v1alpha1 import ALL_KINDS, KINDS
from outfitter.api.validation import strict_errors
from outfitter.codegen.release.artifact_hub import annotation_problems, packaged_chart
from outfitter.codegen.release.changelog import KINDS as HEADINGS
from outfitter.codegen.release.changelog import Change, changes
from outfitter.codegen.release.source import Source
from outfitter.errors import ConfigurationError

from .checkouts import ROOT, copy_checkout

DIGEST = f"sha256:{'1' * 64}"


def about(root: Path) -> dict[str, Any]:
    """Chart.yaml as it is packaged."""
    parsed: dict[str, Any] = yaml.safe_load(packaged_chart(Source(root, 0))["Chart.yaml"])
    return parsed


def annotation(root: Path, name: str) -> Any:
    """The content of one annotation, which is YAML in a text; None where it is absent."""
    text = about(root)["annotations"].get(f"artifacthub.io/{name}")
    return None if text is None else yaml.safe_load(text)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout to change."""
    return copy_checkout(tmp_path)


def test_every_kind_has_a_card_and_a_valid_example() -> None:
    cards = annotation(ROOT, "crds")
    assert {card["kind"]: card["name"] for card in cards} == {
        kind.name: f"{kind.plural}.outfitter.dev" for kind in ALL_KINDS
    }
    assert all(card["displayName"].replace(" ", "").lower() == card["kind"].lower() for card in cards)
    assert all(card["version"] == "v1alpha1" and card["description"].endswith(".") for card in cards)
    examples = annotation(ROOT, "crdsExamples")
    assert {item["kind"] for item in examples} == {kind.name for kind in KINDS}
    assert [error for item in examples for error in strict_errors(item)] == []


def test_only_chart_yaml_differs_from_the_checkout_and_keeps_its_lines() -> None:
    packaged, files = packaged_chart(Source(ROOT, 0)), Source(ROOT, 0).files("deploy/chart")
    assert {name for name in packaged if packaged[name] != files.get(name)} == {"Chart.yaml"}
    assert set(files["Chart.yaml"].splitlines()) <= set(packaged["Chart.yaml"].splitlines())


def test_an_image_is_listed_only_with_its_digest(copy: Path) -> None:
    assert annotation(copy, "images") is None
    values = copy / "deploy/chart/values.yaml"
    values.write_text(values.read_text().replace('  digest: ""', f'  digest: "{DIGEST}"', 1))
    assert annotation(copy, "images") == [{"name": "outfitter", "image": f"registry.example.com/outfitter@{DIGEST}"}]


def test_addresses_that_do_not_exist_are_in_no_annotation() -> None:
    assert not {"home", "sources", "icon", "maintainers"} & about(ROOT).keys()
    assert not {"links", "maintainers", "signKey"} & {
        name.partition("/")[2] for name in about(ROOT)["annotations"]
    }  # fmt: skip


def test_every_entry_of_the_changelog_is_a_change() -> None:
    section = re.split("^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1]
    listed = annotation(ROOT, "changes")
    assert len(listed) == len(re.findall("^- ", section, re.MULTILINE)) > 10
    assert {item["kind"] for item in listed} <= set(HEADINGS)
    assert not [item for item in listed if "](" in item["description"] or len(item["description"]) < 20]


CHANGELOG = """\
# Changelog

## Unreleased

### Added

- Not in a version yet.

## 0.2.0 (2027-01-01)

### Added

- Restarts ([guide](docs/a.md#b)): `restart` by e.g. an
  [annotation](docs/b.md). More words.
- Lists
  - with items. That are left out.

### Security

- A token is hidden

## 0.1.0 (2026-12-01)

### Fixed

- Older.
"""


def test_a_version_has_the_first_sentences_of_its_own_section() -> None:
    assert changes(CHANGELOG, "0.2.0") == [
        Change("added", "Restarts: `restart` by e.g. an annotation."),
        Change("added", "Lists"),
        Change("security", "A token is hidden"),
    ]
    assert changes(CHANGELOG, "0.1.0") == [Change("fixed", "Older.")]
    assert changes(CHANGELOG, "0.3.0") == [Change("added", "Not in a version yet.")]
    assert changes("## [0.1.0] - 2026-12-01\n\n### Removed\n\n- All.\n", "0.1.0") == [Change("removed", "All.")]


def test_a_heading_that_artifact_hub_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'News' is no heading of a version\. Use one of: Added, Changed"):
        changes("## Unreleased\n\n### News\n\n- One.\n", "0.1.0")


@pytest.mark.parametrize(("heading", "expected"), [("Security", True), ("Fixed", None)])
def test_security_updates_are_marked(heading: str, expected: bool | None, copy: Path) -> None:
    (copy / "CHANGELOG.md").write_text(f"## Unreleased\n\n### {heading}\n\n- Values are hidden in logs.\n")
    assert annotation(copy, "containsSecurityUpdates") is expected
    assert annotation(copy, "changes") == [{"kind": heading.lower(), "description": "Values are hidden in logs."}]


def test_an_unknown_level_is_refused() -> None:
    assert annotation_problems(about(ROOT)) == []
    (problem,) = annotation_problems({"annotations": {"artifacthub.io/operatorCapabilities": "Everything"}})
    assert problem.startswith("Chart.yaml: operatorCapabilities 'Everything' is unknown. Use one of: Basic Install")
