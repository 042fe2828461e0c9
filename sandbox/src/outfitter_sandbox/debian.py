"""Debian packages: downloaded by apt and unpacked, never installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from outfitter_sandbox.errors import SandboxError

_INSTALLED = re.compile(r"^Inst (\S+) ", re.MULTILINE)
# Without a status file, apt resolves dependencies as on an empty system.
_EMPTY_SYSTEM = ("-o", "Dir::State::status=/dev/null", "-o", "APT::Install-Recommends=0", "-qq")


def available() -> bool:
    """Whether this machine can download Debian packages."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg") is not None


def closure(packages: Sequence[str]) -> list[str]:
    """The packages with all their dependencies in this release of Debian, sorted.

    SandboxError with the message of apt for unknown packages.
    """
    answer = _run("apt-get", *_EMPTY_SYSTEM, "--simulate", "install", *packages)
    if answer.returncode != 0:
        raise _failure(f"apt-get install --simulate {' '.join(packages)}", answer)
    return sorted(set(_INSTALLED.findall(answer.stdout)))


def known(packages: Sequence[str]) -> list[str]:
    """The packages that this release of Debian has."""
    return [package for package in packages if _run("apt-cache", "show", package).returncode == 0]


def fetch(packages: Sequence[str], root: Path) -> None:
    """Download packages and unpack them below `root`.

    SandboxError with the message of apt when a download fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - apt reads as another user
        fetched = _run("apt-get", "download", *packages, folder=folder)
        if fetched.returncode != 0 or not packages:
            raise _failure(f"apt-get download {' '.join(packages)}", fetched)
        for package in sorted(Path(folder).glob("*.deb")):
            unpacked = _run("dpkg", "-x", str(package), str(root))
            if unpacked.returncode != 0:
                raise SandboxError(f"dpkg -x {package.name} failed: {unpacked.stderr.strip()[-600:]}")


def _run(*command: str, folder: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _failure(what: str, answer: subprocess.CompletedProcess[str]) -> SandboxError:
    return SandboxError(f"{what} failed: {answer.stderr.strip()[-600:]}\nNext: apt-get update, or install the program.")
