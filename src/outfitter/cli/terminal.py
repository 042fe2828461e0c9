"""Standard input, output and the terminal of this process, as the local ends of a command in a container."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
import threading
import tty
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import CancelledError
from typing import Final

_CHUNK: Final = 2**15


class Terminal:
    """Bytes as they are: no encoding, no line ends."""

    async def read(self) -> AsyncIterator[bytes]:
        """Yield standard input until its end. A thread reads: event loops cannot wait for files."""
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[bytes] = asyncio.Queue(maxsize=4)

        def read() -> None:
            # The loop may have ended meanwhile, also while data waits. The thread is a daemon, because nothing can
            # interrupt its read.
            with contextlib.suppress(RuntimeError, OSError, CancelledError):
                while True:
                    data = os.read(sys.stdin.fileno(), _CHUNK)
                    asyncio.run_coroutine_threadsafe(chunks.put(data), loop).result()
                    if not data:
                        return

        threading.Thread(target=read, name="stdin", daemon=True).start()
        while data := await chunks.get():
            yield data

    async def write(self, data: bytes, *, error: bool) -> None:
        """Write all data to standard output, or to standard error, in another thread: a pipe can be full."""
        await asyncio.to_thread(_write, sys.stderr.fileno() if error else sys.stdout.fileno(), data)

    async def sizes(self) -> AsyncIterator[tuple[int, int]]:
        """Yield columns and rows: now, and after each change."""
        changed = asyncio.Event()
        changed.set()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, changed.set)
        try:
            while True:
                await changed.wait()
                changed.clear()
                size = os.get_terminal_size(sys.stdin.fileno())
                yield size.columns, size.lines
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def is_interactive() -> bool:
    """Return whether a user types and reads here."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextlib.contextmanager
def raw_mode() -> Iterator[None]:
    """Pass each key on at once, also Ctrl-C, for this block. The terminal of the container interprets them."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
