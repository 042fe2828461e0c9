#!/usr/bin/env python3
"""`kubectl outfitter`: installs the locked packages beside it into a cache once, then runs the command from there.

The archive of the krew manifest contains this file as `kubectl-outfitter`. It uses the standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)


def main() -> None:
    """Replace this process by the installed command."""
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:2])
        sys.exit(f"kubectl outfitter needs Python 3.11 or newer, and python3 is {found}. Install a newer Python.")
    here = Path(__file__).resolve().parent
    lock = here / "requirements.txt"
    wheels = sorted(here.glob("outfitter-*.whl"))
    if len(wheels) != 1 or not lock.is_file():
        sys.exit(f"{here} does not contain the files of kubectl outfitter. Install the plugin again.")
    folder = _folder(wheels[0], lock)
    command = folder / "bin" / "kubectl-outfitter"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # of two first calls, one installs
        if not (folder / "complete").exists():
            _install(folder, wheels[0], lock)
    os.execv(command, [str(command), *sys.argv[1:]])  # noqa: S606 - the program that was installed


def _folder(wheel: Path, lock: Path) -> Path:
    """Return the folder of this wheel, lock and Python."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    content = wheel.read_bytes() + lock.read_bytes() + sys.version.encode()
    return cache / "outfitter" / "plugin" / hashlib.sha256(content).hexdigest()[:16]


def _install(folder: Path, wheel: Path, lock: Path) -> None:
    sys.stderr.write(f"Installing kubectl outfitter into {folder}. This happens once.\n")
    shutil.rmtree(folder, ignore_errors=True)
    _call("Install the package python3-venv.", sys.executable, "-m", "venv", str(folder))
    pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    advice = "Set PIP_INDEX_URL to a package index that this machine reaches, and run the command again."
    _call(advice, *pip, "--require-hashes", "--only-binary", ":all:", "-r", str(lock))
    _call(advice, *pip, "--no-deps", "--no-index", str(wheel))
    (folder / "complete").touch()


def _call(advice: str, *command: str) -> None:
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        sys.exit(f"kubectl outfitter was not installed: `{' '.join(command[:4])}` failed. {advice}")


if __name__ == "__main__":
    main()
