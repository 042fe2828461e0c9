"""The input of a version: one commit, one number, current generated files, the image of the release."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from outfitter.codegen.release.source import Source, export, prepare
from outfitter.codegen.release.versions import version, version_problems
from outfitter.errors import ConfigurationError

from .checkouts import copy_checkout

EPOCH = 1_800_000_000
IMAGE = f"registry.example.com:5000/platform/outfitter@sha256:{'1' * 64}"


def edit(root: Path, name: str, before: str, after: str) -> None:
    """Replace text in a file."""
    text = (root / name).read_text(encoding="utf-8")
    assert before in text
    (root / name).write_text(text.replace(before, after), encoding="utf-8")


@pytest.mark.parametrize("name", ["sandbox/pyproject.toml", "src/outfitter/__init__.py", "deploy/chart/Chart.yaml"])
def test_another_number_in_one_file_is_refused(name: str, tmp_path: Path) -> None:
    root = copy_checkout(tmp_path)
    assert version_problems(root) == []
    edit(root, name, f'"{version(root)}"', '"9.9.9"')
    (problem,) = version_problems(root)
    assert problem.startswith(name)
    assert f"has version 9.9.9, pyproject.toml has {version(root)}. Set the same number" in problem


def test_a_tag_needs_its_number_and_its_section(tmp_path: Path) -> None:
    root = copy_checkout(tmp_path)
    number = version(root)
    (root / "CHANGELOG.md").write_text(f"## Unreleased\n\nThis will be version {number}, the first one.\n")
    assert version_problems(root) == []
    (unwritten,) = version_problems(root, f"v{number}")
    assert unwritten.startswith(f"CHANGELOG.md has no section for {number}")
    (root / "CHANGELOG.md").write_text(f"## Unreleased\n\n## {number} (2027-01-01)\n")
    assert version_problems(root, f"v{number}") == []
    assert version_problems(root, "v9.9.9") == [
        f"The tag is v9.9.9, but the version is {number}. Tag it v{number}."
    ]  # fmt: skip


def commit(root: Path) -> Path:
    """A repository with one commit of these files."""
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "all")):
        subprocess.run(["git", "-C", str(root), *command], check=True, capture_output=True)
    return root


def test_only_what_is_committed_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / ".gitignore").write_text("build/\n")
    checkout = commit(tmp_path / "checkout")
    (checkout / "build").mkdir()
    (checkout / "build" / "secret").write_text("")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert export(checkout, tmp_path / "out").epoch == 1700000000
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".gitignore"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ConfigurationError, match="SOURCE_DATE_EPOCH: 'yesterday' is no time since 1980"):
        export(checkout, tmp_path / "out")
    (checkout / "notes").write_text("")
    with pytest.raises(ConfigurationError, match="changes that are not committed: notes"):
        export(checkout, tmp_path / "out")


def test_outside_a_repository_it_fails(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"git status failed in .*not a git repository"):
        export(tmp_path, tmp_path / "out")


@pytest.mark.slow
def test_an_image_is_set_in_the_chart_and_in_install_yaml(tmp_path: Path, helm: Path) -> None:
    own = Source(copy_checkout(tmp_path), EPOCH)
    prepare(own, helm, IMAGE)
    values = yaml.safe_load(own.text("deploy/chart/values.yaml"))
    assert f"{values['image']['repository']}@{values['image']['digest']}" == IMAGE
    assert f"image: {IMAGE}\n" in own.text("deploy/install.yaml")


def test_stale_files_and_images_without_a_digest_are_refused(tmp_path: Path, helm: Path) -> None:
    own = Source(copy_checkout(tmp_path), EPOCH)
    with pytest.raises(ConfigurationError, match=r"IMAGE: 'outfitter:1' is no image with a digest"):
        prepare(own, helm, "outfitter:1")
    (own.root / "crds" / "outfitter.dev_workspaces.yaml").write_text("old")
    with pytest.raises(ConfigurationError, match=r"not current: crds/outfitter\.dev_workspaces\.yaml\. Run `make gen"):
        prepare(own, helm)
