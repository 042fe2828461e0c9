"""Run a command that cannot outlive its parent.

`python -I -S bound.py PARENT_PID COMMAND...`

Sets the parent-death signal of Linux (SIGKILL when the thread that started this process ends), then executes the
command. A `preexec_fn` does not work: code between fork and exec can deadlock when the parent has threads.
The file uses the standard library only, so that it starts in a few milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Set the parent-death signal, then execute the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it ended before prctl: no signal would come
        os._exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
