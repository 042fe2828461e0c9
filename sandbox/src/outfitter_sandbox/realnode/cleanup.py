"""Remove a real node from this machine.

`python -m outfitter_sandbox.realnode.cleanup DIRECTORY`

An ordinary end and a crash take the same way: the components have ended; the record and the names of `names.py`
identify everything else. It is safe to repeat, and does not touch objects of other programs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.folders import STATE, mounts_below, remove
from outfitter_sandbox.processes import wait_until
from outfitter_sandbox.realnode import leftovers, names, record
from outfitter_sandbox.realnode.record import Record

SECONDS = 10
SHOWN = 10


def clean(known: Record | None, nft: str | None = None) -> None:
    """Remove all leftovers. SandboxError lists what remains.

    The record then stays for another attempt. Without a record (`known` is None) settings and fixed paths stay
    unchanged. `nft` is the program.
    """
    nft = known.nft if known else nft
    sockets = _shim_sockets()
    # Shims first: they hold the mounts of containers.
    wait_until(lambda: not _kill(leftovers.shims()), SECONDS)
    wait_until(lambda: not _kill(leftovers.members()), SECONDS)
    wait_until(lambda: not _unmount(leftovers.mounts()), SECONDS)
    for link in leftovers.links():
        _run("ip", "link", "delete", link)
    if nft is not None and (known is not None or names.RUN.exists()):
        for family, name in leftovers.tables(nft):
            _run(nft, "delete", "table", family, name)
    wait_until(lambda: not _remove_cgroups(), SECONDS)
    for socket in sockets | _shim_sockets():
        with contextlib.suppress(OSError):
            os.unlink(socket)
    if known is not None:
        _restore(known)
    if remaining := leftovers.left(nft):
        raise SandboxError(
            f"The real node is not removed completely. Left over are {leftovers.counted(remaining)}, such as\n"
            + "".join(f"  {line}\n" for line in remaining[:SHOWN])
            + "Next: end the processes that use it, then run outfitter sandbox down --force."
        )
    if known is None or record.current() in (known, None):
        shutil.rmtree(names.RUN, ignore_errors=True)
    if known is not None:  # restore settings once only: other programs may change them later
        (Path(known.directory) / record.COPY).unlink(missing_ok=True)


def after_crash(directory: Path) -> None:
    """Remove the leftovers of this sandbox's real node.

    SandboxError when it is running.
    """
    if os.geteuid() != 0:
        return  # only root can have started one
    with record.exclusively():
        known = record.of(directory)
        if known is not None:
            _refuse_running(known)
            clean(known)


def by_names(nft: str | None) -> str:
    """Remove the leftovers and the folder of a crashed real node.

    A summary of what was removed, or nothing. Also works without a record, by names alone; `nft` is the program for
    this case. SandboxError when a real node is running.
    """
    with record.exclusively():
        known = record.current()
        if known is not None:
            _refuse_running(known)
        lines = leftovers.left(known.nft if known else nft)
        if known is None and not lines and not names.RUN.exists():
            return ""
        clean(known, nft)
    if known is not None and (Path(known.directory) / STATE).exists():
        remove(Path(known.directory))
        lines.append(f"folder: {known.directory}")
    return leftovers.counted(lines) or f"the folder {names.RUN}"


def _refuse_running(known: Record) -> None:
    if known.owner.alive():
        directory = Path(known.directory)
        raise SandboxError(
            f"The real node of {directory} is running (process {known.owner.pid}). "
            f"Next: outfitter sandbox down --name {directory.name} --root {directory.parent}"
        )


def _kill(pids: Iterable[int]) -> list[int]:
    """Send SIGKILL, and return the processes that were present."""
    present = list(pids)
    for pid in present:
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [], 1)
            finally:
                os.close(handle)
    return present


def _unmount(points: list[str]) -> list[str]:
    """Unmount, and return what is still mounted.

    Killed containers release their mounts a moment later.
    """
    for point in points:
        _run("umount", point)
    return leftovers.mounts()


def _remove_cgroups() -> list[Path]:
    for folder in leftovers.cgroups():
        with contextlib.suppress(OSError):  # killed processes leave the cgroup a moment later
            folder.rmdir()
    return leftovers.cgroups()


def _shim_sockets() -> set[str]:
    """Sockets of the node's shims, in a folder that all containerds share."""
    sockets = set()
    for bundle in names.RUN.glob("containerd/io.containerd.runtime.v2.task/k8s.io/*"):
        # A shim that is starting has a socket and no bootstrap.json yet; containerd names the socket like this.
        name = hashlib.sha256(f"{names.SOCKET}/k8s.io/{bundle.name}".encode()).hexdigest()
        sockets.add(str(names.SHIM_SOCKETS / name))
        with contextlib.suppress(OSError, ValueError, KeyError):
            bootstrap = json.loads((bundle / "bootstrap.json").read_text())
            sockets.add(bootstrap["address"].removeprefix("unix://"))
    return sockets


def _restore(known: Record) -> None:
    """Restore settings and fixed paths."""
    now = leftovers.settings(known.settings)
    for name, value in known.settings.items():
        if now.get(name) != value:
            with contextlib.suppress(OSError):
                leftovers.set_setting(name, value)
    for path in known.absent:
        if path in names.FIXED_PATHS and not mounts_below(Path(path)):
            shutil.rmtree(path, ignore_errors=True)
    for link in Path("/var/log/containers").glob("*.log"):  # existed before: remove only links to pods of the node
        if link.is_symlink() and str(link.readlink()).startswith(f"{known.directory}/"):
            link.unlink(missing_ok=True)


def _run(*command: str) -> None:
    """Run a command; its success is checked by what is left afterwards."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, capture_output=True, check=False, timeout=SECONDS)


def main() -> None:
    """Run by the supervisor after its components have ended."""
    known = record.of(Path(sys.argv[1]))
    if known is not None:
        clean(known)


if __name__ == "__main__":
    try:
        main()
    except SandboxError as error:
        sys.exit(str(error))
