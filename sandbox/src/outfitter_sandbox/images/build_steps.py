"""Steps of image builds: commands with a progress display, and cached folders."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from outfitter_sandbox.binaries import target
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.processes import bound_command, last_lines, locked

Progress = Callable[[str], None]
REPORT_SECONDS = 5


def cache_root(environment: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_CACHE_HOME/outfitter/images`."""
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "outfitter" / "images"


def cache_name(what: str, tool: str, *sources: Path) -> str:
    """Name of a cache folder from result, tool, sources and platform."""
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
    return f"{what}-{re.sub(r'[^A-Za-z0-9.]', '_', tool)}-{digest[:12]}-{'-'.join(target())}"


def made_once(folder: Path, make: Callable[[Path], None], progress: Progress) -> Path:
    """Fill `folder` through `make(partial folder)` unless it exists.

    Renamed when complete, under a lock.
    """
    waiting = f"Another process is building {folder}; waiting for it"
    with locked(folder.with_name(folder.name + ".lock"), lambda: progress(waiting)):
        if not folder.is_dir():
            partial = folder.with_name(folder.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)  # of a crash
            partial.mkdir(parents=True)
            make(partial)
            partial.rename(folder)
    return folder


def run(
    command: Sequence[str],
    what: str,
    progress: Progress,
    *,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    follow_up: str = "",
) -> None:
    """Run a command to its end and report `what` it does and since when.

    It ends with this process. SandboxError with the end of its output and `follow_up` when it fails.
    """
    started = time.monotonic()
    progress(what)
    with tempfile.TemporaryDirectory(prefix="outfitter-") as scratch:
        log = Path(scratch, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                bound_command(command, os.getpid()),
                cwd=folder,
                env=os.environ | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            try:
                while process.poll() is None:
                    try:
                        process.wait(REPORT_SECONDS)
                    except subprocess.TimeoutExpired:
                        progress(f"{what}: {time.monotonic() - started:.0f} s")
            finally:
                if process.poll() is None:  # interrupted
                    process.terminate()
                    process.wait()
        if process.returncode != 0:
            raise SandboxError(f"{what} failed (exit code {process.returncode}):\n{last_lines(log)}\n{follow_up}")
