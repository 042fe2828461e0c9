"""Where programs of other projects come from, with a `go` command of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from outfitter_sandbox import binaries
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.go_parts import BUILDKIT, PARTS, GoPart

from .conftest import script

GO = """
if [ "$1" = env ]; then echo go1.99.0; exit; fi
echo "$@" >> "$(dirname "$0")/calls"
while [ "$1" != -o ]; do shift; done; echo built > "$2"
"""

each_part = pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH, without Go, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path / "bin"


@each_part
def test_without_it_the_way_to_it_is_named(folder: Path, part: GoPart) -> None:
    programs = " and ".join(part.group.packages)
    absent = f"{programs}: not built yet; install Go (https://go.dev/dl) and build it once"
    assert part.find(None) == ({}, absent)
    with pytest.raises(SandboxError, match=f"{part.title} is missing:\n  .*install Go"):
        part.get(print)
    script(folder / "go", GO)
    assert part.find(None) == ({}, f"{programs}: not built yet; next: outfitter sandbox build --{part.name}")
    assert not (folder / "calls").exists()


@each_part
def test_built_once_outside_the_work_tree_then_cached(folder: Path, part: GoPart) -> None:
    script(folder / "go", GO)
    found = part.get(print)
    assert set(found) == set(part.group.packages)
    for path in found.values():
        assert path.read_text() == "built\n"
        assert path.parent.parent == binaries.cache_root()
    assert part.find(None) == (found, "")
    assert part.get(print) == found
    calls = (folder / "calls").read_text().splitlines()
    for call, package in zip(calls, part.group.packages.values(), strict=True):
        assert call.endswith(package)
        assert (f"ersion={part.version()}" in call) is bool(part.stamp)
    (folder / "go").unlink()
    assert part.find(None) == (found, "")  # what Go once built serves without it


def test_a_part_can_have_several_programs() -> None:
    source = BUILDKIT.source
    assert BUILDKIT.group.packages == {f"build{kind}": f"{source}/cmd/build{kind}" for kind in ("ctl", "kitd")}


@each_part
def test_the_module_pins_version_and_checksums(part: GoPart) -> None:
    assert part.version().startswith("v")
    assert f"{part.source} {part.version()} h1:" in (part.module / "go.sum").read_text()
