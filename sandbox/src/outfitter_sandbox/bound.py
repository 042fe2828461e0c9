"""Run a command that cannot outlive its parent: `python -I -S bound.py PARENT_PID COMMAND...`

Asks the Linux kernel to SIGKILL this process when the thread that started it ends, then becomes the command. A wrapper
and not a `preexec_fn`, because code between fork and exec can deadlock when the parent has threads.
Uses the standard library only and is run as a file, so that it starts in a few milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind to the parent, then exec."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died before we asked: nobody would signal us
        os._exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
