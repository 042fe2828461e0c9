"""Processes by identity (pid and start time), free ports, file locks and logs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from outfitter_sandbox.errors import SandboxError

BOUND = Path(__file__).with_name("bound.py")
# Below the ephemeral ports of Linux (32768 and up), so that a restarted API server finds its port free.
PORTS = range(20_000, 32_768)


def bound_command(command: Sequence[str], parent: int) -> list[str]:
    """Wrap `command` so that the kernel kills it when `parent` ends.

    `parent` is the pid of the calling process.
    """
    return [sys.executable, "-I", "-S", str(BOUND), str(parent), *command]


@dataclass(frozen=True)
class Identity:
    """One process: pids are reused, a pid with its start time and boot is not."""

    pid: int
    started: int  # clock ticks since boot, field 22 of /proc/PID/stat
    boot: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The identity of a running process; None without one, or for a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()  # the command name before it may hold spaces and parentheses
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]), boot)

    def alive(self) -> bool:
        """Whether exactly this process still runs."""
        return Identity.of(self.pid) == self

    def kill(self, number: signal.Signals) -> bool:
        """Signal exactly this process; False when it has ended.

        The pidfd prevents a race with a reused pid.
        """
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended; False when it still runs after `seconds`."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            return not self.alive() or bool(select.select([handle], [], [], seconds)[0])
        finally:
            os.close(handle)


def free_ports(count: int) -> list[int]:
    """`count` different loopback ports on which no process listens."""
    held: list[socket.socket] = []
    try:
        for port in random.sample(PORTS, len(PORTS)):
            candidate = socket.socket()
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                candidate.close()
                continue
            held.append(candidate)  # held until all are found, so that no port is returned twice
            if len(held) == count:
                return [int(bound.getsockname()[1]) for bound in held]
    finally:
        for bound in held:
            bound.close()
    raise SandboxError(
        f"No {count} free ports on 127.0.0.1 between {PORTS.start} and {PORTS.stop - 1}. "
        "Stop a process that listens there."
    )


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock on a file.

    `waiting` is called once when another process holds it. The kernel releases the lock when its holder ends, also
    after a crash.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def wait_until(done: Callable[[], bool], seconds: float, pause: float = 0.05) -> bool:
    """Poll until `done`; False after `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, indented, for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        return f"  (no log: {error})"
    return "\n".join(f"  {line[:400]}" for line in lines[-count:]) or "  (the log is empty)"
