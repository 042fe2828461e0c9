"""The operator's wheel contains neither the sandbox nor the generators, and runs on the packages of its own lock."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as `pip wheel .` builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel and the packages of requirements.txt, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for name in re.findall(r"^([\w.-]+)(?:\[.*\])?==", (ROOT / "requirements.txt").read_text(), re.MULTILINE):
        for installed in metadata.distributions(name=name):  # none where a marker excludes this platform
            for top in {path.parts[0] for path in installed.files or () if path.parts[0] not in ("..", "__pycache__")}:
                if not (folder / top).exists():  # several distributions share a namespace package
                    (folder / top).symlink_to(Path(str(installed.locate_file(top))))
    return folder


def python(site: Path, *arguments: str) -> str:
    """Output of a Python that imports from `site` and the standard library only."""
    command = [sys.executable, "-S", *arguments]
    finished = subprocess.run(
        command, env={"PYTHONPATH": str(site)}, cwd=site, check=False, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_the_wheel_contains_no_sandbox_and_no_generators(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {re.split(r"[/-]", name)[0] for name in names} == {"outfitter"}
        assert not [name for name in names if re.search(r"sandbox|demo|codegen|\.go$|go\.(mod|sum)$", name)]
        (entry_points,) = (archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
        required = [
            line
            for name in names
            if name.endswith("/METADATA")
            for line in archive.read(name).decode().splitlines()
            if line.startswith("Requires-Dist")
        ]
    assert "sandbox" not in entry_points
    assert required
    assert not [line for line in required if "sandbox" in line or "cryptography" in line]


def test_without_the_sandbox_the_command_works_and_does_not_mention_it(site: Path) -> None:
    text = python(site, "-m", "outfitter.cli", "--help")
    assert "validate" in text
    assert "run" in text
    assert not re.search(r"sandbox|demo|On this machine", text)
    assert python(site, "-m", "outfitter.cli", "version").startswith("outfitter ")


def test_with_the_sandbox_the_command_lists_it() -> None:
    """This environment has both distributions, as `make` installs them."""
    command = [sys.executable, "-m", "outfitter.cli", "--help"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert re.search(r"On this machine.*demo .*sandbox ", text, re.DOTALL)


def test_every_module_imports_with_the_operators_lock_alone(site: Path) -> None:
    assert int(python(site, "-c", IMPORTS)) > 100


IMPORTS = """
import importlib, pkgutil, outfitter
names = [each.name for each in pkgutil.walk_packages(outfitter.__path__, "outfitter.") if "__main__" not in each.name]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
