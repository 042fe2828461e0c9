"""Copies of this checkout."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "requirements.txt", ".gitignore")
FOLDERS = ("src", "sandbox", "crds", "deploy", "docs")
NOT_COMMITTED = shutil.ignore_patterns("__pycache__", "*.pyc")


def copy_checkout(target: Path) -> Path:
    """The files of this checkout, committed or not, that a version is made of."""
    for name in FILES:
        shutil.copy(ROOT / name, target / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, target / name, ignore=NOT_COMMITTED)
    return target
