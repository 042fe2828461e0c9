"""Takes a real node off this machine: `python -m outfitter_sandbox.realnode.clean DIRECTORY`

There is one way, for the ordinary end and for crashes: the components are dead already, everything else is found by the
record and by the marks. Safe to repeat; it touches nothing that is not ours.
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
from outfitter_sandbox.realnode import marks, record, traces
from outfitter_sandbox.realnode.record import Record

SECONDS = 10
SHOWN = 10


def clean(found: Record | None, nft: str | None = None) -> None:
    """Remove every trace; SandboxError names what resisted, and the record stays for another try.

    `found` may be None when the record is lost: settings and fixed paths then stay as they are. `nft` is the program.
    """
    nft = found.nft if found else nft
    sockets = _shim_sockets()
    # Shims first: they would report to containerd and start nothing, but they hold the containers' mounts.
    wait_until(lambda: not _kill(traces.shims()), SECONDS)
    wait_until(lambda: not _kill(traces.members()), SECONDS)
    wait_until(lambda: not _unmount(traces.mounts()), SECONDS)
    for link in traces.links():
        _run("ip", "link", "delete", link)
    if nft is not None and (found is not None or marks.RUN.exists()):
        for family, name in traces.tables(nft):
            _run(nft, "delete", "table", family, name)
    wait_until(lambda: not _remove_cgroups(), SECONDS)
    for socket in sockets | _shim_sockets():
        with contextlib.suppress(OSError):
            os.unlink(socket)
    if found is not None:
        _restore(found)
    if remaining := traces.left(nft):
        raise SandboxError(
            f"The real node is not gone completely. Left over are {traces.counted(remaining)}, such as\n"
            + "".join(f"  {each}\n" for each in remaining[:SHOWN])
            + "Next: end what uses it, then run outfitter sandbox down --force."
        )
    if found is None or record.current() in (found, None):
        shutil.rmtree(marks.RUN, ignore_errors=True)
    if found is not None:  # settings are put back once: later they may be somebody else's
        (Path(found.directory) / record.COPY).unlink(missing_ok=True)


def after_crash(directory: Path) -> None:
    """Clean up after the real node of this sandbox, if it had one. SandboxError when that is running."""
    if os.geteuid() != 0:
        return  # nobody but root can have started one
    with record.exclusively():
        found = record.of(directory)
        if found is not None:
            _refuse_running(found)
            clean(found)


def by_marks(nft: str | None) -> str:
    """Clean up after any dead real node of this machine, its folder included; what was found, in words, or nothing.

    Works without a record too, by the marks alone. `nft` is the program, should the record be lost. SandboxError when
    a real node is running.
    """
    with record.exclusively():
        found = record.current()
        if found is not None:
            _refuse_running(found)
        seen = traces.left(found.nft if found else nft)
        if found is None and not seen and not marks.RUN.exists():
            return ""
        clean(found, nft)
    if found is not None and (Path(found.directory) / STATE).exists():
        remove(Path(found.directory))
        seen.append(f"folder: {found.directory}")
    return traces.counted(seen) or f"the folder {marks.RUN}"


def _refuse_running(found: Record) -> None:
    if found.owner.alive():
        directory = Path(found.directory)
        raise SandboxError(
            f"The real node of {directory} is running (process {found.owner.pid}). "
            f"Next: outfitter sandbox down --name {directory.name} --root {directory.parent}"
        )


def _kill(pids: Iterable[int]) -> list[int]:
    """SIGKILL, and who was still there."""
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
    """Unmount, and what is still mounted: killed containers let go a moment later."""
    for point in points:
        _run("umount", point)
    return traces.mounts()


def _remove_cgroups() -> list[Path]:
    for folder in traces.cgroups():
        with contextlib.suppress(OSError):  # killed processes leave a moment later
            folder.rmdir()
    return traces.cgroups()


def _shim_sockets() -> set[str]:
    """Sockets of our shims in a folder that all containerds of a machine share."""
    sockets = set()
    for bundle in marks.RUN.glob("containerd/io.containerd.runtime.v2.task/k8s.io/*"):
        # One that was just being started has a socket, and has not told its name yet: containerd makes it like this.
        name = hashlib.sha256(f"{marks.SOCKET}/k8s.io/{bundle.name}".encode()).hexdigest()
        sockets.add(str(marks.SHIM_SOCKETS / name))
        with contextlib.suppress(OSError, ValueError, KeyError):
            told = json.loads((bundle / "bootstrap.json").read_text())
            sockets.add(told["address"].removeprefix("unix://"))
    return sockets


def _restore(found: Record) -> None:
    """Settings and fixed paths as they were."""
    now = traces.settings(found.settings)
    for name, value in found.settings.items():
        if now.get(name) != value:
            with contextlib.suppress(OSError):
                traces.set_setting(name, value)
    for path in found.absent:
        if path in marks.FIXED_PATHS and not mounts_below(Path(path)):
            shutil.rmtree(path, ignore_errors=True)
    for link in Path("/var/log/containers").glob("*.log"):  # was there before: only what points to our pods goes
        if link.is_symlink() and str(link.readlink()).startswith(f"{found.directory}/"):
            link.unlink(missing_ok=True)


def _run(*command: str) -> None:
    """A command whose success is judged by what is left afterwards."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, capture_output=True, check=False, timeout=SECONDS)


def main() -> None:
    """For the supervisor: after its components have ended, before it removes the folder."""
    found = record.of(Path(sys.argv[1]))
    if found is not None:
        clean(found)


if __name__ == "__main__":
    try:
        main()
    except SandboxError as error:
        sys.exit(str(error))
