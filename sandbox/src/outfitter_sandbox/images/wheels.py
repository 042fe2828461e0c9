"""The locked dependencies of the operator as part of an image's root file system."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import interpreter
from outfitter_sandbox.images.making import Progress, run


def install(lock: Path, root: Path, progress: Progress) -> None:
    """The wheels of `lock` below `root`, compiled, with the shared libraries that they expect of a system.

    Every file is checked against its hash, and nothing is built. SandboxError with the installer's words.
    """
    place = root / interpreter.SITE_PACKAGES[1:]
    checked = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "-r", str(lock)]
    run(
        [*_installer(), "--target", str(place), *checked],
        "Installing the locked dependencies of the operator",
        progress,
        follow_up="Next: see whether this machine reaches a package index (`pip config list`), "
        f"and whether {lock.name} has wheels for Python {interpreter.VERSION} here.",
    )
    shutil.rmtree(place / "bin", ignore_errors=True)  # scripts that begin with this machine's Python
    (place / ".lock").unlink(missing_ok=True)  # uv's
    interpreter.add_libraries(root, sorted(place.rglob("*.so")))
    interpreter.compile_all(root, place, progress)


def _installer() -> list[str]:
    """The command that installs, without compiling: uv, or pip in this environment or beside it."""
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    for python in (sys.executable, str(interpreter.executable())):
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
            return [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    raise SandboxError("Neither uv nor pip is here to install the operator's dependencies. Next: python -m ensurepip")
