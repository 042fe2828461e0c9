"""Where the programs of the images for data sources come from, with commands of our own on the PATH."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from outfitter_sandbox import binaries, data, debian
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import git_tools

from .conftest import script
from .test_go_parts import GO

PROGRAMS = {"rclone", "git-server"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first folder on the PATH, without Go and apt, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("sh", "dirname", "echo", "cat", "mkdir"):
        (commands / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{commands}")
    return tmp_path / "bin"


def test_without_them_the_way_to_each_is_named(folder: Path) -> None:
    found, missing = data.find(None)
    assert found == {}
    assert missing == [
        "rclone and git-server: not built yet; install Go (https://go.dev/dl) and build it once",
        "git and ssh for images: apt-get unpacks them; this machine does not have it",
    ]
    with pytest.raises(SandboxError, match=r"(?s)missing:.*install Go.*apt-get"):
        data.get(print)
    for name, text in (("go", GO), ("apt-get", "exit 0"), ("dpkg", "exit 0")):
        script(folder / name, text)
    found, missing = data.find(None)
    assert found == {}
    assert [line.rpartition("; ")[2] for line in missing] == ["next: outfitter sandbox build --data"] * 2
    assert not (folder / "calls").exists()


def test_built_once_outside_the_work_tree_then_cached(folder: Path) -> None:
    script(folder / "go", GO)
    root = git_tools._folder()
    root.mkdir(parents=True)
    found = data.get(print)
    assert set(found) == PROGRAMS | {"git"}
    assert found["git"] == root
    assert {found[name].read_text() for name in PROGRAMS} == {"built\n"}
    assert found["rclone"].parent.parent == binaries.cache_root()
    assert data.get(print) == found
    assert len((folder / "calls").read_text().splitlines()) == len(PROGRAMS)
    (folder / "go").unlink()
    assert data.find(None) == (found, [])  # what Go once built serves without it


def test_dependencies_are_resolved_as_on_an_empty_system(folder: Path, tmp_path: Path) -> None:
    lines = "Inst zlib1g (1 Debian [amd64])\\nInst git (1:2 Debian [amd64])\\nConf git (1:2 Debian [amd64])\\n"
    script(folder / "apt-get", f'echo "$@" > "$(dirname "$0")/asked"; printf "{lines}"')
    assert debian.closure(["git"]) == ["git", "zlib1g"]
    asked = (folder / "asked").read_text()
    assert "Dir::State::status=/dev/null" in asked
    assert asked.endswith("--simulate install git\n")
    script(folder / "apt-get", "echo E: no package lists >&2; exit 100")
    with pytest.raises(SandboxError, match=r"(?s)no package lists.*apt-get update"):
        debian.closure(["git"])
    with pytest.raises(SandboxError, match="no package lists"):
        debian.fetch(["git"], tmp_path / "root")


def test_the_module_pins_versions_and_checksums() -> None:
    wanted, sums = ((data.MODULE / name).read_text() for name in ("go.mod", "go.sum"))
    for package in ("github.com/rclone/rclone", "golang.org/x/crypto"):
        version = wanted.partition(f"{package} ")[2].split()[0]
        assert f"{package} {version} h1:" in sums
