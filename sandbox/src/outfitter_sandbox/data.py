"""Programs of the images for data sources, an optional part for tests: cached, built with Go, or unpacked.

`modules/data` has rclone, which is client and server of S3, and a server for git repositories. Git and ssh come from
Debian packages.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import git_tools
from outfitter_sandbox.realnode.parts import Group

Progress = Callable[[str], None]
MODULE = Path(__file__).with_name("modules") / "data"
GIT, GIT_SERVER, RCLONE = "git", "git-server", "rclone"
OPTION = "--data"
_PROGRAMS = Group("data", MODULE, {RCLONE: "./rclone", GIT_SERVER: "./git-server"})


def find(progress: Progress | None) -> tuple[dict[str, Path], list[str]]:
    """Program -> path, and a sentence for every missing part with the way to get it.

    `git` is the root file system of git and ssh. With `progress`, missing parts are built or unpacked; without, the
    call returns at once.
    """
    found, missing = _PROGRAMS.find(progress, OPTION)
    reasons = [missing] if missing else []
    if reason := git_tools.missing():
        return found, [*reasons, reason]
    if progress is None and not git_tools.cached():
        return found, [*reasons, f"git and ssh for images: not unpacked yet; next: outfitter sandbox build {OPTION}"]
    return found | {GIT: git_tools.tools(progress or _silent)}, reasons


def get(progress: Progress) -> dict[str, Path]:
    """All parts, built or unpacked where necessary.

    SandboxError lists each missing part and the way to get it.
    """
    found, missing = find(progress)
    if missing:
        raise SandboxError("Parts for data sources are missing:\n" + "\n".join(f"  {line}" for line in missing))
    return found


def _silent(_text: str) -> None:
    """The root is in the cache, and nothing is reported."""
