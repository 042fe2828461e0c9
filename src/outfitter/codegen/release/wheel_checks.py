"""Checks of the wheels."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Final

from outfitter.codegen.release.sbom import wheel_metadata
from outfitter.codegen.release.source import Source

_FOLDERS: Final = {"outfitter": "src", "outfitter_sandbox": "sandbox/src"}
_NOT_SHIPPED: Final = "outfitter/codegen/"
_COMMANDS: Final = {
    "outfitter": {
        "outfitter = outfitter.cli.app:main",
        "kubectl-outfitter = outfitter.cli.app:main",
        "kubectl_complete-outfitter = outfitter.cli.kubectl_completion:main",
    },
    "outfitter_sandbox": {"sandbox = outfitter_sandbox.plugin:register"},
}


def wheel_problems(wheel: Path, source: Source) -> list[str]:
    """Return what is wrong with the wheel of one of the two distributions."""
    package = wheel.name.partition("-")[0]
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    about = {name: content for name, content in files.items() if re.match(r"[\w.]+-[^/]+\.dist-info/", name)}
    wanted = {
        name: content for name, content in source.files(_FOLDERS[package]).items() if not name.startswith(_NOT_SHIPPED)
    }
    problems = [f"{wheel.name}: {name} is missing." for name in sorted(wanted.keys() - files.keys())]
    problems += [
        f"{wheel.name}: {name} must not be in it." for name in sorted(files.keys() - about.keys() - wanted.keys())
    ]
    problems += [
        f"{wheel.name}: {name} differs from the file of the checkout."
        for name in sorted(wanted.keys() & files.keys())
        if wanted[name] != files[name]
    ]
    return problems + _about_problems(wheel, package, source, about)


def _about_problems(wheel: Path, package: str, source: Source, about: dict[str, bytes]) -> list[str]:
    metadata, version = wheel_metadata(wheel), source.names.version
    problems = []
    if (metadata["Name"], metadata["Version"]) != (package.replace("_", "-"), version):
        problems.append(f"{wheel.name}: its metadata is of {metadata['Name']} {metadata['Version']}, not {version}.")
    entries = "".join(text.decode() for name, text in about.items() if name.endswith("/entry_points.txt"))
    missing = sorted(_COMMANDS[package] - set(entries.splitlines()))
    return problems + [f"{wheel.name}: the entry point `{line}` is missing." for line in missing]
