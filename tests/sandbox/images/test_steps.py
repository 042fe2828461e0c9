"""Steps that make images: shared libraries, commands and cached folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import interpreter
from outfitter_sandbox.images.build_steps import made_once, run


def silent(text: str) -> None:
    """No progress display."""


LDD = """\tlinux-vdso.so.1 (0x00007ffd1e5c5000)
\tlibssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x00007f0e3a200000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f0e39e00000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f0e3a6d4000)
"""


def test_libraries_are_read_from_ldd() -> None:
    assert interpreter.libraries_of(LDD, Path("/x")) == {
        "libssl.so.3": Path("/lib/x86_64-linux-gnu/libssl.so.3"),
        "libc.so.6": Path("/lib/x86_64-linux-gnu/libc.so.6"),
        "/lib64/ld-linux-x86-64.so.2": Path("/lib64/ld-linux-x86-64.so.2"),
    }
    assert interpreter.libraries_of("\tstatically linked\n", Path("/x")) == {}


def test_a_missing_library_is_named() -> None:
    with pytest.raises(SandboxError, match=r"/x\.so requires libgone\.so\.1, which this machine does not have"):
        interpreter.libraries_of(LDD + "\tlibgone.so.1 => not found\n", Path("/x.so"))


def test_a_failed_command_is_reported_with_the_end_of_its_output() -> None:
    with pytest.raises(SandboxError, match=r"Trying failed \(exit code 3\):\n  no luck\nNext: sleep"):
        run(["/bin/sh", "-c", "echo no luck; exit 3"], "Trying", silent, follow_up="Next: sleep")


def test_a_folder_is_made_once_and_never_half(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise SandboxError("no disk")

    with pytest.raises(SandboxError, match="no disk"):
        made_once(tmp_path / "made", fail, silent)
    assert not (tmp_path / "made").exists()
    made = made_once(tmp_path / "made", lambda folder: (folder / "whole").touch(), silent)
    assert [each.name for each in made.iterdir()] == ["whole"]
    assert made_once(tmp_path / "made", fail, silent) == made
