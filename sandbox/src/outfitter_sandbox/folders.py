"""The folders of sandboxes on disk, and the supervisors of running ones."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.processes import Identity

STATE = "sandbox.json"


def state_root() -> Path:
    """`$XDG_STATE_HOME/outfitter/sandboxes`."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "outfitter" / "sandboxes"


def folder_of(name: str, root: Path | None = None) -> Path:
    """The folder of a sandbox. SandboxError for a name that is not a plain file name."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
        raise SandboxError(
            f"{name!r} is not a valid name for a sandbox: use up to 40 lower case letters, digits and dashes."
        )
    return (root or state_root()).absolute() / name


def names(root: Path | None = None) -> Iterator[tuple[str, bool]]:
    """Name of every sandbox with a folder, and whether it runs."""
    for state in sorted((root or state_root()).glob(f"*/{STATE}")):
        yield state.parent.name, is_running(state.parent)


def is_running(directory: Path) -> bool:
    """Whether the sandbox of this folder has a live supervisor."""
    owner = supervisor_of(directory)
    return owner is not None and owner.alive()


def supervisor_of(directory: Path) -> Identity | None:
    """The recorded supervisor of a sandbox, which may have ended since."""
    try:
        return Identity(**json.loads((directory / "supervisor.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def abandoned(directory: Path, name: str) -> bool:
    """Whether a crashed sandbox left this folder.

    SandboxError when it runs, or for any other folder.
    """
    if not directory.exists():
        return False
    owner = supervisor_of(directory)
    if owner is not None and owner.alive():
        raise SandboxError(
            f"The sandbox {name} is running already (process {owner.pid}). "
            f"Next: outfitter sandbox down --name {name}, or choose another --name to run two side by side."
        )
    if any(directory.iterdir()) and not (directory / STATE).exists():
        raise SandboxError(
            f"{directory} holds files that are not a sandbox's. Move the files, or choose another name or root."
        )
    return True


def remove(directory: Path) -> None:
    """Remove a sandbox's folder. SandboxError while a file system is mounted in it."""
    if inside := mounts_below(directory):
        raise SandboxError(f"{inside[0]} is still mounted. Next: umount {inside[0]}, then try again.")
    shutil.rmtree(directory, ignore_errors=True)


def mounts_below(directory: Path) -> list[str]:
    """Mount points in a folder, the innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [point for point in (line.split()[4] for line in reversed(lines)) if point.startswith(f"{directory}/")]


def lock_of(directory: Path) -> Path:
    """Lock file that is held while a sandbox starts or stops.

    It lies next to the folder.
    """
    return directory.with_name(f".{directory.name}.lock")
