"""The program of `kubectl outfitter` where it cannot install itself: one sentence, and nothing half done that stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from outfitter.codegen.release import plugin


def call(program: Path, cache: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the program with a cache of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"XDG_CACHE_HOME": str(cache), **variables}
    return subprocess.run(
        [sys.executable, program, "version"], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program in a folder of its own, as in the archive."""
    (tmp_path / "plugin").mkdir()
    return Path(shutil.copy(plugin.__file__, tmp_path / "plugin" / "kubectl-outfitter"))


def test_without_its_files_it_fails(program: Path, tmp_path: Path) -> None:
    done = call(program, tmp_path / "cache")
    assert done.returncode == 1
    assert "does not contain the files of kubectl outfitter. Install the plugin again." in done.stderr
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_without_a_package_index_it_fails_and_tries_again(program: Path, tmp_path: Path) -> None:
    (program.parent / "requirements.txt").write_text(f"kopf==1.45.2 --hash=sha256:{'0' * 64}\n")
    (program.parent / "outfitter-0.1.0-py3-none-any.whl").write_text("")
    for _ in range(2):
        done = call(program, tmp_path / "cache", PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="0")
        assert done.returncode == 1
        assert "This happens once" in done.stderr
        assert "kubectl outfitter was not installed" in done.stderr
        assert "Set PIP_INDEX_URL to a package index that this machine reaches" in done.stderr
        assert "Traceback" not in done.stderr
