"""`Sandbox.up(data=...)` explains which archives it cannot start from; test_takeover.py starts from a good one."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from outfitter_sandbox import start_files
from outfitter_sandbox.components import Layout
from outfitter_sandbox.errors import SandboxError


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "sandbox").mkdir()
    return Layout(tmp_path / "sandbox", 1, 2, 3)


def test_a_file_that_is_no_archive(layout: Layout, tmp_path: Path) -> None:
    archive = tmp_path / "etcd.tar.xz"
    archive.write_text("no tar")
    with pytest.raises(SandboxError, match="cannot be unpacked"):
        start_files.restore(layout, archive)
    with pytest.raises(SandboxError, match="cannot be unpacked"):
        start_files.restore(layout, tmp_path / "nowhere")


def test_an_archive_of_something_else(layout: Layout, tmp_path: Path) -> None:
    archive = tmp_path / "etcd.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(__file__, "other/file")
    with pytest.raises(SandboxError, match="holds no folder etcd/member"):
        start_files.restore(layout, archive)
    assert list(layout.directory.iterdir()) == []
