"""The number of the version, which several files repeat."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

import yaml

from outfitter.errors import ConfigurationError

_PYTHON: Final = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_RELEASED: Final = re.compile(r"^## \[?v?(\d+\.\d+\.\d+\S*?)\]?(?: |$)", re.MULTILINE)
_NEXT: Final = re.compile(r"^This will be version (\d+\.\d+\.\d+\S*?)[,.]?(?: |$)", re.MULTILINE)


def version(root: Path) -> str:
    """Return the number in pyproject.toml. Raises ConfigurationError where `root` is no checkout."""
    if not (root / "pyproject.toml").is_file():
        raise ConfigurationError(f"{root} is not a checkout of Outfitter: it has no pyproject.toml.")
    return _project(root / "pyproject.toml")


def version_problems(root: Path, tag: str = "") -> list[str]:
    """Return what contradicts the number in pyproject.toml; a tagged version needs its section in the changelog."""
    wanted = version(root)
    problems = [
        f"{place} has version {found}, pyproject.toml has {wanted}. Set the same number in all files."
        for place, found in _repeated(root).items()
        if found != wanted
    ]
    if tag and tag != f"v{wanted}":
        problems.append(f"The tag is {tag}, but the version is {wanted}. Tag it v{wanted}.")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    announced = set(_RELEASED.findall(changelog)) | (set() if tag else set(_NEXT.findall(changelog)))
    if wanted not in announced:
        problems.append(f"CHANGELOG.md has no section for {wanted}. Move the entries of Unreleased under that number.")
    return problems


def _repeated(root: Path) -> dict[str, str]:
    python = _PYTHON.search((root / "src/outfitter/__init__.py").read_text(encoding="utf-8"))
    chart = yaml.load((root / "deploy/chart/Chart.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return {
        "sandbox/pyproject.toml": _project(root / "sandbox/pyproject.toml"),
        "src/outfitter/__init__.py": python[1] if python else "none",
        "deploy/chart/Chart.yaml: version": str(chart.get("version")),
        "deploy/chart/Chart.yaml: appVersion": str(chart.get("appVersion")),
    }


def _project(path: Path) -> str:
    return str(tomllib.loads(path.read_text(encoding="utf-8"))["project"]["version"])
