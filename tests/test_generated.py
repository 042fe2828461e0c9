"""What is generated is current, complete, and made by one call."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from outfitter.codegen.argocd import FOLDER, SCRIPTS
from outfitter.codegen.chart_settings import values_text
from outfitter.codegen.checkout import CRD_FOLDERS, all_files, generate
from outfitter.errors import ConfigurationError

ROOT = Path(__file__).parents[1]
BY_HAND = ("deploy/chart/Chart.yaml", "deploy/chart/values.yaml", "docs/guide/troubleshooting.md", "docs/guide/logs.md",
           *(f"{FOLDER}/{name}" for name in SCRIPTS))  # fmt: skip


def test_every_generated_file_is_current() -> None:
    """`make generate` was run after the last change of a model, setting, right, or value."""
    stale = [
        name
        for name, text in all_files(ROOT).items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text(encoding="utf-8") != text
    ]
    assert stale == []


def test_folders_of_generated_files_hold_nothing_else() -> None:
    """A kind that is gone leaves no CRD behind."""
    files = all_files(ROOT)
    for folder in CRD_FOLDERS:
        found = {f"{folder}/{path.name}" for path in (ROOT / folder).iterdir()}
        assert found == {name for name in files if name.rpartition("/")[0] == folder}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The hand-written files that the generated ones are made from."""
    for name in BY_HAND:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_generating_from_nothing_gives_the_same(checkout: Path) -> None:
    """Nothing generated is an input, and a second run finds nothing to do."""
    changed = generate(checkout)
    wanted = all_files(ROOT)
    assert {str(path.relative_to(checkout)) for path in changed} == set(wanted) - {
        "deploy/chart/values.yaml",
        "docs/guide/troubleshooting.md",
        "docs/guide/logs.md",
    }
    assert {name: (checkout / name).read_text(encoding="utf-8") for name in wanted} == wanted
    assert generate(checkout) == []


def test_crds_of_kinds_that_are_gone_are_removed(checkout: Path) -> None:
    """In both folders."""
    generate(checkout)
    old = [checkout / folder / "outfitter.dev_olds.yaml" for folder in CRD_FOLDERS]
    for path in old:
        path.write_text("kind: Old\n", encoding="utf-8")
    assert generate(checkout) == old
    assert not any(path.exists() for path in old)


def test_outside_a_checkout_it_says_so(tmp_path: Path) -> None:
    """And writes nothing."""
    with pytest.raises(ConfigurationError, match=r"not a checkout of Outfitter"):
        generate(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_hand_written_values_are_kept() -> None:
    """Only what follows the mark is written; without the mark nothing is guessed."""
    text = values_text("mine: 1\n# settings: from here on written\nformer: 1\n")
    assert text.startswith("mine: 1\n# settings: from here on written\nsettings:\n")
    assert "former" not in text
    with pytest.raises(ConfigurationError, match="Put it back above the settings"):
        values_text("mine: 1\n")
