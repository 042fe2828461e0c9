"""The plugin `kubectl outfitter` for krew: its archive, and the manifest that names it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from outfitter.codegen.release import plugin
from outfitter.codegen.release.archives import programs_of, read_archive, write_archive
from outfitter.codegen.release.names import Options
from outfitter.codegen.release.source import Source
from outfitter.codegen.yaml_text import Block, dump

PROGRAM: Final = "kubectl-outfitter"
_DESCRIPTION: Final = """\
See the state of workloads and the assets they use, validate manifests against the
policies of a project, and find out where a value in a pod comes from.
"""
_CAVEATS: Final = """\
The plugin needs Python 3.11 or newer with venv, as python3 on the PATH. The first
call installs its locked packages from your package index into ~/.cache/outfitter.
"""


def write_plugin(source: Source, folder: Path) -> None:
    """Write the archive of the plugin; the wheel is in `folder` already."""
    wheel = folder / source.names.wheel
    write_archive(folder / source.names.plugin, _files(source, wheel), source.epoch, frozenset({PROGRAM}))


def manifest(source: Source, folder: Path, options: Options) -> str:
    """Return the manifest of the archive in `folder`."""
    name = source.names.plugin
    platform = {
        "selector": {"matchLabels": {"os": "linux"}},
        "uri": f"{options.downloads.rstrip('/')}/{name}",
        "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
        "bin": PROGRAM,
    }
    plugin_object: dict[str, Any] = {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "outfitter"},
        "spec": {
            "version": f"v{source.names.version}",
            "shortDescription": "See, check and explain workloads of Outfitter",
            "description": Block(_DESCRIPTION),
            "caveats": Block(_CAVEATS),
            "platforms": [platform],
        },
    }
    return dump(plugin_object)


def plugin_problems(source: Source, folder: Path, options: Options) -> list[str]:
    """Return what is wrong with the archive and the manifest in `folder`."""
    name = source.names.plugin
    problems = []
    if read_archive(folder / name) != _files(source, folder / source.names.wheel):
        problems.append(f"{name} does not contain the wheel, the lock, the licence and the program of this version.")
    if programs_of(folder / name) != {PROGRAM}:
        problems.append(f"{name}: {PROGRAM} must be the only program that can be executed.")
    if (folder / "outfitter-krew.yaml").read_text(encoding="utf-8") != manifest(source, folder, options):
        problems.append(f"outfitter-krew.yaml does not name version {source.names.version} and the checksum of {name}.")
    return problems


def _files(source: Source, wheel: Path) -> dict[str, bytes]:
    return {
        PROGRAM: Path(plugin.__file__).read_bytes(),
        wheel.name: wheel.read_bytes(),
        "requirements.txt": source.text("requirements.txt").encode(),
        "LICENSE": source.text("LICENSE").encode(),
    }
