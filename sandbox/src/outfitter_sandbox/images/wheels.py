"""Install the locked dependencies into the root file system of an image."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import interpreter
from outfitter_sandbox.images.build_steps import Progress, run


def install(lock: Path, root: Path, progress: Progress) -> None:
    """Install and compile the wheels of `lock` below `root`.

    Adds the shared libraries that they require. Checks every file against its hash, and builds no package.
    SandboxError with the installer's message.
    """
    place = root / interpreter.SITE_PACKAGES[1:]
    checked = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "-r", str(lock)]
    run(
        [*_installer(), "--target", str(place), *checked],
        "Installing the locked dependencies of the operator",
        progress,
        follow_up="Next: check that this machine reaches a package index (`pip config list`), "
        f"and that {lock.name} has wheels for Python {interpreter.VERSION} on this platform.",
    )
    shutil.rmtree(place / "bin", ignore_errors=True)  # scripts with the path of this machine's Python
    (place / ".lock").unlink(missing_ok=True)  # of uv
    interpreter.add_libraries(root, sorted(place.rglob("*.so")))
    interpreter.compile_all(root, place, progress)


def _installer() -> list[str]:
    """The install command: uv, or pip of this environment or its base Python."""
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    for python in (sys.executable, str(interpreter.executable())):
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
            return [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    raise SandboxError("uv or pip is required to install the operator's dependencies. Next: python -m ensurepip")
