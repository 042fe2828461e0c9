"""Where the controller of JobSet comes from, with a `go` command of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from outfitter_sandbox import binaries, jobset
from outfitter_sandbox.errors import SandboxError

from .conftest import script

GO = """
if [ "$1" = env ]; then echo go1.99.0; exit; fi
echo "$@" >> "$(dirname "$0")/calls"
while [ "$1" != -o ]; do shift; done; echo built > "$2"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH, without Go, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path / "bin"


def test_without_it_the_way_to_it_is_named(folder: Path) -> None:
    assert jobset.find(None) == (None, "jobset: not built yet; install Go (https://go.dev/dl) and build it once")
    with pytest.raises(SandboxError, match="install Go"):
        jobset.get(print)
    script(folder / "go", GO)
    assert jobset.find(None) == (None, "jobset: not built yet; next: outfitter sandbox build --jobset")
    assert not (folder / "calls").exists()


def test_built_once_outside_the_work_tree_then_cached(folder: Path) -> None:
    script(folder / "go", GO)
    path = jobset.get(print)["jobset"]
    assert path.read_text() == "built\n"
    assert path.parent.parent == binaries.cache_root()
    assert jobset.find(None) == (path, "")
    assert jobset.get(print) == {"jobset": path}
    (call,) = (folder / "calls").read_text().splitlines()
    assert call.endswith(jobset.PACKAGE)
    assert f"version.GitVersion={jobset.version()}" in call
    (folder / "go").unlink()
    assert jobset.find(None) == (path, "")  # what Go once built serves without it


def test_the_module_pins_version_and_checksums() -> None:
    assert jobset.version().startswith("v0.")
    assert f"{jobset.PACKAGE} {jobset.version()} h1:" in (jobset.MODULE / "go.sum").read_text()
